"""Label probabilities of whole images at their own resolution, from one or several scales and flips.

Axes: N images, K labels with background, H W image pixels, 3 RGB.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from tagseg.models.mode import evaluation_mode
from tagseg.ops.resize import resize_images, resize_maps
from tagseg.types import Image

RGB = tuple[float, float, float]

_STRIP_PIXELS = 8_192  # of each thread: 0.7 MB for 21 labels


class View(NamedTuple):
    """One way of showing an image to the network.

    Args:
        scale: factor of both sides, above 0.
        mirrored: left and right swapped.
    """

    scale: float = 1.0
    mirrored: bool = False

    def size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return (height, width) as the network sees them: each side times the scale, at least 1 px.

        >>> View(0.5).size((375, 500)), View(0.25).size((1, 9))
        ((188, 250), (1, 2))
        """
        return max(1, round(size[0] * self.scale)), max(1, round(size[1] * self.scale))


def views_of(scales: Sequence[float], *, flip: bool) -> tuple[View, ...]:
    """Return every scale, and with ``flip`` its mirror image too.

    >>> [tuple(view) for view in views_of((0.5, 1.0), flip=True)]
    [(0.5, False), (0.5, True), (1.0, False), (1.0, True)]
    """
    mirrorings = (False, True) if flip else (False,)
    return tuple(View(scale, mirrored) for scale in scales for mirrored in mirrorings)


def segment(
    network: nn.Module, images: Float[Tensor, "N 3 H W"], *, scales: Sequence[float] = (1.0,), flip: bool = False
) -> Float[Tensor, "N K H W"]:
    """Return the probability of every label at every pixel.

    ``p = mean over views v of softmax_k resize(logits(v(image)))``

    Source: DeepLab-v2 (Chen et al., TPAMI 2018, arXiv:1606.00915), experiments: several scales at test. Departures: the
    mean of probabilities is taken, not the maximum of scores, over scales and flips; every side keeps its proportion
    and is never squashed to a square.

    Args:
        network: gives logits (N, K, h, w) of any resolution for images (N, 3, H, W); run in evaluation mode, then put
            back.
        images: normalised by the network's mean and standard deviation, all of one size, on the network's device.
        scales: factors of the image's height and width, at least one, each above 0.
        flip: also look at the mirrored image.

    Returns:
        float32 in [0, 1], adding up to 1 over the labels, without gradient.

    >>> segment(nn.Conv2d(3, 5, kernel_size=1), torch.zeros(2, 3, 8, 6), scales=(0.5, 1.0), flip=True).shape
    torch.Size([2, 5, 8, 6])
    """
    with torch.no_grad(), evaluation_mode(network):
        return _mean_over_views(network, images, views_of(scales, flip=flip))


def label_images(
    network: nn.Module, images: Float[Tensor, "N 3 H W"], *, scales: Sequence[float] = (1.0,), flip: bool = False
) -> tuple[UInt8[Tensor, "N H W"], Float[Tensor, "N H W"]]:
    """Return the most probable label of every pixel and its probability; those of the other labels are not kept.

    Args:
        network: as in :func:`segment`, and so on.
        images: normalised.
        scales: factors of the image's height and width.
        flip: also look at the mirrored image.

    Returns:
        Labels, the lower id of two equally probable ones; probabilities in [0, 1].

    >>> labels, scores = label_images(nn.Conv2d(3, 5, kernel_size=1), torch.zeros(2, 3, 8, 6))
    >>> labels.shape, labels.dtype, bool((scores >= 1 / 5).all())
    (torch.Size([2, 8, 6]), torch.uint8, True)
    """
    views = views_of(scales, flip=flip)
    # On a CPU, an image alone stays in the cache, and its labels do not depend on which images share its batch.
    parts = images.split(1 if images.device.type == "cpu" else len(images))
    found = []
    with torch.no_grad(), evaluation_mode(network):
        for part in parts:
            if len(views) == 1:
                found.append(best_labels(_view_logits(network, part, views[0]), logits=True))
            else:
                found.append(best_labels(_mean_over_views(network, part, views), logits=False))
    labels, scores = zip(*found, strict=True)
    return torch.cat(labels), torch.cat(scores)


def best_labels(
    maps: Float[Tensor, "N K H W"], *, logits: bool
) -> tuple[UInt8[Tensor, "N H W"], Float[Tensor, "N H W"]]:
    """Return each pixel's best label and its probability, of probabilities or of logits.

    >>> labels, scores = best_labels(torch.tensor([[[[0.25, 0.5]], [[0.75, 0.5]]]]), logits=False)
    >>> labels.tolist(), scores.tolist()
    ([[[1, 0]]], [[[0.75, 0.5]]])
    """
    labels = maps.new_empty((len(maps), *maps.shape[2:]), dtype=torch.uint8)
    scores = torch.empty_like(labels, dtype=maps.dtype)
    # Twice as fast as ``max`` with its positions: of the labels that reach the maximum, the first has the highest rank.
    num_labels = maps.shape[1]
    ranks = torch.arange(num_labels, 0, -1, dtype=maps.dtype, device=maps.device)[:, None, None]
    # A CPU is faster on strips that stay in its cache; other devices want all at once.
    strip_pixels = _STRIP_PIXELS * torch.get_num_threads()
    rows = max(1, strip_pixels // maps.shape[3]) if maps.device.type == "cpu" else maps.shape[2]
    for image, label_map, score_map in zip(maps, labels, scores, strict=True):
        strips = (part.split(rows, dim=-2) for part in (image, label_map, score_map))
        for strip, label_strip, score_strip in zip(*strips, strict=True):
            probabilities = strip.softmax(dim=0) if logits else strip.clone()
            torch.amax(probabilities, dim=0, out=score_strip)
            label_strip.copy_(num_labels - probabilities.eq_(score_strip).mul_(ranks).amax(dim=0))
    return labels, scores


def view_probabilities(network: nn.Module, images: Float[Tensor, "N 3 H W"], view: View) -> Float[Tensor, "N K H W"]:
    """Return what the network says of one view, in the frame of the image."""
    return _view_logits(network, images, view).softmax(dim=1)


def normalize_images(images: Sequence[Image], *, mean: RGB, std: RGB, device: torch.device) -> Float[Tensor, "N 3 H W"]:
    """Return photographs of one size as a network takes them; a quarter of the bytes travels to the device.

    >>> photo, device = np.zeros((2, 5, 3), np.uint8), torch.device("cpu")
    >>> normalize_images([photo], mean=(0.5,) * 3, std=(0.25,) * 3, device=device).shape
    torch.Size([1, 3, 2, 5])
    """
    width = images[0].shape[1]
    # Channels stay the innermost axis in memory, the order in which convolutions compute; a row is one vector.
    rows = torch.from_numpy(np.stack(images)).to(device).flatten(2).float()
    center, spread = (rows.new_tensor(values).repeat(width) for values in (mean, std))
    rows = torch.addcmul(-center / spread, rows, 1 / (255 * spread))
    return rows.unflatten(2, (width, 3)).permute(0, 3, 1, 2)


def _mean_over_views(
    network: nn.Module, images: Float[Tensor, "N 3 H W"], views: Sequence[View]
) -> Float[Tensor, "N K H W"]:
    total = view_probabilities(network, images, views[0])
    for view in views[1:]:
        total += view_probabilities(network, images, view)
    return total if len(views) == 1 else total.div_(len(views))


def _view_logits(network: nn.Module, images: Float[Tensor, "N 3 H W"], view: View) -> Float[Tensor, "N K H W"]:
    size = (images.shape[2], images.shape[3])
    shown = resize_images(images, view.size(size))
    logits = network(shown.flip(-1) if view.mirrored else shown).float()
    return resize_maps(logits.flip(-1) if view.mirrored else logits, size)


def limit_labels(probabilities: Float[Tensor, "K H W"], label_ids: Sequence[int]) -> Float[Tensor, "K H W"]:
    """Return the probabilities of labels once it is known which ones an image can have: the others have 0.

    ``p(k | tags) = p(k) / sum of p over the label ids``; where that sum is 0, all are 0.

    Args:
        probabilities: of every label, in [0, 1].
        label_ids: those that remain, background among them.

    >>> limit_labels(torch.tensor([[[0.2]], [[0.5]], [[0.3]]]), (0, 2)).flatten().tolist()
    [0.4000000059604645, 0.0, 0.6000000238418579]
    """
    remaining = torch.zeros_like(probabilities)
    remaining[list(label_ids)] = probabilities[list(label_ids)]
    total = remaining.sum(dim=0)
    return remaining / total.clamp(min=torch.finfo(total.dtype).tiny)
