"""Parts of label maps taken apart into objects."""

import numpy as np

from tagseg.ops.object_parts import parts_of_objects
from tagseg.ops.parts import connected_parts

LABELS = np.array(
    [
        [1, 1, 1, 1, 1, 0, 2, 2],
        [1, 1, 1, 1, 1, 0, 2, 2],
        [0, 0, 0, 0, 0, 0, 0, 0],
        [1, 1, 1, 2, 2, 2, 255, 0],
    ],
    np.uint8,
)


def box(rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros(LABELS.shape, bool)
    mask[rows, columns] = True
    return mask


def test_pixels_go_to_the_nearest_object_of_their_part_and_label() -> None:
    first, second = (1, box(slice(0, 2), slice(0, 2))), (1, box(slice(0, 4), slice(4, 6)))
    found = parts_of_objects(connected_parts(LABELS), [first, second])
    assert found.label_ids == (1, 1, 2, 1, 2)
    assert found.ids.tolist() == [
        [1, 1, 1, 2, 2, 0, 3, 3],
        [1, 1, 1, 2, 2, 0, 3, 3],
        [0, 0, 0, 0, 0, 0, 0, 0],
        [4, 4, 4, 5, 5, 5, 0, 0],
    ]


def test_a_small_object_takes_no_part_apart() -> None:
    parts = connected_parts(LABELS)
    objects = [(1, box(slice(0, 1), slice(0, 1))), (1, box(slice(0, 2), slice(2, 5)))]
    assert len(parts_of_objects(parts, objects, min_area_px=1).label_ids) == len(parts.label_ids) + 1
    found = parts_of_objects(parts, objects, min_area_px=2)
    np.testing.assert_array_equal(found.ids, parts.ids)
    assert found.label_ids == parts.label_ids


def test_without_objects_of_their_label_parts_stay() -> None:
    parts = connected_parts(LABELS)
    assert parts_of_objects(parts, []) is parts
    np.testing.assert_array_equal(parts_of_objects(parts, [(3, box(slice(0, 4), slice(0, 8)))]).ids, parts.ids)
    empty = connected_parts(np.zeros((2, 3), np.uint8))
    assert parts_of_objects(empty, [(1, np.ones((2, 3), bool))]) is empty


def test_labels_stay_as_they_are_whatever_the_objects() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        labels = rng.integers(0, 3, (12, 15)).astype(np.uint8)
        cut = rng.integers(0, 4, labels.shape)
        objects = [(int(rng.integers(1, 3)), cut == number) for number in range(1, 4)]
        parts = connected_parts(labels)
        found = parts_of_objects(parts, objects)
        np.testing.assert_array_equal(np.array((0, *found.label_ids))[found.ids], labels)
        assert all(len(np.unique(parts.ids[found.ids == number])) == 1 for number in range(1, found.ids.max() + 1))
