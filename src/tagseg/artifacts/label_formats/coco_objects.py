"""Objects as COCO has them: polygons, or run lengths, compressed to text or as plain numbers.

Source: the data format at cocodataset.org ("Object Detection") and what ``pycocotools`` reads. COCO has no holes in
polygons: they are bridged (:func:`tagseg.ops.part_rings.bridged`). Departure: run lengths are of single objects,
``iscrowd`` 0, since trainers leave crowds out; plain numbers with ``iscrowd`` 0 are read by ``pycocotools`` as well.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from tagseg.artifacts.label_formats.labelled_image import About, AddImage, LabelledImage, half_px
from tagseg.artifacts.run_lengths import run_lengths
from tagseg.classes import ClassTable
from tagseg.ops.part_rings import Ring, bridged

CocoShape = Literal["polygons", "rle", "plain_rle"]

FILE_NAME = "annotations.json"


@contextmanager
def coco_objects(folder: Path, classes: ClassTable, about: About, *, shape: CocoShape) -> Iterator[AddImage]:
    """Lend a function that adds the objects of a photograph to ``annotations.json``; category ids are label ids.

    Images and annotations are numbered from 1. Annotations go to the file at once, one a line. An object whose score
    is known has it as ``score``, as in COCO's files of results.
    """
    images: list[dict[str, Any]] = []
    categories = [{"id": label, "name": name, "supercategory": ""} for label, name in enumerate(classes.names, start=1)]
    opening = {"info": {"description": f"{about.title} by {about.maker}"}, "licenses": [], "categories": categories}
    written = 0
    with (folder / FILE_NAME).open("x", encoding="ascii") as file:
        file.write(f'{json.dumps(opening)[:-1]}, "annotations": [')

        def add(image: LabelledImage) -> None:
            nonlocal written
            height, width = image.size
            images.append({"id": len(images) + 1, "file_name": image.file_name, "width": width, "height": height})
            for annotation in _annotations(image, shape):
                written += 1
                numbered = {"id": written, "image_id": len(images), **annotation}
                file.write(f"{',' if written > 1 else ''}\n{json.dumps(numbered)}")

        yield add
        file.write(f'\n], "images": {json.dumps(images)}}}\n')


def plain_run_lengths(mask: Bool[ndarray, "H W"]) -> list[int]:
    """Return how long the runs of a mask are, column by column, the first one of pixels outside; it may be 0.

    >>> plain_run_lengths(np.array([[True, False], [True, True]]))
    [0, 2, 1, 1]
    """
    values = mask.ravel(order="F")
    changes = np.flatnonzero(values[1:] != values[:-1]) + 1
    lengths = np.diff(np.concatenate([[0], changes, [len(values)]])).tolist()
    return [0, *lengths] if values[0] else lengths


def _annotations(image: LabelledImage, shape: CocoShape) -> Iterator[dict[str, Any]]:
    """Yield annotations without their numbers."""
    shapes = map(_of_rings, image.rings) if shape == "polygons" else (_of_mask(mask, shape) for mask in image.masks())
    for index, (label_id, outline) in enumerate(zip(image.parts.label_ids, shapes, strict=True)):
        score = image.score(index)
        known = {} if score is None else {"score": round(score, 4)}
        yield {"category_id": label_id, **outline, "iscrowd": 0, **known}


def _of_rings(rings: list[Ring]) -> dict[str, Any]:
    corners = np.concatenate(rings)
    low, high = corners.min(axis=0), corners.max(axis=0)
    box = half_px(np.stack([low, high - low]))
    return {
        "bbox": [*box[0], *box[1]],
        "area": sum(_area(ring) for ring in rings),
        "segmentation": [[value for corner in half_px(bridged(rings)) for value in corner]],
    }


def _area(ring: Ring) -> float:
    """Return the area inside a ring, below 0 of a hole."""
    x, y = ring.T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def _of_mask(mask: Bool[ndarray, "H W"], shape: CocoShape) -> dict[str, Any]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    runs = run_lengths(mask) if shape == "rle" else {"size": list(mask.shape), "counts": plain_run_lengths(mask)}
    return {
        "bbox": [left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1],
        "area": int(np.count_nonzero(mask)),
        "segmentation": runs,
    }
