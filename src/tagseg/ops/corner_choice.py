"""Which points of a line stay as its corners: as few as a tolerance allows, and of all such choices the closest.

Axes: A points of a line, C candidates for its corners, K corners. Coordinates are in any one unit.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy import ndarray

_MOST_CANDIDATES = 160  # between two corners; the time grows with it

Line = Float64[ndarray, "A 2"]
Sums = Float64[ndarray, "_ 5"]


def choose_corners(line: Line, *, tolerance: float) -> Int64[ndarray, " K"]:
    """Return which points stay as corners.

    They are as few as can be if no point may be further than the tolerance from the ray that goes from the corner
    before it through the corner after it. Nor may one be further from the first than the second is, by more than the
    tolerance, so that no spike is cut off. Of all such choices it is the one that fits best: with the least sum, over
    pieces, of the number of points times their root mean square distance from the best straight line. With points a
    unit apart that is about the area between line and border.

    Source: Perez and Vidal, "Optimum polygonal approximation of digitized curves", Pattern Recognition Letters 15(8),
    1994, for the choice; Williams, "An efficient algorithm for the piecewise linear approximation of planar curves",
    Computer Graphics and Image Processing 8, 1978, for the test of the tolerance. Departures: only points at which the
    line turns are candidates, and between two corners there are 160 of them at most.

    Args:
        line: two or more points, neighbours apart.
        tolerance: more than 0, in the line's unit.

    Returns:
        Numbers of points, rising, the first and the last among them.

    >>> steep = np.array([[0.0, 0], [1, 0], [2, 0], [3, 0], [3, 1], [3, 2], [3, 3]])
    >>> choose_corners(steep, tolerance=1.0).tolist()
    [0, 3, 6]
    """
    turns = turning_points(line)
    sums = moment_sums(line)
    corner = 2 * tolerance * len(line)  # more than all pieces together cost
    costs = np.full((min(_MOST_CANDIDATES, len(turns) - 1) + 1, len(turns)), np.inf)
    for ahead, allowed in _allowed(line[turns], tolerance=tolerance, most=len(costs) - 1):
        start, end = turns[:-ahead], turns[ahead:] + 1
        costs[ahead, : len(start)] = np.where(allowed, corner + _misfit(sums, start, end), np.inf)
    return turns[_cheapest_way(costs)]


def turning_points(line: Line) -> Int64[ndarray, " C"]:
    """Return the points at which a line turns, with its ends.

    >>> turning_points(np.array([[0.0, 0], [1, 0], [2, 0], [2, 2]])).tolist()
    [0, 2, 3]
    """
    steps = np.diff(line, axis=0)
    turn = steps[1:, 0] * steps[:-1, 1] - steps[1:, 1] * steps[:-1, 0]
    back = (steps[1:] * steps[:-1]).sum(axis=1) < 0
    return np.concatenate([[0], 1 + np.flatnonzero((turn != 0) | back), [len(line) - 1]])


def moment_sums(line: Line) -> Sums:
    """Return the sums of x, y, x x, x y and y y of the first 0, 1, 2, ... points."""
    x, y = line.T
    return np.concatenate([np.zeros((1, 5)), np.stack([x, y, x * x, x * y, y * y], axis=1).cumsum(axis=0)])


def _misfit(sums: Sums, start: Int64[ndarray, " C"], end: Int64[ndarray, " C"]) -> Float64[ndarray, " C"]:
    """Return the points of pieces times their root mean square distance from the line that fits each best."""
    count = end - start
    x, y, xx, xy, yy = ((sums[end] - sums[start]) / count[:, None]).T
    half_x, half_y, both = (xx - x * x) / 2, (yy - y * y) / 2, xy - x * y
    least = half_x + half_y - np.hypot(half_x - half_y, both)
    return count * np.sqrt(np.maximum(least, 0))


def _allowed(points: Line, *, tolerance: float, most: int) -> Iterator[tuple[int, Bool[ndarray, " _"]]]:
    """Yield how many candidates ahead, and for each candidate whether a line to there is close to all between.

    A point allows the directions that pass it within the tolerance; a line is allowed by all between its ends.
    """
    first = np.arctan2(*(points[1:] - points[:-1]).T[::-1])
    low, high, reach = np.full(len(first), -np.pi), np.full(len(first), np.pi), np.zeros(len(first))
    for ahead in range(1, most + 1):
        count = len(points) - ahead
        x, y = (points[ahead:] - points[:count]).T
        turned = (np.arctan2(y, x) - first[:count] + np.pi) % (2 * np.pi) - np.pi
        low, high, reach = low[:count], high[:count], reach[:count]
        open_ways = low <= high
        if not open_ways.any():
            return
        far = np.hypot(x, y)
        yield ahead, open_ways & (turned >= low) & (turned <= high) & (reach <= far + tolerance)
        half = np.where(far > tolerance, np.arcsin(np.minimum(tolerance / np.maximum(far, tolerance), 1)), 2 * np.pi)
        low, high, reach = np.maximum(low, turned - half), np.minimum(high, turned + half), np.maximum(reach, far)


def _cheapest_way(costs: Float64[ndarray, "_ C"]) -> Int64[ndarray, " K"]:
    """Return the candidates on the way from the first to the last that costs least in all.

    Args:
        costs: ``[ahead, candidate]``, of the step from a candidate to the one that is so far ahead.
    """
    most, last = len(costs) - 1, costs.shape[1] - 1
    total, came_from = np.zeros(last + 1), np.zeros(last + 1, np.int64)
    for end in range(1, last + 1):
        starts = np.arange(max(0, end - most), end)
        ways = total[starts] + costs[end - starts, starts]
        best = int(ways.argmin())
        total[end], came_from[end] = ways[best], starts[best]
    way = [last]
    while way[-1]:
        way.append(int(came_from[way[-1]]))
    return np.array(way[::-1])
