"""Region affinity as a refinement of maps: superpixels that look alike share their scores.

Axes: C classes of one image, H W pixels, R regions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64, Integer
from numpy import ndarray
from torch import Tensor

from tagseg.data.augment import normalize_image
from tagseg.data.seen_files import read_regions
from tagseg.models.region_transitions import RegionTransitions
from tagseg.ops.region_affinity import RegionSharing
from tagseg.ops.regions import paint_regions, region_mean
from tagseg.refine.refinement import LabelScores, Refiner
from tagseg.types import Image, ImageRecord


@dataclass(frozen=True, slots=True, eq=False)
class SharedRegions:
    """Looks at images, and lets the maps of each spread from region to region where these look alike.

    A refinement of the maps of the classes, before the background is cut off.

    Args:
        transitions: with a network on its device.
        read_regions: reads the regions 0..R-1 of an image file.
    """

    transitions: RegionTransitions
    read_regions: Callable[[Path], Integer[ndarray, "H W"]]

    def prepare(self, images: Sequence[Image], records: Sequence[ImageRecord]) -> Sequence[Refiner]:
        """Return refiners that hold the regions of their image and how much they listen to each other."""
        backbone = self.transitions.backbone
        device = next(backbone.parameters()).device
        pixels = torch.stack([normalize_image(image, mean=backbone.mean, std=backbone.std) for image in images])
        found = [read_regions(record, self.read_regions) for record in records]
        regions = [torch.from_numpy(each.astype(np.int64)) for each in found]
        sharing = self.transitions(pixels.to(device), regions)
        return [SharedRegionsRefiner(*pair) for pair in zip(regions, sharing, strict=True)]


@dataclass(frozen=True, slots=True, eq=False)
class SharedRegionsRefiner:
    """Gives every region of an image the mean of those that look like it.

    Args:
        regions: 0..R-1.
        sharing: how they share their scores.

    >>> regions, transition = torch.tensor([[0, 0, 1]]), torch.tensor([[1.0, 0.0], [0.5, 0.5]])
    >>> refiner = SharedRegionsRefiner(regions, RegionSharing(transition))
    >>> refiner(np.zeros((1, 3, 3), np.uint8), torch.tensor([[[0.8, 0.8, 0.0]]]))
    tensor([[[1.0000, 1.0000, 0.5000]]])
    """

    regions: Int64[Tensor, "H W"]
    sharing: RegionSharing

    def __call__(self, image: Image, scores: LabelScores) -> LabelScores:
        """Return the maps of the classes, constant in each region, each with a peak of 1."""
        if not len(scores):
            return scores
        regions = self.regions.to(scores.device)[None]
        means = region_mean(scores[None], regions, num_regions=len(self.sharing.transition))[0]
        return paint_regions(self.sharing(means)[None], regions)[0]
