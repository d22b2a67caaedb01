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
from tagseg.ops.region_affinity import INFLATION, POWER, RegionSharing, region_features, region_transition


@dataclass(frozen=True, slots=True, eq=False)
class RegionTransitions:
    """Looks at images and says how much each of their regions listens to every other.

    The features are those at stride 8, where a network still tells textures and colours apart and does not yet know
    classes; a network of one resolution, such as a ViT, gives its last ones.

    Args:
        backbone: on its device.
        power: see :func:`tagseg.ops.region_affinity.region_transition`.
        rounds, inflation: see :class:`tagseg.ops.region_affinity.RegionSharing`.

    >>> from tagseg.models.backbone import build_backbone
    >>> transitions = RegionTransitions(build_backbone("test_resnet", weights=None))
    >>> regions = torch.zeros(64, 48, dtype=torch.long)
    >>> [sharing.transition.tolist() for sharing in transitions(torch.zeros(1, 3, 64, 48), [regions])]
    [[[1.0]]]
    """

    backbone: Backbone
    power: float = POWER
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
            features = self.backbone.fine_features(images).float()
        transitions = [self._transition(each, of_image) for each, of_image in zip(features, regions, strict=True)]
        return [RegionSharing(each, self.rounds, self.inflation) for each in transitions]

    def _transition(self, features: Float[Tensor, "D h w"], regions: Int64[Tensor, "H W"]) -> Float[Tensor, "_ _"]:
        regions = regions.to(features.device)
        sizes = torch.bincount(regions[regions >= 0], minlength=1)
        means = region_features(features, regions, num_regions=len(sizes))
        # A table of 64 x 64 in double precision, which Apple's GPU does not have.
        return region_transition(means.cpu(), sizes.to(means).cpu(), power=self.power)
