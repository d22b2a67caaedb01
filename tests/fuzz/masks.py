"""Readers of masks as annotation tools export them, each as ground truth of a folder."""

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from kit.files import save, write
from PIL import Image

from fuzz.datasets import HEIGHT, WIDTH, coco, photos, survey
from fuzz.reader import Read, Reader, placed
from tagseg.data.layouts.folder import read_folder

BRUSH = [0, 0, 0, 96, 57, 27, 252, 191, 224, 8, 127, 0, 0]
POINTS = [[10, 10], [60, 10.5], [60, 90]]
YAML = "names:\n  0: cat\n  1: dog\n"
LABEL_MAP = "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncat:128,0,0::\nvoid:224,224,192::\n"


def task(*regions: dict[str, Any], name: str = "a.jpg") -> dict[str, Any]:
    size = {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0, "from_name": "label"}
    result = [{**size, **region} for region in regions]
    data = {"image": f"/data/upload/1/0a1b2c3d-{name}"}
    return {"id": 1, "annotations": [{"result": result, "was_cancelled": False}], "data": data}


def region(kind: str, **value: Any) -> dict[str, Any]:
    return {"type": kind, "value": {kind: ["cat"], **value}}


TASKS = (
    [task(region("brushlabels", format="rle", rle=BRUSH)), task(name="b.jpg")],
    [task(region("polygonlabels", points=POINTS), region("rectanglelabels", x=1, y=2, width=30, height=40))],
)
LABELME = {
    "shapes": [
        {"label": "cat", "points": [[1, 1], [4, 1], [4.5, 3]], "shape_type": "polygon"},
        {"label": "__ignore__", "points": [[0, 0], [2, 2]], "shape_type": "rectangle"},
    ],
    "imagePath": "a.jpg",
    "imageHeight": HEIGHT,
    "imageWidth": WIDTH,
}
POLYGONS = ("0 0.1 0.1 0.9 0.1 0.9 0.8\n", "1 0 0 1 0 1 1\n0 0.25 0.25 0.5 0.25 0.5 0.75 0.25 0.75\n\n")
METADATA = '{"file_name": "a.jpg", "mask_file_name": "a.png"}\n{"file_name": "b.jpg"}\n'
NAMES = {"0": "background", "1": "cat", "2": "dog", "255": "void"}


def archives() -> list[bytes]:
    picture, archive = io.BytesIO(), io.BytesIO()
    Image.fromarray(np.full((HEIGHT, WIDTH, 3), (128, 0, 0), np.uint8)).save(picture, format="PNG")
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("labelmap.txt", LABEL_MAP)
        file.writestr("SegmentationClass/a.png", picture.getvalue())
    return [archive.getvalue()]


def beside(place: str, others: Mapping[str, str] | None = None) -> Callable[[Path], Read]:
    """Return the preparation of masks in a folder of which one file is the fuzzed one."""

    def prepare(folder: Path) -> Read:
        photos(folder / "photos")
        tags = write(folder / "tags.csv", "image,tags\na.jpg,cat\nb.jpg,dog\nc.png,\n")
        save(folder / "masks" / "a.png", np.zeros((HEIGHT, WIDTH), np.uint8))
        if place == "labelmap.txt":
            save(folder / "masks" / "SegmentationClass" / "a.png", np.zeros((HEIGHT, WIDTH, 3), np.uint8))
        for name, text in (others or {}).items():
            write(folder / "masks" / name, text)
        masks = folder / "masks"
        return placed(
            masks / place, lambda _: survey(lambda **how: read_folder(folder / "photos", tags=tags, masks=masks, **how))
        )

    return prepare


def dumped(*values: Any) -> Callable[[], list[bytes]]:
    return lambda: [json.dumps(value).encode() for value in values]


READERS = (
    Reader("label-studio-masks", dumped(*TASKS), beside("tasks.json")),
    Reader("coco-masks", dumped(coco([[1, 1, 4, 1, 4, 3]])), beside("annotations.json")),
    Reader("cvat-archive", archives, beside("a.zip")),
    Reader("cvat-label-map", lambda: [LABEL_MAP.encode()], beside("labelmap.txt")),
    Reader("yolo-polygons", lambda: [text.encode() for text in POLYGONS], beside("labels/a.txt", {"data.yaml": YAML})),
    Reader("labelme", dumped(LABELME), beside("a.json")),
    Reader(
        "mask-metadata", lambda: [METADATA.encode()], beside("metadata.jsonl", {"id2label.json": json.dumps(NAMES)})
    ),
    Reader("mask-names", dumped(NAMES), beside("id2label.json", {"metadata.jsonl": METADATA})),
    Reader("yolo-yaml", lambda: [YAML.encode()], beside("data.yaml", {"labels/a.txt": POLYGONS[1]})),
)
