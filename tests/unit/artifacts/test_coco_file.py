import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from kit.label_files import coco_file, write_all

from tagseg.artifacts.coco_file import mask_annotations
from tagseg.classes import ClassTable

CLASSES = ClassTable(("cat", "dog"))


def labels(*rows: list[int]) -> np.ndarray:
    return np.array(rows, np.uint8)


FIRST = labels([0, 2, 2], [1, 0, 255], [0, 1, 2])
SECOND = labels([0, 0], [0, 0])
THIRD = labels([1, 1, 1, 1])


def read(path: Path) -> dict:
    return json.loads(path.read_text())


def test_polygons_are_objects_by_class_and_place() -> None:
    found = mask_annotations(FIRST)
    assert [(each["category_id"], each["bbox"], each["area"], each["iscrowd"]) for each in found] == [
        (1, [0, 1, 2, 2], 2, 0),
        (2, [1, 0, 2, 1], 2, 0),
        (2, [2, 2, 1, 1], 1, 0),
    ]
    assert found[1]["segmentation"] == [[1, 0, 3, 0, 3, 1, 1, 1]]


def test_an_image_of_background_and_void_has_no_annotation() -> None:
    assert mask_annotations(labels([0, 255])) == []


def test_a_file_numbers_images_and_annotations_from_one(tmp_path: Path) -> None:
    path = tmp_path / "coco.json"
    items = [("a b.jpg", FIRST), ("sub/c.png", SECOND), ("\u00e9.jpg", THIRD)]
    write_all(coco_file(path, CLASSES), items)
    content = read(path)
    assert content["images"] == [
        {"id": 1, "file_name": "a b.jpg", "width": 3, "height": 3},
        {"id": 2, "file_name": "sub/c.png", "width": 2, "height": 2},
        {"id": 3, "file_name": "\u00e9.jpg", "width": 4, "height": 1},
    ]
    assert [(each["id"], each["name"]) for each in content["categories"]] == [(1, "cat"), (2, "dog")]
    found = content["annotations"]
    assert [each["id"] for each in found] == list(range(1, len(found) + 1))
    assert {each["image_id"] for each in found} == {1, 3}
    expected = [*mask_annotations(FIRST), *mask_annotations(THIRD)]
    assert [{key: each[key] for key in each if key not in ("id", "image_id")} for each in found] == expected


def test_no_image_at_all_is_a_file_of_categories(tmp_path: Path) -> None:
    write_all(coco_file(tmp_path / "coco.json", CLASSES), [])
    content = read(tmp_path / "coco.json")
    assert (content["images"], content["annotations"], len(content["categories"])) == ([], [], 2)


def test_the_same_images_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        write_all(coco_file(tmp_path / name, CLASSES), [("a.jpg", FIRST), ("b.jpg", THIRD)])
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_no_label_map_is_held_after_it_was_added(tmp_path: Path) -> None:
    """The next label map may take the memory of the last one."""
    reused = np.empty((3, 3), np.uint8)

    def items() -> Iterator[tuple[str, np.ndarray]]:
        for number in range(3):
            reused[:] = 0
            reused[number] = 1
            yield f"{number}.jpg", reused

    write_all(coco_file(tmp_path / "coco.json", CLASSES), items())
    assert [each["bbox"] for each in read(tmp_path / "coco.json")["annotations"]] == [
        [0, number, 3, 1] for number in range(3)
    ]
