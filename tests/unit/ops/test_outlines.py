"""Known outlines, drawn as text: a letter is a class, a dot is background, a question mark is void."""

import numpy as np
import pytest

from tagseg.ops.outlines import Outline, outlines

LABELS = {".": 0, "a": 1, "b": 2, "?": 255}


def drawing(*rows: str) -> np.ndarray:
    return np.array([[LABELS[letter] for letter in row] for row in rows], np.uint8)


def rings(*rows: str) -> list[tuple[int, int, list[list[int]]]]:
    return [(ring.label_id, ring.area_px, ring.corners.tolist()) for ring in outlines(drawing(*rows))]


def test_a_pixel_is_a_square_that_starts_at_its_upper_left_corner() -> None:
    assert rings("...", "..a") == [(1, 1, [[2, 1], [3, 1], [3, 2], [2, 2]])]


def test_a_full_image_has_four_corners() -> None:
    assert rings("bbb", "bbb") == [(2, 6, [[0, 0], [3, 0], [3, 2], [0, 2]])]


@pytest.mark.parametrize("rows", [["..", ".."], ["??"], ["."], ["?."]])
def test_background_and_void_have_no_outline(rows: list[str]) -> None:
    assert rings(*rows) == []


def test_void_cuts_like_background() -> None:
    assert [(label, area) for label, area, _ in rings("a?a")] == [(1, 1), (1, 1)]


def test_pixels_that_touch_at_a_corner_are_one_outline_through_that_corner() -> None:
    assert rings("a.", ".a") == [(1, 2, [[0, 0], [1, 0], [1, 1], [2, 1], [2, 2], [1, 2], [1, 1], [0, 1]])]
    assert rings(".a", "a.") == [(1, 2, [[1, 0], [2, 0], [2, 1], [1, 1], [1, 2], [0, 2], [0, 1], [1, 1]])]


def test_two_classes_that_cross_at_a_corner_are_an_outline_each() -> None:
    assert [(label, area) for label, area, _ in rings("ab", "ba")] == [(1, 2), (2, 2)]


def test_a_hole_is_reached_by_a_bridge_along_the_top_of_the_pixels_on_its_left() -> None:
    ((label, area, corners),) = rings("aaa", "a.a", "aaa")
    outer, bridge_end = [[0, 0], [3, 0], [3, 3], [0, 3], [0, 1]], [[1, 1], [1, 2], [2, 2], [2, 1]]
    assert (label, area) == (1, 8)
    # The way back from the hole is one line with the top side of the hole: [1, 1] is not a corner there.
    assert corners == [*outer, *bridge_end, [0, 1]]


def test_an_object_in_a_hole_has_its_own_outline() -> None:
    assert [(label, area) for label, area, _ in rings("aaaaa", "a...a", "a.b.a", "a...a", "aaaaa")] == [(1, 16), (2, 1)]


def test_holes_beside_each_other_are_bridged_one_through_the_other() -> None:
    ((_, area, corners),) = rings("aaaaaaa", "a.a.a.a", "aaaaaaa")
    assert area == 18
    lines = {(tuple(a), tuple(b)) for a, b in zip(corners, [*corners[1:], corners[0]], strict=True)}
    for left in (0, 2, 4):
        assert any(a[1] == b[1] == 1 and a[0] == left and b[0] == left + 1 for a, b in lines), left


def test_pixels_inside_a_ring_that_closes_at_a_corner_are_outside_of_it() -> None:
    """The middle of a diamond is 4-connected to nothing, so it is a hole, and the diamond is one component."""
    ((_, area, corners),) = rings(".a.", "a.a", ".a.")
    assert area == 4
    assert len(corners) >= 16


def test_components_come_by_their_first_pixel() -> None:
    found = outlines(drawing("..b.a", "a.b..", "a...b"))
    assert [(ring.label_id, ring.corners[0].tolist()) for ring in found] == [
        (2, [2, 0]),
        (1, [4, 0]),
        (1, [0, 1]),
        (2, [4, 2]),
    ]


def test_every_line_turns_at_its_ends() -> None:
    labels = np.random.default_rng(3).choice([0, 1, 2], size=(24, 31), p=[0.3, 0.5, 0.2]).astype(np.uint8)
    for ring in outlines(labels):
        lines = np.roll(ring.corners, -1, axis=0) - ring.corners
        assert ((lines == 0).sum(axis=1) == 1).all()  # horizontal or vertical, and of some length
        turned = np.sign(lines) != np.sign(np.roll(lines, 1, axis=0))
        assert turned.any(axis=1).all()


def test_labels_are_not_changed_and_may_lie_in_any_order() -> None:
    labels = np.asfortranarray(drawing("a?b", "ab."))
    before = labels.copy()
    found = outlines(labels)
    assert np.array_equal(labels, before)
    assert [each.corners.tolist() for each in found] == [
        each.corners.tolist() for each in outlines(np.ascontiguousarray(labels))
    ]
    assert isinstance(found[0], Outline)
