"""Region affinity: regions that look alike share what the maps say of them.

Axes: C classes of one image, D feature channels, h w feature cells, H W image pixels, R regions.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from tagseg.ops.activation import PEAK_FLOOR
from tagseg.ops.regions import region_mean
from tagseg.ops.resize import resize_maps

POWER = 3.0
"""How fast the affinity of two regions falls with the angle between their features."""

INFLATION = 1.5
"""Power to which scores are raised between two rounds of sharing."""

CHANNELS_AT_ONCE = 32
"""Feature channels that are brought to image size together: all 384 of a ViT would take 0.3 GB a photograph."""


def region_features(
    features: Float[Tensor, "D h w"], regions: Int64[Tensor, "H W"], *, num_regions: int
) -> Float[Tensor, "R D"]:
    """Return each region's mean feature, minus the mean over the image.

    ``f_r = mean_{p in r} phi(p) - mean_p phi(p)``

    Source: ours. The mean is what all regions share, light and camera; without it every pair of regions looks alike.

    Args:
        features: of the whole image; brought to the size of the regions bilinearly.
        regions: region of every pixel, -1..R-1; pixels of -1 count nowhere.
        num_regions: R, at least 1.

    >>> region_features(torch.tensor([[[1.0, 3.0]]]), torch.tensor([[0, 1]]), num_regions=2)
    tensor([[-1.],
            [ 1.]])
    """
    size = (regions.shape[0], regions.shape[1])
    parts = [
        region_mean(resize_maps(part[None], size), regions[None], num_regions=num_regions)[0]
        for part in features.split(CHANNELS_AT_ONCE)
    ]
    return torch.cat(parts).T - features.mean(dim=(1, 2))


def region_transition(
    features: Float[Tensor, "R D"], sizes: Float[Tensor, " R"], *, power: float = POWER
) -> Float[Tensor, "R R"]:
    """Return how much each region listens to every region.

    ``T_rs = relu(cos(f_r, f_s))^power |s| / sum_s' relu(cos(f_r, f_s'))^power |s'|``

    Source: ours. The sizes make it a mean over pixels, so that cutting a region in two changes nothing.

    Args:
        features: of :func:`region_features`.
        sizes: pixels of each region, 0 for one that is empty.
        power: above 0; the higher, the fewer regions count.

    Returns:
        Rows that sum to 1. A region whose feature is the image's mean listens to itself alone.

    >>> features, sizes = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]]), torch.tensor([1.0, 3.0, 5.0])
    >>> region_transition(features, sizes)
    tensor([[0.2500, 0.7500, 0.0000],
            [0.2500, 0.7500, 0.0000],
            [0.0000, 0.0000, 1.0000]])
    """
    units = functional.normalize(features.double(), dim=1)
    weights = (units @ units.T).clamp_min(0) ** power * sizes
    total = weights.sum(dim=1, keepdim=True)
    alone = torch.eye(len(features), dtype=weights.dtype, device=weights.device)
    return torch.where(total > 0, weights / total.clamp_min(torch.finfo(weights.dtype).tiny), alone).to(features.dtype)


def spread_over_regions(means: Float[Tensor, "C R"], transition: Float[Tensor, "R R"]) -> Float[Tensor, "C R"]:
    """Return each region's mean of the regions that it listens to, scaled to a peak of 1.

    ``a'_c = T a_c / max_r (T a_c)``

    Args:
        means: of each map over each region, at least 0.
        transition: of :func:`region_transition`.

    Returns:
        In [0, 1]; a map that is nowhere positive is 0 everywhere.

    >>> transition = torch.tensor([[0.25, 0.75, 0.0], [0.25, 0.75, 0.0], [0.0, 0.0, 1.0]])
    >>> spread_over_regions(torch.tensor([[1.0, 0.0, 0.1]]), transition)
    tensor([[1.0000, 1.0000, 0.4000]])
    """
    spread = means @ transition.T
    return spread / spread.amax(dim=1, keepdim=True).clamp_min(PEAK_FLOOR)


@dataclass(frozen=True, slots=True, eq=False)
class RegionSharing:
    """How the regions of one image share what maps say of them: once, or in rounds that raise the contrast in between.

    ``a' = S(a)``, then ``rounds - 1`` times ``a' = S(a'^inflation)``, with ``S`` of :func:`spread_over_regions`.

    Source: ours, after Markov clustering (van Dongen, "Graph Clustering by Flow Simulation", 2000), which alternates
    the expansion over a graph and the inflation of what is strong. One round leaves a haze over regions that are a
    little like the object; the power takes it away before the next.

    Args:
        transition: of :func:`region_transition`.
        rounds: at least 1.
        inflation: power between two rounds, at least 1.

    >>> transition = torch.tensor([[0.25, 0.75, 0.0], [0.25, 0.75, 0.0], [0.0, 0.0, 1.0]])
    >>> RegionSharing(transition, rounds=2, inflation=2.0)(torch.tensor([[1.0, 0.0, 0.1]]))
    tensor([[1.0000, 1.0000, 0.1600]])
    """

    transition: Float[Tensor, "R R"]
    rounds: int = 1
    inflation: float = INFLATION

    def __call__(self, means: Float[Tensor, "C R"]) -> Float[Tensor, "C R"]:
        """Return the scores of the regions, in [0, 1], each class with a peak of 1.

        Args:
            means: of each map over each region, at least 0, on any device.
        """
        transition = self.transition.to(means.device)
        shared = spread_over_regions(means, transition)
        for _ in range(self.rounds - 1):
            shared = spread_over_regions(shared**self.inflation, transition)
        return shared
