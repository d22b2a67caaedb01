"""Masks from CVAT's "Segmentation mask 1.1", an archive or the folder that it was unpacked to.

Source: docs.cvat.ai, "Segmentation Mask": ``labelmap.txt`` (a line a class: name, colour, parts, actions) and pictures
in ``SegmentationClass`` with these colours.
"""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from tagseg.classes import BACKGROUND, VOID
from tagseg.data.image_files import MAX_PIXELS, ImageSource, NamedBytes, damaged_file, open_image
from tagseg.data.mask_formats.found_masks import FoundMask, FoundMasks
from tagseg.data.mask_ids import MaskLabelError
from tagseg.data.names import composed, is_background
from tagseg.errors import DataError
from tagseg.types import LabelMap

LABEL_MAP = "labelmap.txt"

_CLASSES = "SegmentationClass"
_VOID = "void"
_AGAIN = "export the task from CVAT again as 'Segmentation mask 1.1'"

Color = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class CvatPicture:
    """One picture of ``SegmentationClass``.

    Args:
        path: the picture, or the archive that it is in.
        member: its name in the archive, None for a file.
        ids_by_color: see :func:`_label_map`.
    """

    path: Path
    member: str | None
    ids_by_color: Mapping[Color, int] = field(repr=False, compare=False)

    def __str__(self) -> str:
        return str(self.path) if self.member is None else f"{self.path}/{self.member}"

    def ids(self, photograph: Path) -> LabelMap:
        """Return the (H, W) ids.

        Raises:
            DataError: when the picture cannot be read.
            MaskLabelError: when it has a colour of no class.
        """
        source = self.path if self.member is None else _unpacked(self.path, self.member)
        try:
            pixels = _pixels(source)
        except DataError as error:
            if self.member is None:
                raise
            raise DataError(error.problem, help=_AGAIN) from error
        packed = pixels @ np.array([1 << 16, 1 << 8, 1])
        colors = {(red << 16) + (green << 8) + blue: label for (red, green, blue), label in self.ids_by_color.items()}
        found, places = np.unique(packed, return_inverse=True)
        unknown = [color for color in found.tolist() if color not in colors]
        if unknown:
            color = (unknown[0] >> 16, unknown[0] >> 8 & 255, unknown[0] & 255)
            message = f"mask {source} must hold the colours of {LABEL_MAP}, got {color}"
            raise MaskLabelError(message, help=_AGAIN)
        return np.array([colors[color] for color in found.tolist()], np.uint8)[places].reshape(packed.shape)


def _pixels(source: ImageSource) -> Int64[ndarray, "H W 3"]:
    with open_image(source, kind="mask", formats=("PNG",)) as image:
        try:
            return np.asarray(image.convert("RGB"), np.int64)
        except Exception as error:  # decoders raise almost anything on damaged bytes
            raise damaged_file("mask", source, image.format) from error


def is_cvat_archive(path: Path) -> bool:
    """Return whether a file is an archive with CVAT's list of classes."""
    try:
        with zipfile.ZipFile(path) as archive:
            return LABEL_MAP in archive.namelist()
    except Exception:
        return False


def cvat_archive_masks(path: Path) -> FoundMasks:
    """Return the masks of an archive; nothing is unpacked to a disk.

    Raises:
        DataError: when its list of classes cannot be read.
    """
    with zipfile.ZipFile(path) as archive:
        ids = _label_map(f"{path}/{LABEL_MAP}", _member(archive, path, LABEL_MAP))
        members = sorted(name for name in archive.namelist() if name.startswith(f"{_CLASSES}/") and name[-1] != "/")
    names = [member.removeprefix(f"{_CLASSES}/").rpartition(".")[0] for member in members]
    masks = [FoundMask((name,), CvatPicture(path, member, ids[1])) for name, member in zip(names, members, strict=True)]
    return FoundMasks(path, ids[0], tuple(masks))


def cvat_folder_masks(folder: Path) -> FoundMasks:
    """Return the masks of a folder with ``labelmap.txt`` and ``SegmentationClass``.

    Raises:
        DataError: when its list of classes cannot be read.
    """
    try:
        classes, ids = _label_map(str(folder / LABEL_MAP), (folder / LABEL_MAP).read_bytes())
    except OSError as error:
        raise DataError(f"{folder / LABEL_MAP} must be readable, got {error.strerror}", help=_AGAIN) from error
    below = folder / _CLASSES
    paths = sorted(path for path in below.rglob("*.png") if path.name[0] != ".")
    masks = [
        FoundMask((path.relative_to(below).with_suffix("").as_posix(),), CvatPicture(path, None, ids)) for path in paths
    ]
    return FoundMasks(folder, classes, tuple(masks))


def _label_map(name: str, content: bytes) -> tuple[tuple[str, ...], dict[Color, int]]:
    """Return the classes of a ``labelmap.txt``, and the ids of its colours."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{name} must be UTF-8 text, got other bytes", help=_AGAIN) from error
    classes: list[str] = []
    ids: dict[Color, int] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        label, _, rest = line.partition(":")
        color = _color(rest.partition(":")[0])
        if color is None or color in ids:
            found = f"{line[:60]!r}" if color is None else f"the colour {color} again"
            raise DataError(f"{name} at line {number} must name a class and its own colour, got {found}", help=_AGAIN)
        label = composed(label.strip())
        if is_background(label):
            ids[color] = BACKGROUND
        elif label == _VOID:
            ids[color] = VOID
        else:
            classes.append(label)
            ids[color] = len(classes)
    return tuple(classes), ids


def _color(text: str) -> Color | None:
    parts = text.split(",")
    if len(parts) != 3 or not all(part.strip().isdecimal() and len(part) < 9 for part in parts):
        return None
    red, green, blue = (int(part) for part in parts)
    return (red, green, blue) if max(red, green, blue) < 256 else None


def _unpacked(path: Path, member: str) -> ImageSource:
    try:
        with zipfile.ZipFile(path) as archive:
            return NamedBytes(f"{path}/{member}", _member(archive, path, member))
    except (OSError, zipfile.BadZipFile) as error:
        raise damaged_file("archive", path, "ZIP") from error


def _member(archive: zipfile.ZipFile, path: Path, name: str) -> bytes:
    """Return a file of an archive, if it is not larger than any picture that is read."""
    try:
        if archive.getinfo(name).file_size <= 4 * MAX_PIXELS:
            return archive.read(name)
    except Exception as error:  # decompressors have errors of their own
        raise damaged_file("archive", path, "ZIP") from error
    raise damaged_file("archive", path, "ZIP")
