"""Polygons and brush masks of annotation tools, painted over each other.

Axis legend: H height, W width.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from tagseg.classes import BACKGROUND
from tagseg.data.image_files import MAX_PIXELS
from tagseg.data.images import image_size
from tagseg.ops.polygon_fill import polygon_mask
from tagseg.types import LabelMap

Size = tuple[int, int]
"""(height, width) in pixels."""

_LEAST_CORNERS = 3


@runtime_checkable
class Shape(Protocol):
    """One drawn shape."""

    def mask(self, size: Size) -> Bool[ndarray, "H W"]:
        """Return its pixels in an image of ``size``."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Polygon:
    """A polygon; pixels whose centres are inside belong to it, by the even-odd rule.

    Args:
        corners: (N, 2) x and y.
        unit: what the image's width and height are in the unit of ``corners``; 0 for pixels.
    """

    corners: ndarray
    unit: float = 0.0

    def mask(self, size: Size) -> Bool[ndarray, "H W"]:
        """Return its pixels in an image of ``size``."""
        height, width = size
        scale = np.array([width, height]) / self.unit if self.unit else np.ones(2)
        return polygon_mask(self.corners * scale, size=size)


@dataclass(frozen=True, slots=True)
class PaintedShapes:
    """The shapes of one photograph; of overlapping ones that with fewer pixels is on top, of equal ones the later.

    Args:
        path: file that they are from.
        name: of the photograph in it.
        size: that the file gives, or None for that of the photograph.
        shapes: with the id of each.
    """

    path: Path
    name: str
    size: Size | None
    shapes: tuple[tuple[int, Shape], ...] = field(repr=False, compare=False)

    def __str__(self) -> str:
        return f"'{self.name}' of {self.path}"

    def ids(self, photograph: Path) -> LabelMap:
        """Return the (H, W) ids.

        Raises:
            DataError: when the size of the photograph is asked for and it cannot be read.
        """
        size = self.size or image_size(photograph)
        pieces = [(*_piece(shape.mask(size)), label) for label, shape in self.shapes]
        painted = np.full(size, BACKGROUND, np.uint8)
        for top, left, mask, label in sorted(pieces, key=lambda piece: -int(np.count_nonzero(piece[2]))):
            painted[top : top + mask.shape[0], left : left + mask.shape[1]][mask] = label
        return painted


def polygon_of(values: object, *, unit: float = 0.0) -> Polygon | None:
    """Return the polygon of a list of points, or None when it is no such list.

    >>> polygon_of([[0, 0], [4, 0], [4, 2.5]]).corners.tolist()
    [[0.0, 0.0], [4.0, 0.0], [4.0, 2.5]]
    >>> polygon_of([[0, 0], [4, 0]]) is None, polygon_of([[0, 0], [4, 0], [1, "x"]]) is None
    (True, True)
    """
    if not isinstance(values, list) or len(values) < _LEAST_CORNERS:
        return None
    if not all(isinstance(point, list) and len(point) == 2 and all(map(is_place, point)) for point in values):
        return None
    return Polygon(np.array(values, np.float64), unit)


def rectangle(left: float, top: float, right: float, bottom: float, *, unit: float = 0.0) -> Polygon:
    """Return the polygon of an upright rectangle."""
    return Polygon(np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64), unit)


def size_of(height: object, width: object) -> Size | None:
    """Return a size, or None where the numbers are none of an image that is read."""
    if type(height) is int and type(width) is int and min(height, width) > 0 and height * width <= MAX_PIXELS:
        return height, width
    return None


def numbered(names: Iterable[str]) -> dict[str, int]:
    """Return the ids of names of classes, in their order.

    >>> numbered(["dog", "cat", "dog"])
    {'dog': 1, 'cat': 2}
    """
    return {name: number for number, name in enumerate(dict.fromkeys(names), start=1)}


def is_place(value: object) -> bool:
    """Return whether a value of a JSON file can be a coordinate.

    >>> [is_place(value) for value in (3, 0.5, True, "3", float("nan"), 10**400)]
    [True, True, False, False, False, False]
    """
    return isinstance(value, int | float) and type(value) is not bool and abs(value) < MAX_PIXELS


def _piece(mask: Bool[ndarray, "H W"]) -> tuple[int, int, Bool[ndarray, "h w"]]:
    """Return top, left and what is inside the box of a mask: many masks of one image take little memory."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return 0, 0, mask[:0, :0]
    return int(rows[0]), int(columns[0]), mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy()
