"""The pixels inside a polygon.

Axes: H W pixels, N corners.
"""

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray

_CROSSINGS_AT_ONCE = 1 << 20


def polygon_mask(corners: Float64[ndarray, "N 2"], *, size: tuple[int, int]) -> Bool[ndarray, "H W"]:
    """Return the pixels whose centres are inside a polygon, by the even-odd rule.

    A centre on a border belongs to the polygon on its right. So polygons that share borders share no pixel and leave
    none out, and a bridge to a hole, which is walked once each way, fills nothing.

    Args:
        corners: x and y of each, from the upper left corner of the image, in pixels; the last one is joined to the
            first.
        size: (height, width).

    >>> polygon_mask(np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 1.0], [0.0, 1.0]]), size=(2, 3)).tolist()
    [[True, True, False], [False, False, False]]
    """
    height, width = size
    ends = np.roll(corners, -1, axis=0)
    # Each side from its upper end: both ways of a bridge are then the same numbers.
    down = (corners[:, 1] <= ends[:, 1])[:, None]
    upper, lower = np.where(down, corners, ends), np.where(down, ends, corners)
    first = np.clip(np.ceil(upper[:, 1] - 0.5), 0, height).astype(np.int64)
    past = np.clip(np.ceil(lower[:, 1] - 0.5), 0, height).astype(np.int64)
    counts = past - first
    crossed = np.zeros((height, width + 1), bool)
    for start, stop in _parts(counts):
        side = np.repeat(np.arange(start, stop), counts[start:stop])
        begun = np.repeat(np.cumsum(counts[start:stop]) - counts[start:stop], counts[start:stop])
        row = first[side] + np.arange(len(side)) - begun
        slope = (lower[side, 0] - upper[side, 0]) / (lower[side, 1] - upper[side, 1])
        x = upper[side, 0] + (row + 0.5 - upper[side, 1]) * slope
        column = np.clip(np.ceil(x - 0.5), 0, width).astype(np.int64)
        np.logical_xor.at(crossed, (row, column), True)
    return np.logical_xor.accumulate(crossed[:, :width], axis=1)


def _parts(counts: ndarray) -> list[tuple[int, int]]:
    """Return ranges of sides that cross about a million rows at most, or are one side."""
    part = np.cumsum(counts) // _CROSSINGS_AT_ONCE
    starts = [0, *(np.flatnonzero(np.diff(part)) + 1).tolist()]
    return list(zip(starts, [*starts[1:], len(counts)], strict=True))
