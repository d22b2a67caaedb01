"""A folder that Ultralytics' YOLO trains on: photographs, polygons or masks, and ``data.yaml``.

Source: docs.ultralytics.com, "Instance Segmentation Datasets Overview" (a line an object: class from 0, then x and y as
shares of width and height) and "Semantic Segmentation Datasets Overview" (one grey PNG a photograph whose values are
the ids of ``names``, 255 is ignored, found by ``masks_dir``). Of a polygon dataset YOLO makes a background class
itself; masks name it. Departure: the same photographs are named for training and for validation, since YOLO asks for
both and nothing is held out here.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from tagseg.artifacts.label_formats.id_pictures import save_ids
from tagseg.artifacts.label_formats.labelled_image import About, AddImage, LabelledImage
from tagseg.artifacts.label_formats.photographs import copy_photograph
from tagseg.classes import ClassTable
from tagseg.ops.part_rings import bridged

_IMAGES, _LABELS, _MASKS = "images", "labels", "masks"


@contextmanager
def yolo_polygons(folder: Path, classes: ClassTable, about: About) -> Iterator[AddImage]:
    """Lend a function that adds a photograph and its objects, one polygon each; holes are bridged.

    A photograph without objects has an empty file.
    """

    def add(image: LabelledImage) -> None:
        name = _free_name(image.name)
        copy_photograph(image.photograph, folder / _IMAGES / about.split / name)
        path = folder / _LABELS / about.split / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in _lines(image)), encoding="ascii")

    yield add
    _write_yaml(folder, classes.names, about)


@contextmanager
def yolo_masks(folder: Path, classes: ClassTable, about: About) -> Iterator[AddImage]:
    """Lend a function that adds a photograph and its mask of label ids, background among them."""

    def add(image: LabelledImage) -> None:
        name = _free_name(image.name)
        copy_photograph(image.photograph, folder / _IMAGES / about.split / name)
        save_ids(folder / _MASKS / about.split / f"{name}.png", image.labels)

    yield add
    _write_yaml(folder, classes.label_names, about, extra=f"masks_dir: {_MASKS}\n")


def _lines(image: LabelledImage) -> Iterator[str]:
    height, width = image.size
    for label_id, rings in zip(image.parts.label_ids, image.rings, strict=True):
        shares = (bridged(rings) / (width, height)).ravel().tolist()
        yield " ".join([str(label_id - 1), *(f"{share:.6f}" for share in shares)])


def _free_name(name: str) -> str:
    """Return the name without folders called ``images``, which YOLO takes for the one beside the labels."""
    parts = PurePosixPath(name).parts
    return "/".join([*(f"{part}_" if part.rstrip("_") == _IMAGES else part for part in parts[:-1]), parts[-1]])


def _write_yaml(folder: Path, names: tuple[str, ...], about: About, *, extra: str = "") -> None:
    """Write what YOLO is started with: a text in quotation marks of JSON is one of YAML, too."""
    rows = "".join(f"  {number}: {json.dumps(name, ensure_ascii=False)}\n" for number, name in enumerate(names))
    text = (
        f"# {about.maker}. Nothing is held out: name photographs with masks that you trust in val.\n"
        f"train: {_IMAGES}/{about.split}\nval: {_IMAGES}/{about.split}\n{extra}names:\n{rows}"
    )
    (folder / "data.yaml").write_text(text, encoding="utf-8")
