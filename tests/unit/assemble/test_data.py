"""From a data section to splits: which images are to learn from, to score and to test on, in every layout."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from PIL import Image

from tagseg.assemble.data import LAYOUTS, read_splits, split_readers
from tagseg.data.problems import ProblemKind
from tagseg.errors import DataError
from tagseg.progress import SilentProgress
from tagseg.recipe import Recipe, make_recipe
from tagseg.recipe.layouts import Data, SyntheticData
from tagseg.use.check import check_data


def data_of(**values: Any) -> Data:
    return make_recipe({"name": "mine", "data": values}).data


def write_images(folder: Path, *names: str, masks: bool) -> None:
    """Write black images, with masks of the first class in ``masks`` beside them where they are asked for."""
    for name in names:
        pixels = np.zeros((8, 8, 3), np.uint8)
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        if masks:
            (folder / "masks").mkdir(exist_ok=True)
            Image.fromarray(np.ones((8, 8), np.uint8)).save(folder / "masks" / f"{name}.png")


def write_voc(root: Path, *, masks: bool) -> None:
    """Write a data set in VOC layout with an image in each of the lists train, val and test."""
    lists = root / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    for name in ("train", "val", "test"):
        (lists / f"{name}.txt").write_text(f"{name}_image\n")
        write_images(root / "JPEGImages", f"{name}_image", masks=False)
        if masks:
            write_images(root / "SegmentationClass", f"{name}_image", masks=False)
    rows = "".join(f"{name}_image,cat\n" for name in ("train", "val", "test"))
    (root / "image_tags.csv").write_text(f"image,tags\n{rows}")


def test_every_section_of_the_recipe_has_its_layout() -> None:
    annotation = Recipe.model_fields["data"].annotation
    assert set(get_args(annotation)) == set(LAYOUTS)


@pytest.mark.parametrize("section", LAYOUTS, ids=lambda section: section.__name__)
def test_a_layout_has_the_keys_and_the_defaults_of_its_section(section: type[Any]) -> None:
    layout = LAYOUTS[section]
    assert isinstance(layout, type) and dataclasses.is_dataclass(layout)
    fields = {field.name: field.default for field in dataclasses.fields(layout)}
    keys = section.model_fields
    assert set(fields) == set(keys) - {"format"}
    given = {name: default for name, default in fields.items() if default is not dataclasses.MISSING}
    assert given == {name: keys[name].default for name in given}


@pytest.mark.parametrize("masks", [False, True])
def test_a_folder_is_scored_on_itself_when_it_has_masks(masks: bool, tmp_path: Path) -> None:
    write_images(tmp_path, "a", "b", masks=masks)
    (tmp_path / "tags.csv").write_text("image,tags\na.png,cat\nb.png,cat\n")
    splits = read_splits(data_of(format="folder", root=str(tmp_path)), drawn=tmp_path / "drawn")
    assert splits.evaluation is (splits.train if masks else None)
    assert splits.test is None and splits.segmenter_test is splits.evaluation
    assert not (tmp_path / "drawn").exists()


def test_a_folder_with_another_to_test_on(tmp_path: Path) -> None:
    write_images(tmp_path / "learn", "a", masks=True)
    (tmp_path / "learn" / "tags.csv").write_text("image,tags\na.png,cat\n")
    write_images(tmp_path / "test", "b", masks=True)
    values = {"format": "folder", "root": str(tmp_path / "learn"), "test_root": str(tmp_path / "test")}
    splits = read_splits(data_of(**values), drawn=tmp_path)
    assert splits.evaluation is splits.train
    assert splits.test is not None and [record.image_id for record in splits.test.records] == ["b"]
    assert splits.segmenter_test is splits.test


@pytest.mark.parametrize("masks", [False, True])
@pytest.mark.parametrize(
    ("named", "names"),
    [
        ({}, ("train", None, None)),
        ({"eval_split": "val"}, ("train", "val", None)),
        ({"eval_split": "train"}, ("train", "train", None)),
        ({"eval_split": "train", "test_split": "test"}, ("train", "train", "test")),
        ({"test_split": "train"}, ("train", None, "train")),
    ],
)
def test_voc_is_scored_on_the_lists_that_are_named(
    named: dict[str, str], names: tuple[str | None, ...], masks: bool, tmp_path: Path
) -> None:
    write_voc(tmp_path, masks=masks)
    data = data_of(format="voc", root=str(tmp_path), train_split="train", classes=["cat"], **named)
    splits = read_splits(data, drawn=tmp_path / "drawn")
    assert tuple(split.name if split else None for split in (splits.train, splits.evaluation, splits.test)) == names
    assert (splits.evaluation is splits.train) == (named.get("eval_split") == "train")


def test_a_list_to_learn_from_and_to_score_is_read_once(tmp_path: Path) -> None:
    write_voc(tmp_path, masks=True)
    values = {"format": "voc", "root": str(tmp_path), "train_split": "train", "test_split": "test"}
    for eval_split, names in (("train", ["train", "test"]), ("val", ["train", "val", "test"])):
        readers = split_readers(data_of(**values, eval_split=eval_split), drawn=tmp_path)
        assert [read().name for read in readers.different()] == names


def test_drawn_pictures_lie_where_they_are_drawn_unless_a_folder_is_named(tmp_path: Path) -> None:
    values = {"format": "synthetic", "num_images": 2, "image_size_px": 48, "test_num_images": 1}
    for root in (None, tmp_path / "named"):
        data = data_of(**values, **({"root": str(root)} if root else {}))
        splits = read_splits(data, drawn=tmp_path / "drawn")
        assert splits.evaluation is splits.train and splits.test is not None
        assert (len(splits.train), len(splits.test), splits.test.name) == (2, 1, "test")
        for record in (*splits.train.records, *splits.test.records):
            assert record.image_path.is_relative_to(root or tmp_path / "drawn")


def test_pictures_that_another_run_has_drawn_are_taken(tmp_path: Path) -> None:
    data = data_of(format="synthetic", num_images=2, image_size_px=48)
    beside = data.with_drawn(tmp_path / "main")
    assert isinstance(beside, SyntheticData) and beside.root == tmp_path / "main"
    records = read_splits(beside, drawn=tmp_path / "other").train.records
    assert all(record.image_path.is_relative_to(tmp_path / "main") for record in records)
    assert not (tmp_path / "other").exists()


def coco_of(tmp_path: Path, **places: Path) -> Data:
    """Return a data section whose two files of annotations tag each photograph below its place with one class."""
    values: dict[str, Any] = {"format": "coco"}
    for kind, place in places.items():
        files = sorted(path.relative_to(place).as_posix() for path in place.rglob("*.png"))
        content = {
            "images": [{"id": n, "file_name": name, "height": 8, "width": 8} for n, name in enumerate(files)],
            "annotations": [
                {"id": n, "image_id": n, "category_id": 1, "bbox": [0, 0, 4, 4], "area": 16, "iscrowd": 0}
                | {"segmentation": [[0, 0, 4, 0, 4, 4, 0, 4]]}
                for n in range(len(files))
            ],
            "categories": [{"id": 1, "name": "cat"}],
        }
        (tmp_path / f"{kind}.json").write_text(json.dumps(content))
        values |= {f"{kind}_images": str(place), f"{kind}_annotations": str(tmp_path / f"{kind}.json")}
    return data_of(**values)


def test_an_id_that_names_two_photographs_is_an_error(tmp_path: Path) -> None:
    for name in ("train/0001", "val/0001", "val/0002"):
        write_images(tmp_path, name, masks=False)
    data = coco_of(tmp_path, train=tmp_path / "train", eval=tmp_path / "val")
    problem = f"image id '0001' must name one image, got {tmp_path / 'train' / '0001.png'} in "
    with pytest.raises(DataError, match=re.escape(problem)) as raised:
        read_splits(data, drawn=tmp_path)
    assert str(tmp_path / "val" / "0001.png") in str(raised.value)
    assert "rename one of the two, or move it into another sub-folder" in str(raised.value)
    reports = check_data(data, progress=SilentProgress())
    assert [[problem.kind for problem in report.problems if problem.kind.is_error] for report in reports] == [
        [],
        [ProblemKind.SHARED_ID],
    ]


def test_a_photograph_of_both_splits_has_one_id(tmp_path: Path) -> None:
    write_images(tmp_path / "all", "0001", "0002", masks=False)
    (tmp_path / "linked").symlink_to(tmp_path / "all")
    splits = read_splits(coco_of(tmp_path, train=tmp_path / "all", eval=tmp_path / "linked"), drawn=tmp_path)
    assert splits.evaluation is not None and len(splits.train) == len(splits.evaluation) == 2
