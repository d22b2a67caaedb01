"""Polygons of objects: exact without simplification, and neighbours without gap or overlap with it."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tagseg.ops.part_rings import bridged, part_rings, rings_mask
from tagseg.ops.parts import connected_parts, merge_small_parts

label_maps = hnp.arrays(
    np.uint8,
    st.tuples(st.integers(1, 14), st.integers(1, 14)),
    elements=st.sampled_from([0, 1, 2, 255]),
    fill=st.sampled_from([0, 1]),
)
CHECKERBOARD = np.indices((6, 7)).sum(axis=0).astype(np.uint8) % 2
NESTED = np.ones((9, 9), np.uint8)
NESTED[1:8, 1:8], NESTED[2:7, 2:7], NESTED[3:6, 3:6], NESTED[4, 4] = 0, 1, 2, 1
STRIPES = np.tile(np.array([0, 1, 2, 1], np.uint8), (9, 3)).T
PINCHED = np.array([[1, 1, 0], [1, 0, 1], [0, 1, 1]], np.uint8)  # a corner that one part touches twice from outside


def area(ring: np.ndarray) -> float:
    x, y = ring.T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


def steps(ring: np.ndarray) -> list[tuple[float, ...]]:
    return [(*start, *end) for start, end in zip(ring.tolist(), np.roll(ring, -1, axis=0).tolist(), strict=True)]


@settings(max_examples=200, deadline=None)
@given(labels=label_maps)
@example(labels=CHECKERBOARD)
@example(labels=CHECKERBOARD + 1)
@example(labels=NESTED)
@example(labels=PINCHED)
@example(labels=np.ones((1, 1), np.uint8))
def test_without_tolerance_rings_hold_exactly_their_part(labels: np.ndarray) -> None:
    parts = connected_parts(labels)
    found = part_rings(parts.ids, tolerance_px=0.0)
    assert len(found) == len(parts.label_ids)
    for number, rings in enumerate(found, start=1):
        mask = parts.ids == number
        np.testing.assert_array_equal(rings_mask(rings, size=labels.shape), mask)
        np.testing.assert_array_equal(rings_mask([bridged(rings)], size=labels.shape), mask)
        assert sum(map(area, rings)) == mask.sum()
        assert area(rings[0]) > 0 > max((area(hole) for hole in rings[1:]), default=-1)
        assert set(labels[mask].tolist()) == {parts.label_ids[number - 1]}


@settings(max_examples=100, deadline=None)
@given(labels=label_maps)
@example(labels=NESTED)
@example(labels=PINCHED)
def test_a_polygon_winds_once_around_every_pixel_of_its_part(labels: np.ndarray) -> None:
    """So tools that fill by winding numbers see what tools with the even-odd rule see."""
    parts = connected_parts(labels)
    columns, rows = np.arange(labels.shape[1]) + 0.5, np.arange(labels.shape[0]) + 0.5
    for number, rings in enumerate(part_rings(parts.ids, tolerance_px=0.0), start=1):
        ring = bridged(rings)
        winding = np.zeros(labels.shape)
        for (x, y), (to_x, to_y) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
            crossed = (rows > min(y, to_y)) & (rows < max(y, to_y))
            at = x + (rows[crossed] - y) * (to_x - x) / (to_y - y) if crossed.any() else np.empty(0)
            winding[crossed] += np.sign(y - to_y) * (columns > at[:, None])  # a line up has the part on its right
        np.testing.assert_array_equal(winding, parts.ids == number)


@settings(max_examples=200, deadline=None)
@given(labels=label_maps, tolerance_px=st.sampled_from([0.25, 0.5, 1.0, 2.0, 5.0]))
@example(labels=CHECKERBOARD + 1, tolerance_px=5.0)
@example(labels=NESTED, tolerance_px=5.0)
@example(labels=STRIPES, tolerance_px=5.0)
@example(labels=PINCHED, tolerance_px=1.0)
def test_shared_borders_stay_shared(labels: np.ndarray, tolerance_px: float) -> None:
    """Where every pixel is in a part, each step of a ring is a step back of one other, or lies on the image's frame."""
    filled = np.where((labels == 0) | (labels == 255), np.uint8(3), labels)
    height, width = labels.shape
    walked = Counter(
        step
        for rings in part_rings(connected_parts(filled).ids, tolerance_px=tolerance_px)
        for ring in rings
        for step in steps(ring)
    )
    assert max(walked.values()) == 1
    ends = np.array(list(walked))[:, 2:]
    assert (ends >= 0).all()
    assert (ends <= (width, height)).all()
    for x, y, to_x, to_y in walked:
        on_frame = (x == to_x and x in (0, width)) or (y == to_y and y in (0, height))
        assert on_frame == ((to_x, to_y, x, y) not in walked)


@settings(max_examples=200, deadline=None)
@given(labels=label_maps, tolerance_px=st.sampled_from([0.5, 1.0, 3.0]))
@example(labels=CHECKERBOARD + 1, tolerance_px=3.0)
@example(labels=STRIPES, tolerance_px=3.0)
def test_the_areas_of_a_full_image_add_up(labels: np.ndarray, tolerance_px: float) -> None:
    """No gap and no overlap: rings that do not cross and add up to the image."""
    filled = np.where((labels == 0) | (labels == 255), np.uint8(3), labels)
    found = part_rings(connected_parts(filled).ids, tolerance_px=tolerance_px)
    assert sum(area(ring) for rings in found for ring in rings) == pytest.approx(labels.size)
    assert all(sum(map(area, rings)) > 0 and len(ring) >= 3 for rings in found for ring in rings)


@settings(max_examples=100, deadline=None)
@given(labels=label_maps, least=st.integers(0, 20))
@example(labels=CHECKERBOARD, least=2)
def test_no_small_part_is_left_unless_it_is_all_or_amid_the_unknown(labels: np.ndarray, least: int) -> None:
    merged = merge_small_parts(labels, min_area_px=least)
    assert set(np.unique(merged)) <= set(np.unique(labels))
    np.testing.assert_array_equal(merge_small_parts(merged, min_area_px=least), merged)
    assert (merged[labels == 255] == 255).all()
    areas = np.bincount(connected_parts(merged).ids.ravel())[1:]
    assert len(np.unique(merged)) == 1 or not len(areas) or areas.min() >= least
    if least < 2:
        np.testing.assert_array_equal(merged, labels)
