"""A folder that LabelMe opens: photographs, each with its polygons as JSON.

Source: the files that LabelMe writes (github.com/wkentaro/labelme, its examples): ``shapes`` with ``label``,
``points``, ``shape_type``, and the photograph by ``imagePath``. A polygon has no holes there: they are bridged.
``labels.txt`` begins as in the example for ``labelme2voc.py``.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tagseg.artifacts.json_file import json_bytes
from tagseg.artifacts.label_formats.labelled_image import About, AddImage, LabelledImage, half_px
from tagseg.artifacts.label_formats.photographs import copy_photograph
from tagseg.classes import ClassTable
from tagseg.ops.part_rings import bridged

_VERSION = "5.5.0"
"""Whose files these are like."""


@contextmanager
def labelme_files(folder: Path, classes: ClassTable, about: About) -> Iterator[AddImage]:
    """Lend a function that adds a photograph and its objects, one polygon each."""

    def add(image: LabelledImage) -> None:
        photograph = copy_photograph(image.photograph, folder / image.name)
        shapes = [
            _shape(image, index, name=classes.name(label_id)) for index, label_id in enumerate(image.parts.label_ids)
        ]
        height, width = image.size
        content: dict[str, Any] = {
            "version": _VERSION,
            "flags": {},
            "shapes": shapes,
            "imagePath": photograph.name,
            "imageData": None,
            "imageHeight": height,
            "imageWidth": width,
        }
        (folder / f"{image.name}.json").write_bytes(json_bytes(content))

    yield add
    names = ("__ignore__", "_background_", *classes.names)
    (folder / "labels.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


def _shape(image: LabelledImage, index: int, *, name: str) -> dict[str, Any]:
    score = image.score(index)
    return {
        "label": name,
        "points": half_px(bridged(image.rings[index])),
        "group_id": None,
        "description": "" if score is None else f"score {score:.2f}",
        "shape_type": "polygon",
        "flags": {},
        "mask": None,
    }
