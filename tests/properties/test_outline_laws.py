"""Outlines hold their component exactly, whatever the label map looks like."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco_mask
from skimage.measure import label

from tagseg.artifacts.coco_file import mask_annotations
from tagseg.ops.outlines import outlines

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # in pycocotools

label_maps = hnp.arrays(
    np.uint8,
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    elements=st.sampled_from([0, 1, 2, 255]),
    fill=st.sampled_from([0, 1]),
)
CHECKERBOARD = np.indices((6, 7)).sum(axis=0).astype(np.uint8) % 2
NESTED = np.ones((9, 9), np.uint8)
NESTED[1:8, 1:8], NESTED[2:7, 2:7], NESTED[3:6, 3:6], NESTED[4, 4] = 0, 1, 2, 1


def draw(polygons: list[list[int]], size: tuple[int, int]) -> np.ndarray:
    return coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(polygons, *size))) == 1


def without_void(labels: np.ndarray) -> np.ndarray:
    return np.where(labels == 255, 0, labels)


@settings(max_examples=200, deadline=None)
@given(labels=label_maps)
@example(labels=CHECKERBOARD)
@example(labels=1 - CHECKERBOARD)
@example(labels=CHECKERBOARD + 1)
@example(labels=NESTED)
@example(labels=np.ones((5, 3), np.uint8))
@example(labels=np.ones((1, 1), np.uint8))
def test_pycocotools_draws_each_component_exactly_from_its_polygon(labels: np.ndarray) -> None:
    components = np.asarray(label(without_void(labels), connectivity=2))
    found = mask_annotations(labels)
    assert len(found) == components.max()
    for annotation in found:
        drawn = draw(annotation["segmentation"], (labels.shape[0], labels.shape[1]))
        (number,) = np.unique(components[drawn]).tolist()
        np.testing.assert_array_equal(drawn, components == number)
        assert set(labels[drawn].tolist()) == {annotation["category_id"]}
        assert annotation["area"] == drawn.sum()


@settings(max_examples=100, deadline=None)
@given(labels=label_maps)
def test_a_polygon_winds_once_around_every_pixel_of_its_component(labels: np.ndarray) -> None:
    """So tools that fill by winding numbers see what tools with the even-odd rule see."""
    for ring in outlines(labels):
        starts, ends = ring.corners, np.roll(ring.corners, -1, axis=0)
        winding = np.zeros(labels.shape, int)
        for (x, top), (_, bottom) in zip(
            starts[starts[:, 0] == ends[:, 0]], ends[starts[:, 0] == ends[:, 0]], strict=True
        ):
            rows = slice(min(top, bottom), max(top, bottom))
            winding[rows, x:] += np.sign(top - bottom)  # a line up has the component on its right
        assert set(np.unique(winding).tolist()) <= {0, 1}
        assert (winding == 1).sum() == ring.area_px
        assert set(labels[winding == 1].tolist()) == {ring.label_id}


@settings(max_examples=60, deadline=None)
@given(labels=label_maps)
def test_the_parts_of_a_mirrored_map_are_as_many_and_as_large(labels: np.ndarray) -> None:
    areas = sorted((ring.label_id, ring.area_px) for ring in outlines(labels))
    for moved in (labels[::-1], labels[:, ::-1], labels.T):
        assert sorted((ring.label_id, ring.area_px) for ring in outlines(np.ascontiguousarray(moved))) == areas
