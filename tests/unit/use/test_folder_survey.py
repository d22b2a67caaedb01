"""A look at a folder: which layout it has, and what lies in it."""

import json
from pathlib import Path

import pytest
from PIL import Image as PillowImage

from tagseg.data.drawn_pictures import write_dataset
from tagseg.recipe.layouts import CocoData, FolderData, VocData
from tagseg.use.folder_survey import MOST_HEADERS, find_layout, survey_folder


def photograph(path: Path, size: tuple[int, int] = (40, 30)) -> Path:
    """Write a grey photograph of (width, height)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.new("RGB", size, (90, 120, 60)).save(path)
    return path


def test_a_folder_of_ones_own(tmp_path: Path) -> None:
    for place, size in (("cat/a.jpg", (40, 30)), ("cat/b.jpg", (60, 50)), ("dog/c.jpg", (20, 10))):
        photograph(tmp_path / place, size)
    (tmp_path / "dog" / "broken.jpg").write_bytes(b"no picture")
    (tmp_path / "dog" / "notes.txt").write_text("mine")
    found = survey_folder(tmp_path)
    assert found.data == FolderData(format="folder", root=tmp_path)
    assert (found.num_images, found.num_masks, found.num_problems) == (4, 0, 1)  # a bad file is told by `check`
    assert found.images_by_class == {"cat": 2, "dog": 2}
    assert found.sizes == ((10, 20), (30, 40), (50, 60))


def test_masks_are_counted(tmp_path: Path) -> None:
    write_dataset(tmp_path, num_images=3, size=(32, 32))
    found = survey_folder(tmp_path)
    assert (found.num_images, found.num_masks) == (3, 3)


def test_sizes_of_many_photographs_are_those_of_some(tmp_path: Path) -> None:
    for index in range(MOST_HEADERS + 1):
        photograph(tmp_path / "cat" / f"{index:03}.png", (32, 32))
    assert len(survey_folder(tmp_path).sizes) == 101


@pytest.mark.parametrize(
    ("lists", "masks", "expected"),
    [
        (("train", "val"), True, ("train", "train", "val")),
        (("train_aug", "train", "val"), True, ("train_aug", "train", "val")),
        (("trainval", "val"), True, ("trainval", None, None)),
        (("train", "val"), False, ("train", None, None)),
    ],
)
def test_the_layout_of_voc(
    tmp_path: Path, lists: tuple[str, ...], masks: bool, expected: tuple[str, str | None, str | None]
) -> None:
    photograph(tmp_path / "JPEGImages" / "a.jpg")
    (tmp_path / "ImageSets" / "Segmentation").mkdir(parents=True)
    for name in lists:
        (tmp_path / "ImageSets" / "Segmentation" / f"{name}.txt").write_text("a\n")
    if masks:
        (tmp_path / "SegmentationClass").mkdir()
    found = find_layout(tmp_path)
    assert isinstance(found, VocData)
    assert (found.train_split, found.eval_split, found.test_split) == expected


def coco_file(path: Path) -> None:
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 40, "height": 30}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 5, "bbox": [1, 1, 9, 9], "area": 81, "iscrowd": 0}],
        "categories": [{"id": 5, "name": "bolt"}],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("train", "evaluation"),
    [
        (("train2014", "annotations/instances_train2014.json"), ("val2014", "annotations/instances_val2014.json")),
        (("images/train", "annotations/train.json"), ("images/val", "annotations/val.json")),
        (("train", "train/_annotations.coco.json"), ("valid", "valid/_annotations.coco.json")),
        (("train", "train/_annotations.coco.json"), None),
        ((".", "_annotations.coco.json"), None),
    ],
)
def test_the_layout_of_coco(tmp_path: Path, train: tuple[str, str], evaluation: tuple[str, str] | None) -> None:
    for images, annotations in filter(None, (train, evaluation)):
        photograph(tmp_path / images / "a.jpg")
        coco_file(tmp_path / annotations)
    coco_file(tmp_path / "annotations" / "captions_train2014.json")
    found = survey_folder(tmp_path)
    assert found.data == CocoData(
        format="coco",
        train_images=tmp_path / train[0],
        train_annotations=tmp_path / train[1],
        eval_images=tmp_path / evaluation[0] if evaluation else None,
        eval_annotations=tmp_path / evaluation[1] if evaluation else None,
    )
    assert found.images_by_class == {"bolt": 1}


def test_annotations_of_another_tool_do_not_make_a_folder_coco(tmp_path: Path) -> None:
    photograph(tmp_path / "cat" / "a.jpg")
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "a.json").write_text("{}")
    assert find_layout(tmp_path) == FolderData(format="folder", root=tmp_path)


def test_folders_to_learn_from_and_to_test_on_are_told_apart(tmp_path: Path) -> None:
    """As YOLO's classification and Hugging Face's image folders have them."""
    for place in ("train/cat/a.jpg", "train/dog/b.jpg", "val/cat/c.jpg"):
        photograph(tmp_path / "yolo" / place)
    found = survey_folder(tmp_path / "yolo")
    assert found.data == FolderData(
        format="folder", root=tmp_path / "yolo" / "train", test_root=tmp_path / "yolo" / "val"
    )
    assert found.images_by_class == {"cat": 1, "dog": 1}
    photograph(tmp_path / "faces" / "train" / "a.jpg")
    (tmp_path / "faces" / "train" / "metadata.jsonl").write_text('{"file_name": "a.jpg", "label": "cat"}\n')
    found = survey_folder(tmp_path / "faces")
    assert found.data == FolderData(format="folder", root=tmp_path / "faces" / "train")
    assert found.images_by_class == {"cat": 1}


@pytest.mark.parametrize(
    "places", [("train/a.jpg", "car/b.jpg"), ("train/a.jpg",), ("b.jpg", "train/x/a.jpg"), ("val/x/a.jpg",)]
)
def test_a_class_may_be_called_train(tmp_path: Path, places: tuple[str, ...]) -> None:
    for place in places:
        photograph(tmp_path / place)
    assert find_layout(tmp_path) == FolderData(format="folder", root=tmp_path)
