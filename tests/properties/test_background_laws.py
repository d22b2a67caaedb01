"""Laws of the background score that is found without masks."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tagseg.artifacts.cam_file import CamFile, above
from tagseg.refine.background import otsu_background

LAWS = settings(max_examples=40, deadline=None)
STEPS = st.lists(st.integers(0, 255), min_size=2, max_size=40).filter(lambda steps: len({*steps} - {0}) > 1)


def maps_of(steps):
    return CamFile(np.asarray(steps, np.float32)[None, None] / np.float32(255), (1,))


def variance_between(steps, threshold):
    """Return Otsu's criterion at a threshold, in plain Python."""
    active = [step / 255 for step in steps if step]
    low = [score for score in active if score <= threshold + 1e-9]
    high = [score for score in active if score > threshold + 1e-9]
    if not (low and high):
        return 0.0
    return len(low) * len(high) * (sum(low) / len(low) - sum(high) / len(high)) ** 2


@LAWS
@given(steps=STEPS)
def test_no_threshold_parts_the_scores_better(steps):
    found = otsu_background([maps_of(steps)])
    best = max(variance_between(steps, cut / 255) for cut in range(256))
    assert best > 0
    assert variance_between(steps, found) >= best * (1 - 1e-9)


@LAWS
@given(steps=STEPS)
def test_cutting_there_leaves_active_pixels_on_both_sides(steps):
    maps = maps_of(steps)
    found = otsu_background([maps])
    assert found is not None
    assert 0 < found < 1
    kept = above(maps.cam[0], found)
    assert kept.any()
    assert (~kept & (maps.cam[0] > 0)).any()
    # Seeds are cut by the same rule, to the pixel: what lies on the threshold is background.
    np.testing.assert_array_equal(maps.labels(found)[0] == 1, [step / 255 > found + 1e-9 for step in steps])


@LAWS
@given(steps=STEPS, cut=st.integers(0, 40), order=st.randoms(use_true_random=False))
def test_order_and_grouping_of_pixels_change_nothing(steps, cut, order):
    shuffled = order.sample(steps, len(steps))
    parts = [maps_of(part) for part in (shuffled[:cut], shuffled[cut:]) if part]
    assert otsu_background(parts) == otsu_background([maps_of(steps)])


@LAWS
@given(steps=STEPS, num_zeros=st.integers(0, 500), doublings=st.integers(0, 3))
def test_zeros_and_copies_of_the_data_set_change_nothing(steps, num_zeros, doublings):
    maps = [maps_of([*steps, *[0] * num_zeros])] * 2**doublings
    assert otsu_background(maps) == otsu_background([maps_of(steps)])
