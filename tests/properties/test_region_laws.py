"""Laws of region means and of erosion, for any input."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tagseg.ops.regions import erode, paint_regions, region_mean

SEEDS = st.integers(0, 2**32 - 1)
SIDES = st.integers(1, 12)
NUM_REGIONS = st.integers(1, 9)
LAWS = settings(max_examples=40, deadline=None)


def random_case(seed: int, height: int, width: int, num_regions: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(2, 3, height, width, generator=generator)
    return values, torch.randint(-1, num_regions, (2, height, width), generator=generator)


@LAWS
@given(seed=SEEDS, height=SIDES, width=SIDES, num_regions=NUM_REGIONS)
def test_renaming_regions_moves_their_means_and_changes_no_painted_pixel(seed, height, width, num_regions):
    values, regions = random_case(seed, height, width, num_regions)
    names = torch.randperm(num_regions, generator=torch.Generator().manual_seed(seed))
    renamed = torch.where(regions >= 0, names[regions.clamp_min(0)], -1)
    means = region_mean(values, regions, num_regions=num_regions)
    renamed_means = region_mean(values, renamed, num_regions=num_regions)
    assert torch.equal(renamed_means[..., names], means)
    assert torch.equal(paint_regions(renamed_means, renamed), paint_regions(means, regions))


@LAWS
@given(seed=SEEDS, height=SIDES, width=SIDES, num_regions=NUM_REGIONS)
def test_averaging_twice_is_averaging_once(seed, height, width, num_regions):
    values, regions = random_case(seed, height, width, num_regions)
    once = paint_regions(region_mean(values, regions, num_regions=num_regions), regions)
    twice = paint_regions(region_mean(once, regions, num_regions=num_regions), regions)
    torch.testing.assert_close(twice, once)


@LAWS
@given(seed=SEEDS, height=SIDES, width=SIDES, num_regions=NUM_REGIONS)
def test_averaging_keeps_the_sum_inside_regions_and_zeroes_the_rest(seed, height, width, num_regions):
    values, regions = random_case(seed, height, width, num_regions)
    painted = paint_regions(region_mean(values, regions, num_regions=num_regions), regions)
    inside = (regions >= 0)[:, None]
    torch.testing.assert_close(painted.sum((2, 3)), (values * inside).sum((2, 3)), atol=1e-4, rtol=1e-4)
    assert not painted[~inside.expand_as(painted)].any()


@LAWS
@given(seed=SEEDS, height=SIDES, width=SIDES)
def test_one_region_a_pixel_is_the_identity(seed, height, width):
    values, _ = random_case(seed, height, width, 1)
    regions = torch.arange(height * width).view(1, height, width).expand(2, -1, -1)
    assert torch.equal(paint_regions(region_mean(values, regions, num_regions=height * width), regions), values)


@LAWS
@given(seed=SEEDS, height=SIDES, width=SIDES, num_regions=NUM_REGIONS, spare=st.integers(0, 5))
def test_spare_region_numbers_change_nothing(seed, height, width, num_regions, spare):
    values, regions = random_case(seed, height, width, num_regions)
    means = region_mean(values, regions, num_regions=num_regions)
    more = region_mean(values, regions, num_regions=num_regions + spare)
    assert torch.equal(more[..., :num_regions], means)
    assert not more[..., num_regions:].any()


@LAWS
@given(seed=SEEDS, height=SIDES, width=SIDES, size=st.integers(1, 9))
def test_erosion_shrinks_and_keeps_order(seed, height, width, size):
    generator = torch.Generator().manual_seed(seed)
    small = torch.rand(1, 2, height, width, generator=generator) > 0.4
    large = small | (torch.rand(1, 2, height, width, generator=generator) > 0.7)
    assert not (erode(small, size=size) & ~small).any()
    assert not (erode(small, size=size) & ~erode(large, size=size)).any()


@LAWS
@given(seed=SEEDS, height=SIDES, width=SIDES, reaches=st.tuples(st.integers(0, 2), st.integers(0, 2)))
def test_erosions_by_odd_squares_add_up(seed, height, width, reaches):
    mask = torch.rand(1, 1, height, width, generator=torch.Generator().manual_seed(seed)) > 0.1
    first, second = reaches
    twice = erode(erode(mask, size=2 * first + 1), size=2 * second + 1)
    assert torch.equal(twice, erode(mask, size=2 * (first + second) + 1))
