"""Edges between pixels of different values, and the walks along them that close around each region.

Axes: H W pixels, P = (H + 2) * (W + 2) pixels with a frame, E unit edges, R rings.
Pixel (row y, column x) is the square from corner (x, y) to (x + 1, y + 1).

A side of a pixel is an edge when the pixel beyond it has another value. It is walked with its pixel on the right hand:
the top side leads east. Its number is ``side * P + pixel``.
"""

import numpy as np
from jaxtyping import Bool, Int64, Integer
from numpy import ndarray

EDGE_START = np.array([(0, 0), (1, 0), (1, 1), (0, 1)])
"""(x, y) in the pixel where the walk along its top, right, bottom and left side starts."""


def find_edges(flat: Integer[ndarray, " P"], width: int, *, shown: Bool[ndarray, " P"]) -> Int64[ndarray, " E"]:
    """Return the edges of the pixels that are shown, ascending: tops first, each side in the order of the pixels.

    Args:
        flat: values of all pixels, rows first, with a frame around them.
        width: of a row with its frame.
        shown: which pixels have edges; none of the frame, so that no step leads around it.
    """
    inside, wanted = flat[width:-width], shown[width:-width]
    found = []
    for side, step in enumerate(_outward(width)):
        beyond = flat[width + step : flat.size - width + step]
        found.append(np.flatnonzero(wanted & (inside != beyond)) + (side * flat.size + width))
    return np.concatenate(found)


def next_edges(flat: Integer[ndarray, " P"], width: int, edges: Int64[ndarray, " E"]) -> Int64[ndarray, " E"]:
    """Return which edge follows each, as a place in ``edges``.

    A walk stays at its pixels: it crosses to none that it touches at a corner only (regions are 4-connected).

    Args:
        flat: values of all pixels, as in :func:`find_edges`.
        width: of a row with its frame.
        edges: what :func:`find_edges` returned.
    """
    outward, ends = _outward(width), np.searchsorted(edges, flat.size * np.arange(5))
    numbers = []
    for side in range(4):
        pixels = edges[ends[side] : ends[side + 1]] - side * flat.size
        own, ahead = flat[pixels], pixels + outward[(side + 1) % 4]
        beyond = ahead + outward[side]
        joined = flat[ahead] == own
        straight_or_right = np.where(joined, side * flat.size + ahead, (side + 1) % 4 * flat.size + pixels)
        turns_left = (flat[beyond] == own) & joined
        numbers.append(np.where(turns_left, (side - 1) % 4 * flat.size + beyond, straight_or_right))
    return np.searchsorted(edges, np.concatenate(numbers))


def walk_rings(following: Int64[ndarray, " E"]) -> tuple[Int64[ndarray, " E"], Int64[ndarray, " R"]]:
    """Follow every ring once; return the edges ring by ring, and where in that list each ring starts.

    A ring starts at its first edge, and rings are in the order of these. Arrays would need log2(E) passes over all
    edges for what plain lists do in one.

    >>> order, starts = walk_rings(np.array([2, 1, 0]))
    >>> order.tolist(), starts.tolist()
    ([0, 2, 1], [0, 2])
    """
    steps, order, starts = following.tolist(), [], []
    ahead = bytearray(b"\1") * len(steps)
    start = 0
    while start >= 0:
        starts.append(len(order))
        at = start
        while ahead[at]:
            ahead[at] = 0
            order.append(at)
            at = steps[at]
        start = ahead.find(1, start)
    return np.array(order, np.int64), np.array(starts, np.int64)


def _outward(width: int) -> tuple[int, int, int, int]:
    """Return the step from a pixel to the one beyond each side; a side's walk leads where the next side looks."""
    return -width, 1, width, -1
