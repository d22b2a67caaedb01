"""Which tool the masks of a folder or a file are from, by what is there."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from tagseg.classes import MAX_CLASSES
from tagseg.data.id_names import listed_names
from tagseg.data.mask_formats.coco_masks import coco_masks
from tagseg.data.mask_formats.cvat_masks import LABEL_MAP, cvat_archive_masks, cvat_folder_masks, is_cvat_archive
from tagseg.data.mask_formats.found_masks import FoundMasks
from tagseg.data.mask_formats.id_masks import folder_of_pictures, id_masks, metadata_masks, yolo_id_masks
from tagseg.data.mask_formats.label_studio_masks import label_studio_masks
from tagseg.data.mask_formats.labelme_masks import labelme_files_below, labelme_masks
from tagseg.data.mask_formats.yolo_masks import CONFIGURATION, read_configuration, yolo_masks
from tagseg.data.names import is_background
from tagseg.data.tag_formats.label_studio_tags import is_label_studio
from tagseg.errors import DataError

_COCO = frozenset({"images", "annotations", "categories"})
_FORMATS = "COCO, Label Studio (JSON) or CVAT (segmentation mask, ZIP)"

Read = Callable[[], FoundMasks]


def find_masks(place: Path, *, classes: tuple[str, ...]) -> FoundMasks:
    """Return the masks of a file or a folder, of a tool or as pictures of ids.

    Args:
        place: which exists.
        classes: names of the ids in pictures beside which nothing names them.

    Raises:
        DataError: when they are of several tools, or cannot be read.
    """
    return tool_masks(place) or FoundMasks(place, listed_names(place, above=True) or classes, id_masks(place))


def tool_masks(place: Path) -> FoundMasks | None:
    """Return the masks that a tool exported to a file or a folder, None of a folder of pictures and of no place at all.

    Raises:
        DataError: when they are of several tools, or cannot be read.
    """
    if place.is_file():
        reader = _reader_of_file(place)
        if reader is None:
            raise DataError(
                f"file of masks {place} must be of {_FORMATS}, got something else", help="name another file"
            )
    elif place.is_dir():
        readers = dict(_readers_of_folder(place))
        if len(readers) > 1:
            first, second, *_ = readers
            message = f"folder {place} must hold masks of one tool, got {first} and {second}"
            raise DataError(message, help="keep one of them there")
        reader = next(iter(readers.values()), None)
    else:
        reader = None
    if reader is None:
        return None
    found = reader()
    if len(found.classes) > MAX_CLASSES:
        message = f"masks {place} must show at most {MAX_CLASSES} classes, got {len(found.classes)}"
        raise DataError(message, help="leave some out")
    return found


def _reader_of_file(path: Path) -> Read | None:
    """Return what reads a file, or None when it is of no tool."""
    if is_cvat_archive(path):
        return lambda: cvat_archive_masks(path)
    if path.suffix.lower() != ".json":
        return None
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if isinstance(content, dict) and content.keys() >= _COCO:
        return lambda: coco_masks(path)
    if isinstance(content, list) and is_label_studio(content):
        return lambda: label_studio_masks(path, content)
    return None


def _readers_of_folder(folder: Path) -> Iterator[tuple[str, Read]]:
    """Yield what reads the masks of each tool in a folder, with what it was told by."""
    for path in sorted(path for path in folder.iterdir() if path.suffix.lower() in (".json", ".zip")):
        if path.is_file() and (reader := _reader_of_file(path)) is not None:
            yield path.name, reader
    if (folder / LABEL_MAP).is_file():
        yield LABEL_MAP, lambda: cvat_folder_masks(folder)
    if (folder / CONFIGURATION).is_file():
        yield CONFIGURATION, lambda: _yolo(folder)
    if folder_of_pictures(folder) == folder and (rows := metadata_masks(folder)):
        yield "metadata.jsonl", lambda: FoundMasks(folder, _hugging_face_names(folder), rows)
    if folder_of_pictures(folder) == folder and (files := labelme_files_below(folder)):
        yield files[0][0].name, lambda: labelme_masks(folder, files)


def _yolo(folder: Path) -> FoundMasks:
    names, masks_dir = read_configuration(folder / CONFIGURATION)
    if masks_dir is None:
        return yolo_masks(folder, names)
    if not is_background(names[0]):
        message = f"{folder / CONFIGURATION} must name the background as 0 for masks, got '{names[0]}'"
        raise DataError(message, help="write the names of the ids in the masks")
    return FoundMasks(folder, names[1:], yolo_id_masks(folder / masks_dir))


def _hugging_face_names(folder: Path) -> tuple[str, ...]:
    names = listed_names(folder, above=True)
    if names is None:
        raise DataError(
            f"folder {folder} must name the ids of its masks in id2label.json, got no such file",
            help='write {"0": "background", "1": ...} there',
        )
    return names
