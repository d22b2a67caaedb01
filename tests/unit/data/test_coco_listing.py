"""What one walk over a COCO file keeps of odd values: nothing that is used later, and a problem for each."""

import json
from pathlib import Path
from typing import Any

import pytest

from tagseg.data.coco_listing import category_names, list_file
from tagseg.data.problems import Problem, ProblemKind

IMAGE = {"id": 7, "file_name": "a.jpg", "height": 20, "width": 30}
INFINITY, NAN = float("inf"), float("nan")


def write(folder: Path, **sections: Any) -> Path:
    path = folder / "a.json"
    path.write_text(json.dumps({"images": [IMAGE], "categories": [{"id": 1, "name": "cat"}], **sections}))
    return path


@pytest.mark.parametrize(
    "image",
    [
        None, [], 7, "a.jpg", {},
        *({"id": value} for value in (None, [1], {}, True, 1.5, INFINITY, NAN, "a\ud800", "a\0")),
        *({"file_name": value} for value in (None, 7, "", ".", "..", "/a.jpg", "..\\a.jpg", "a\ud800.jpg", "a\0.jpg")),
        *({"height": value} for value in (None, "20", 0, -1, 20.5, True, INFINITY, NAN, [20], 10**12, 10**400)),
    ],
)  # fmt: skip
def test_odd_image_is_one_problem(tmp_path: Path, image: object) -> None:
    odd = {"id": 8, "file_name": "b.jpg", "height": 20, "width": 30, **image} if isinstance(image, dict) else image
    odd = image if image == {} else odd
    problems: list[Problem] = []
    listing = list_file(write(tmp_path, images=[IMAGE, odd]), problems)
    assert list(listing.images) == [7]
    assert [problem.kind for problem in problems] == [ProblemKind.BAD_ANNOTATION]
    assert problems[0].problem.isprintable() and problems[0].problem.isascii()


@pytest.mark.parametrize("side", ["image_id", "category_id"])
@pytest.mark.parametrize("value", [None, [1], {}, True, 1.5, INFINITY, NAN, "a\ud800"])
def test_odd_annotation_is_one_problem(tmp_path: Path, side: str, value: object) -> None:
    problems: list[Problem] = []
    good = {"image_id": 7, "category_id": 1}
    listing = list_file(write(tmp_path, annotations=[good, good | {side: value}]), problems)
    assert len(listing.spans[7]) == 1
    assert [problem.kind for problem in problems] == [ProblemKind.BAD_ANNOTATION]


@pytest.mark.parametrize("category", [{"id": NAN}, {"name": None}, {"name": ""}, {"name": "\ud800"}, {"name": {}}])
def test_odd_category_is_one_problem(tmp_path: Path, category: dict[str, object]) -> None:
    problems: list[Problem] = []
    odd = {"id": 2, "name": "dog", **category}
    listing = list_file(write(tmp_path, categories=[odd, {"id": 1, "name": "cat "}]), problems)
    assert listing.categories == {1: "cat"}
    assert [problem.kind for problem in problems] == [ProblemKind.BAD_ANNOTATION]


def test_whole_numbers_with_a_point_are_the_same_ids(tmp_path: Path) -> None:
    path = write(tmp_path, annotations=[{"image_id": 7.0, "category_id": 1.0}])
    listing = list_file(path, None)
    assert (list(listing.spans), listing.categories_of) == ([7], {7: {1}})


def test_annotations_of_a_refused_image_are_no_problems_of_their_own(tmp_path: Path) -> None:
    problems: list[Problem] = []
    refused = {"id": 8, "file_name": "b.jpg"}
    list_file(write(tmp_path, images=[IMAGE, refused], annotations=[{"image_id": 8, "category_id": 1}]), problems)
    assert len(problems) == 1


def test_names_come_in_the_order_of_the_ids_numbers_first(tmp_path: Path) -> None:
    ids = {"b": "v", 10: "w", "a": "x", 2: "y"}
    path = write(tmp_path, categories=[{"id": key, "name": name} for key, name in ids.items()])
    assert category_names(path) == ("y", "w", "x", "v")
