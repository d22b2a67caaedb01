"""Predictions packed as PASCAL VOC's evaluation server takes them.

Source: VOC 2012 Development Kit, "Submission of Results": a ``.tgz`` with indexed PNG whose values are VOC's ids 0 to
20, ``results/VOC2012/Segmentation/comp6_test_cls/<image>.png``; ``comp5`` is for results of VOC's own training data.
"""

import gzip
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from tagseg.artifacts.json_file import json_bytes
from tagseg.artifacts.label_formats.labelled_image import About, AddImage, LabelledImage
from tagseg.classes import VOC_CLASSES, VOID, ClassTable, nearest_name_help
from tagseg.errors import ArtifactError
from tagseg.types import LabelMap

ARCHIVE, LABELS = "results.tgz", "labels.json"

_VOC = ClassTable(VOC_CLASSES)


@contextmanager
def voc_server_archive(folder: Path, classes: ClassTable, about: About, *, competition: str) -> Iterator[AddImage]:
    """Lend a function that adds the labels of a photograph to ``results.tgz``, under VOC's ids.

    Args:
        folder: an empty one.
        classes: each is one of VOC's, in any order; not all need be there.
        about: what is common to all.
        competition: ``comp5`` or ``comp6``.

    Raises:
        ArtifactError: when a class is none of VOC's, a pixel has no label, or a photograph lies in a folder.
    """
    ids = np.array([0, *(_voc_id(name) for name in classes.names)], np.uint8)
    place = f"results/VOC2012/Segmentation/{competition}_test_cls"
    with (
        (folder / ARCHIVE).open("xb") as file,
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed,  # the same labels are the same bytes
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):

        def add(image: LabelledImage) -> None:
            _require_fit(image)
            content = _png(ids[image.labels])
            entry = tarfile.TarInfo(f"{place}/{image.name}.png")
            entry.size = len(content)
            archive.addfile(entry, BytesIO(content))

        yield add
    names = {str(label): name for label, name in enumerate(_VOC.label_names)}
    (folder / LABELS).write_bytes(json_bytes(names))


def _voc_id(name: str) -> int:
    """Return VOC's id of a class."""
    if name not in VOC_CLASSES:
        raise ArtifactError(
            f"VOC's test server knows the {len(VOC_CLASSES)} classes of VOC, got '{name}'",
            help=nearest_name_help(name, VOC_CLASSES),
        )
    return _VOC.label_id(name)


def _require_fit(image: LabelledImage) -> None:
    if "/" in image.name:
        raise ArtifactError(
            f"photographs for VOC's test server have names without a folder, got {image.name}",
            help="name the folder that holds them, such as JPEGImages, as the place of the images",
        )
    if (image.labels == VOID).any():
        raise ArtifactError(
            f"predictions for VOC's test server have a label for every pixel, got {VOID} in {image.name}",
            help="predict the photograph again",
        )


def _png(labels: LabelMap) -> bytes:
    image, encoded = PillowImage.fromarray(labels), BytesIO()
    image.putpalette(_VOC.palette())
    image.save(encoded, format="PNG")
    return encoded.getvalue()
