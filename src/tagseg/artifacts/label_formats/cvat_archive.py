"""The archive that CVAT imports as "Segmentation mask 1.1".

Source: docs.cvat.ai, "Segmentation Mask": ``labelmap.txt`` (name, colour, parts, actions), ``ImageSets/Segmentation``,
``SegmentationClass`` and ``SegmentationObject``, colours by VOC's rule, (0, 0, 0) for the background. CVAT takes
different objects apart by the colours of the second folder, of which VOC's rule has 255.
"""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from tagseg.artifacts.json_file import json_bytes
from tagseg.artifacts.label_formats.labelled_image import About, AddImage, LabelledImage
from tagseg.classes import VOID, ClassTable, voc_color
from tagseg.errors import ArtifactError

ARCHIVE, LABELS = "segmentation_mask.zip", "labels.json"

_BACKGROUND_NAME, _VOID_NAME = "background", "void"
MOST_OBJECTS = 255
"""Objects of a photograph that have a colour of their own."""

_ALWAYS = (1980, 1, 1, 0, 0, 0)  # of every file, so that the same masks are the same bytes

_COLORS = np.array([voc_color(number) for number in range(256)], np.uint8)


@contextmanager
def cvat_archive(folder: Path, classes: ClassTable, about: About) -> Iterator[AddImage]:
    """Lend a function that adds the masks of a photograph to ``segmentation_mask.zip``.

    ``labels.json`` next to it is what a task's or project's label constructor takes as raw text. Pixels of which
    nothing is said get a label of their own, ``void``, if there are any. Where a photograph has more objects than there
    are colours, the smallest ones of each class have one colour together.

    Raises:
        ArtifactError: when a class has a name that the list of labels cannot hold.
    """
    for name in classes.names:
        if ":" in name or "\n" in name or name.startswith("#") or name in (_BACKGROUND_NAME, _VOID_NAME):
            raise ArtifactError(
                f"class names for CVAT have no colon or new line, no # in front, and are not '{_BACKGROUND_NAME}' or "
                f"'{_VOID_NAME}', got {name!r}",
                help="rename the class in the data set, or choose another --format",
            )
    names: list[str] = []
    has_void = False
    with zipfile.ZipFile(folder / ARCHIVE, "x") as archive:

        def add(image: LabelledImage) -> None:
            nonlocal has_void
            has_void = has_void or bool((image.labels == VOID).any())
            _put(archive, f"SegmentationClass/{image.name}.png", _png(image.labels))
            _put(archive, f"SegmentationObject/{image.name}.png", _png(_object_numbers(image)))
            names.append(image.name)

        yield add
        colors = {name: label for label, name in enumerate(classes.label_names)}
        if has_void:
            colors[_VOID_NAME] = VOID
        rows = [f"{name}:{','.join(map(str, voc_color(label)))}::\n" for name, label in colors.items()]
        _put(archive, "labelmap.txt", "".join(["# label:color_rgb:parts:actions\n", *rows]).encode())
        _put(archive, "ImageSets/Segmentation/default.txt", "".join(f"{name}\n" for name in names).encode())
    described = [
        {"name": name, "color": f"#{bytes(voc_color(label)).hex()}", "type": "mask", "attributes": []}
        for name, label in colors.items()
        if label
    ]
    (folder / LABELS).write_bytes(json_bytes(described))


def _object_numbers(image: LabelledImage) -> np.ndarray:
    """Return numbers of objects, the largest first, and of what is void one of its own.

    CVAT takes the class of an object from one of its pixels: two classes never share a number.
    """
    void = image.labels == VOID
    areas = np.bincount(image.parts.ids.ravel(), minlength=len(image.parts.label_ids) + 1)[1:]
    order = np.argsort(-areas, kind="stable")
    classes = np.array(image.parts.label_ids, np.int64)[order]
    most = MOST_OBJECTS - int(void.any())
    alone = len(order) if len(order) <= most else most - 1
    while alone + len(others := np.unique(classes[alone:])) > most:
        alone -= 1
    numbers = np.zeros(len(areas) + 1, np.int64)
    numbers[1 + order[:alone]] = np.arange(1, alone + 1)
    numbers[1 + order[alone:]] = alone + 1 + np.searchsorted(others, classes[alone:])
    found = numbers[image.parts.ids]
    found[void] = found.max(initial=0) + 1
    return found.astype(np.uint8)


def _png(numbers: np.ndarray) -> bytes:
    """Return a PNG of three channels, VOC's colour of each number."""
    encoded = BytesIO()
    PillowImage.fromarray(_COLORS[numbers]).save(encoded, format="PNG")
    return encoded.getvalue()


def _put(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, date_time=_ALWAYS)
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, content, zipfile.ZIP_STORED)
