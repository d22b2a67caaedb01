"""Region affinity: known answers, laws, and parity with a slow reference that looks at pixels one by one."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from tagseg.ops.region_affinity import RegionSharing, region_features, region_transition, spread_over_regions


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
    sizes = torch.bincount(regions.flatten(), minlength=6).float()
    expected = slow_transition(features, regions, 6, power=3.0)
    np.testing.assert_allclose(region_transition(means, sizes).numpy(), expected, atol=2e-5)


@given(st.integers(0, 1000), st.floats(0.5, 8.0))
def test_rows_sum_to_one_and_a_map_of_ones_stays(seed: int, power: float) -> None:
    features, regions = drawn(seed)
    sizes = torch.bincount(regions.flatten(), minlength=6).float()
    transition = region_transition(region_features(features, regions, num_regions=6), sizes, power=power)
    torch.testing.assert_close(transition.sum(dim=1), torch.ones(6))
    torch.testing.assert_close(spread_over_regions(torch.ones(2, 6), transition), torch.ones(2, 6))


@given(st.integers(0, 1000))
def test_names_of_regions_do_not_matter(seed: int) -> None:
    features, regions = drawn(seed)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(seed))
    sizes = torch.bincount(regions.flatten(), minlength=6).float()
    transition = region_transition(region_features(features, regions, num_regions=6), sizes)
    renamed = order[regions]
    other_sizes = torch.bincount(renamed.flatten(), minlength=6).float()
    other = region_transition(region_features(features, renamed, num_regions=6), other_sizes)
    torch.testing.assert_close(other[order][:, order], transition)


def test_cutting_a_region_in_two_changes_nothing() -> None:
    features = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    whole = region_transition(features[1:], torch.tensor([4.0, 3.0]))
    cut = region_transition(features, torch.tensor([1.0, 3.0, 3.0]))
    means = torch.tensor([[0.8, 0.2]])
    torch.testing.assert_close(
        spread_over_regions(means[:, [0, 0, 1]], cut), spread_over_regions(means, whole)[:, [0, 0, 1]]
    )


def test_an_image_of_one_colour_keeps_its_maps() -> None:
    transition = region_transition(torch.zeros(3, 4), torch.tensor([1.0, 2.0, 3.0]))
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
    sizes = torch.bincount(regions.flatten(), minlength=6).float()
    transition = region_transition(region_features(features, regions, num_regions=6), sizes)
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
