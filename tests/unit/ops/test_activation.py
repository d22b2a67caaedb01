"""Known answers of tag logits, max-normalisation and suppression."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tagseg.ops.activation import (
    max_normalize,
    object_and_background_maps,
    spatial_peak,
    suppress,
    tag_logits,
    top_means,
)


def as_map(*values: float) -> torch.Tensor:
    return torch.tensor(values).view(1, 1, 1, -1)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), height=st.integers(1, 5), width=st.integers(1, 5))
def test_tag_logits_are_the_mean_over_cells(seed, height, width):
    maps = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(seed))
    expected = [[sum(maps[n, c].flatten().tolist()) / (height * width) for c in range(3)] for n in range(2)]
    torch.testing.assert_close(tag_logits(maps), torch.tensor(expected))


@given(seed=st.integers(0, 10_000), height=st.integers(1, 5), width=st.integers(1, 5), share=st.floats(0.01, 1))
def test_top_means_are_of_the_largest_cells(seed, height, width, share):
    maps = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(seed))
    count = max(1, round(share * height * width))
    expected = [[sum(sorted(maps[n, c].flatten().tolist())[-count:]) / count for c in range(3)] for n in range(2)]
    torch.testing.assert_close(top_means(maps, (share, 1.0)), torch.stack([torch.tensor(expected), maps.mean((2, 3))]))
    torch.testing.assert_close(tag_logits(maps, (share, share)), torch.tensor(expected))


def test_max_normalize_divides_the_positive_part_by_its_peak():
    assert torch.equal(max_normalize(as_map(-8.0, 0.0, 1.0, 4.0)), as_map(0.0, 0.0, 0.25, 1.0))


@pytest.mark.parametrize("value", [0.0, -3.0])
def test_a_map_without_positive_value_becomes_zeros(value):
    assert torch.equal(max_normalize(as_map(value, value)), as_map(0.0, 0.0))


def test_a_peak_below_eps_is_not_inflated_to_one():
    assert max_normalize(as_map(1e-6), eps=1e-5).item() == pytest.approx(0.1)


def test_every_class_and_image_has_its_own_peak():
    maps = torch.tensor([[[[1.0, 2.0]], [[10.0, 5.0]]], [[[3.0, 0.0]], [[-1.0, -2.0]]]])
    expected = torch.tensor([[[[0.5, 1.0]], [[1.0, 0.5]]], [[[1.0, 0.0]], [[0.0, 0.0]]]])
    assert torch.equal(max_normalize(maps), expected)


def test_max_normalize_gradient_is_that_of_the_quotient():
    # d(x0 / x1) = (1 / x1, -x0 / x1**2) at (1, 2); the peak's own quotient is constant.
    maps = as_map(1.0, 2.0).requires_grad_()
    max_normalize(maps).sum().backward()
    assert torch.equal(maps.grad, as_map(0.5, -0.25))


def test_max_normalize_of_zeros_has_a_finite_gradient():
    maps = torch.zeros(1, 1, 2, 2, requires_grad=True)
    max_normalize(maps).sum().backward()
    assert torch.equal(maps.grad, torch.zeros(1, 1, 2, 2))


def test_spatial_peak_splits_the_gradient_between_ties():
    maps = as_map(3.0, 3.0, 1.0).requires_grad_()
    spatial_peak(maps).sum().backward()
    assert torch.equal(maps.grad, as_map(0.5, 0.5, 0.0))


def test_suppress_known_answer_once_and_twice():
    once = suppress(as_map(0.0, 1.0, 2.0, 4.0), delta=0.55)
    torch.testing.assert_close(once, as_map(0.0, 1.0, 2.0, 2.2))
    torch.testing.assert_close(suppress(once, delta=0.55), as_map(0.0, 1.0, 1.21, 1.21))


def test_suppress_known_gradient():
    features = as_map(0.0, 1.0, 2.0, 4.0).requires_grad_()
    suppress(features, delta=0.55).sum().backward()
    torch.testing.assert_close(features.grad, as_map(0.0, 1.0, 1.0, 0.55))


def test_suppress_with_delta_one_passes_values_and_gradient_unchanged():
    features = as_map(0.5, 1.0, 2.0, 4.0).requires_grad_()
    suppressed = suppress(features, delta=1.0)
    suppressed.sum().backward()
    assert torch.equal(suppressed, features)
    assert torch.equal(features.grad, torch.ones_like(features))


def test_suppress_acts_per_channel():
    features = torch.tensor([[[[4.0, 1.0]], [[8.0, 1.0]]]])
    assert torch.equal(suppress(features, delta=0.5), torch.tensor([[[[2.0, 1.0]], [[4.0, 1.0]]]]))


def test_inputs_are_not_written_to():
    maps = as_map(-1.0, 1.0, 4.0)
    before = maps.clone()
    max_normalize(maps)
    suppress(maps, delta=0.5)
    assert torch.equal(maps, before)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), classes=st.integers(1, 4))
def test_objects_and_background_share_every_cell_and_untagged_classes_have_nothing(seed, classes):
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(3, classes, 2, 4, generator=generator, requires_grad=True)
    tags = (torch.rand(3, classes, generator=generator) > 0.5).float()
    found = object_and_background_maps(maps, tags)
    assert found.shape == (3, classes + 1, 2, 4)
    assert ((found >= 0) & (found <= 1)).all()
    torch.testing.assert_close(found[:, -1] + found[:, :-1].amax(dim=1), torch.ones(3, 2, 4))
    torch.testing.assert_close(found[:, :-1], max_normalize(maps * tags[:, :, None, None]))
    (found * torch.rand(found.shape, generator=generator)).sum().backward()
    assert maps.grad is not None
    assert not maps.grad[tags == 0].any()


def test_a_map_that_floods_leaves_no_background():
    flood, spot = torch.full((1, 1, 2, 2), 3.0), torch.tensor([[[[3.0, 0.0], [0.0, 0.0]]]])
    assert object_and_background_maps(flood, torch.ones(1, 1))[0, 1].sum() == 0
    assert object_and_background_maps(spot, torch.ones(1, 1))[0, 1].sum() == 3
