"""Laws of over- and under-activation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tagseg.artifacts.cam_file import CamFile
from tagseg.classes import VOID
from tagseg.evaluation.activation_share import ActivationCount, ActivationPoint

NAMES = ("background", "cat", "dog", "cow")
CUTS = tuple(i / 10 for i in range(11))

Drawn = tuple[np.ndarray, tuple[int, ...], np.ndarray]
"""Maps, the class of each, and the truth of one image."""


@st.composite
def images(draw: st.DrawFn) -> Drawn:
    label_ids = tuple(sorted(draw(st.sets(st.integers(1, 3)))))
    size = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    scores = st.integers(0, 255).map(lambda level: np.float32(level) / np.float32(255))
    cam = draw(hnp.arrays(np.float32, (len(label_ids), *size), elements=scores))
    return cam, label_ids, draw(hnp.arrays(np.uint8, size, elements=st.sampled_from([0, 1, 2, 3, VOID])))


batches = st.lists(images(), min_size=1, max_size=4)


def points(batch: list[Drawn]) -> list[ActivationPoint]:
    count = ActivationCount(NAMES, CUTS)
    for cam, label_ids, truth in batch:
        count.update(CamFile(cam, label_ids), truth)
    return [count.point(cut) for cut in CUTS]


def texts(batch: list[Drawn]) -> list[str]:
    """Return the points as text, in which NaN equals NaN."""
    return [repr(point) for point in points(batch)]


@settings(max_examples=60, deadline=None)
@given(batches, st.data())
def test_the_order_of_the_images_changes_no_bit(batch: list[Drawn], data: st.DataObject) -> None:
    assert texts(batch) == texts(data.draw(st.permutations(batch)))


@settings(max_examples=60, deadline=None)
@given(batches)
def test_shares_lie_between_0_and_1_and_fewer_pixels_are_covered_at_a_higher_score(batch: list[Drawn]) -> None:
    found = points(batch)
    for name in NAMES[1:]:
        covered = [point.classes[name].covered for point in found]
        inside = [point.classes[name].inside for point in found]
        if not np.isnan(covered[0]):
            assert covered == sorted(covered, reverse=True)
            assert 0 <= covered[-1] <= covered[0] <= 1
        assert np.isnan(inside[0]) or 0 <= inside[0] <= 1
        assert len({repr(value) for value in inside}) == 1  # no score cuts the activation


@settings(max_examples=60, deadline=None)
@given(batches, st.floats(0.01, 1.0))
def test_scaling_the_maps_leaves_the_share_inside_as_it_is(batch: list[Drawn], factor: float) -> None:
    # No map is scaled to numbers so small that float32 rounds them away.
    scaled = [(cam * np.float32(factor), label_ids, truth) for cam, label_ids, truth in batch]
    one, other = points(batch)[0], points(scaled)[0]
    for name in NAMES[1:]:
        assert one.classes[name].inside == pytest.approx(other.classes[name].inside, rel=1e-5, nan_ok=True)


@settings(max_examples=60, deadline=None)
@given(batches, st.integers(0, 255))
def test_what_a_map_says_of_void_pixels_counts_nowhere(batch: list[Drawn], level: int) -> None:
    value = np.float32(level) / np.float32(255)
    other = [(np.where(truth == VOID, value, cam).astype(np.float32), ids, truth) for cam, ids, truth in batch]
    assert texts(batch) == texts(other)
