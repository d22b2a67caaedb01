"""Laws of class maps: their means are tag logits; they are normalised by their peak, and capped at a share of it.

Axes: N images, C classes, D feature channels, H W or h w rows and columns. A peak is the maximum over rows and columns.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

PEAK_FLOOR = 1e-5
"""Peaks below this count as this, so that a map of zeros stays zeros and no gradient explodes."""


def tag_logits(class_maps: Float[Tensor, "N C h w"], shares: Sequence[float] = (1.0,)) -> Float[Tensor, "N C"]:
    """Average each class map over the image, or over its strongest cells.

    logit_c = mean_hw(F_c), and with shares the mean over them of :func:`top_means`

    Source: SSC, class activation maps. The classifier is linear and bias-free, so the mean of all cells equals
    classifying the globally averaged features. The shares are ours.

    Args:
        class_maps: F, unbounded.
        shares: of the cells that count, the strongest first, each above 0 and at most 1.

    Returns:
        Unbounded logits; a sigmoid makes them probabilities.

    >>> tag_logits(torch.tensor([[[[1.0, 3.0]]]])).tolist()
    [[2.0]]
    """
    return top_means(class_maps, shares).mean(dim=0)


def top_means(class_maps: Float[Tensor, "N C h w"], shares: Sequence[float]) -> Float[Tensor, "S N C"]:
    """Average the strongest cells of each class map, for each of S shares of its cells.

    ``mean of the k largest of F_c``, with k = the share of the h * w cells, rounded, and at least 1

    A mean of all cells hides an object that covers few of them.

    Args:
        class_maps: F, unbounded.
        shares: each above 0 and at most 1; 1 takes all cells.

    >>> top_means(torch.tensor([[[[1.0, 3.0, 2.0, 0.0]]]]), (0.25, 0.5, 1.0)).flatten().tolist()
    [3.0, 2.5, 1.5]
    """
    return torch.stack([_top_mean(class_maps, share) for share in shares])


def _top_mean(class_maps: Float[Tensor, "N C h w"], share: float) -> Float[Tensor, "N C"]:
    if share == 1:
        return class_maps.mean(dim=(-2, -1))
    cells = class_maps.flatten(2)
    return cells.topk(max(1, round(share * cells.shape[2])), dim=2).values.mean(dim=2)


def spatial_peak(maps: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C 1 1"]:
    """Return the maximum of every map over its pixels, ``max_hw(x)``; tied pixels share the gradient evenly.

    >>> spatial_peak(torch.tensor([[[[1.0, -3.0]]]])).item()
    1.0
    """
    return maps.amax(dim=(2, 3), keepdim=True)


def max_normalize(maps: Float[Tensor, "N C H W"], *, eps: float = PEAK_FLOOR) -> Float[Tensor, "N C H W"]:
    """Turn class maps into class activation maps: keep what speaks for the class, divide by its peak.

    ``A = relu(F) / max(max_hw(relu(F)), eps)``

    Source: SSC, the definition of the CAM. Departure: the floor ``eps``, which makes a map without positive value zero
    everywhere; every map whose peak exceeds it reaches exactly 1.

    Args:
        maps: class maps of any sign and scale.
        eps: the smallest peak that is divided by, above 0, in the unit of the maps.

    Returns:
        Maps in [0, 1]. The gradient flows through the peak too.

    >>> max_normalize(torch.tensor([[[[-1.0, 1.0, 4.0]]], [[[-1.0, -2.0, -4.0]]]])).flatten(1).tolist()
    [[0.0, 0.25, 1.0], [0.0, 0.0, 0.0]]
    """
    positive = maps.relu()
    return positive / spatial_peak(positive).clamp_min(eps)


def object_and_background_maps(
    class_maps: Float[Tensor, "N C h w"], tags: Float[Tensor, "N C"], *, eps: float = PEAK_FLOOR
) -> Float[Tensor, "N C_1 h w"]:
    """Return the activation maps of an image's own classes, and as the last one what no class claims.

    ``A_c = relu(F_c) t_c / max_hw(relu(F_c) t_c)``, ``A_bg = 1 - max_c A_c``

    Source: ours. Among raw maps those of the untagged classes, which say nothing of where an object is, carry four
    fifths of the reconstruction's gradient; and nothing in them tells a map that floods the image from one that does
    not.

    Args:
        class_maps: raw maps.
        tags: t, 1 where the image shows the class, else 0.
        eps: the smallest peak that is divided by.

    Returns:
        C + 1 maps in [0, 1]. The peak is a constant: a map may sink as a whole. Untagged maps receive no gradient.

    >>> maps = torch.tensor([[[[4.0, 1.0, 0.0]], [[9.0, 9.0, 9.0]]]])
    >>> object_and_background_maps(maps, torch.tensor([[1.0, 0.0]]))[0, :, 0].tolist()
    [[1.0, 0.25, 0.0], [0.0, 0.0, 0.0], [0.0, 0.75, 1.0]]
    """
    positive = class_maps.relu() * tags[:, :, None, None]
    own = positive / spatial_peak(positive).detach().clamp_min(eps)
    return torch.cat([own, 1 - own.amax(dim=1, keepdim=True)], dim=1)


def suppress(features: Float[Tensor, "N D H W"], *, delta: float) -> Float[Tensor, "N D H W"]:
    """Cap every feature channel at a share of its own peak, so that the next-best parts gain weight.

    ``DRS(x) = min(relu(x), delta * max_hw(relu(x)))``

    Source: SSC, attention expansion, after discriminative region suppression (Kim et al., AAAI 2021).

    Args:
        features: features of any sign.
        delta: share of the peak that is kept, in [0, 1]; 1 keeps everything that is positive.

    Returns:
        Features in [0, delta * peak]. A capped pixel passes no gradient of its own; the peak receives ``delta`` of it.

    >>> suppress(torch.tensor([[[[0.0, 1.0], [2.0, 4.0]]]]), delta=0.5).flatten().tolist()
    [0.0, 1.0, 2.0, 2.0]
    """
    positive = features.relu()
    return torch.minimum(positive, delta * spatial_peak(positive))
