"""The readers on real data: nothing lost, nothing added, against the annotation files read another way."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from pycocotools import mask as coco_mask

from tagseg.classes import VOC_CLASSES
from tagseg.data.images import image_size, read_image
from tagseg.data.layouts.coco import read_coco
from tagseg.data.layouts.voc import read_voc
from tagseg.data.preflight import check_split
from tagseg.data.problems import Problem

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
COCO, VOC = DATA / "tiny_coco", DATA / "voc2012_animals"
ANIMALS = ("cat", "cow", "dog", "horse", "person", "sheep")
needs_coco = pytest.mark.skipif(not COCO.is_dir(), reason=f"the data set {COCO} is not here")
needs_voc = pytest.mark.skipif(not VOC.is_dir(), reason=f"the data set {VOC} is not here")


@needs_coco
@pytest.mark.parametrize("part", ["train2017", "val2017"])
@pytest.mark.parametrize("classes", [None, ("person", "dog", "traffic light")])
def test_coco_tags_are_those_of_the_annotations(part: str, classes: tuple[str, ...] | None) -> None:
    path = COCO / "annotations" / f"instances_{part}.json"
    split = read_coco(COCO / part, path, classes=classes, split_name=part)
    content = json.loads(path.read_text())
    names = {category["id"]: category["name"] for category in content["categories"]}
    expected: dict[str, set[str]] = {Path(image["file_name"]).stem: set() for image in content["images"]}
    files = {image["id"]: Path(image["file_name"]).stem for image in content["images"]}
    for annotation in content["annotations"]:
        if classes is None or names[annotation["category_id"]] in classes:
            expected[files[annotation["image_id"]]].add(names[annotation["category_id"]])
    assert len(split) == 50
    assert {record.image_id: {split.classes.name(tag) for tag in record.tags} for record in split.records} == expected
    assert split.classes.names == (classes or tuple(names[key] for key in sorted(names)))


@needs_coco
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools with numpy 2
@pytest.mark.parametrize("part", ["train2017", "val2017"])
def test_coco_masks_show_each_pixel_s_smallest_object(part: str) -> None:
    path = COCO / "annotations" / f"instances_{part}.json"
    split = read_coco(COCO / part, path, split_name=part)
    content = json.loads(path.read_text())
    position = {key: i for i, key in enumerate(sorted(item["id"] for item in content["categories"]), start=1)}
    with_crowd = {item["image_id"] for item in content["annotations"] if item["iscrowd"]}
    chosen = [image for image in content["images"] if image["id"] in with_crowd][:2] + content["images"][:6]
    masks = {record.image_id: record.mask for record in split.records}
    for image in chosen:
        height, width = image["height"], image["width"]
        smallest = np.full((height, width), np.inf)
        expected = np.zeros((height, width), np.uint8)
        for item in (item for item in content["annotations"] if item["image_id"] == image["id"]):
            shape = decode(item["segmentation"], height, width)
            here = shape & (shape.sum() <= smallest)
            smallest[here], expected[here] = shape.sum(), position[item["category_id"]]
        source = masks[Path(image["file_name"]).stem]
        assert source is not None
        np.testing.assert_array_equal(source.read(), expected)


def decode(shape: object, height: int, width: int) -> np.ndarray:
    """Return the pixels of polygons through pycocotools, and of run lengths by writing out the runs."""
    if isinstance(shape, list):
        parts = coco_mask.decode(coco_mask.frPyObjects(shape, height, width))
        return parts.any(axis=2)
    assert isinstance(shape, dict)
    values = np.arange(len(shape["counts"])) % 2 == 1
    return np.repeat(values, shape["counts"]).reshape(width, height).T


@needs_coco
def test_coco_check_finds_nothing_unusable() -> None:
    path = COCO / "annotations" / "instances_val2017.json"
    problems: list[Problem] = []
    split = read_coco(COCO / "val2017", path, problems=problems)
    report = check_split(split, reader_problems=problems)
    assert report.is_clean
    assert report.num_images == 50


@needs_voc
@pytest.mark.parametrize(("name", "size"), [("train_aug", 3129), ("train", 437), ("val", 223)])
def test_voc_tags_are_those_of_the_file_for_the_chosen_classes(name: str, size: int) -> None:
    split = read_voc(VOC, split=name, classes=ANIMALS)
    with (VOC / "image_tags.csv").open() as file:
        rows = {row["image"]: row["tags"].split() for row in csv.DictReader(file)}
    listed = (VOC / "ImageSets" / "Segmentation" / f"{name}.txt").read_text().split()
    assert len(split) == size
    assert [record.image_id for record in split.records] == sorted(listed)
    for record in split.records:
        assert [split.classes.name(tag) for tag in record.tags] == sorted(set(rows[record.image_id]) & set(ANIMALS))
        assert record.mask is not None
        assert record.image_path.is_file()


@needs_voc
def test_voc_masks_are_the_palette_indices_of_the_chosen_classes() -> None:
    for record in read_voc(VOC, split="val", classes=ANIMALS).records[::20]:
        stored = np.asarray(PillowImage.open(VOC / "SegmentationClass" / f"{record.image_id}.png"))
        expected = np.zeros_like(stored)
        for label, name in enumerate(ANIMALS, start=1):
            expected[stored == VOC_CLASSES.index(name) + 1] = label
        expected[stored == 255] = 255
        assert record.mask is not None
        np.testing.assert_array_equal(record.mask.read(), expected)
        assert read_image(record.image_path).shape[:2] == image_size(record.image_path) == stored.shape


@needs_voc
def test_voc_check_finds_nothing_unusable() -> None:
    split = read_voc(VOC, split="val", classes=ANIMALS)
    report = check_split(split)
    assert report.is_clean
    assert all(count > 0 for count in report.images_by_class.values())
