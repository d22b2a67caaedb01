"""Masks from Ultralytics' YOLO: polygons in a text file for each photograph, or ids beside ``data.yaml``.

Source: see ``artifacts/label_formats/yolo_folder.py``: a line an object, class from 0, then x and y as shares of width
and height; ``names`` of ``data.yaml`` names the classes.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

import numpy as np
import yaml

from tagseg.data.mask_formats.found_masks import FoundMask, FoundMasks
from tagseg.data.mask_formats.shapes import PaintedShapes, Polygon, is_place
from tagseg.data.names import composed, is_inside
from tagseg.errors import DataError

CONFIGURATION = "data.yaml"

_LABELS, _IMAGES = "labels", "images"
_LEAST_NUMBERS = 6
_FAR = 100  # shares of the image


def read_configuration(path: Path) -> tuple[tuple[str, ...], str | None]:
    """Return the names of a ``data.yaml`` in the order of their numbers, and its folder of masks if it names one.

    Raises:
        DataError: when it is no YAML, or its names are not numbered from 0.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise DataError(f"{path} must be YAML, got something else", help="restore it") from error
    content = content if isinstance(content, Mapping) else {}
    names = content.get("names")
    rows = dict(enumerate(names)) if isinstance(names, list) else names if isinstance(names, Mapping) else {}
    is_numbered = all(type(key) is int for key in rows) and set(rows) == set(range(len(rows)))
    if not rows or not is_numbered or not all(isinstance(name, str | int) for name in rows.values()):
        raise DataError(f"{path} must have names numbered from 0, got others", help="write the names of the classes")
    masks = content.get("masks_dir")
    has_masks = isinstance(masks, str) and is_inside(masks) and "\0" not in masks
    return tuple(composed(str(rows[number])) for number in range(len(rows))), masks if has_masks else None


def yolo_masks(folder: Path, names: tuple[str, ...]) -> FoundMasks:
    """Return the masks of the text files below ``labels``; a photograph with an empty file shows no class.

    Args:
        folder: of ``data.yaml``.
        names: of the classes, see :func:`read_configuration`.

    Raises:
        DataError: when a line is no polygon, or of no class.
    """
    masks = []
    for path in sorted((folder / _LABELS).rglob("*.txt")):
        shapes = tuple(_shapes(path, names))
        name = path.relative_to(folder / _LABELS).with_suffix("").as_posix()
        masks.append(FoundMask(tuple(photograph_names(name)), PaintedShapes(path, name, None, shapes)))
    return FoundMasks(folder, names, tuple(masks))


def photograph_names(name: str) -> Iterator[str]:
    """Yield what a photograph may be called whose labels have a name: with the split or without it.

    >>> list(photograph_names("train/images_/a"))
    ['train/images_/a', 'train/images/a', 'images_/a', 'images/a']
    """
    parts = PurePosixPath(name).parts
    for used in (parts, parts[1:]) if len(parts) > 1 else (parts,):
        # Its writer adds a _ to folders called so, which YOLO takes for its own.
        place = PurePosixPath(*used)
        folders = place.parent.parts
        own = [part[:-1] if part.rstrip("_") == _IMAGES and part.endswith("_") else part for part in folders]
        yield from dict.fromkeys((str(place), "/".join([*own, place.name])))


def _shapes(path: Path, names: tuple[str, ...]) -> Iterator[tuple[int, Polygon]]:
    """Yield the ids and polygons of a file."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise DataError(f"labels {path} must be text, got something else", help="restore the file") from error
    for number, line in enumerate(lines, start=1):
        values = line.split()
        if not values:
            continue
        place = f"labels {path} at line {number}"
        numbers = _numbers(values)
        if numbers is None or len(numbers) < 1 + _LEAST_NUMBERS or len(numbers) % 2 == 0:
            found = "a box" if numbers is not None and len(numbers) == 5 else "something else"
            raise DataError(
                f"{place} must be a class and a polygon as shares of the image, got {found}",
                help="export polygons, YOLO's format of segmentation",
            )
        if numbers[0] not in range(len(names)):
            raise DataError(
                f"{place} must be of class 0 to {len(names) - 1}, got {values[0]}",
                help=f"list all classes in {CONFIGURATION}",
            )
        yield int(numbers[0]) + 1, Polygon(np.array(numbers[1:], np.float64).reshape(-1, 2), 1.0)


def _numbers(values: list[str]) -> list[float] | None:
    """Return the numbers of a line, or None when it holds something else."""
    try:
        numbers = [float(value) for value in values]
    except ValueError:
        return None
    return numbers if all(is_place(number) and abs(number) < _FAR for number in numbers[1:]) else None
