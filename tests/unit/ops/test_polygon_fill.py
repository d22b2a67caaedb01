"""Pixels inside polygons: against a slow reference, shared borders, bridges to holes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from kit.labelled_images import drawn

from tagseg.ops.part_rings import bridged
from tagseg.ops.polygon_fill import polygon_mask

SIZE = (7, 9)
QUARTERS = st.integers(-8, 44).map(lambda quarters: quarters / 4)
CORNERS = st.lists(st.tuples(QUARTERS, QUARTERS), min_size=3, max_size=9).map(lambda points: np.array(points, float))


@given(CORNERS)
def test_pixels_are_those_of_the_slow_rule(corners: np.ndarray) -> None:
    moved = corners + np.array([0.013, 0.0071])  # no centre lies on a border, however steep
    np.testing.assert_array_equal(polygon_mask(moved, size=SIZE), drawn(moved, SIZE))


@given(st.lists(st.tuples(QUARTERS, st.integers(-2, 9)), min_size=2, max_size=6))
def test_neighbours_share_no_pixel_and_leave_none_out(border: list[tuple[float, int]]) -> None:
    """Left and right of one line from top to bottom, whatever its corners are."""
    line = sorted([(x, y) for x, y in border if 0 < y < 7], key=lambda corner: corner[1])
    line = [(4.0, 0), *line, (4.0, 7)]
    left = polygon_mask(np.array([(-20.0, 0), *line, (-20.0, 7)], float), size=SIZE)
    right = polygon_mask(np.array([(30.0, 0), *line, (30.0, 7)], float), size=SIZE)
    np.testing.assert_array_equal(left, ~right)


def test_a_bridge_fills_nothing_even_over_the_centres_of_pixels() -> None:
    outer = np.array([[0.5, 0.5], [8.5, 0.5], [8.5, 6.5], [0.5, 6.5]])
    hole = np.array([[2.5, 2.5], [2.5, 4.5], [6.5, 4.5], [6.5, 2.5]])
    expected = polygon_mask(outer, size=SIZE) & ~polygon_mask(hole, size=SIZE)
    np.testing.assert_array_equal(polygon_mask(bridged([outer, hole]), size=SIZE), expected)


def test_many_long_sides_are_filled_in_parts() -> None:
    x = np.tile([0.0, 30.0], 700)
    y = np.where(np.arange(1400) % 2, 2000.0, 0.0)
    corners = np.stack([x, y], axis=1)
    assert not polygon_mask(corners, size=(2000, 30)).any()  # each way is walked back
    assert polygon_mask(np.array([[0.0, 0], [30, 0], [0, 2000]]), size=(2000, 30)).mean() > 0.49
