"""Pixel-adaptive refinement: scores flow again and again from a pixel's neighbours, most from those of its colour.

Axes: L labels, H W pixels, P neighbours: 8 of each dilation, a dilation being their distance in rows and columns.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from numpy import ndarray
from torch import Tensor
from torch.nn import functional

from tagseg.errors import RecipeError
from tagseg.refine.refinement import LabelScores, Refiner
from tagseg.types import Image, ImageRecord

TILE_SIDE_PX = 1536
"""Larger images go through in tiles, so that the P weights a pixel take less than a gigabyte at any size."""

Tile = tuple[slice, slice, slice]


@dataclass(frozen=True, slots=True)
class PixelAdaptiveSettings:
    """How far scores flow and what holds them back.

    Args:
        dilations: distances of the neighbours in pixels, each at least 1, none twice.
        iterations: how often the scores are averaged, at least 0; 0 changes nothing.
        colour_scale: differences of colour or position count as large from this many standard deviations on, above 0.
        position_weight: weight of nearness against likeness of colour, at least 0.

    Raises:
        RecipeError: when a number is out of range.

    >>> PixelAdaptiveSettings(dilations=(1,)).offsets[:3]
    ((-1, -1), (-1, 0), (-1, 1))
    """

    dilations: tuple[int, ...] = (1, 2, 4, 8, 12, 24)
    iterations: int = 10
    colour_scale: float = 0.3
    position_weight: float = 0.01

    def __post_init__(self) -> None:
        if not self.dilations or min(self.dilations) < 1 or len(set(self.dilations)) < len(self.dilations):
            raise RecipeError(
                f"pixel-adaptive dilations are different and at least 1 px, got {list(self.dilations)}",
                help="take AFA's 1, 2, 4, 8, 12, 24",
            )
        if self.iterations < 0:
            raise RecipeError(
                f"pixel-adaptive iterations are at least 0, got {self.iterations}", help="take 10, or 0 for none"
            )
        if not 0 < self.colour_scale < math.inf:
            raise RecipeError(f"pixel-adaptive colour_scale is above 0, got {self.colour_scale}", help="take AFA's 0.3")
        if not 0 <= self.position_weight < math.inf:
            raise RecipeError(
                f"pixel-adaptive position_weight is at least 0, got {self.position_weight}",
                help="take AFA's 0.01",
            )

    @property
    def offsets(self) -> tuple[tuple[int, int], ...]:
        """(dy, dx) of each of the P neighbours in pixels."""
        steps = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)]
        return tuple((dy * dilation, dx * dilation) for dilation in self.dilations for dy, dx in steps)


@dataclass(frozen=True, slots=True)
class PixelAdaptive:
    """Averages the scores over neighbours of like colour, see :func:`pixel_adaptive`.

    Args:
        settings: neighbours, iterations and scales.

    >>> PixelAdaptive()(np.zeros((1, 1, 3), np.uint8), torch.tensor([[[0.5]], [[0.75]]])).argmax(dim=0).tolist()
    [[1]]
    """

    settings: PixelAdaptiveSettings = field(default_factory=PixelAdaptiveSettings)

    def prepare(self, images: Sequence[Image], records: Sequence[ImageRecord]) -> Sequence[Refiner]:
        """Return this for each image: it needs to know nothing of them."""
        return [self] * len(images)

    def __call__(self, image: Image, scores: LabelScores) -> LabelScores:
        """Return the averaged scores."""
        return scores if len(scores) == 1 else pixel_adaptive(image, scores, settings=self.settings)


def pixel_adaptive(
    image: UInt8[ndarray, "H W 3"],
    scores: Float32[Tensor, "L H W"],
    *,
    settings: PixelAdaptiveSettings,
    tile_side_px: int = TILE_SIDE_PX,
) -> Float32[Tensor, "L H W"]:
    """Average every pixel's scores over its neighbours, weighted by likeness, some times over.

    ``scores <- sum_p weight_p * scores(neighbour p)``, with the weights of :func:`neighbour_weights`

    Source: pixel-adaptive refinement of AFA (Ru et al., CVPR 2022), used by ToCo (Ru et al., CVPR 2023) too; the
    defaults are their release's. Outside the image lie copies of its border.

    Args:
        image: RGB, 0..255.
        scores: of any range; the result lies on their device.
        settings: neighbours, iterations and scales.
        tile_side_px: a larger image is refined in tiles of this side, at least 1.

    Returns:
        Scores between the smallest and the largest of their label; a constant map stays as it is.

    >>> image = np.array([[[0] * 3] * 3 + [[255] * 3] * 3], np.uint8)
    >>> scores = torch.tensor([[[1.0, 0.0, 1.0, 0.0, 0.0, 0.0]]])
    >>> refined = pixel_adaptive(image, scores, settings=PixelAdaptiveSettings(dilations=(1, 2), iterations=3))
    >>> (refined > 0.5).int().tolist()
    [[[1, 1, 1, 0, 0, 0]]]
    """
    pixels = torch.tensor(np.ascontiguousarray(image), device=scores.device).permute(2, 0, 1)
    refined = torch.empty_like(scores)
    # No score flows farther than the halo, so the seams of the tiles do not show.
    halo_px = settings.iterations * max(settings.dilations)
    for around, inside, within in _tiles(scores.shape[1:], halo_px=halo_px, side_px=tile_side_px):
        refined[inside] = _refine(pixels[around].float(), scores[around], settings)[within]
    return refined


def neighbour_weights(pixels: Float32[Tensor, "3 H W"], *, settings: PixelAdaptiveSettings) -> Float32[Tensor, "P H W"]:
    """Return how much each pixel listens to each of its neighbours.

    ``weight = (softmax_p(-mean_rgb((difference / (scale * deviation))^2)) + w * softmax_p(-(distance / (scale *
    deviation))^2)) / (1 + w)``, each deviation over the pixel's P neighbours: of a colour channel, or of the distances.

    Source: AFA (see :func:`pixel_adaptive`). Departures: divided by ``1 + w``, so that constants are fixed points; in
    the release all scores grow by ``1 + w`` an iteration, which changes no arg-max. And a channel in which all
    neighbours are alike says nothing; the release divides it by 1e-8 and loses the other channels in the rounding.

    Args:
        pixels: whole numbers in 0..255.
        settings: neighbours and scales.

    Returns:
        Positive or, for a hopeless neighbour, 0; they sum to 1 over the neighbours.

    >>> weights = neighbour_weights(torch.zeros(3, 1, 1), settings=PixelAdaptiveSettings(position_weight=0.0))
    >>> weights.shape, weights.unique().tolist() == [torch.tensor(1 / 48).item()]
    (torch.Size([48, 1, 1]), True)
    """
    offsets, scale = settings.offsets, settings.colour_scale
    padded = _replicate(pixels, max(settings.dilations))
    total, squares, difference = torch.zeros_like(pixels), torch.zeros_like(pixels), torch.empty_like(pixels)
    for offset in offsets:
        torch.sub(_shifted(padded, offset, pixels), pixels, out=difference)
        total += difference
        squares.addcmul_(difference, difference)
    # The sums are whole numbers below 2^24, exact in float32. Their products round, for 48 neighbours by less than 16
    # where unlike neighbours make at least 47 of the difference, and to the same number where all are alike.
    count = len(offsets)
    variance = (count * squares - total.square()) / (count * (count - 1))
    precision = torch.where(variance > 0, 1 / (3 * scale**2 * variance), 0)
    weights = pixels.new_empty(count, *pixels.shape[1:])
    for weight, offset in zip(weights, offsets, strict=True):
        torch.sub(_shifted(padded, offset, pixels), pixels, out=difference)
        torch.sum(difference.square_().mul_(precision), dim=0, out=weight)
    # A softmax in place: these P maps are the memory that the whole refinement needs.
    weights.sub_(weights.amin(dim=0)).neg_().exp_()
    weights.div_(weights.sum(dim=0))
    distances = pixels.new_tensor([math.hypot(*offset) for offset in offsets])
    nearness = torch.softmax(-((distances / (scale * distances.std())) ** 2), dim=0)
    return weights.add_(settings.position_weight * nearness[:, None, None]).div_(1 + settings.position_weight)


def _refine(
    pixels: Float32[Tensor, "3 H W"], scores: Float32[Tensor, "L H W"], settings: PixelAdaptiveSettings
) -> Float32[Tensor, "L H W"]:
    """Refine the scores of one tile."""
    if not settings.iterations:
        return scores
    weights = neighbour_weights(pixels, settings=settings)
    for _ in range(settings.iterations):
        padded = _replicate(scores, max(settings.dilations))
        scores = torch.zeros_like(scores)
        # One shifted view at a time: all of them side by side would take P times the memory of the scores.
        for weight, offset in zip(weights, settings.offsets, strict=True):
            scores.addcmul_(_shifted(padded, offset, weight), weight)
    return scores


def _replicate(maps: Float32[Tensor, "D H W"], reach_px: int) -> Float32[Tensor, "D H2 W2"]:
    """Continue maps by their border on all sides."""
    return functional.pad(maps[None], (reach_px,) * 4, mode="replicate")[0]


def _shifted(
    padded: Float32[Tensor, "D H2 W2"], offset: tuple[int, int], like: Float32[Tensor, "... H W"]
) -> Float32[Tensor, "D H W"]:
    """View the neighbours at an offset in maps that were continued evenly beyond the size of ``like``."""
    height, width = like.shape[-2:]
    top = (padded.shape[1] - height) // 2 + offset[0]
    left = (padded.shape[2] - width) // 2 + offset[1]
    return padded[:, top : top + height, left : left + width]


def _tiles(size: tuple[int, ...], *, halo_px: int, side_px: int) -> Iterator[tuple[Tile, Tile, Tile]]:
    """Yield the tiles of an image: each with its halo, without it, and where the latter lies in the former."""
    rows, columns = (_spans(length, halo_px=halo_px, side_px=side_px) for length in size)
    whole = slice(None)
    for row_spans, column_spans in product(rows, columns):
        around, inside, within = ((whole, *spans) for spans in zip(row_spans, column_spans, strict=True))
        yield around, inside, within


def _spans(length: int, *, halo_px: int, side_px: int) -> list[tuple[slice, slice, slice]]:
    """Cut one axis into even parts, each as in :func:`_tiles`."""
    parts = math.ceil(length / side_px)
    cuts = [length * part // parts for part in range(parts + 1)]
    spans = []
    for start, stop in pairwise(cuts):
        first = max(start - halo_px, 0)
        around = slice(first, min(stop + halo_px, length))
        spans.append((around, slice(start, stop), slice(start - first, stop - first)))
    return spans
