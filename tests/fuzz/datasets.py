"""Readers of tags, lists and annotations: data sets as people bring them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from kit.files import save, write

from fuzz.reader import Read, Reader, placed
from tagseg.data.layouts.coco import read_coco
from tagseg.data.layouts.folder import read_folder
from tagseg.data.layouts.voc import read_voc
from tagseg.data.names import read_class_names
from tagseg.data.problems import FirstError, Problem
from tagseg.errors import DataError
from tagseg.types import Split

NAMES = ("a.jpg", "b.jpg", "sub/c.png")
HEIGHT, WIDTH = 4, 6


def photos(folder: Path) -> Path:
    for name in NAMES:
        save(folder / name, np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    return folder


def survey(read: Callable[..., Split]) -> object:
    """Read a split as ``check`` does, its masks too, then as a run does: that stops where the first has an error."""
    problems: list[Problem] = []
    failure = None
    try:
        split = read(problems=problems)
        look_at(split)
    except DataError as error:
        failure = error
    is_refused = failure is not None or any(problem.kind.is_error for problem in problems)
    try:
        again = read(problems=FirstError())
    except DataError:
        assert is_refused, "a run refuses what check lets pass"
        raise
    assert not is_refused, f"check refuses what a run lets pass: {failure or problems[0]}"
    return again


def look_at(split: Split) -> None:
    for record in split.records:
        assert record.tags == tuple(sorted(set(record.tags))), record.tags
        assert all(1 <= tag <= split.classes.num_classes for tag in record.tags), record.tags
        if record.mask is not None:
            try:
                labels = record.mask.read()
            except DataError:
                continue
            known = {*range(split.classes.num_labels), 255}
            assert labels.dtype == np.uint8 and labels.ndim == 2 and set(np.unique(labels).tolist()) <= known


def folder_file(name: str, *, classes: tuple[str, ...] | None = None) -> Callable[[Path], Read]:
    """Return the preparation of a folder of photographs in which one file is the fuzzed one."""

    def prepare(folder: Path) -> Read:
        photos(folder)
        if name == "classes.txt":
            write(folder / "tags.csv", "image,tags\na.jpg,cat\nb.jpg,dog\nc.png,\n")
        return placed(folder / name, lambda _: survey(lambda **how: read_folder(folder, classes=classes, **how)))

    return prepare


TABLES = (
    "image,tags\na.jpg,cat\nb.jpg,dog;cat\nsub/c.png,\n",
    "image,tags\na.jpg,cat dog\nb.jpg,dog\nc.png,cat\n",
    'filename,labels\na,"cat, dog"\nb,dog|cat\nc,nan\n',
    "image;tags\na.jpg;cat\nb.jpg;dog,cat\nc.png;\n",
    "image\ttags\na.jpg\tcat\nb.jpg\tdog\nc.png\tcat\n",
    "image,tags\na.jpg,\"['cat', 'dog']\"\nb.jpg,[]\nc.png,\"['dog']\"\n",
    'id,image,choice\n1,a.jpg,"{""choices"": [""cat"", ""dog""]}"\n2,b.jpg,cat\n3,c.png,dog\n',
    "image,tags\na.jpg,Größe\nb.jpg,café\nc.png,cafe\u0301\n",
    "\ufeffimage,tags\r\na.jpg,cat\r\nb.jpg,dog\r\nc.png,cat\r\n",
)
ONE_HOT = (
    "filename, cat, dog\na.jpg, 1, 0\nb.jpg, 1, 1\nc.png, 0, 0\n",
    "filename;cat;dog\na.jpg;1;0\nb.jpg;0;1\nc.png;0;0\n",
    "image,cat,dog\na.jpg,1.0,0.0\nb.jpg,True,False\nc.png,yes,no\n",
)
TAG_JSON = (
    {"a.jpg": ["cat"], "b.jpg": ["cat", "dog"], "c.png": []},
    [{"image": "a.jpg", "tags": ["cat"]}, {"image": "b.jpg", "tags": []}, {"image": "sub/c.png", "tags": ["dog"]}],
)
LABEL_STUDIO = (
    [{"annotations": [{"result": [{"type": "choices", "value": {"choices": ["cat"]}}]}], "data": {"image": "a.jpg"}}],
    [{"image": "/data/upload/1/0a1b2c3d-a.jpg", "choice": {"choices": ["cat", "dog"]}, "annotator": 1}],
)
FIFTYONE = (
    {"classes": ["cat", "dog"], "labels": {"a": 0, "b": [{"label": "dog"}], "c": None}},
    {"samples": [{"filepath": "a.jpg", "ground_truth": {"_cls": "Classification", "label": "cat"}}]},
)
CVAT = """<annotations><image id="0" name="a.jpg"><tag label="cat"/><box label="dog"/></image>
<image name="b"/></annotations>"""
LINES = '{"file_name": "a.jpg", "label": "cat"}\n{"file_name": "b.jpg", "label": null}\n'
CLASS_LISTS = ("cat\ndog\n", "background\ncat\ndog\n", "__ignore__\n_background_\ncat\ndog\n", "cat\r\ndog\r\n")
XML = """<annotation><filename>a.jpg</filename><size><width>6</width><height>4</height><depth>3</depth></size>
<object><name>cat</name><difficult>1</difficult><bndbox><xmin>1</xmin></bndbox></object>
<object><name>dog</name><part><name>head</name></part></object></annotation>
"""
XMLS = (
    XML.encode(),
    f'<?xml version="1.0" encoding="utf-8"?>\n{XML}'.encode(),
    f'<?xml version="1.0" encoding="gb2312"?>\n{XML.replace("a.jpg", "狗.jpg")}'.encode("gb2312"),
    f'<?xml version="1.0" encoding="utf-16"?>\n{XML}'.encode("utf-16"),
    f'<!DOCTYPE a [<!ENTITY b "cat">]>{XML}'.encode(),
)
LISTS = (
    "a\nb\n",
    "/JPEGImages/a.jpg /SegmentationClassAug/a.png\n/JPEGImages/b.jpg /SegmentationClassAug/b.png\n",
    "a 1\nb -1\n",
)


def encoded(texts: tuple[str, ...]) -> Callable[[], list[bytes]]:
    other = [texts[0].encode("utf-16"), texts[-1].encode("cp1252", "replace")]
    return lambda: [*(text.encode() for text in texts), *other]


def dumped(values: tuple[Any, ...]) -> Callable[[], list[bytes]]:
    return lambda: [json.dumps(value).encode() for value in values]


def prepare_voc(name: str) -> Callable[[Path], Read]:
    def prepare(folder: Path) -> Read:
        for image_id in "ab":
            save(folder / "JPEGImages" / f"{image_id}.jpg", np.zeros((HEIGHT, WIDTH, 3), np.uint8))
            save(folder / "SegmentationClass" / f"{image_id}.png", np.zeros((HEIGHT, WIDTH), np.uint8))
            write(folder / "Annotations" / f"{image_id}.xml", XML)
        write(folder / "ImageSets/Segmentation/train.txt", LISTS[0])
        return placed(folder / name, lambda _: survey(lambda **how: read_voc(folder, split="train", **how)))

    return prepare


SQUARE, TRIANGLE = [1, 1, 4, 1, 4, 3, 1, 3], [0.5, 0.5, 3.25, 0.5, 2, 3.5]
RUNS = {"counts": [2, 3, 4, 15], "size": [HEIGHT, WIDTH]}
PACKED = {"counts": "23:?", "size": [HEIGHT, WIDTH]}


def coco(*shapes: Any, **more: Any) -> dict[str, Any]:
    images = [
        {"id": index, "file_name": name, "height": HEIGHT, "width": WIDTH} for index, name in enumerate(NAMES, start=1)
    ]
    annotations = [
        {"id": index, "image_id": 1 + index % 3, "category_id": 17 + index % 2, "segmentation": shape, "iscrowd": 0}
        for index, shape in enumerate(shapes, start=1)
    ]
    categories = [{"id": 17, "name": "cat"}, {"id": 18, "name": "dog", "supercategory": "animal"}]
    return {"info": {"year": 2017}, "images": images, "annotations": annotations, "categories": categories, **more}


POLYGONS = (coco([SQUARE], [TRIANGLE, SQUARE]), coco([SQUARE], [TRIANGLE], [SQUARE], [TRIANGLE]))
CROWDS = (coco(RUNS, RUNS), coco(PACKED, [SQUARE], PACKED), coco(RUNS, PACKED, [TRIANGLE], []))


def prepare_coco(folder: Path) -> Read:
    photos(folder / "photos")
    write(folder / "train.json", json.dumps(POLYGONS[0]))
    return placed(
        folder / "instances.json",
        lambda path: survey(lambda **how: read_coco(folder / "photos", path, **how)),
    )


def prepare_coco_eval(folder: Path) -> Read:
    photos(folder / "photos")
    return placed(
        folder / "instances.json",
        lambda path: survey(lambda **how: read_coco(folder / "photos", path, known=("cat", "dog"), **how)),
    )


READERS = (
    Reader("tags-csv", encoded(TABLES), folder_file("tags.csv")),
    Reader("tags-csv-known", encoded(TABLES), folder_file("tags.csv", classes=("cat", "dog"))),
    Reader("one-hot-csv", encoded(ONE_HOT), folder_file("_classes.csv")),
    Reader("tags-json", dumped(TAG_JSON), folder_file("tags.json")),
    Reader("tags-label-studio", dumped(LABEL_STUDIO), folder_file("tags.json")),
    Reader("tags-fiftyone", dumped(FIFTYONE), folder_file("labels.json")),
    Reader("tags-cvat", lambda: [CVAT.encode()], folder_file("annotations.xml")),
    Reader("tags-lines", lambda: [LINES.encode()], folder_file("metadata.jsonl")),
    Reader("classes-txt", encoded(CLASS_LISTS), folder_file("classes.txt")),
    Reader("class-names", encoded(CLASS_LISTS), lambda folder: placed(folder / "classes.txt", read_class_names)),
    Reader("voc-xml", lambda: list(XMLS), prepare_voc("Annotations/a.xml")),
    Reader("voc-list", encoded(LISTS), prepare_voc("ImageSets/Segmentation/train.txt")),
    Reader("coco-polygons", dumped(POLYGONS), prepare_coco),
    Reader("coco-run-lengths", dumped(CROWDS), prepare_coco),
    Reader("coco-eval", dumped((*POLYGONS, *CROWDS)), prepare_coco_eval),
)
