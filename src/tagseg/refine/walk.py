"""The affinity walk as a refinement of maps: a network predicts boundaries, and the maps spread up to them.

Axes: C classes of one image, H W pixels, h w cells at stride 4.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float32
from torch import Tensor

from tagseg.data.augment import normalize_image
from tagseg.models.affinity import AffinityNetwork, predict_boundary
from tagseg.refine.random_walk import walk_cam
from tagseg.refine.refinement import LabelScores, Refiner
from tagseg.types import Image, ImageRecord


@dataclass(frozen=True, slots=True)
class WalkSettings:
    """How maps walk.

    Args:
        radius: two cells closer than this are a pair.
        beta: power of the affinities.
        doublings: 2^doublings steps.
        share: of the walked maps in their mean with the maps that walked, in [0, 1]; 1 is IRN's.
    """

    radius: int = 5
    beta: float = 10.0
    doublings: int = 8
    share: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """Looks for the boundaries in images, and lets their maps walk up to these.

    A refinement of the maps of the classes, before the background is cut off.

    Args:
        network: trained, on its device.
        settings: of the walk.
    """

    network: AffinityNetwork
    settings: WalkSettings

    def prepare(self, images: Sequence[Image], records: Sequence[ImageRecord]) -> Sequence[Refiner]:
        """Return walkers that hold the boundaries of their image, all predicted in one batch."""
        backbone, device = self.network.backbone, self.network.mean_displacement.device
        pixels = torch.stack([normalize_image(image, mean=backbone.mean, std=backbone.std) for image in images])
        return [WalkRefiner(boundary, self.settings) for boundary in predict_boundary(self.network, pixels.to(device))]


@dataclass(frozen=True, slots=True, eq=False)
class WalkRefiner:
    """Lets the maps of an image walk up to its boundaries, see :func:`walk_cam` and :func:`mean_with_walked`.

    Args:
        boundary: in [0, 1], 1 on a boundary, at stride 4.
        settings: of the walk.

    >>> import numpy as np
    >>> maps = torch.zeros(1, 48, 48)
    >>> maps[0, 20:28, 20:28] = 1.0
    >>> walked = WalkRefiner(torch.zeros(12, 12), WalkSettings())(np.zeros((48, 48, 3), np.uint8), maps)
    >>> bool((walked > 0.25).all())
    True
    """

    boundary: Float32[Tensor, "h w"]
    settings: WalkSettings

    def __call__(self, image: Image, scores: LabelScores) -> LabelScores:
        """Return the mean of the maps of the classes and of the walked ones."""
        walk, boundary = self.settings, self.boundary.to(scores.device)
        walked = walk_cam(scores, boundary, radius=walk.radius, beta=walk.beta, doublings=walk.doublings)
        return mean_with_walked(scores, walked, share=walk.share)


def mean_with_walked(maps: LabelScores, walked: LabelScores, *, share: float) -> LabelScores:
    """Return the mean of maps before and after the walk: where it leaks out of a part of an object, the maps have it.

    ``share * walked + (1 - share) * maps``

    Args:
        maps: as they walked.
        walked: the same after the walk.
        share: of the walked ones, in [0, 1]; 1 is IRN's.

    >>> mean_with_walked(torch.full((1, 1, 1), 0.5), torch.ones(1, 1, 1), share=0.5).item()
    0.75
    """
    return walked if share == 1 else maps.lerp(walked, share)
