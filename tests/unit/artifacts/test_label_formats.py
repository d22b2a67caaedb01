"""Each format of labels is read back by a plain reader of its own and gives the same pixels."""

import csv
import json
import zipfile
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from kit.labelled_images import CLASSES, drawn, label_maps, without_void, write_images
from PIL import Image
from pycocotools.coco import COCO

from tagseg.artifacts.label_formats.coco_objects import coco_objects
from tagseg.artifacts.label_formats.cvat_archive import cvat_archive
from tagseg.artifacts.label_formats.hugging_face_folder import hugging_face_folder
from tagseg.artifacts.label_formats.id_pictures import id_pictures
from tagseg.artifacts.label_formats.label_studio import label_studio_tasks
from tagseg.artifacts.label_formats.labelled_image import About, LabelledImage
from tagseg.artifacts.label_formats.labelme_files import labelme_files
from tagseg.artifacts.label_formats.photographs import copy_photograph
from tagseg.artifacts.label_formats.voc_folder import voc_folder
from tagseg.artifacts.label_formats.yolo_folder import yolo_masks, yolo_polygons
from tagseg.classes import ClassTable
from tagseg.data.images import read_image
from tagseg.ops.parts import connected_parts

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # in pycocotools

NAMES = list(label_maps())
LABEL_NAMES = {"0": "background", "1": "cat", "2": 'dog & "co"', "3": "größe", "255": "void"}


def read_json(path: Path):
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("shape", ["polygons", "rle", "plain_rle"])
def test_coco_gives_the_same_pixels_in_pycocotools(tmp_path: Path, shape, capsys) -> None:
    out, maps = write_images(tmp_path, partial(coco_objects, shape=shape), scores=True)
    coco = COCO(str(out / "annotations.json"))
    capsys.readouterr()
    assert [each["name"] for each in coco.loadCats([1, 2, 3])] == list(CLASSES.names)
    assert [each["file_name"] for each in coco.dataset["images"]] == ["a.jpg", "deep/images/b & c.png", "empty.png"]
    for number, (name, labels) in enumerate(maps.items(), start=1):
        found = np.zeros_like(labels)
        annotations = coco.loadAnns(coco.getAnnIds(number))
        assert len(annotations) == len(connected_parts(labels).label_ids), name
        for annotation in annotations:
            mask = coco.annToMask(annotation) == 1
            assert not found[mask].any()
            found[mask] = annotation["category_id"]
            x, y, width, height = annotation["bbox"]
            rows, columns = np.nonzero(mask)
            assert (rows.min(), columns.min()) == (y, x)
            assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (height, width)
            assert annotation["area"] == mask.sum()
            assert annotation["iscrowd"] == 0
            assert 0 < annotation["score"] <= 0.5
        np.testing.assert_array_equal(found, without_void(labels))


def test_voc_keeps_every_pixel_and_lists_images_and_classes(tmp_path: Path) -> None:
    out, maps = write_images(tmp_path, voc_folder)
    for name, labels in maps.items():
        with Image.open(out / "SegmentationClass" / f"{name}.png") as image:
            assert image.mode == "P"
            assert image.getpalette()[3:6] == [128, 0, 0]
            np.testing.assert_array_equal(np.array(image), labels)
    assert (out / "ImageSets" / "Segmentation" / "train.txt").read_text(encoding="utf-8").splitlines() == NAMES
    assert (out / "classes.txt").read_text(encoding="utf-8").splitlines() == list(CLASSES.names)
    assert read_json(out / "labels.json") == LABEL_NAMES


def test_grey_pictures_hold_ids(tmp_path: Path) -> None:
    out, maps = write_images(tmp_path, id_pictures)
    for name, labels in maps.items():
        with Image.open(out / "masks" / f"{name}.png") as image:
            assert image.mode == "L"
            np.testing.assert_array_equal(np.array(image), labels)
    assert read_json(out / "labels.json") == LABEL_NAMES


def yaml_names(text: str) -> dict[int, str]:
    rows = text.split("names:\n")[1].splitlines()
    return {int(number): json.loads(name) for number, name in (row.strip().split(": ", 1) for row in rows)}


def test_yolo_polygons_are_beside_their_photographs(tmp_path: Path) -> None:
    out, maps = write_images(tmp_path, yolo_polygons)
    for image in (path for path in sorted((out / "images").rglob("*")) if path.is_file()):
        place = image.as_posix().rsplit("/images/", 1)  # what YOLO does to find labels
        lines = Path(f"{place[0]}/labels/{place[1]}").with_suffix(".txt").read_text().splitlines()
        name = image.relative_to(out / "images" / "train").with_suffix("").as_posix().replace("images_", "images")
        labels = maps.pop(name)
        found = np.zeros_like(labels)
        for number, *values in csv.reader(lines, delimiter=" "):
            polygon = np.array(values, float).reshape(-1, 2)
            assert polygon.min() >= 0
            assert polygon.max() <= 1
            found[drawn(np.round(polygon * labels.shape[::-1], 2), labels.shape)] = int(number) + 1
        np.testing.assert_array_equal(found, without_void(labels))
    assert maps == {}
    text = (out / "data.yaml").read_text(encoding="utf-8")
    assert yaml_names(text) == dict(enumerate(CLASSES.names))
    assert "train: images/train\nval: images/train\n" in text


def test_yolo_masks_name_the_background(tmp_path: Path) -> None:
    out, maps = write_images(tmp_path, yolo_masks)
    text = (out / "data.yaml").read_text(encoding="utf-8")
    assert "masks_dir: masks\n" in text
    assert yaml_names(text) == dict(enumerate(CLASSES.label_names))
    for image in (path for path in sorted((out / "images").rglob("*")) if path.is_file()):
        name = image.relative_to(out / "images").with_suffix("").as_posix()
        mask = np.array(Image.open(out / "masks" / f"{name}.png"))
        original = name.removeprefix("train/").replace("images_", "images")
        np.testing.assert_array_equal(mask, maps.pop(original))
    assert maps == {}


def unpacked(data: list[int]) -> np.ndarray:
    """Read thi.ng/rle-pack bit by bit."""
    bits = "".join(f"{byte:08b}" for byte in data)
    at = 0

    def take(count: int) -> int:
        nonlocal at
        at += count
        return int(bits[at - count : at], 2)

    total, word = take(32), take(5) + 1
    sizes = [take(4) + 1 for _ in range(4)]
    values: list[int] = []
    while len(values) < total:
        is_run, size = take(1), sizes[take(2)]
        count = take(size) + 1
        values += [take(word)] * count if is_run else [take(word) for _ in range(count)]
    assert len(values) == total
    return np.array(values, np.uint8)


@pytest.mark.parametrize("brush", [True, False])
def test_label_studio_tasks_hold_predictions(tmp_path: Path, brush: bool) -> None:
    out, maps = write_images(tmp_path, partial(label_studio_tasks, brush=brush), scores=True)
    tasks = read_json(out / "tasks.json")
    addresses = ["/data/?d=a.jpg", "/data/?d=deep/images/b%20%26%20c.png", "/data/?d=empty.png"]
    assert [task["data"]["image"] for task in tasks] == addresses
    kind = "brushlabels" if brush else "polygonlabels"
    for task, labels in zip(tasks, maps.values(), strict=True):
        (prediction,) = task["predictions"]
        assert prediction["model_version"] == "tagseg 1.2.3"
        found = np.zeros_like(labels)
        for region in prediction["result"]:
            assert (region["original_height"], region["original_width"]) == labels.shape
            assert region["type"] == kind
            assert 0 < region["score"] <= 0.5
            if brush:
                pixels = unpacked(region["value"]["rle"]).reshape(*labels.shape, 4)
                assert set(np.unique(pixels)) <= {0, 255}
                mask = pixels[..., 3] > 0
            else:
                percent = np.array(region["value"]["points"])
                mask = drawn(np.round(percent * labels.shape[::-1] / 100, 3), labels.shape)
            found[mask] = CLASSES.label_id(region["value"][kind][0])
        assert len({region["id"] for region in prediction["result"]}) == len(prediction["result"])
        np.testing.assert_array_equal(found, without_void(labels))


def test_the_labelling_configuration_has_every_class(tmp_path: Path) -> None:
    out, _ = write_images(tmp_path, partial(label_studio_tasks, brush=True))
    root = ElementTree.parse(out / "labeling_config.xml").getroot()
    control = root.find("BrushLabels")
    assert control is not None
    assert control.attrib == {"name": "label", "toName": "image"}
    assert [label.attrib["value"] for label in control] == list(CLASSES.names)
    assert [label.attrib["background"] for label in control] == ["#800000", "#008000", "#808000"]


def colors(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.int64) @ [65536, 256, 1]


def test_the_cvat_archive_tells_classes_and_objects_apart(tmp_path: Path) -> None:
    out, maps = write_images(tmp_path, cvat_archive)
    with zipfile.ZipFile(out / "segmentation_mask.zip") as archive:
        assert archive.testzip() is None
        rows = archive.read("labelmap.txt").decode().splitlines()[1:]
        table = {row.split(":")[0]: np.array(row.split(":")[1].split(","), int) for row in rows}
        assert list(table) == ["background", *CLASSES.names, "void"]
        assert archive.read("ImageSets/Segmentation/default.txt").decode().splitlines() == NAMES
        for name, labels in maps.items():
            with archive.open(f"SegmentationClass/{name}.png") as file:
                shown = colors(np.array(Image.open(file)))
            with archive.open(f"SegmentationObject/{name}.png") as file:
                objects = colors(np.array(Image.open(file)))
            found = np.zeros_like(labels)
            for label, color in zip((0, 1, 2, 3, 255), table.values(), strict=True):
                found[shown == colors(color)] = label
            np.testing.assert_array_equal(found, labels)
            np.testing.assert_array_equal(objects == 0, labels == 0)
            parts = connected_parts(labels).ids
            told = np.unique(np.stack([labels[labels > 0], objects[labels > 0]]), axis=1)
            assert told.shape[1] == len(set(told[1]))  # CVAT takes the class of an object from one of its pixels
            pairs = np.unique(np.stack([parts.ravel(), objects.ravel()]), axis=1)
            if parts.max() < 255:  # one colour an object and one object a colour
                told = pairs[:, pairs[0] > 0]
                assert told.shape[1] == len(set(told[0])) == len(set(told[1]))
    described = read_json(out / "labels.json")
    assert [label["name"] for label in described] == [*CLASSES.names, "void"]


def test_the_same_masks_are_the_same_archive(tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    for root in (first, second):
        root.mkdir()
        write_images(root, cvat_archive)
    name = Path("out", "segmentation_mask.zip")
    assert (first / name).read_bytes() == (second / name).read_bytes()


def test_labelme_files_are_beside_their_photographs(tmp_path: Path) -> None:
    out, maps = write_images(tmp_path, labelme_files, scores=True)
    for name, labels in maps.items():
        content = read_json(out / f"{name}.json")
        assert (out / f"{name}.json").with_name(content["imagePath"]).is_file()
        assert (content["imageHeight"], content["imageWidth"]) == labels.shape
        found = np.zeros_like(labels)
        for shape in content["shapes"]:
            assert shape["shape_type"] == "polygon"
            assert shape["description"].startswith("score 0.")
            found[drawn(np.array(shape["points"], float), labels.shape)] = CLASSES.label_id(shape["label"])
        np.testing.assert_array_equal(found, without_void(labels))
    assert (out / "labels.txt").read_text(encoding="utf-8").splitlines()[2:] == list(CLASSES.names)


def test_a_hugging_face_folder_has_a_line_a_photograph_and_a_card(tmp_path: Path) -> None:
    out, maps = write_images(tmp_path, hugging_face_folder)
    rows = [json.loads(line) for line in (out / "train" / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]
    for row, (name, labels) in zip(rows, maps.items(), strict=True):
        assert Path(row["file_name"]).with_suffix("").as_posix() == f"images/{name}"
        assert (out / "train" / row["file_name"]).is_file()
        np.testing.assert_array_equal(np.array(Image.open(out / "train" / row["mask_file_name"])), labels)
        assert row["classes"] == [CLASSES.name(label) for label in (1, 2, 3) if (labels == label).any()]
    assert read_json(out / "id2label.json") == LABEL_NAMES
    card = (out / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\ntask_categories:\n- image-segmentation\n")
    assert "3 photographs with masks. The masks are pseudo masks made from image-level tags by tagseg 1.2.3" in card
    assert "| 3 | größe |" in card


def test_a_turned_photograph_is_copied_upright_and_others_byte_for_byte(tmp_path: Path) -> None:
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[:, :3] = 255
    turned, plain = tmp_path / "turned.png", tmp_path / "plain.png"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(turned, exif=exif)
    Image.fromarray(pixels).save(plain)
    for path in (turned, plain):
        copy = copy_photograph(path, tmp_path / "copies" / path.stem)
        np.testing.assert_array_equal(np.array(Image.open(copy)), read_image(path))
        assert (copy.read_bytes() == path.read_bytes()) == (path == plain)


def test_more_objects_than_colours_share_the_last_one(tmp_path: Path) -> None:
    labels = np.indices((40, 40)).sum(axis=0).astype(np.uint8) % 2
    labels[:3, :3] = 1
    photograph = tmp_path / "a.png"
    Image.fromarray(labels).save(photograph)
    with cvat_archive(tmp_path, ClassTable(("cat",)), About("photos", "tagseg", "train")) as add:
        add(LabelledImage("a", photograph, labels, connected_parts(labels), []))
    with zipfile.ZipFile(tmp_path / "segmentation_mask.zip") as archive:
        with archive.open("SegmentationObject/a.png") as file:
            objects = colors(np.array(Image.open(file)))
    assert len(np.unique(objects)) == 256
    assert len(np.unique(objects[:3, :3])) == 1
    np.testing.assert_array_equal(objects == 0, labels == 0)
