"""CAM-driven reconstruction, ``L_p``: an image rebuilt from the class maps must look like the image (coarse structure).

Axes: N images, C classes, D feature channels, h w rows and columns; one tensor a level of the perceptual network.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tagseg.errors import RecipeError
from tagseg.ops.activation import object_and_background_maps
from tagseg.ops.resize import reconstruction_target

CONTRAST_FLOOR = 0.1
"""Least contrast of a level, as a share of its mean magnitude: a flat image would be divided by nothing."""


def feature_contrast(features: Float[Tensor, "N D h w"]) -> Float[Tensor, " N"]:
    """Return each image's mean absolute deviation from the spatial means of its channels, never nothing.

    ``max(mean |t - mean_hw(t)|, 0.1 * mean |t|)``: the L1 error of guessing each channel's mean everywhere.

    >>> round(feature_contrast(torch.tensor([[[[0.0, 2.0]]], [[[5.0, 5.0]]]]))[1].item(), 4)
    0.5
    """
    deviation = (features - features.mean(dim=(2, 3), keepdim=True)).abs().mean(dim=(1, 2, 3))
    return deviation.maximum(CONTRAST_FLOOR * features.abs().mean(dim=(1, 2, 3))).clamp_min(1e-5)


def perceptual_loss(
    predicted: Sequence[Float[Tensor, "N _ _ _"]],
    target: Sequence[Float[Tensor, "N _ _ _"]],
    *,
    weights: Sequence[float],
    normalize: bool,
) -> Float[Tensor, ""]:
    """Measure how much a rebuilt image differs from the image in the eyes of a frozen network.

    ``L_p = sum_l w_l mean |phi_l(rebuilt) - phi_l(image)|``, normalised:
    ``sum_l w_l / sum(w) * mean_n (mean |phi_l(rebuilt) - phi_l(image)| / contrast_n)``

    Source: SSC, CAM-driven reconstruction; ``normalize=False`` is the paper's. Departure: normalised, every level
    counts relative to the contrast of the image's own features, so that a constant guess scores about 1 and ``beta_p``
    means the same for every perceptual network.

    Args:
        predicted: features of the rebuilt image, one tensor a level.
        target: features of the image, same shapes; no gradient passes.
        weights: one non-negative weight a level.
        normalize: divide each level by its contrast and the weights by their sum.

    Returns:
        A float32 scalar, at least 0.

    Raises:
        RecipeError: when the number of weights differs from that of the levels, one is negative, or all are 0.

    >>> image, flat = torch.tensor([[[[0.0, 2.0]]]]), torch.tensor([[[[1.0, 1.0]]]])
    >>> perceptual_loss([flat], [image], weights=[3.0], normalize=True).item()
    1.0
    >>> perceptual_loss([flat], [image], weights=[3.0], normalize=False).item()
    3.0
    """
    _check_weights(weights, num_levels=len(target))
    shares = [weight / sum(weights) for weight in weights] if normalize else weights
    total = target[0].new_zeros((), dtype=torch.float32)
    for share, rebuilt, image in zip(shares, predicted, target, strict=True):
        fixed = image.detach().float()
        error = (rebuilt.float() - fixed).abs().mean(dim=(1, 2, 3))
        total = total + share * (error / feature_contrast(fixed) if normalize else error).mean()
    return total


@dataclass(frozen=True, slots=True)
class ReconstructionTerm:
    """``L_p`` as a term: how far the image rebuilt from the class maps is from the image, in a pyramid's features.

    Departure from SSC, which the ``release`` preset takes back: the image is rebuilt at ``1 / target_stride`` of its
    size, since class maps of stride 16 hold no finer structure than that.

    Args:
        decoder: what it rebuilds the image from, (N, C, h, w) or (N, C + 1, h, w), and an image size to an image
            (N, 3, H, W), normalised as the input is; it learns with the term.
        pyramid: image (N, 3, H, W) to a list of feature maps, frozen.
        level_weights: one weight a level of the pyramid.
        target_stride: the decoder rebuilds the image at ``1 / target_stride`` of its size.
        normalize: whether each level's distance is relative to its target's own contrast.
        maps: ``raw`` (the paper's: all C class maps as they are) or ``tagged``, see
            :func:`tagseg.ops.activation.object_and_background_maps`.
        beta: weight of the term's gradient on the class maps, 0 or more.
        balance: whether ``beta`` is relative to the classification's gradient.
        first_epoch: the epoch, from 0, at which it starts.
    """

    name: ClassVar[str] = "reconstruction"
    decoder: nn.Module
    pyramid: nn.Module
    level_weights: tuple[float, ...]
    target_stride: int
    normalize: bool
    maps: Literal["raw", "tagged"]
    beta: float
    balance: bool
    first_epoch: int = 0

    def __call__(self, class_maps: Float[Tensor, "N C h w"], batch: Mapping[str, Tensor]) -> Float[Tensor, ""]:
        """Return ``L_p`` of a batch with ``image`` (N, 3, S, S) and ``tags`` (N, C)."""
        target = reconstruction_target(batch["image"], target_stride=self.target_stride)
        given = class_maps if self.maps == "raw" else object_and_background_maps(class_maps, batch["tags"])
        rebuilt = self.decoder(given, size=(target.shape[-2], target.shape[-1]))
        with torch.no_grad():
            target_features = self.pyramid(target)
        return perceptual_loss(
            self.pyramid(rebuilt), target_features, weights=self.level_weights, normalize=self.normalize
        )


def _check_weights(weights: Sequence[float], *, num_levels: int) -> None:
    if len(weights) != num_levels:
        raise RecipeError(
            f"perceptual weights are one a level, got {len(weights)} for {num_levels} levels",
            help=f"give {num_levels} weights",
        )
    if min(weights) < 0 or sum(weights) == 0:
        raise RecipeError(
            f"perceptual weights are at least 0 and not all 0, got {list(weights)}",
            help="take 1/32, 1/16, 1/8, 1/4, 1, or leave the reconstruction out with beta_p = 0",
        )
