"""Masks as plain grey PNG whose values are label ids, and the names of these."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image as PillowImage

from tagseg.artifacts.json_file import json_bytes
from tagseg.artifacts.label_formats.labelled_image import About, AddImage, LabelledImage, labels_by_id
from tagseg.classes import ClassTable
from tagseg.types import LabelMap


@contextmanager
def id_pictures(folder: Path, classes: ClassTable, about: About) -> Iterator[AddImage]:
    """Lend a function that writes ``masks/<name>.png`` of a photograph; ``labels.json`` names the ids."""

    def add(image: LabelledImage) -> None:
        save_ids(folder / "masks" / f"{image.name}.png", image.labels)

    yield add
    (folder / "labels.json").write_bytes(json_bytes(labels_by_id(classes)))


def save_ids(path: Path, labels: LabelMap) -> None:
    """Write label ids as a grey PNG; missing parent folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.fromarray(labels).save(path, format="PNG")
