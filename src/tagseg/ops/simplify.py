"""Borders with fewer corners that stay within a tolerance and never cross each other.

Axes: A points of an arc, L its lines, S segments of all arcs, Q pairs of segments. Coordinates are 16ths of pixels, so
that all of them are whole numbers and every test is exact.
"""

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy import ndarray

from tagseg.ops.corner_choice import choose_corners, moment_sums, turning_points

_UNITS = 16  # a pixel
_CHOSEN_WITHIN = 0.7  # share of the tolerance for the choice of corners; what is left is for moving them
_LEAST_PX = 0.25  # below, a tolerance leaves out what lies on a line and nothing else
_STEEPEST = 0.2  # sine of the angle below which two lines hardly turn: where they meet says little

Points = Int64[ndarray, "_ 2"]


def simplify_arcs(
    arcs: list[Int64[ndarray, "_ 2"]], *, free: list[bool], tolerance_px: float
) -> list[Float64[ndarray, "_ 2"]]:
    """Return arcs along the sides of pixels with fewer points.

    With tolerance 0 the corners at which an arc turns are kept. Above 0 an arc goes from its first point through the
    middle of every side to its last point. Of these points as few are kept as 0.7 of the tolerance allows
    (:func:`tagseg.ops.corner_choice.choose_corners`). They lie on the outer side of every bend, so that a line between
    them would cut it off. So each is moved to where the lines meet that fit the points before and after it best, unless
    a point would be further than the tolerance then. Arcs that would cross or touch, or close to a line, are done again
    with half the tolerance, until none does.

    Source: ours; the choice of corners is Perez and Vidal's (1994).

    Args:
        arcs: (x, y) of corners of pixels, a unit step apart. They touch at their ends only.
        free: of each arc whether it ends where it starts and no other begins there, so that this corner may go.
        tolerance_px: how far a point that is left out may be from what remains, 0 or more.

    Returns:
        For each arc its points in pixels. First and last stay, but those of a free one.

    >>> stairs = np.array([[0, 0], [1, 0], [1, 1], [2, 1], [2, 2]])
    >>> simplify_arcs([stairs], free=[False], tolerance_px=1.0)[0].tolist()
    [[0.0, 0.0], [2.0, 2.0]]
    """
    if tolerance_px == 0:
        return [_turns(arc).astype(np.float64) for arc in arcs]
    points = [_middles(arc, is_free=is_free) for arc, is_free in zip(arcs, free, strict=True)]
    tolerances = np.full(len(arcs), _UNITS * tolerance_px)
    simple = [_simplify(*each, tolerance=_UNITS * tolerance_px) for each in zip(points, free, strict=True)]
    while True:
        bad = _in_conflict(simple)
        bad = bad[tolerances[bad] > 0]
        if not bad.size:
            return [each / _UNITS for each in simple]
        tolerances[bad] = np.where(tolerances[bad] > 2 * _UNITS * _LEAST_PX, tolerances[bad] / 2, 0)
        for number in bad.tolist():
            simple[number] = _simplify(points[number], free[number], tolerance=float(tolerances[number]))


def _middles(arc: Points, *, is_free: bool) -> Points:
    """Return the ends of an arc and the middles of its sides between."""
    middles = (arc[:-1] + arc[1:]) * (_UNITS // 2)
    if is_free:
        return np.concatenate([middles, middles[:1]])
    return np.concatenate([_UNITS * arc[:1], middles, _UNITS * arc[-1:]])


def _turns(arc: Points) -> Points:
    """Return the points at which an arc turns, with its ends."""
    return arc[turning_points(arc.astype(np.float64))]


def _simplify(arc: Points, is_free: bool, *, tolerance: float) -> Points:
    """Return the points of an arc that stay, moved to where the lines between them fit best; at 0 none is moved."""
    if not tolerance:
        return _turns(arc)
    kept = _corners(arc, tolerance)
    if is_free:  # where the arc happened to start says nothing: start at a corner that was chosen
        arc = np.roll(arc[:-1], -kept[len(kept) // 2], axis=0)
        arc = np.concatenate([arc, arc[:1]])
        kept = _corners(arc, tolerance)
    return _fitted(arc, kept, is_free=is_free, tolerance=tolerance)


def _corners(arc: Points, tolerance: float) -> Int64[ndarray, " corners"]:
    """Return which points stay; of a loop at least three."""
    line = arc.astype(np.float64)
    kept = choose_corners(line, tolerance=tolerance * _CHOSEN_WITHIN)
    if (arc[0] == arc[-1]).all() and len(kept) < 4:
        kept = np.union1d(kept, _farthest(line, kept))
    return kept


def _farthest(line: Float64[ndarray, "A 2"], kept: Int64[ndarray, " corners"]) -> Int64[ndarray, " few"]:
    """Return the points of a loop that make a triangle with its ends: the farthest, and the farthest from both."""
    far = kept[1:-1] if len(kept) > 2 else np.linalg.norm(line - line[0], axis=1).argmax(keepdims=True)
    along = line[far[0]] - line[0]
    aside = np.abs((line - line[0]) @ np.array([-along[1], along[0]]))
    return np.append(far, aside.argmax())


def _fitted(arc: Points, kept: Int64[ndarray, " corners"], *, is_free: bool, tolerance: float) -> Points:
    """Return the kept points, each moved to where the lines on both sides of it meet, if the tolerance allows it.

    None leaves the box around the arc, and with it the image; an arc that would shrink to a point or line is not moved.
    """
    line = arc.astype(np.float64)
    centers, ways = _lines(line, kept)
    old = line[kept]
    new = old.copy()
    before, after = np.arange(len(kept) - 2), np.arange(1, len(kept) - 1)
    new[1:-1] = _meeting(old[1:-1], (centers[before], ways[before]), (centers[after], ways[after]))
    if is_free:
        new[0] = _meeting(old[:1], (centers[-1:], ways[-1:]), (centers[:1], ways[:1]))[0]
        new[-1] = new[0]
    new = np.clip(np.round(new), line.min(axis=0), line.max(axis=0))
    while (strayed := _strayed(line, kept, new, tolerance=tolerance) & (new != old).any(axis=1)).any():
        if strayed[0] or strayed[-1]:
            strayed[[0, -1]] = True  # the two ends of a loop are one corner; those of another arc never move
        new[strayed] = old[strayed]
    moved = new.astype(np.int64)
    moved = moved[np.concatenate([[True], (moved[1:] != moved[:-1]).any(axis=1)])]
    return moved if len(moved) > (3 if is_free else 1) else arc[kept]


def _strayed(
    line: Float64[ndarray, "A 2"],
    kept: Int64[ndarray, " corners"],
    corners: Float64[ndarray, "corners 2"],
    *,
    tolerance: float,
) -> Bool[ndarray, " corners"]:
    """Return the corners at the ends of lines that are further than the tolerance from one of their points."""
    piece = np.repeat(np.arange(len(kept) - 1), np.diff(kept))
    apart = [_distances(line[shift:][: len(piece)], corners[piece], corners[piece + 1]) for shift in (0, 1)]
    far = np.unique(piece[np.maximum(*apart) > tolerance])
    strayed = np.zeros(len(kept), bool)
    strayed[far] = strayed[far + 1] = True
    return strayed


def _lines(
    arc: Float64[ndarray, "_ 2"], kept: Int64[ndarray, " corners"]
) -> tuple[Float64[ndarray, "L 2"], Float64[ndarray, "L 2"]]:
    """Return centre and direction of the line that fits the points from each corner to the next best."""
    sums = moment_sums(arc)
    start, end = kept[:-1], kept[1:] + 1
    mean_x, mean_y, xx, xy, yy = ((sums[end] - sums[start]) / (end - start)[:, None]).T
    angle = 0.5 * np.arctan2(2 * (xy - mean_x * mean_y), xx - mean_x**2 - (yy - mean_y**2))
    return np.stack([mean_x, mean_y], axis=1), np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _meeting(
    corner: Float64[ndarray, "C 2"],
    one: tuple[Float64[ndarray, "C 2"], Float64[ndarray, "C 2"]],
    other: tuple[Float64[ndarray, "C 2"], Float64[ndarray, "C 2"]],
) -> Float64[ndarray, "C 2"]:
    """Return where two lines meet, or the corner where they hardly turn."""
    (center, way), (other_center, other_way) = one, other
    turn = way[:, 0] * other_way[:, 1] - way[:, 1] * other_way[:, 0]
    apart = other_center - center
    along = (apart[:, 0] * other_way[:, 1] - apart[:, 1] * other_way[:, 0]) / np.where(turn == 0, 1, turn)
    return np.where((np.abs(turn) > _STEEPEST)[:, None], center + along[:, None] * way, corner)


def _distances(
    points: Float64[ndarray, "N 2"], start: Float64[ndarray, "N 2"], end: Float64[ndarray, "N 2"]
) -> Float64[ndarray, " N"]:
    """Return how far each point is from its segment."""
    along, relative = end - start, points - start
    share = np.clip((relative * along).sum(axis=1) / np.maximum((along * along).sum(axis=1), 1e-9), 0, 1)
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
