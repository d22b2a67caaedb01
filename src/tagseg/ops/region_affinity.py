"""Region affinity: regions that look alike share what the maps say of them.

Axes: C classes of one image, D feature channels, h w feature cells, H W image pixels, R regions.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int64
from skimage.color import rgb2lab
from torch import Tensor
from torch.nn import functional

from tagseg.ops.activation import PEAK_FLOOR
from tagseg.ops.regions import region_mean

POWER = 3.0
"""How fast the affinity of two regions falls with the angle between their features."""

INFLATION = 1.5
"""Power to which scores are raised between two rounds of sharing."""


_ROUNDING = 1e-12  # of sums in double precision, relative to the largest feature


def region_features(
    features: Float[Tensor, "D h w"], regions: Int64[Tensor, "H W"], *, num_regions: int
) -> Float64[Tensor, "R D"]:
    """Return each region's mean feature, minus the mean over the image.

    ``f_r = mean_{p in r} phi(p) - mean_p phi(p)``

    Source: ours. The mean is what all regions share, light and camera; without it every pair of regions looks alike.

    Args:
        features: of the whole image, at any size; ``phi(p)`` lies bilinearly between the cells.
        regions: region of every pixel, -1..R-1; pixels of -1 count nowhere.
        num_regions: R, at least 1.

    Returns:
        On the CPU; 0 minus the mean for a region without pixels.

    >>> region_features(torch.tensor([[[1.0, 3.0]]]), torch.tensor([[0, 1]]), num_regions=2)
    tensor([[-1.],
            [ 1.]], dtype=torch.float64)
    """
    flat = features.cpu().double().flatten(1)
    shares = _cell_shares(regions.cpu(), (features.shape[1], features.shape[2]), num_regions=num_regions)
    difference = shares @ flat.T - flat.mean(dim=1)
    return torch.where(difference.abs() > _ROUNDING * flat.abs().amax(), difference, 0.0)  # rounding has no direction


def _cell_shares(
    regions: Int64[Tensor, "H W"], cells: tuple[int, int], *, num_regions: int
) -> Float64[Tensor, "R cells"]:
    """Return how much each feature cell counts in the mean of each region.

    The mean of upsampled features is a weighted mean of the cells: the weights are counted once, whatever D, and no
    feature is brought to the size of the image.
    """
    height, width = cells
    inside = regions >= 0
    first = regions.clamp_min(0) * (height * width)
    counts = torch.zeros(num_regions * height * width, dtype=torch.float64)
    for row, of_row in _taps(regions.shape[0], height):
        for column, of_column in _taps(regions.shape[1], width):
            places = (first + (row * width)[:, None] + column)[inside]
            weights = (of_row[:, None] * of_column)[inside]
            counts += torch.bincount(places, weights=weights, minlength=len(counts))
    sizes = torch.bincount(regions[inside], minlength=num_regions)
    return counts.view(num_regions, -1) / sizes.clamp_min(1)[:, None]


def _taps(length: int, cells: int) -> tuple[tuple[Int64[Tensor, " L"], Float64[Tensor, " L"]], ...]:
    """Return the two cells between which each pixel of an axis lies, with their weights (bilinear, edges repeated)."""
    place = ((torch.arange(length, dtype=torch.float64) + 0.5) * cells / length - 0.5).clamp(0, cells - 1)
    before = place.floor().long()
    share = place - before
    return (before, 1 - share), ((before + 1).clamp_max(cells - 1), share)


def region_colors(pixels: Float[Tensor, "3 H W"], regions: Int64[Tensor, "H W"], *, num_regions: int) -> Tensor:
    """Return the mean colour of each region in CIELAB (D65), (R, 3) on the CPU.

    Args:
        pixels: sRGB in [0, 1].
        regions: region of every pixel, -1..R-1.
        num_regions: R, at least 1.

    >>> region_colors(torch.ones(3, 1, 2), torch.tensor([[0, 0]]), num_regions=1).round().tolist()
    [[100.0, -0.0, 0.0]]
    """
    means = region_mean(pixels.float()[None], regions.to(pixels.device)[None], num_regions=num_regions)[0]
    return torch.from_numpy(rgb2lab(means.T.double().cpu().numpy()[None])[0])


def region_likeness(
    features: Float[Tensor, "R D"],
    *,
    power: float = POWER,
    colors: Float[Tensor, "R 3"] | None = None,
    color_sigma: float | None = None,
) -> Float64[Tensor, "R R"]:
    """Return how much alike every two regions look, in [0, 1].

    ``W_rs = relu(cos(f_r, f_s))^power exp(-|c_r - c_s|^2 / 2 color_sigma^2)``

    Source: ours.

    Args:
        features: of :func:`region_features`.
        power: above 0; the higher, the fewer regions count.
        colors: of :func:`region_colors`; needed with ``color_sigma``.
        color_sigma: in units of CIELAB; None leaves colours out.

    >>> region_likeness(torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]])).tolist()
    [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    units = functional.normalize(features.double(), dim=1)
    likeness = (units @ units.T).clamp(0, 1) ** power
    if color_sigma is None or colors is None:
        return likeness
    return likeness * torch.exp(-(torch.cdist(colors.double(), colors.double()) ** 2) / (2 * color_sigma**2))


def region_transition(likeness: Float64[Tensor, "R R"], sizes: Int64[Tensor, " R"]) -> Float[Tensor, "R R"]:
    """Return how much each region listens to every region.

    ``T_rs = W_rs |s| / sum_s' W_rs' |s'|``

    Source: ours. The sizes make it a mean over pixels, so that cutting a region in two changes nothing.

    Args:
        likeness: ``W``, of :func:`region_likeness`.
        sizes: pixels of each region, 0 for one that is empty.

    Returns:
        Rows that sum to 1, float32. A region whose feature is the image's mean listens to itself alone.

    >>> likeness = region_likeness(torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]]))
    >>> region_transition(likeness, torch.tensor([1, 3, 5]))
    tensor([[0.2500, 0.7500, 0.0000],
            [0.2500, 0.7500, 0.0000],
            [0.0000, 0.0000, 1.0000]])
    """
    weights = likeness * sizes
    total = weights.sum(dim=1, keepdim=True)
    alone = torch.eye(len(likeness), dtype=weights.dtype)
    return torch.where(total > 0, weights / total.clamp_min(torch.finfo(weights.dtype).tiny), alone).float()


def border_lengths(regions: Int64[Tensor, "H W"], *, num_regions: int) -> Int64[Tensor, " R"]:
    """Return how many pixels of each region lie on the four sides of the image; a corner lies on two.

    >>> border_lengths(torch.tensor([[0, 0, 0], [0, 1, 2], [0, 0, 0]]), num_regions=3).tolist()
    [11, 0, 1]
    """
    sides = torch.cat([regions[0], regions[-1], regions[:, 0], regions[:, -1]])
    return torch.bincount(sides[sides >= 0], minlength=num_regions)


def object_prior(
    likeness: Float64[Tensor, "R R"],
    sizes: Int64[Tensor, " R"],
    borders: Int64[Tensor, " R"],
    *,
    sigma: float,
) -> Float[Tensor, " R"]:
    """Return how far each region is from being background, by how much of what looks like it lies on the image border.

    ``b_r = sum_s W_rs |border of s| / sqrt(sum_s W_rs |s|)`` and ``prior_r = exp((min_s b_s^2 - b_r^2) / 2 sigma^2)``

    Source: boundary connectivity, Zhu, Liang, Wei and Sun, "Saliency Optimization from Robust Background Detection",
    CVPR 2014. There the soft area spreads along geodesics of colour; departure: here it is the likeness of region
    affinity, so sky behind a branch is one area. An object that the border cuts has little border for its area. Only
    the ratios of the prior count, so the region with the least border has 1, in long narrow images too.

    Args:
        likeness: ``W``, of :func:`region_likeness`.
        sizes: pixels of each region.
        borders: of :func:`border_lengths`, in pixels.
        sigma: of the connectivity, above 0; a square that fills the image has 4.

    Returns:
        In [0, 1] with a peak of 1, float32.

    >>> likeness, sizes, borders = torch.eye(2).double(), torch.tensor([100, 100]), torch.tensor([40, 0])
    >>> object_prior(likeness, sizes, borders, sigma=2.0).tolist()
    [0.1353352814912796, 1.0]
    """
    connectivity = (likeness @ borders.double()) / (likeness @ sizes.double()).clamp_min(1).sqrt()
    squared = connectivity**2
    return torch.exp((squared[sizes > 0].min() - squared) / (2 * sigma**2)).clamp(max=1).float()


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

    ``a' = S(prior a)``, then ``rounds - 1`` times ``a' = S(a'^inflation)``, with ``S`` of :func:`spread_over_regions`.

    Source: ours, after Markov clustering (van Dongen, "Graph Clustering by Flow Simulation", 2000), which alternates
    the expansion over a graph and the inflation of what is strong. One round leaves a haze over regions that are a
    little like the object; the power takes it away before the next.

    Args:
        transition: of :func:`region_transition`.
        rounds: at least 1.
        inflation: power between two rounds, at least 1.
        prior: of :func:`object_prior`, or None for 1 everywhere.

    >>> transition = torch.tensor([[0.25, 0.75, 0.0], [0.25, 0.75, 0.0], [0.0, 0.0, 1.0]])
    >>> RegionSharing(transition, rounds=2, inflation=2.0)(torch.tensor([[1.0, 0.0, 0.1]]))
    tensor([[1.0000, 1.0000, 0.1600]])
    """

    transition: Float[Tensor, "R R"]
    rounds: int = 1
    inflation: float = INFLATION
    prior: Float[Tensor, " R"] | None = None

    def __call__(self, means: Float[Tensor, "C R"]) -> Float[Tensor, "C R"]:
        """Return the scores of the regions, in [0, 1], each class with a peak of 1.

        Args:
            means: of each map over each region, at least 0, on any device.
        """
        transition = self.transition.to(means.device)
        weighed = means if self.prior is None else means * self.prior.to(means)
        shared = spread_over_regions(weighed, transition)
        for _ in range(self.rounds - 1):
            shared = spread_over_regions(shared**self.inflation, transition)
        return shared
