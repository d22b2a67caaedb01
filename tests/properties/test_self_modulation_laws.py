"""Laws of activation self-modulation, for any maps, tags and regions."""

from dataclasses import replace

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from tagseg.losses.self_modulation import (
    SelfModulationSettings,
    modulation_target,
    region_consistent_map,
    reliable_activation,
    self_modulation_loss,
)
from tagseg.ops.activation import max_normalize

SEEDS = st.integers(0, 2**32 - 1)
SETTINGS = st.builds(
    SelfModulationSettings,
    threshold=st.floats(0, 0.9),
    erosion_px=st.integers(1, 9),
    normalizer=st.sampled_from(["pixel", "region"]),
    contrast=st.sampled_from([0.0, 0.5, 10.0, 50.0]),
    midpoint=st.floats(0, 1),
)
LAWS = settings(max_examples=30, deadline=None)
NUM_REGIONS = 7


def random_case(seed: int, *, num_images: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return class maps (N, 4, 5, 6), tags (N, 4) and blocky regions (N, 12, 15), some of them padding."""
    generator = torch.Generator().manual_seed(seed)
    class_maps = torch.randn(num_images, 4, 5, 6, generator=generator)
    tags = (torch.rand(num_images, 4, generator=generator) > 0.4).float()
    blocks = torch.randint(-1, NUM_REGIONS, (num_images, 4, 5), generator=generator)
    return class_maps, tags, blocks.repeat_interleave(3, 1).repeat_interleave(3, 2)


def upsampled(class_maps: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(class_maps, size=(12, 15), mode="bilinear", align_corners=False)


@LAWS
@given(seed=SEEDS, how=SETTINGS)
def test_loss_lies_in_0_1(seed, how):
    assert 0 <= self_modulation_loss(*random_case(seed), settings=how).item() <= 1


@LAWS
@given(seed=SEEDS, how=SETTINGS)
def test_target_is_at_least_the_stepped_region_mean_and_where_reliable_at_least_the_map(seed, how):
    class_maps, _, regions = random_case(seed)
    maps, inside = upsampled(class_maps), regions >= 0
    target = modulation_target(maps, regions, num_regions=NUM_REGIONS, settings=how)
    consistent = region_consistent_map(maps, regions, num_regions=NUM_REGIONS, normalizer=how.normalizer)
    if how.contrast:
        step = 1 / (1 + torch.exp(-how.contrast * (consistent - how.midpoint)))
        consistent = step * (consistent > 0)
    cam = max_normalize(maps * inside[:, None])
    reliable = reliable_activation(cam, threshold=how.threshold, erosion_px=how.erosion_px, inside=inside)
    assert (target >= consistent - 1e-6).all()
    assert (target >= cam)[reliable].all()
    torch.testing.assert_close(target[~reliable], consistent[~reliable])
    assert 0 <= target.min() <= target.max() <= 1
    assert not target.requires_grad


@LAWS
@given(seed=SEEDS, how=SETTINGS)
def test_without_contrast_the_target_is_never_below_the_region_mean(seed, how):
    class_maps, _, regions = random_case(seed)
    how, maps = replace(how, contrast=0.0), upsampled(class_maps)
    target = modulation_target(maps, regions, num_regions=NUM_REGIONS, settings=how)
    consistent = region_consistent_map(maps, regions, num_regions=NUM_REGIONS, normalizer=how.normalizer)
    assert (target >= consistent).all()


@LAWS
@given(seed=SEEDS, how=SETTINGS, contrast=st.floats(0.5, 50))
def test_contrast_keeps_the_order_of_the_regions_and_moves_nothing_that_is_off(seed, how, contrast):
    class_maps, _, regions = random_case(seed)
    # Eroded by more than the map is wide, nothing is reliable as long as something is not active.
    how, maps = replace(how, erosion_px=31, threshold=0.9, contrast=contrast), upsampled(class_maps)
    target = modulation_target(maps, regions, num_regions=NUM_REGIONS, settings=how)
    consistent = region_consistent_map(maps, regions, num_regions=NUM_REGIONS, normalizer=how.normalizer)
    assert ((target > 0) <= (consistent > 0)).all()
    by_mean = target.flatten(2).gather(2, consistent.flatten(2).argsort(2))
    assert (by_mean.diff(dim=2) >= -1e-6).all()


@LAWS
@given(seed=SEEDS, normalizer=st.sampled_from(["pixel", "region"]))
def test_one_region_a_pixel_reproduces_the_map_and_costs_nothing(seed, normalizer):
    class_maps, tags, _ = random_case(seed)
    regions = torch.arange(12 * 15).view(1, 12, 15).expand(3, -1, -1)
    consistent = region_consistent_map(upsampled(class_maps), regions, num_regions=180, normalizer=normalizer)
    assert torch.equal(consistent, max_normalize(upsampled(class_maps)))
    how = SelfModulationSettings(normalizer=normalizer, contrast=0.0)
    assert self_modulation_loss(class_maps, tags, regions, settings=how).item() == 0.0


@LAWS
@given(seed=SEEDS)
def test_one_region_with_positive_mean_is_full_in_the_paper_and_the_mean_over_the_peak_in_ours(seed):
    maps = random_case(seed)[0] + 1.0
    regions = torch.zeros(3, 5, 6, dtype=torch.int64)
    mean, peak = maps.mean((2, 3)), maps.amax((2, 3))
    paper = region_consistent_map(maps, regions, num_regions=1, normalizer="region")
    ours = region_consistent_map(maps, regions, num_regions=1, normalizer="pixel")
    assert torch.equal(paper[mean > 1e-3], torch.ones_like(paper)[mean > 1e-3])
    expected = (mean.relu() / peak)[..., None, None].expand_as(ours)
    torch.testing.assert_close(ours, expected)


@LAWS
@given(seed=SEEDS)
def test_our_normalizer_never_exceeds_the_papers(seed):
    class_maps, _, regions = random_case(seed)
    ours, paper = (
        region_consistent_map(upsampled(class_maps), regions, num_regions=NUM_REGIONS, normalizer=normalizer)
        for normalizer in ("pixel", "region")
    )
    assert (ours <= paper + 1e-6).all()


@LAWS
@given(seed=SEEDS, how=SETTINGS)
def test_renaming_regions_changes_nothing(seed, how):
    class_maps, tags, regions = random_case(seed)
    names = torch.randperm(20, generator=torch.Generator().manual_seed(seed))[:NUM_REGIONS]
    renamed = torch.where(regions >= 0, names[regions.clamp_min(0)], -1)
    loss = self_modulation_loss(class_maps, tags, regions, settings=how)
    assert torch.equal(self_modulation_loss(class_maps, tags, renamed, settings=how), loss)


@LAWS
@given(seed=SEEDS, how=SETTINGS)
def test_untagged_classes_add_nothing_and_learn_nothing(seed, how):
    class_maps, tags, regions = random_case(seed)
    noise = 100 * torch.randn(class_maps.shape, generator=torch.Generator().manual_seed(seed))
    untagged = (tags == 0)[..., None, None]
    loss = self_modulation_loss(class_maps, tags, regions, settings=how)
    other = torch.where(untagged, noise, class_maps).requires_grad_()
    other_loss = self_modulation_loss(other, tags, regions, settings=how)
    assert torch.equal(other_loss, loss)
    (gradient,) = torch.autograd.grad(other_loss, other)
    assert not gradient[untagged.expand_as(gradient)].any()


@LAWS
@given(seed=SEEDS, how=SETTINGS)
def test_a_batch_split_over_processes_has_the_same_mean(seed, how):
    class_maps, tags, regions = random_case(seed, num_images=4)
    whole = self_modulation_loss(class_maps, tags, regions, settings=how)
    parts = [
        self_modulation_loss(class_maps[rows], tags[rows], regions[rows], settings=how)
        for rows in (slice(0, 2), slice(2, 4))
    ]
    torch.testing.assert_close(torch.stack(parts).mean(), whole)


@LAWS
@given(seed=SEEDS, how=SETTINGS)
def test_padding_around_the_image_changes_nothing(seed, how):
    class_maps, tags, regions = random_case(seed)
    maps = upsampled(class_maps)
    around = (2, 3, 1, 4)
    loss = self_modulation_loss(maps, tags, regions, settings=how)
    padded = self_modulation_loss(
        functional.pad(maps, around, value=50.0), tags, functional.pad(regions, around, value=-1), settings=how
    )
    torch.testing.assert_close(padded, loss)


@LAWS
@given(seed=SEEDS, how=SETTINGS, scale=st.floats(0.1, 10))
def test_positive_scaling_of_the_maps_changes_nothing(seed, how, scale):
    class_maps, tags, regions = random_case(seed)
    # The threshold may fall between a value and its rounding; a threshold of zero cannot.
    how = replace(how, threshold=0.0)
    loss = self_modulation_loss(class_maps, tags, regions, settings=how)
    torch.testing.assert_close(self_modulation_loss(scale * class_maps, tags, regions, settings=how), loss)


@LAWS
@given(seed=SEEDS, reach=st.integers(0, 4), axis=st.sampled_from([-2, -1]))
def test_flipping_image_and_regions_together_changes_nothing(seed, reach, axis):
    class_maps, tags, regions = random_case(seed)
    how = SelfModulationSettings(erosion_px=2 * reach + 1, contrast=0.0)
    loss = self_modulation_loss(class_maps, tags, regions, settings=how)
    flipped = self_modulation_loss(class_maps.flip(axis), tags, regions.flip(axis), settings=how)
    torch.testing.assert_close(flipped, loss)
