"""Shapes of COCO's annotations as run lengths: every value is looked at before pycocotools, which looks at none.

Axis legend: H height, W width.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from pycocotools import mask as coco_mask

from tagseg.errors import DataError

Size = tuple[int, int]
"""(height, width) in pixels."""

MAX_OUTSIDE_PX = 10_000
"""How far a polygon may reach beyond its image; the memory of pycocotools grows with the length of an outline."""

MAX_OUTLINE_PX = 10_000_000
"""The longest outline of one polygon; pycocotools takes about 80 bytes for each of its pixels."""

_MIN_NUMBERS = 6  # three points: fewer have no inside, and pycocotools takes four numbers for a box
_FIRST_CODE, _MAX_SHIFT = ord("0"), 30


class IncompleteMaskError(DataError):
    """An image has an annotated object without a shape, so that nobody knows which of its pixels are background."""


class ShapeError(ValueError):
    """A shape that cannot be drawn; its text is what was found."""


def shown(value: object) -> str:
    """Return a value of a JSON file as it stands there, in printable letters and at most 60 of them.

    >>> shown(None), shown("a"), shown([1] * 50)
    ('null', '"a"', '[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1...')
    """
    try:
        text = json.dumps(value, ensure_ascii=False)
        text = text if text.isprintable() else json.dumps(value)
    except RecursionError:
        return "a value nested too deep"
    return text if len(text) <= 60 else f"{text[:60].rstrip(', ')}..."


def has_shape(shape: object) -> bool:
    """Return whether the ``segmentation`` of an annotation says which pixels it means, rightly or not.

    Annotation tools write ``[]``, null, four numbers or lists of fewer than three points for objects that nobody drew.

    >>> [has_shape(shape) for shape in ([], None, [[1, 2, 3, 4]], [[0, 0, 2, 0, 2, 2]], {"size": [1, 1]})]
    [False, False, False, True, True]
    """
    if isinstance(shape, list):
        return any(isinstance(part, list) and _is_outline(part) for part in cast(list[object], shape))
    return bool(shape)


def run_lengths_of(shape: object, size: Size) -> Any:  # noqa: ANN401 - pycocotools' own record
    """Return pycocotools' run lengths of a shape.

    Polygons of one object are joined; parts of fewer than three points enclose nothing and are left out.

    Args:
        shape: the ``segmentation`` of an annotation that has one, see :func:`has_shape`.
        size: of the image.

    Raises:
        ShapeError: when it cannot be drawn on an image of that size.

    >>> int(coco_mask.area(run_lengths_of([[1, 0, 3, 0, 3, 1, 1, 1]], (2, 3))))
    2
    """
    height, width = size
    if isinstance(shape, list):
        parts = [part for part in cast(list[object], shape) if not _is_degenerate(part)]
        polygons: Any = [_checked_polygon(part, size) for part in parts]
        return coco_mask.merge(coco_mask.frPyObjects(polygons, height, width))
    if not isinstance(shape, dict):
        raise ShapeError(shown(shape))
    runs: Any = {"size": [height, width], "counts": checked_counts(cast(dict[str, Any], shape), size)}
    return coco_mask.frPyObjects(runs, height, width)


def checked_counts(shape: Mapping[str, Any], size: Size) -> list[int]:
    """Return the run lengths of a mask, column by column and from a run of zeros, that fill its image exactly.

    Args:
        shape: ``size`` and ``counts`` as COCO has them; the counts are a list of numbers or compressed text.
        size: of the image.

    Raises:
        ShapeError: when the size is another or the counts do not add up to height x width.

    >>> checked_counts({"size": [2, 3], "counts": "15"}, (2, 3))
    [1, 5]
    """
    height, width = size
    if shape.get("size") != [height, width]:
        raise ShapeError(f"run lengths of the size {shown(shape.get('size'))} for an image of {height} x {width}")
    counts = shape.get("counts")
    if isinstance(counts, str):
        counts = _decoded(counts)
    elif not isinstance(counts, list):
        raise ShapeError(f"run lengths with the counts {shown(counts)}")
    for count in cast(list[object], counts):
        if not is_whole(count) or cast(int, count) < 0:
            raise ShapeError(f"the run length {shown(count)}")
    total, pixels = sum(int(count) for count in counts), height * width
    if total != pixels:
        found = f"{total:,}" if total < 10**12 else "far more"
        raise ShapeError(f"run lengths of {found} pixels for an image of {pixels:,}")
    return [int(count) for count in counts]


def is_whole(value: object) -> bool:
    """Return whether a value of a JSON file is a whole number, such as 3 or 3.0; ``true`` is none.

    >>> [is_whole(value) for value in (3, 3.0, 3.5, True, "3", float("nan"), float("inf"))]
    [True, True, False, False, False, False, False]
    """
    return type(value) is int or (isinstance(value, float) and value.is_integer())


def _is_outline(part: Sequence[object]) -> bool:
    """Return whether a part of a shape is long enough for a polygon, and no list of points."""
    return len(part) >= _MIN_NUMBERS and not any(isinstance(value, list) for value in part)


def _is_degenerate(part: object) -> bool:
    """Return whether a part of a shape is a polygon of fewer than three points."""
    return isinstance(part, list) and len(part) < _MIN_NUMBERS and len(part) % 2 == 0 and all(map(_is_number, part))


def _is_number(value: object) -> bool:
    return type(value) in (int, float)


def _checked_polygon(polygon: object, size: Size) -> list[float]:
    """Return a polygon that pycocotools draws without leaving its memory."""
    if not isinstance(polygon, list):
        raise ShapeError(f"{shown(polygon)} in the place of a polygon")
    values = cast(list[Any], polygon)
    for index, value in enumerate(values):
        side = size[1] if index % 2 == 0 else size[0]
        if not _is_number(value):
            raise ShapeError(f"the coordinate {shown(value)}")
        if not -MAX_OUTSIDE_PX <= value <= side + MAX_OUTSIDE_PX:  # NaN fits nowhere
            raise ShapeError(f"the coordinate {shown(value)} for an image of {size[0]} x {size[1]}")
    if len(values) % 2 or len(values) < _MIN_NUMBERS:
        raise ShapeError(f"a polygon of {len(values)} numbers")
    points = list(zip(values[::2], values[1::2], strict=True))
    steps = zip(points, [*points[1:], points[0]], strict=True)
    if sum(max(abs(x - u), abs(y - v)) for (x, y), (u, v) in steps) > MAX_OUTLINE_PX:
        raise ShapeError(f"a polygon longer than {MAX_OUTLINE_PX:,} pixels")
    return [float(value) for value in values]


def _decoded(text: str) -> list[int]:
    """Return the counts of compressed run lengths.

    A letter above ``0`` holds five bits, the lowest first, and a sixth that says that another one follows; from the
    fourth count on the difference to the count before the last is stored.
    """
    counts: list[int] = []
    value = shift = 0
    for letter in text:
        code = ord(letter) - _FIRST_CODE
        if not 0 <= code < 64 or shift > _MAX_SHIFT:
            raise ShapeError(f"the compressed counts {shown(text)}")
        value |= (code & 31) << shift
        shift += 5
        if code & 32:
            continue
        if code & 16:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    if shift:
        raise ShapeError(f"the compressed counts {shown(text)}, which break off")
    return counts
