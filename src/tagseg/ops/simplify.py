"""Borders with fewer corners that stay within a tolerance and never cross each other.

Axes: A points of an arc, S segments of all arcs, Q pairs of segments. Coordinates are halves of pixels, so that all of
them are whole numbers and every test is exact.
"""

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy import ndarray

_LEAST_PX = 0.25  # below, a tolerance leaves out what lies on a line and nothing else

Points = Int64[ndarray, "_ 2"]


def simplify_arcs(
    arcs: list[Int64[ndarray, "_ 2"]], *, free: list[bool], tolerance_px: float
) -> list[Float64[ndarray, "_ 2"]]:
    """Return arcs along the sides of pixels with fewer points.

    With tolerance 0 the corners at which an arc turns are kept. Above 0 an arc goes from its first point through the
    middle of every side to its last point, and of these points only those are kept that Douglas and Peucker's rule
    wants. Arcs that would cross or touch, or close to a line, are done again with half the tolerance, until none does.

    Source: Douglas and Peucker, "Algorithms for the reduction of the number of points required to represent a
    digitized line", Cartographica 10(2), 1973.

    Args:
        arcs: (x, y) of corners of pixels, a unit step apart. They touch at their ends only.
        free: of each arc whether it ends where it starts and no other begins there, so that this corner may go.
        tolerance_px: how far a point that is left out may be from what remains, 0 or more.

    Returns:
        For each arc its points in pixels. First and last stay, but those of a free one, which starts in the middle of
        its first side.

    >>> stairs = np.array([[0, 0], [1, 0], [1, 1], [2, 1], [2, 2]])
    >>> simplify_arcs([stairs], free=[False], tolerance_px=0.5)[0].tolist()
    [[0.0, 0.0], [2.0, 2.0]]
    """
    if tolerance_px == 0:
        return [_turns(2 * arc) / 2 for arc in arcs]
    points = [_middles(arc, is_free=is_free) for arc, is_free in zip(arcs, free, strict=True)]
    tolerances = np.full(len(arcs), 2.0 * tolerance_px)
    simple = [_douglas_peucker(each, 2.0 * tolerance_px) for each in points]
    while True:
        bad = _in_conflict(simple)
        bad = bad[tolerances[bad] > 0]
        if not bad.size:
            return [each / 2 for each in simple]
        tolerances[bad] = np.where(tolerances[bad] > 4 * _LEAST_PX, tolerances[bad] / 2, 0)
        for number in bad.tolist():
            simple[number] = _douglas_peucker(points[number], float(tolerances[number]))


def _middles(arc: Points, *, is_free: bool) -> Points:
    """Return the ends of an arc and the middles of its sides between, in halves of pixels."""
    middles = arc[:-1] + arc[1:]
    if is_free:
        return np.concatenate([middles, middles[:1]])
    return np.concatenate([2 * arc[:1], middles, 2 * arc[-1:]])


def _turns(arc: Points) -> Points:
    """Return the points at which a line turns, with its ends."""
    steps = np.sign(np.diff(arc, axis=0))
    turning = np.ones(len(arc), bool)
    turning[1:-1] = (steps[1:] != steps[:-1]).any(axis=1)
    return arc[turning]


def _douglas_peucker(arc: Points, tolerance: float) -> Points:
    """Return the points that stay; of a loop at least the two that are far apart."""
    last = len(arc) - 1
    kept = np.zeros(len(arc), bool)
    kept[[0, last]] = True
    pieces = [(0, last)]
    if (arc[0] == arc[-1]).all():
        far = int(((arc - arc[0]) ** 2).sum(axis=1).argmax())
        kept[far] = True
        pieces = [(0, far), (far, last)]
    while pieces:
        start, end = pieces.pop()
        if end - start < 2:
            continue
        apart = _distances(arc[start + 1 : end], arc[start], arc[end])
        worst = int(apart.argmax())
        if apart[worst] > tolerance:
            middle = start + 1 + worst
            kept[middle] = True
            pieces += [(start, middle), (middle, end)]
    return arc[kept]


def _distances(points: Points, start: Int64[ndarray, "2"], end: Int64[ndarray, "2"]) -> Float64[ndarray, " _"]:
    """Return how far points are from a segment."""
    along = (end - start).astype(np.float64)
    relative = (points - start).astype(np.float64)
    share = np.clip(relative @ along / max(float(along @ along), 1e-9), 0, 1)
    return np.linalg.norm(relative - share[:, None] * along, axis=1)


def _in_conflict(arcs: list[Points]) -> Int64[ndarray, " bad"]:
    """Return which arcs cross or touch another or themselves, but for common ends of their segments."""
    starts = np.concatenate([arc[:-1] for arc in arcs])
    ends = np.concatenate([arc[1:] for arc in arcs])
    owner = np.repeat(np.arange(len(arcs)), [len(arc) - 1 for arc in arcs])
    one, other = _near_pairs(np.minimum(starts, ends), np.maximum(starts, ends))
    meet = _meet(starts[one], ends[one], starts[other], ends[other])
    return np.unique(np.concatenate([owner[one[meet]], owner[other[meet]]]))


def _near_pairs(low: Int64[ndarray, "_ 2"], high: Int64[ndarray, "_ 2"]) -> tuple[ndarray, ndarray]:
    """Return the pairs of segments whose boxes touch: sorted by x, each looks at those that begin before it ends."""
    order = np.argsort(low[:, 0], kind="stable")
    begins = low[order, 0]
    counts = np.searchsorted(begins, high[order, 0], side="right") - np.arange(len(order)) - 1
    one = np.repeat(np.arange(len(order)), counts)
    other = np.arange(len(one)) - np.repeat(np.cumsum(counts) - counts, counts) + one + 1
    one, other = order[one], order[other]
    touch = (low[one, 1] <= high[other, 1]) & (low[other, 1] <= high[one, 1])
    return one[touch], other[touch]


def _meet(a: ndarray, b: ndarray, c: ndarray, d: ndarray) -> Bool[ndarray, " Q"]:
    """Return whether segments ab and cd, whose boxes touch, have more in common than one end of both."""
    shared = [(p == q).all(axis=1) for p, q in ((a, c), (a, d), (b, c), (b, d))]
    common = np.sum(shared, axis=0)
    apart = (_turn(a, b, c) * _turn(a, b, d) <= 0) & (_turn(c, d, a) * _turn(c, d, b) <= 0)
    corner = np.where((shared[0] | shared[1])[:, None], a, b)
    first = np.where((shared[0] | shared[1])[:, None], b, a) - corner
    second = np.where((shared[0] | shared[2])[:, None], d, c) - corner
    same_way = (first[:, 0] * second[:, 1] == first[:, 1] * second[:, 0]) & ((first * second).sum(axis=1) > 0)
    return np.where(common == 0, apart, (common == 2) | same_way)


def _turn(a: ndarray, b: ndarray, c: ndarray) -> Int64[ndarray, " Q"]:
    """Return on which side of the line ab the point c lies: -1, 0 or 1."""
    return np.sign((b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0]))
