"""Region affinity: known answers, laws, and parity with a slow reference that looks at pixels one by one."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from tagseg.ops.region_affinity import (
    RegionSharing,
    border_lengths,
    object_prior,
    region_colors,
    region_features,
    region_likeness,
    region_transition,
    spread_over_regions,
)


def drawn(seed: int, *, channels: int = 5, cells: tuple[int, int] = (3, 4), size: tuple[int, int] = (12, 16)):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(channels, *cells, generator=generator)
    regions = torch.randint(0, 6, size, generator=generator)
    return features, regions


def slow_transition(features: Tensor, regions: Tensor, num_regions: int, power: float) -> np.ndarray:
    """Return the transition from the equation, in Python numbers."""
    full = functional.interpolate(features[None], size=regions.shape, mode="bilinear", align_corners=False)[0]
    center = features.mean(dim=(1, 2))
    means = [full[:, regions == region].mean(dim=1) - center for region in range(num_regions)]
    table = np.zeros((num_regions, num_regions))
    for r in range(num_regions):
        for s in range(num_regions):
            cosine = float(means[r] @ means[s]) / (float(means[r].norm()) * float(means[s].norm()))
            table[r, s] = max(cosine, 0.0) ** power * int((regions == s).sum())
    return table / table.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("channels", [5, 70])
def test_the_transition_is_that_of_the_equation(channels: int) -> None:
    features, regions = drawn(0, channels=channels)
    means = region_features(features, regions, num_regions=6)
    sizes = torch.bincount(regions.flatten(), minlength=6)
    expected = slow_transition(features, regions, 6, power=3.0)
    np.testing.assert_allclose(region_transition(region_likeness(means), sizes).numpy(), expected, atol=2e-5)


@given(st.integers(0, 1000), st.floats(0.5, 8.0))
def test_rows_sum_to_one_and_a_map_of_ones_stays(seed: int, power: float) -> None:
    features, regions = drawn(seed)
    sizes = torch.bincount(regions.flatten(), minlength=6)
    transition = region_transition(
        region_likeness(region_features(features, regions, num_regions=6), power=power), sizes
    )
    torch.testing.assert_close(transition.sum(dim=1), torch.ones(6))
    torch.testing.assert_close(spread_over_regions(torch.ones(2, 6), transition), torch.ones(2, 6))


@given(st.integers(0, 1000))
def test_names_of_regions_do_not_matter(seed: int) -> None:
    features, regions = drawn(seed)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(seed))
    sizes = torch.bincount(regions.flatten(), minlength=6)
    transition = region_transition(region_likeness(region_features(features, regions, num_regions=6)), sizes)
    renamed = order[regions]
    other_sizes = torch.bincount(renamed.flatten(), minlength=6)
    other = region_transition(region_likeness(region_features(features, renamed, num_regions=6)), other_sizes)
    torch.testing.assert_close(other[order][:, order], transition)


def test_cutting_a_region_in_two_changes_nothing() -> None:
    features = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    whole = region_transition(region_likeness(features[1:]), torch.tensor([4, 3]))
    cut = region_transition(region_likeness(features), torch.tensor([1, 3, 3]))
    means = torch.tensor([[0.8, 0.2]])
    torch.testing.assert_close(
        spread_over_regions(means[:, [0, 0, 1]], cut), spread_over_regions(means, whole)[:, [0, 0, 1]]
    )


def test_an_image_of_one_colour_keeps_its_maps() -> None:
    regions = torch.tensor([[0, 0, 1, 2, 2], [0, 1, 1, 2, 2]])
    means = region_features(torch.full((7, 3, 3), 0.1), regions, num_regions=3)
    transition = region_transition(region_likeness(means), torch.bincount(regions.flatten()))
    torch.testing.assert_close(transition, torch.eye(3))
    assert spread_over_regions(torch.zeros(1, 3), transition).tolist() == [[0.0, 0.0, 0.0]]


def test_padding_counts_nowhere() -> None:
    features, regions = drawn(1)
    regions[:, 8:] = -1
    means = region_features(features, regions, num_regions=6)
    changed = features.clone()
    changed[:, :, 3] += 5.0  # cells whose pixels are all padding
    shift = changed.mean(dim=(1, 2)) - features.mean(dim=(1, 2))
    torch.testing.assert_close(region_features(changed, regions, num_regions=6), means - shift)


@given(st.integers(0, 1000), st.integers(1, 4), st.floats(1.0, 3.0))
def test_rounds_share_what_the_round_before_left(seed: int, rounds: int, inflation: float) -> None:
    features, regions = drawn(seed)
    sizes = torch.bincount(regions.flatten(), minlength=6)
    transition = region_transition(region_likeness(region_features(features, regions, num_regions=6)), sizes)
    means = torch.rand(2, 6, generator=torch.Generator().manual_seed(seed))
    expected = means.numpy()
    for step in range(rounds):
        expected = (expected**inflation if step else expected) @ transition.numpy().T
        expected = expected / expected.max(axis=1, keepdims=True)
    found = RegionSharing(transition, rounds, inflation)(means)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-5)
    assert found.amax(dim=1).tolist() == [1.0, 1.0]


def test_one_round_is_the_plain_sharing() -> None:
    transition, means = torch.tensor([[0.7, 0.3], [0.2, 0.8]]), torch.tensor([[1.0, 0.2]])
    shared = RegionSharing(transition, inflation=3.0)(means)
    torch.testing.assert_close(shared, spread_over_regions(means, transition), rtol=0, atol=0)


@given(st.integers(0, 1000), st.sampled_from([(3, 4), (1, 1), (12, 16), (20, 5)]))
def test_features_are_those_of_maps_brought_to_the_size_of_the_image(seed: int, cells: tuple[int, int]) -> None:
    features, regions = drawn(seed, cells=cells)
    full = functional.interpolate(features[None], size=regions.shape, mode="bilinear", align_corners=False)[0]
    found = region_features(features, regions, num_regions=7)
    for region in range(6):
        expected = full[:, regions == region].mean(dim=1) - features.mean(dim=(1, 2))
        np.testing.assert_allclose(found[region].numpy(), expected.numpy(), atol=2e-6)
    np.testing.assert_allclose(found[6].numpy(), -features.double().mean(dim=(1, 2)).numpy())  # without a pixel


def test_regions_of_another_colour_are_less_alike() -> None:
    features = torch.ones(3, 2)
    colors = torch.tensor([[50.0, 0.0, 0.0], [50.0, 30.0, 40.0], [50.0, 0.0, 0.0]])
    likeness = region_likeness(features, colors=colors, color_sigma=25.0)
    expected = np.array([[1.0, np.exp(-2.0), 1.0], [np.exp(-2.0), 1.0, np.exp(-2.0)], [1.0, np.exp(-2.0), 1.0]])
    np.testing.assert_allclose(likeness.numpy(), expected, rtol=1e-6)
    torch.testing.assert_close(region_likeness(features, colors=colors), torch.ones(3, 3).double())


def test_colours_are_means_in_cielab() -> None:
    pixels = torch.zeros(3, 2, 2)
    pixels[:, 0, 1] = 1.0  # black and white in one region: the mean is taken of sRGB
    pixels[0, 1] = 1.0
    found = region_colors(pixels, torch.tensor([[0, 0], [1, 1]]), num_regions=2)
    np.testing.assert_allclose(found[0], [53.39, 0.0, 0.0], atol=0.02)  # mid grey
    np.testing.assert_allclose(found[1], [53.24, 80.09, 67.20], atol=0.02)  # red


def test_what_is_connected_to_the_border_is_background() -> None:
    # An object of 4 x 4 in an image of 8 x 8, whose surroundings are two regions that look alike.
    regions = torch.zeros(8, 8, dtype=torch.long)
    regions[:, 4:] = 1
    regions[2:6, 2:6] = 2
    sizes, borders = torch.bincount(regions.flatten()), border_lengths(regions, num_regions=3)
    assert borders.tolist() == [16, 16, 0]
    likeness = torch.tensor([[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]]).double()
    connectivity = (16 + 0.5 * 16) / np.sqrt(24 + 0.5 * 24)
    expected = [np.exp(-(connectivity**2) / 18)] * 2 + [1.0]
    np.testing.assert_allclose(object_prior(likeness, sizes, borders, sigma=3.0).numpy(), expected, rtol=1e-6)


@given(st.integers(0, 1000), st.floats(0.5, 5.0))
def test_the_prior_lies_between_0_and_1_and_leaves_what_touches_no_border(seed: int, sigma: float) -> None:
    features, regions = drawn(seed)
    likeness = region_likeness(region_features(features, regions, num_regions=6))
    sizes, borders = torch.bincount(regions.flatten(), minlength=6), border_lengths(regions, num_regions=6)
    prior = object_prior(likeness, sizes, borders, sigma=sigma)
    assert 0 <= prior.min() <= prior.max() <= 1
    assert object_prior(likeness, sizes, torch.zeros_like(borders), sigma=sigma).tolist() == [1.0] * 6
    assert (object_prior(likeness, sizes, borders, sigma=2 * sigma) >= prior).all()


@pytest.mark.parametrize("size", [(1, 400), (100, 3000)])
def test_a_long_narrow_image_that_is_one_region_keeps_its_map(size: tuple[int, int]) -> None:
    regions = torch.zeros(size, dtype=torch.long)
    sizes, borders = torch.bincount(regions.flatten()), border_lengths(regions, num_regions=1)
    prior = object_prior(torch.ones(1, 1).double(), sizes, borders, sigma=2.0)
    assert prior.tolist() == [1.0]
    assert RegionSharing(torch.ones(1, 1), rounds=2, prior=prior)(torch.tensor([[0.3]])).tolist() == [[1.0]]


def test_the_prior_weighs_before_the_regions_share() -> None:
    transition, means = torch.tensor([[0.5, 0.5], [0.5, 0.5]]), torch.tensor([[1.0, 0.4]])
    prior = torch.tensor([0.1, 1.0])
    found = RegionSharing(transition, prior=prior)(means)
    torch.testing.assert_close(found, spread_over_regions(torch.tensor([[0.1, 0.4]]), transition))
