"""Masks from Label Studio: brush run lengths, polygons and rectangles of annotated tasks.

Source: labelstud.io, "Export annotations" and the units of a region (percent of width and height). Brush masks are run
lengths of thi.ng/rle-pack, as ``artifacts/label_formats/label_studio.py`` describes them; its page names a second kind
of run besides that one, values that differ, each written out.

Axis legend: H height, W width.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray

from tagseg.data.mask_formats.found_masks import FoundMask, FoundMasks
from tagseg.data.mask_formats.shapes import (
    PaintedShapes,
    Shape,
    Size,
    is_place,
    numbered,
    polygon_of,
    rectangle,
    size_of,
)
from tagseg.data.tag_formats.photograph_keys import photograph_of
from tagseg.data.tool_names import name_spellings
from tagseg.errors import DataError

_CHANNELS, _ALPHA, _HALF = 4, 3, 128
_PERCENT = 100.0
_BRUSH, _POLYGON, _RECTANGLE = "brushlabels", "polygonlabels", "rectanglelabels"
_AGAIN = "correct it in Label Studio and export the project again as JSON"

Json = Mapping[str, Any]


class _UnusableError(Exception):
    """A region that cannot be drawn; its text is what was found."""


@dataclass(frozen=True, slots=True)
class BrushMask:
    """A brush mask.

    Args:
        path: of its file, for messages.
        task: its task, for messages.
        packed: the bytes of its run lengths.
    """

    path: Path
    task: str
    packed: bytes = field(repr=False)

    def mask(self, size: Size) -> Bool[ndarray, "H W"]:
        """Return the pixels that the brush covers by half or more."""
        height, width = size
        try:
            values = unpacked(self.packed, count=height * width * _CHANNELS)
        except ValueError as error:
            message = f"{self.path} at {self.task} must hold a brush mask of {height} x {width} pixels, got {error}"
            raise DataError(message, help=_AGAIN) from error
        return values.reshape(height, width, _CHANNELS)[..., _ALPHA] >= _HALF


def unpacked(packed: bytes, *, count: int) -> UInt8[ndarray, " values"]:
    """Return the values of run lengths.

    Args:
        packed: their bytes.
        count: how many values there must be.

    Raises:
        ValueError: when there are others, or the bytes break off; its text is what was found.

    >>> unpacked(bytes([0, 0, 0, 4, 57, 27, 252, 127, 224]), count=4).tolist()
    [255, 255, 255, 255]
    """
    bits = np.unpackbits(np.frombuffer(packed, np.uint8)).astype(np.uint8) + ord("0")
    text = bits.tobytes().decode("ascii")
    if len(text) < 53:
        raise ValueError("a few bytes")
    if int(text[:32], 2) != count or int(text[32:37], 2) != 7:
        raise ValueError(f"{int(text[:32], 2):,} values of {int(text[32:37], 2) + 1} bits")
    sizes = [int(text[at : at + 4], 2) + 1 for at in range(37, 53, 4)]
    values, done, at = np.zeros(count, np.uint8), 0, 53
    while done < count:
        width = sizes[int(text[at + 1 : at + 3] or "0", 2)]
        start = at + 3 + width
        run = int(text[at + 3 : start] or "0", 2) + 1
        stop = start + 8 * (1 if text[at : at + 1] == "1" else run)
        if stop > len(text) or done + run > count:
            raise ValueError("run lengths that break off" if stop > len(text) else "more values")
        values[done : done + run] = np.packbits(bits[start:stop] - ord("0"))
        done, at = done + run, stop
    return values


def label_studio_masks(path: Path, tasks: Sequence[Any]) -> FoundMasks:
    """Return the masks of the annotated tasks of a file.

    In a file without any annotation, such as the one that ``tagseg export`` writes, the predictions are the masks.

    Args:
        path: of the file.
        tasks: its content.

    Raises:
        DataError: when no task is annotated, one is in several ways, or a region cannot be drawn.
    """
    key = "annotations" if any(isinstance(task, dict) and "annotations" in task for task in tasks) else "predictions"
    given = [(number, task, _answer(path, number, task, key)) for number, task in enumerate(tasks, start=1)]
    answered = [(number, task, answer) for number, task, answer in given if answer is not None]
    if not answered:
        raise DataError(
            f"{path} must hold annotated tasks, got {len(tasks)} without an annotation",
            help="annotate them in Label Studio and export them again as JSON",
        )
    regions = [list(_regions(answer)) for _, _, answer in answered]
    ids = numbered(sorted({name for found in regions for _, _, name in found}))
    masks = []
    for (number, task, _), found in zip(answered, regions, strict=True):
        place = f"task {number}"
        name = photograph_of(task.get("data"))
        try:
            if name is None:
                raise _UnusableError("no photograph in its data")
            shapes = tuple((ids[label], _shape(path, place, kind, entry)) for kind, entry, label in found)
            drawing = PaintedShapes(path, name, _size([entry for _, entry, _ in found]), shapes)
        except _UnusableError as error:
            raise DataError(f"{path} at {place} must hold masks that can be drawn, got {error}", help=_AGAIN) from error
        masks.append(FoundMask(tuple(name_spellings(name)), drawing))
    return FoundMasks(path, tuple(ids), tuple(masks))


def _answer(path: Path, number: int, task: Any, key: str) -> list[Any] | None:  # noqa: ANN401 - anything of the file
    """Return the result of the annotation of a task that counts, None where there is none."""
    listed = task.get(key) if isinstance(task, dict) else None
    listed = listed if isinstance(listed, list) else []
    given = [each for each in listed if isinstance(each, dict) and not each.get("was_cancelled")]
    marked = [each for each in given if each.get("ground_truth")] or given
    if len(marked) > 1:
        raise DataError(
            f"{path} at task {number} must be annotated once, got {len(marked)} annotations",
            help="mark the right annotation as ground truth",
        )
    result = marked[0].get("result") if marked else None
    return result if isinstance(result, list) else None


def _regions(answer: Sequence[Any]) -> Iterator[tuple[str, Json, str]]:
    """Yield kind, entry and label of the regions of an answer; what has no label is no region."""
    for entry in answer:
        kind = entry.get("type") if isinstance(entry, dict) else None
        value = entry.get("value") if isinstance(entry, dict) else None
        labels = value.get(kind) if isinstance(value, dict) else None
        if isinstance(kind, str) and kind.endswith("labels") and isinstance(labels, list) and labels:
            yield kind, entry, str(labels[0])


def _size(entries: Sequence[Json]) -> Size | None:
    """Return the size that all regions of a task give, None without a region."""
    sizes = [size_of(entry.get("original_height"), entry.get("original_width")) for entry in entries]
    if not sizes:
        return None
    if sizes[0] is None or len(set(sizes)) > 1:
        raise _UnusableError("regions without one size of the photograph")
    if any(entry.get("image_rotation") for entry in entries):
        raise _UnusableError("a photograph that was turned")
    return sizes[0]


def _shape(path: Path, place: str, kind: str, entry: Json) -> Shape:
    """Return the shape of a region."""
    value = entry["value"]
    if kind == _BRUSH:
        packed = value.get("rle")
        if isinstance(packed, list) and all(type(byte) is int and 0 <= byte < 256 for byte in packed):
            return BrushMask(path, place, bytes(packed))
        raise _UnusableError("a brush mask without run lengths")
    if kind == _POLYGON:
        polygon = polygon_of(value.get("points"), unit=_PERCENT)
        if polygon is not None:
            return polygon
        raise _UnusableError("a polygon of fewer than three points")
    numbers = [value.get(name) for name in ("x", "y", "width", "height")]
    if kind == _RECTANGLE and all(map(is_place, numbers)) and not value.get("rotation"):
        left, top, width, height = map(float, numbers)
        return rectangle(left, top, left + width, top + height, unit=_PERCENT)
    raise _UnusableError(f"a region of type '{kind}'")
