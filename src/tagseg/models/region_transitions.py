"""A frozen network that says what each region of an image looks like, for region affinity.

Axes: N images, D channels, H W image pixels, R regions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from tagseg.models.backbone import Backbone
from tagseg.models.mode import evaluation_mode
from tagseg.ops.region_affinity import (
    INFLATION,
    POWER,
    RegionSharing,
    border_lengths,
    object_prior,
    region_colors,
    region_features,
    region_likeness,
    region_transition,
)

FINE_STRIDE = 8
"""Image pixels per cell of the features, where a network has such."""


@dataclass(frozen=True, slots=True, eq=False)
class RegionTransitions:
    """Looks at images and says how much each of their regions listens to every other.

    The features are those at stride 8, where a network still tells textures and colours apart and does not yet know
    classes; a network of one resolution, such as a ViT, gives its last ones.

    Args:
        backbone: on its device.
        power, color_sigma: see :func:`tagseg.ops.region_affinity.region_likeness`.
        border_sigma: see :func:`tagseg.ops.region_affinity.object_prior`; None leaves the prior out.
        rounds, inflation: see :class:`tagseg.ops.region_affinity.RegionSharing`.

    >>> from tagseg.models.backbone import build_backbone
    >>> transitions = RegionTransitions(build_backbone("test_resnet", weights=None))
    >>> regions = torch.zeros(64, 48, dtype=torch.long)
    >>> [sharing.transition.tolist() for sharing in transitions(torch.zeros(1, 3, 64, 48), [regions])]
    [[[1.0]]]
    """

    backbone: Backbone
    power: float = POWER
    color_sigma: float | None = None
    border_sigma: float | None = None
    rounds: int = 1
    inflation: float = INFLATION

    def __call__(
        self, images: Float[Tensor, "N 3 H W"], regions: Sequence[Int64[Tensor, "H W"]]
    ) -> list[RegionSharing]:
        """Return how the regions of each image share their scores.

        Args:
            images: normalised by the backbone's mean and standard deviation, on its device.
            regions: 0..R-1 of each image, on any device.

        Returns:
            One an image; the transition (R, R) on the CPU, float32.
        """
        with torch.no_grad(), evaluation_mode(self.backbone):
            features = self.backbone.features_at(images, FINE_STRIDE).float()
        return [self._sharing(*of_image) for of_image in zip(images, features, regions, strict=True)]

    def _sharing(
        self, pixels: Float[Tensor, "3 H W"], features: Float[Tensor, "D h w"], regions: Int64[Tensor, "H W"]
    ) -> RegionSharing:
        """Return how the regions of one image share; tables of 64 x 64, made on the CPU in double precision."""
        regions = regions.cpu()
        sizes = torch.bincount(regions[regions >= 0], minlength=1)
        num_regions, colors = len(sizes), None
        if self.color_sigma is not None:
            std, mean = (
                torch.tensor(each).to(pixels)[:, None, None] for each in (self.backbone.std, self.backbone.mean)
            )
            colors = region_colors((pixels * std + mean).clamp(0, 1), regions, num_regions=num_regions)
        means = region_features(features, regions, num_regions=num_regions)
        likeness = region_likeness(means, power=self.power, colors=colors, color_sigma=self.color_sigma)
        prior = None
        if self.border_sigma is not None:
            borders = border_lengths(regions, num_regions=num_regions)
            prior = object_prior(likeness, sizes, borders, sigma=self.border_sigma)
        return RegionSharing(region_transition(likeness, sizes), self.rounds, self.inflation, prior)
