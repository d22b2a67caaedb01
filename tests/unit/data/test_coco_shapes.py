"""Shapes of COCO's annotations: what pycocotools would draw, and nothing that leads it astray."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco_mask

from tagseg.data.coco_shapes import ShapeError, checked_counts, has_shape, run_lengths_of, shown

SIZE = (20, 30)
SQUARE = [1, 1, 9, 1, 9, 9, 1, 9]


pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # in pycocotools


def pixels(run_lengths: Any) -> np.ndarray:
    return coco_mask.decode(run_lengths).astype(bool)


@settings(max_examples=60, deadline=None)
@given(mask=hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40)))
def test_both_kinds_of_run_lengths_give_their_mask(mask: np.ndarray) -> None:
    encoded: Any = coco_mask.encode(np.asfortranarray(mask).view(np.uint8))
    size = (int(mask.shape[0]), int(mask.shape[1]))
    compressed = {"size": list(size), "counts": encoded["counts"].decode("ascii")}
    counts = checked_counts(compressed, size)
    assert sum(counts) == mask.size
    for shape in (compressed, {"size": list(size), "counts": counts}):
        np.testing.assert_array_equal(pixels(run_lengths_of(shape, size)), mask)


@settings(max_examples=60, deadline=None)
@given(points=st.lists(st.floats(-9, 40), min_size=6, max_size=30).filter(lambda points: len(points) % 2 == 0))
def test_polygons_reach_beyond_the_image_as_pycocotools_has_them(points: list[float]) -> None:
    polygons: Any = [points]
    expected = coco_mask.merge(coco_mask.frPyObjects(polygons, *SIZE))
    np.testing.assert_array_equal(pixels(run_lengths_of([points], SIZE)), pixels(expected))


def test_parts_without_an_inside_add_nothing() -> None:
    alone = pixels(run_lengths_of([SQUARE], SIZE))
    np.testing.assert_array_equal(pixels(run_lengths_of([[0, 0, 30, 20], SQUARE, []], SIZE)), alone)
    assert alone.sum() == 64


@pytest.mark.parametrize(
    "shape", [None, [], {}, "", 0, [[]], [1, 2, 3, 4], [[1, 2, 3, 4]], [[1, 2], [3, 4], [5, 6]], [[[1, 2]] * 6]]
)
def test_objects_that_nobody_drew_have_no_shape(shape: object) -> None:
    assert not has_shape(shape)


RUNS = "run lengths of"


@pytest.mark.parametrize(
    ("shape", "found"),
    [
        ({"counts": [600]}, f"{RUNS} the size null for an image of 20 x 30"),
        ({"size": [30, 20], "counts": [600]}, f"{RUNS} the size [30, 20] for an image of 20 x 30"),
        ({"size": [20, 30, 1], "counts": [600]}, f"{RUNS} the size [20, 30, 1] for an image of 20 x 30"),
        ({"size": [20, 30]}, "run lengths with the counts null"),
        ({"size": [20, 30], "counts": {}}, "run lengths with the counts {}"),
        ({"size": [20, 30], "counts": []}, f"{RUNS} 0 pixels for an image of 600"),
        ({"size": [20, 30], "counts": [100, 499]}, f"{RUNS} 599 pixels for an image of 600"),
        ({"size": [20, 30], "counts": [100, 501]}, f"{RUNS} 601 pixels for an image of 600"),
        ({"size": [20, 30], "counts": [2**32, 600]}, f"{RUNS} 4,294,967,896 pixels for an image of 600"),
        ({"size": [20, 30], "counts": [10**4000, 600]}, f"{RUNS} far more pixels for an image of 600"),
        ({"size": [20, 30], "counts": [700, -100]}, "the run length -100"),
        ({"size": [20, 30], "counts": [599.5, 0.5]}, "the run length 599.5"),
        ({"size": [20, 30], "counts": [599, True]}, "the run length true"),
        ({"size": [20, 30], "counts": [599, "1"]}, 'the run length "1"'),
        ({"size": [20, 30], "counts": [math.inf]}, "the run length Infinity"),
        ({"size": [20, 30], "counts": ""}, f"{RUNS} 0 pixels for an image of 600"),
        ({"size": [20, 30], "counts": "11"}, f"{RUNS} 2 pixels for an image of 600"),
        ({"size": [20, 30], "counts": "b"}, 'the compressed counts "b", which break off'),
        ({"size": [20, 30], "counts": "é"}, 'the compressed counts "é"'),
        ({"size": [20, 30], "counts": "o" * 9}, f'the compressed counts "{"o" * 9}"'),
        ({"size": [20, 30], "counts": "O"}, "the run length -1"),
        ([SQUARE, "a"], '"a" in the place of a polygon'),
        ([SQUARE, [1, 2, 3]], "a polygon of 3 numbers"),
        ([SQUARE, [1, 2, 3, 4, 5, 6, 7]], "a polygon of 7 numbers"),
        ([[1, 1, None, 1, 9, 9]], "the coordinate null"),
        ([[1, 1, "9", 1, 9, 9]], 'the coordinate "9"'),
        ([[1, 1, True, 1, 9, 9]], "the coordinate true"),
        ([SQUARE, [[1, 1], [2, 2]]], "the coordinate [1, 1]"),
        ([[1, 1, math.nan, 1, 9, 9]], "the coordinate NaN for an image of 20 x 30"),
        ([[1, 1, 9, -math.inf, 9, 9]], "the coordinate -Infinity for an image of 20 x 30"),
        ([[1, 1, 10**400, 1, 9, 9]], f"the coordinate 1{'0' * 59}... for an image of 20 x 30"),
        ([[1, 1, 9, 1, 9, 10_021]], "the coordinate 10021 for an image of 20 x 30"),
        ([[1, 1, 9_000, 1] * 2000], "a polygon longer than 10,000,000 pixels"),
        (7, "7"),
        ("text", '"text"'),
    ],
)
def test_shape_that_cannot_be_drawn_says_what_it_is(shape: object, found: str) -> None:
    with pytest.raises(ShapeError) as caught:
        run_lengths_of(shape, SIZE)
    assert str(caught.value) == found


def test_whole_numbers_may_be_written_with_a_point() -> None:
    assert checked_counts({"size": [20.0, 30.0], "counts": [100.0, 500]}, SIZE) == [100, 500]


def test_a_value_is_shown_in_printable_letters() -> None:
    assert shown("caf\u00e9\ud800") == '"caf\\u00e9\\ud800"'
