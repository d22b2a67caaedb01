"""Masks as pictures of ids: in a folder, as VOC has them, beside YOLO's ``data.yaml``, in a folder of Hugging Face."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tagseg.data.mask_formats.found_masks import FoundMask
from tagseg.data.mask_formats.yolo_masks import photograph_names
from tagseg.data.mask_ids import read_ids
from tagseg.data.mask_images import mask_paths
from tagseg.data.names import is_inside
from tagseg.errors import DataError
from tagseg.types import LabelMap

METADATA = "metadata.jsonl"

_IMAGES = "images/"
_BELOW = ("SegmentationClass", "masks")
"""Sub-folders that masks of VOC's layout, and of format ``ids``, lie in."""


@dataclass(frozen=True, slots=True)
class IdPicture:
    """A file of ids.

    Args:
        path: of the file.
    """

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def ids(self, photograph: Path) -> LabelMap:
        """Return the (H, W) ids as they are stored.

        Raises:
            DataError: when it cannot be read.
        """
        return read_ids(self.path)


def folder_of_pictures(folder: Path) -> Path:
    """Return where the masks of a folder lie: in ``SegmentationClass``, in ``masks``, or right in it."""
    return next((folder / name for name in _BELOW if (folder / name).is_dir()), folder)


def id_masks(folder: Path) -> tuple[FoundMask, ...]:
    """Return the masks of a folder, by their paths.

    Raises:
        DataError: when two files have one path without ending.
    """
    return tuple(FoundMask((name,), IdPicture(path)) for name, path in mask_paths(folder_of_pictures(folder)).items())


def yolo_id_masks(folder: Path) -> tuple[FoundMask, ...]:
    """Return the masks below a folder with a sub-folder for each split."""
    return tuple(FoundMask(tuple(photograph_names(name)), IdPicture(path)) for name, path in mask_paths(folder).items())


def metadata_masks(folder: Path) -> tuple[FoundMask, ...]:
    """Return the masks that the lines of ``metadata.jsonl`` name, in the folder or in folders of its splits.

    Raises:
        DataError: when a line names a mask that is not there.
    """
    found = []
    for path in sorted([*folder.glob(METADATA), *folder.glob(f"*/{METADATA}")]):
        for place, row in _rows(path):
            photograph, mask = row.get("file_name"), row.get("mask_file_name")
            if mask is None:
                continue
            if not isinstance(photograph, str) or not isinstance(mask, str) or not is_inside(mask):
                raise DataError(f"{place} must name a photograph and its mask, got others", help="correct that line")
            if not (path.parent / mask).is_file():
                message = f"mask {path.parent / mask} of {place} must exist, got no such file"
                raise DataError(message, help="restore the file or correct that line")
            names = (photograph, photograph.removeprefix(_IMAGES), PurePosixPath(photograph).name)
            found.append(FoundMask(tuple(dict.fromkeys(names)), IdPicture(path.parent / mask)))
    return tuple(found)


def _rows(path: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Yield place and content of the lines of a file that are objects."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError):
        return
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line) if line.strip() else None
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict):
            yield f"{path} at line {number}", row
