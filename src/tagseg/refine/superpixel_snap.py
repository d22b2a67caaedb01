"""Superpixel snap: every region of the image takes the label that most of its pixels have.

Axes: L labels with background first, H W pixels, R regions. Region -1 is not a region.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64, Integer
from numpy import ndarray
from torch import Tensor

from tagseg.data.seen_files import read_regions
from tagseg.errors import DataError
from tagseg.ops.regions import paint_regions, region_mean
from tagseg.refine.pseudo_mask import winning_labels
from tagseg.refine.refinement import LabelScores, Refiner
from tagseg.types import Image, ImageRecord


@dataclass(frozen=True, slots=True, eq=False)
class SuperpixelMajority:
    """Gives each superpixel of an image the label that most of its pixels have.

    Args:
        read_regions: returns the region of every pixel of an image file, -1 where it has none.
    """

    read_regions: Callable[[Path], Integer[ndarray, "H W"]]

    def prepare(self, images: Sequence[Image], records: Sequence[ImageRecord]) -> Sequence[Refiner]:
        """Return refiners that hold the superpixels of their image."""
        regions = [read_regions(record, self.read_regions) for record in records]
        return [SuperpixelSnap(each) for each in regions]


@dataclass(frozen=True, slots=True, eq=False)
class SuperpixelSnap:
    """Gives each region of one image the label that most of its pixels have, see :func:`snap_scores`.

    Args:
        regions: region of every pixel, -1 where it has none.

    >>> scores = torch.tensor([[[0.5, 0.5, 0.5, 0.5]], [[0.0, 0.9, 0.8, 0.1]]])
    >>> snap = SuperpixelSnap(np.array([[0, 1, 1, 1]]))
    >>> snap(np.zeros((1, 4, 3), np.uint8), scores).argmax(dim=0).tolist()
    [[0, 1, 1, 1]]
    """

    regions: Integer[ndarray, "H W"]

    def __call__(self, image: Image, scores: LabelScores) -> LabelScores:
        """Return each label's share of the pixel's region, or raise :class:`DataError` when the sizes differ."""
        if self.regions.shape != scores.shape[1:]:
            raise DataError(
                f"superpixels must have the size of the image, {tuple(scores.shape[1:])}, got {self.regions.shape}",
                help="delete the stored superpixels and compute them from this image again",
            )
        if len(scores) == 1:
            return scores
        regions = torch.tensor(np.ascontiguousarray(self.regions), dtype=torch.int64, device=scores.device)
        return snap_scores(scores, regions)


def snap_scores(scores: Float[Tensor, "L H W"], regions: Int64[Tensor, "H W"]) -> Float[Tensor, "L H W"]:
    """Replace scores by the share of each region's pixels that a label wins.

    ``snapped_l(p) = |{q in r(p): argmax scores(q) = l}| / |r(p)|``

    Source: ours; the vote that region-based segmentation has always used.

    Args:
        scores: of any scale; the first of equal labels wins a pixel.
        regions: region of every pixel, or -1.

    Returns:
        Shares that sum to 1 over the labels, constant inside each region: their arg-max is the region's majority. Equal
        counts give equal shares, so there too the first label wins. A pixel without region votes for itself alone.

    >>> scores = torch.tensor([[[0.3, 0.3, 0.3, 0.3]], [[0.9, 0.8, 0.1, 0.7]]])
    >>> snap_scores(scores, torch.tensor([[0, 0, 0, -1]]))[1]
    tensor([[0.6667, 0.6667, 0.6667, 1.0000]])
    """
    votes = torch.zeros_like(scores).scatter_(0, winning_labels(scores)[None], 1)
    num_regions = max(int(regions.max()) + 1, 1)
    shares = region_mean(votes[None], regions[None], num_regions=num_regions)
    return torch.where(regions >= 0, paint_regions(shares, regions[None])[0], votes)
