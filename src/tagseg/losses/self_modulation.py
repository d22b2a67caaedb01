"""Activation self-modulation, ``L_a``: the map learns from its own averages over regions (fine structure).

Axes: N images (or pairs of image and class), C classes, H W rows and columns of the region map, h w of the class maps.
Everything but the loss's input lives at the resolution of the regions; region -1 (padding) is not part of the image.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from tagseg.errors import RecipeError
from tagseg.ops.activation import PEAK_FLOOR, max_normalize, spatial_peak
from tagseg.ops.regions import erode, paint_regions, region_mean
from tagseg.ops.resize import resize_maps

Normalizer = Literal["pixel", "region"]


@dataclass(frozen=True, slots=True)
class SelfModulationSettings:
    """How the target of self-modulation is made.

    Args:
        threshold: activation above which a pixel is reliable, in [0, 1).
        erosion_px: side of the square that erodes the reliable pixels, at least 1, in pixels of the region map.
        normalizer: what divides the region means, see :func:`region_consistent_map`.
        contrast: slope of the logistic step through which the region-consistent map goes, 0 for none (the paper).
        midpoint: activation at which that step is half way, in [0, 1].

    Raises:
        RecipeError: when a number is out of range.

    >>> SelfModulationSettings()
    SelfModulationSettings(threshold=0.3, erosion_px=8, normalizer='pixel', contrast=10.0, midpoint=0.4)
    """

    threshold: float = 0.3
    erosion_px: int = 8
    normalizer: Normalizer = "pixel"
    contrast: float = 10.0
    midpoint: float = 0.4

    def __post_init__(self) -> None:
        if not 0 <= self.threshold < 1:
            raise RecipeError(
                f"self-modulation threshold lies in [0, 1), got {self.threshold}", help="take the paper's 0.3"
            )
        if self.erosion_px < 1:
            raise RecipeError(
                f"self-modulation erosion_px is at least 1, got {self.erosion_px}",
                help="take the paper's 8, or 1 for no erosion",
            )
        if self.contrast < 0:
            raise RecipeError(
                f"self-modulation contrast is at least 0, got {self.contrast}", help="take 0 for the paper's target"
            )


def region_consistent_map(
    class_maps: Float[Tensor, "N C H W"],
    regions: Int64[Tensor, "N H W"],
    *,
    num_regions: int,
    normalizer: Normalizer,
) -> Float[Tensor, "N C H W"]:
    """Average the signed score over each region, keep what is positive, and scale it to [0, 1].

    ``Abar = relu(mean_r(F)) / peak``, with ``peak = max relu(mean_r(F))`` ("region") or ``max relu(F)`` ("pixel")

    Source: SSC, activation self-modulation; "region" is the paper's. Departure: "pixel" divides by the peak of the map
    itself. A mean lies below it, so averaging never raises a map as a whole; the paper's own, smaller divisor raises
    every region, and as the map chases this target step after step it floods the background.

    Args:
        class_maps: raw class maps at the resolution of the regions.
        regions: region of every pixel, -1..num_regions-1.
        num_regions: R, at least 1.
        normalizer: which peak divides.

    Returns:
        Maps in [0, 1], constant inside each region, 0 outside all of them.

    >>> maps, regions = torch.tensor([[[[4.0, 0.0, 1.0, 1.0]]]]), torch.tensor([[[0, 0, 1, 1]]])
    >>> region_consistent_map(maps, regions, num_regions=2, normalizer="region").flatten().tolist()
    [1.0, 1.0, 0.5, 0.5]
    >>> region_consistent_map(maps, regions, num_regions=2, normalizer="pixel").flatten().tolist()
    [0.5, 0.5, 0.25, 0.25]
    """
    means = paint_regions(region_mean(class_maps, regions, num_regions=num_regions), regions)
    if normalizer == "region":
        return max_normalize(means)
    inside = (regions >= 0)[:, None]
    return means.relu() / spatial_peak(class_maps.relu() * inside).clamp_min(PEAK_FLOOR)


def reliable_activation(
    cam: Float[Tensor, "N C H W"],
    *,
    threshold: float = 0.3,
    erosion_px: int = 8,
    inside: Bool[Tensor, "N H W"] | None = None,
) -> Bool[Tensor, "N C H W"]:
    """Select the pixels deep inside the activated area, where the map is trusted over its region's mean.

    ``M = erode(A > threshold)``

    Source: SSC, reliable activation selection.

    Args:
        cam: maps in [0, 1].
        threshold: activation above which a pixel may be reliable.
        erosion_px: side of the eroding square.
        inside: True on the image, False on padding; padding erodes as little as the outside of the image.

    Returns:
        True where the activation is reliable; never on padding.

    >>> reliable_activation(torch.tensor([[[[0.9, 0.8, 0.7, 0.1]]]]), erosion_px=3).flatten().tolist()
    [True, True, False, False]
    """
    active = cam > threshold
    if inside is None:
        return erode(active, size=erosion_px)
    on_image = inside[:, None]
    return erode(active | ~on_image, size=erosion_px) & on_image


@torch.no_grad()
def modulation_target(
    class_maps: Float[Tensor, "N C H W"],
    regions: Int64[Tensor, "N H W"],
    *,
    num_regions: int,
    settings: SelfModulationSettings,
) -> Float[Tensor, "N C H W"]:
    """Return what the map should become: the region-consistent map, and where it is reliable at least itself.

    ``T = max(S(Abar), A * M)``, a constant: no gradient passes. ``S`` is the identity, or with a contrast ``k`` and a
    midpoint ``m`` the step ``1 / (1 + exp(-k (Abar - m)))`` where Abar is positive.

    Source: SSC, activation self-modulation, without the step. Departure: the step moves a region's map away from the
    threshold that will later cut it, so that a faint object is not lost and a faint background not kept.

    Args:
        class_maps: raw class maps at the resolution of the regions.
        regions: region of every pixel, -1..num_regions-1.
        num_regions: R, at least 1.
        settings: threshold, erosion and normaliser.

    Returns:
        Maps in [0, 1]: ``T >= A`` on M and, without a contrast, ``T >= Abar`` everywhere.

    >>> maps, regions = torch.tensor([[[[4.0, 0.0]]]]), torch.tensor([[[0, 0]]])
    >>> settings = SelfModulationSettings(erosion_px=1, contrast=0.0)
    >>> modulation_target(maps, regions, num_regions=1, settings=settings).flatten().tolist()
    [1.0, 0.5]
    """
    inside = regions >= 0
    cam = max_normalize(class_maps * inside[:, None])
    consistent = region_consistent_map(class_maps, regions, num_regions=num_regions, normalizer=settings.normalizer)
    consistent = contrast_step(consistent, settings=settings)
    reliable = reliable_activation(cam, threshold=settings.threshold, erosion_px=settings.erosion_px, inside=inside)
    return torch.maximum(consistent, cam * reliable)


def contrast_step(maps: Float[Tensor, "*shape"], *, settings: SelfModulationSettings) -> Float[Tensor, "*shape"]:
    """Return the logistic step of positive values, ``1 / (1 + exp(-contrast (a - midpoint)))``, or them as they are.

    >>> settings = SelfModulationSettings(contrast=10.0, midpoint=0.4)
    >>> contrast_step(torch.tensor([0.0, 0.4, 1.0]), settings=settings)
    tensor([0.0000, 0.5000, 0.9975])
    """
    if not settings.contrast:
        return maps
    return torch.where(maps > 0, torch.sigmoid(settings.contrast * (maps - settings.midpoint)), maps)


def warmup_target(
    region_scores: Float[Tensor, "N C R"], regions: Int64[Tensor, "N H W"], *, settings: SelfModulationSettings
) -> Float[Tensor, "N C H W"]:
    """Return the target that the network at the end of its warm-up sets: each region's score, of its strongest class.

    ``T_c = S(a_c) where a_c = max_c' a_c', else 0``, with ``a`` the region means of the warm-up network's maps.

    Source: ours, in the place of SSC's target, which is made from the map that it corrects. There a region just above
    the threshold raises itself at every step, and one class's error feeds on another's; a fixed target cannot drift.

    Args:
        region_scores: region means in [0, 1] of every tagged class's map over the whole image, 0 for the other classes.
        regions: region of every pixel, -1..R-1.
        settings: contrast and midpoint.

    Returns:
        Maps in [0, 1], constant inside each region, 0 outside all of them.

    >>> scores, regions = torch.tensor([[[0.9, 0.2], [0.3, 0.6]]]), torch.tensor([[[0, 1]]])
    >>> warmup_target(scores, regions, settings=SelfModulationSettings(contrast=0.0))[0, :, 0]
    tensor([[0.9000, 0.0000],
            [0.0000, 0.6000]])
    """
    strongest = region_scores >= region_scores.amax(dim=1, keepdim=True)
    return paint_regions(contrast_step(region_scores, settings=settings) * strongest, regions)


def self_modulation_loss(
    class_maps: Float[Tensor, "N C h w"],
    tags: Float[Tensor, "N C"],
    regions: Int64[Tensor, "N H W"],
    *,
    settings: SelfModulationSettings,
    region_scores: Float[Tensor, "N C R"] | None = None,
) -> Float[Tensor, ""]:
    """Measure how far the maps of the tagged classes are from their region-modulated targets.

    ``L_a = mean_n mean_{c tagged} mean_{p in regions} (A - T)^2``

    Source: SSC, activation self-modulation. Departures: the mean is taken per image first and then over images, so that
    splitting a batch evenly over processes changes nothing (the paper averages over all tagged maps of the batch);
    with ``region_scores`` the target is the warm-up network's and the peak that normalises ``A`` is a constant, so that
    a map without its object can sink as a whole.

    Args:
        class_maps: raw class maps ``F``; upsampled bilinearly to the size of the regions.
        tags: 1 where the image shows the class, else 0.
        regions: region of every pixel, -1 where it has none.
        settings: how the target is made.
        region_scores: see :func:`warmup_target`; None for the paper's target, from the maps themselves.

    Returns:
        A float32 scalar in [0, 1]. Untagged maps receive no gradient; an image without tag or region adds 0.

    >>> maps, regions = torch.tensor([[[[4.0, 0.0]]]]), torch.tensor([[[0, 0]]])
    >>> settings = SelfModulationSettings(erosion_px=1, contrast=0.0)
    >>> self_modulation_loss(maps, torch.ones(1, 1), regions, settings=settings).item()
    0.125
    """
    image, label = tags.nonzero(as_tuple=True)
    # One map a pair of image and tagged class: with one or two tags an image, most of the N x C maps drop out.
    maps = resize_maps(class_maps.float()[image, label][:, None], (regions.shape[1], regions.shape[2]))
    pair_regions = regions[image]
    inside = (pair_regions >= 0)[:, None]
    if region_scores is None:
        num_regions = max(int(regions.max()) + 1, 1)
        target = modulation_target(maps, pair_regions, num_regions=num_regions, settings=settings)
        cam = max_normalize(maps * inside)
    else:
        target = warmup_target(region_scores, regions, settings=settings)[image, label][:, None]
        positive = maps.relu() * inside
        cam = positive / spatial_peak(positive).detach().clamp_min(PEAK_FLOOR)
    error = ((cam - target) ** 2 * inside).sum(dim=(1, 2, 3)) / inside.sum(dim=(1, 2, 3)).clamp_min(1)
    num_tags = (tags != 0).sum(dim=1).clamp_min(1)
    return (error / num_tags[image]).sum() / len(tags)


@dataclass(frozen=True, slots=True)
class SelfModulationTerm:
    """``L_a`` as a term.

    Args:
        settings: how its target is made.
        beta: weight of the term's gradient on the class maps, 0 or more.
        balance: whether ``beta`` is relative to the classification's gradient.
        first_epoch: the epoch, from 0, at which it starts.
    """

    name: ClassVar[str] = "self_modulation"
    settings: SelfModulationSettings
    beta: float
    balance: bool
    first_epoch: int

    def __call__(self, class_maps: Float[Tensor, "N C h w"], batch: Mapping[str, Tensor]) -> Float[Tensor, ""]:
        """Return ``L_a`` of a batch with ``tags`` (N, C), ``regions`` (N, H, W) and, from the warm-up,
        ``region_scores`` (N, C, R).
        """
        return self_modulation_loss(
            class_maps,
            batch["tags"],
            batch["regions"],
            settings=self.settings,
            region_scores=batch.get("region_scores"),
        )
