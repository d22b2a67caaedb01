"""Laws of the pointwise operations and of resizing, for any input."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tagseg.ops.activation import max_normalize, spatial_peak, suppress
from tagseg.ops.resize import resize_labels, resize_maps

SEEDS = st.integers(0, 2**32 - 1)
SIDES = st.integers(1, 9)
LAWS = settings(max_examples=40, deadline=None)


def random_maps(seed: int, height: int, width: int) -> torch.Tensor:
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(seed))


@LAWS
@given(seed=SEEDS, height=SIDES, width=SIDES, scale=st.floats(0.01, 100))
def test_max_normalize_lies_in_0_1_peaks_at_1_and_ignores_scale(seed, height, width, scale):
    maps = random_maps(seed, height, width)
    cam = max_normalize(maps)
    assert cam.min() >= 0
    peak = spatial_peak(maps)
    assert torch.equal(spatial_peak(cam)[peak > 1e-5], torch.ones_like(peak)[peak > 1e-5])
    assert torch.equal(cam == 0, maps <= 0)
    large = peak.min() > 1e-3
    if large:
        torch.testing.assert_close(max_normalize(scale * maps), cam)


@LAWS
@given(seed=SEEDS, height=SIDES, width=SIDES, delta=st.floats(0, 1), scale=st.floats(0.01, 100))
def test_suppress_is_bounded_keeps_what_is_below_and_commutes_with_scaling(seed, height, width, delta, scale):
    features = random_maps(seed, height, width)
    suppressed = suppress(features, delta=delta)
    cap = delta * spatial_peak(features.relu())
    assert (suppressed <= cap).all()
    assert torch.equal(suppressed[features.relu() <= cap], features.relu()[features.relu() <= cap])
    torch.testing.assert_close(suppress(scale * features, delta=delta), scale * suppressed)


@LAWS
@given(seed=SEEDS, height=SIDES, width=SIDES)
def test_suppress_with_delta_one_is_the_identity_on_non_negative_input(seed, height, width):
    features = random_maps(seed, height, width).abs()
    assert torch.equal(suppress(features, delta=1.0), features)


@LAWS
@given(seed=SEEDS, height=SIDES, width=SIDES, new_height=SIDES, new_width=SIDES)
def test_resized_maps_stay_in_range_and_follow_flips(seed, height, width, new_height, new_width):
    maps = random_maps(seed, height, width)
    resized = resize_maps(maps, (new_height, new_width))
    assert resized.min() >= maps.min() - 1e-6
    assert resized.max() <= maps.max() + 1e-6
    torch.testing.assert_close(resize_maps(maps.flip(3), (new_height, new_width)), resized.flip(3))


@LAWS
@given(seed=SEEDS, height=SIDES, width=SIDES, factor=st.integers(1, 5))
def test_labels_enlarged_by_a_whole_factor_are_repeated_and_shrink_back(seed, height, width, factor):
    labels = torch.randint(-1, 64, (2, height, width), generator=torch.Generator().manual_seed(seed))
    enlarged = resize_labels(labels, (factor * height, factor * width))
    assert torch.equal(enlarged, labels.repeat_interleave(factor, 1).repeat_interleave(factor, 2))
    assert torch.equal(resize_labels(enlarged, (height, width)), labels)


@LAWS
@given(seed=SEEDS, height=SIDES, width=SIDES, new_height=SIDES, new_width=SIDES)
def test_resized_labels_invent_no_label(seed, height, width, new_height, new_width):
    labels = torch.randint(-1, 64, (1, height, width), generator=torch.Generator().manual_seed(seed))
    assert set(resize_labels(labels, (new_height, new_width)).unique().tolist()) <= set(labels.unique().tolist())
