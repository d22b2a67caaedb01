"""The errors of the COCO reader, word for word."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kit.files import save, write
from kit.messages import ROW, assert_says, row

from tagseg.data.layouts.coco import CocoLayout, read_coco
from tagseg.data.problems import Problem
from tagseg.errors import DataError
from tagseg.types import MaskSource

IMAGE = {"id": 7, "file_name": "a.jpg", "height": 2, "width": 3}
CATEGORY = {"id": 1, "name": "cat"}
SHAPE = {"id": 4, "image_id": 7, "category_id": 1, "segmentation": {"size": [9, 9], "counts": [0, 81]}}
SIZE = "write the height and width of the upright image in pixels"
MEND = "correct or remove the element"
OTHER_FILE = "name an instances file of COCO"


def instances(*images: Any, annotations: Any = (), categories: Any = (CATEGORY,)) -> Any:
    return {"images": images, "annotations": annotations, "categories": categories}


@pytest.mark.parametrize(
    ("content", "problem", "help"),
    [
        row("no_images", instances(), "PATH must hold images and categories, got no images", OTHER_FILE),
        row(
            "an_image_twice",
            instances(IMAGE, IMAGE),
            "PATH must hold usable images, got a second image with id 7",
            MEND,
        ),
        row(
            "an_image_outside",
            instances(IMAGE | {"file_name": "../a.jpg"}),
            "PATH must hold usable images, got the file_name '../a.jpg' outside the folder of images",
            MEND,
        ),
        row(
            "an_image_without_values",
            instances({"id": 7}),
            "PATH must hold usable images, got an element without the values that it needs at byte 12",
            MEND,
        ),
        row(
            "an_image_outside_of_windows",
            instances(IMAGE | {"file_name": "..\\a.jpg"}),
            "PATH must hold usable images, got the file_name '..\\a.jpg' outside the folder of images",
            "write its path below the folder of images, with / between the parts",
        ),
        row(
            "an_image_without_a_size",
            instances({"id": 7, "file_name": "a.jpg"}),
            "PATH must hold usable images, got the image 'a.jpg' without height and width",
            SIZE,
        ),
        row(
            "an_image_of_no_size",
            instances(IMAGE | {"height": float("inf")}),
            "PATH must hold usable images, got the image 'a.jpg' of Infinity x 3 pixels",
            SIZE,
        ),
        row(
            "an_id_of_no_kind",
            instances(IMAGE | {"id": [7]}),
            "PATH must hold usable images, got the id [7] at byte 12",
            MEND,
        ),
        row(
            "a_file_twice",
            instances(IMAGE, IMAGE | {"id": 8, "file_name": "./a.jpg"}),
            "PATH must hold usable images, got a second entry of './a.jpg', ids 7 and 8",
            "join the two entries and their annotations into one",
        ),
        row(
            "a_category_without_a_name",
            instances(IMAGE, categories=[{"id": 1, "name": " "}]),
            "PATH must hold usable categories, got the category 1 without a name",
            MEND,
        ),
        row(
            "an_id_as_a_number_and_as_a_text",
            instances(IMAGE, annotations=[{"image_id": "7", "category_id": 1}]),
            'annotation of PATH must belong to a listed image, got image id "7"',
            "write the id alike in both places, as a number or as a text",
        ),
        row(
            "an_annotation_of_no_image",
            instances(IMAGE, annotations=[{"image_id": 9, "category_id": 1}]),
            "annotation of PATH must belong to a listed image, got image id 9",
            "list the image or remove it",
        ),
        row(
            "an_annotation_of_no_category",
            instances(IMAGE, annotations=[{"image_id": 7, "category_id": 5}]),
            "annotation of PATH must belong to a listed category, got category id 5",
            "list the category or remove it",
        ),
        row(
            "an_image_that_is_not_there",
            instances(IMAGE),
            "image FOLDER/a.jpg of PATH must exist, got no such file",
            "correct the folder of images, or remove it from the list",
        ),
        row(
            "no_categories",
            {"images": [IMAGE], "categories": []},
            "PATH must hold images and categories, got no categories",
            OTHER_FILE,
        ),
        row(
            "a_category_twice",
            {"images": [IMAGE], "categories": [CATEGORY, CATEGORY]},
            "PATH must hold usable categories, got a second category 1 'cat'",
            MEND,
        ),
    ],
)
def test_coco(tmp_path: Path, content: Any, problem: str, help: str) -> None:
    path = write(tmp_path / "instances.json", json.dumps(content))
    assert_says(lambda: read_coco(tmp_path, path), DataError, problem, help, PATH=path, FOLDER=tmp_path)


def test_an_unknown_class_of_coco(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", json.dumps({"images": [IMAGE], "categories": [CATEGORY]}))
    assert_says(
        lambda: read_coco(tmp_path, path, classes=["cta"]),
        DataError,
        "class 'cta' must be one of the categories of PATH, got another name",
        "did you mean 'cat'?",
        PATH=path,
    )


def test_a_file_without_a_usable_image_says_why_though_problems_are_collected(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", json.dumps(instances({"id": 7, "file_name": "a.jpg"}, IMAGE | {"width": 0})))
    assert_says(
        lambda: read_coco(tmp_path, path, problems=[]),
        DataError,
        f"{path} must hold usable images, got the image 'a.jpg' without height and width",
        SIZE,
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param('{"images": [\n' + "[" * 100_000, "a value nested too deep at line 2", id="nested"),
        pytest.param('{"images": ' + '{"a":' * 100_000, "a value nested too deep at line 1", id="nested_member"),
        pytest.param(f'{{"images": [\n{{"id": {"9" * 5000}}}]}}', "a number of too many digits at line 2", id="digits"),
        pytest.param(b'{"images": [\n\n"\xff"]}', "text that is not UTF-8 at line 3", id="bytes"),
        pytest.param('{"images": [\n}', "a mistake at line 2", id="mistake"),
    ],
)
def test_json_that_cannot_be_read(tmp_path: Path, text: bytes | str, found: str) -> None:
    path = write(tmp_path / "a.json", text)
    assert_says(
        lambda: read_coco(tmp_path, path, problems=[]),
        DataError,
        f"annotations {path} must be one JSON object, got {found}",
        "restore the file or name another",
    )


def read_mask(path: Path) -> object:
    return coco_mask(path).read()


def read_mask_without_shapes(path: Path) -> object:
    box = {"id": "b", "image_id": 7, "category_id": 1, "bbox": [0, 0, 1, 1]}
    drawn = SHAPE | {"segmentation": [[0, 0, 2, 0, 2, 2]]}
    return coco_mask(path, drawn, box, box).read()


def read_mask_of_a_changed_file(path: Path) -> object:
    mask = coco_mask(path)
    path.unlink()
    return mask.read()


def coco_mask(path: Path, *annotations: Any) -> MaskSource:
    """Return the mask of some annotations, or of one that has the shape of another image."""
    save(path.parent / "a.jpg")
    write(path, json.dumps(instances(IMAGE, annotations=annotations or [SHAPE])))
    mask = read_coco(path.parent, path).records[0].mask
    assert mask is not None
    return mask


@pytest.mark.parametrize(
    ROW,
    [
        row(
            "another_shape",
            read_mask,
            "annotation 4 of PATH must be polygons or run lengths of the image's size, "
            "got run lengths of the size [9, 9] for an image of 2 x 3",
            "correct or remove it",
        ),
        row(
            "no_shapes",
            read_mask_without_shapes,
            "annotations of image 7 in PATH should all have polygons or run lengths, got 2 of 3 without, the first "
            'annotation "b"',
            "draw these objects, or leave the image out of the scores",
        ),
        row(
            "a_changed_file",
            read_mask_of_a_changed_file,
            "PATH must stay as it is while it is in use, got a changed file",
            "run the command again",
        ),
    ],
)
def test_coco_masks(tmp_path: Path, call: Callable[[Path], object], problem: str, help: str) -> None:
    path = tmp_path / "a.json"
    assert_says(lambda: call(path), DataError, problem, help, PATH=path)


def read_eval(folder: Path, own: list[str], *, classes: list[str] | None = None) -> list[str]:
    """Return what is said of a file to score with some categories, when `cat` and `dog` are learned."""
    save(folder / "a.jpg")
    for name, names in (("train.json", ["cat", "dog"]), ("eval.json", own)):
        categories = [{"id": index, "name": word} for index, word in enumerate(names)]
        write(folder / name, json.dumps(instances(IMAGE, categories=categories)))
    readers = CocoLayout(folder, folder / "train.json", folder, folder / "eval.json", classes).readers()
    assert readers.evaluation is not None
    problems: list[Problem] = []
    readers.evaluation(problems=problems)
    return [f"{'error' if each.kind.is_error else 'warning'}: {each.problem}; {each.help}" for each in problems]


ONE_NAME = "give a class one name in both files, or list the missing ones here too"
LEARN = "learn the class too; until then its objects are scored as background"


@pytest.mark.parametrize(
    ("own", "classes", "said"),
    [
        (["dog", "cat"], None, []),
        (["cow", "dog", "cat"], None, [f"warning: PATH should list the classes to learn only, got 'cow'; {LEARN}"]),
        (["cow", "dog", "cat"], ["dog"], []),
        (["cat", "cow"], ["cat"], []),
        (
            ["dog"],
            None,
            ["warning: PATH should list all classes of the run, got no 'cat'; list it; until then no image of the file "
             "is taken to show it"],
        ),
        (
            ["cat", "Dog"],
            None,
            [f"error: PATH must name its categories like the file to learn from, got 'Dog' and no 'dog'; {ONE_NAME}"],
        ),
        (
            ["cat"],
            ["dog"],
            ["error: PATH must name its categories like the file to learn from, got none of them and no 'dog'; "
             f"{ONE_NAME}"],
        ),
        (
            [str(number) for number in range(7)],
            None,
            ["error: PATH must name its categories like the file to learn from, got '0', '1', '2', '3', '4' and 2 more "
             f"and no 'cat', 'dog'; {ONE_NAME}"],
        ),
    ],
)  # fmt: skip
def test_coco_files_of_other_classes(
    tmp_path: Path, own: list[str], classes: list[str] | None, said: list[str]
) -> None:
    path = str(tmp_path / "eval.json")
    assert read_eval(tmp_path, own, classes=classes) == [each.replace("PATH", path) for each in said]
