"""Masks from LabelMe: polygons and rectangles in a JSON file beside each photograph.

Source: the files that LabelMe writes, see ``artifacts/label_formats/labelme_files.py``.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from tagseg.classes import BACKGROUND, VOID
from tagseg.data.mask_formats.found_masks import FoundMask, FoundMasks
from tagseg.data.mask_formats.shapes import PaintedShapes, Shape, numbered, polygon_of, rectangle, size_of
from tagseg.data.names import composed, is_background
from tagseg.errors import DataError

_VOID = "__ignore__"


def labelme_files_below(folder: Path) -> list[tuple[Path, Mapping[str, Any]]]:
    """Return the JSON files below a folder that are LabelMe's, with their content."""
    found = []
    for path in sorted(folder.rglob("*.json")):
        try:
            content = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(content, dict) and isinstance(content.get("shapes"), list) and "imagePath" in content:
            found.append((path, content))
    return found


def labelme_masks(folder: Path, files: Sequence[tuple[Path, Mapping[str, Any]]]) -> FoundMasks:
    """Return the masks of LabelMe's files.

    Args:
        folder: that they lie below.
        files: see :func:`labelme_files_below`.

    Raises:
        DataError: when one holds a shape that cannot be drawn.
    """
    labels = {composed(str(shape.get("label"))) for _, content in files for shape in _shapes(content)}
    classes = tuple(sorted(label for label in labels if not is_background(label)))
    ids = dict.fromkeys(labels, BACKGROUND) | numbered(classes) | {_VOID: VOID}
    masks = []
    for path, content in files:
        shapes = []
        for number, entry in enumerate(_shapes(content), start=1):
            shape = _shape(entry)
            if shape is None:
                message = f"shape {number} of {path} must be a polygon or a rectangle, got {_kind(entry)}"
                raise DataError(message, help="draw it in LabelMe as a polygon, or remove it")
            shapes.append((ids[composed(str(entry.get("label")))], shape))
        size = size_of(content.get("imageHeight"), content.get("imageWidth"))
        inside = path.relative_to(folder)
        names = [inside.with_suffix("").as_posix()]
        if isinstance(content["imagePath"], str):
            names.append((inside.parent / PurePosixPath(content["imagePath"].replace("\\", "/")).name).as_posix())
        masks.append(FoundMask(tuple(names), PaintedShapes(path, names[0], size, tuple(shapes))))
    return FoundMasks(folder, classes, tuple(masks))


def _shapes(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [shape if isinstance(shape, dict) else {} for shape in content["shapes"]]


def _kind(entry: Mapping[str, Any]) -> str:
    kind = entry.get("shape_type", "polygon")
    return f"{kind!r}" if kind not in ("polygon", "rectangle") else f"a {kind} without its points"


def _shape(entry: Mapping[str, Any]) -> Shape | None:
    points = entry.get("points")
    if entry.get("shape_type", "polygon") == "polygon":
        return polygon_of(points)
    if entry.get("shape_type") != "rectangle" or not isinstance(points, list) or len(points) != 2:
        return None
    box = polygon_of([*points, points[0]])
    return None if box is None else rectangle(*box.corners.min(axis=0).tolist(), *box.corners.max(axis=0).tolist())
