"""Corners against every choice there is: the fewest within the tolerance, and of these the closest."""

from itertools import combinations, pairwise

import numpy as np
import pytest

from tagseg.ops.corner_choice import choose_corners, turning_points


def walk(rng: np.random.Generator, steps: int) -> np.ndarray:
    """Return the middles of the sides of a border that goes right, up and down."""
    way = np.array([[1, 0], [0, 1], [0, -1]])[rng.integers(0, 3, steps)]
    way[1:][(way[1:] == -way[:-1]).all(axis=1)] = (1, 0)
    corners = np.concatenate([[[0, 0]], way.cumsum(axis=0)])
    return (corners[1:] + corners[:-1]) / 2


def allowed(line: np.ndarray, start: int, end: int, tolerance: float) -> bool:
    """Return whether all points between are close to the ray from one through the other, and not far beyond."""
    way = line[end] - line[start]
    length = np.linalg.norm(way)
    way = way / length
    for point in line[start + 1 : end] - line[start]:
        along = max(point @ way, 0.0)
        if np.linalg.norm(point - along * way) > tolerance or np.linalg.norm(point) > length + tolerance:
            return False
    return True


def misfit(line: np.ndarray, start: int, end: int) -> float:
    """Return the number of points times their root mean square distance from the best line, by its singular values."""
    points = line[start : end + 1]
    least = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)[1] if len(points) > 1 else 0.0
    return float(np.sqrt(len(points)) * least)


def every_choice(line: np.ndarray, tolerance: float) -> tuple[int, float]:
    """Return the fewest corners of all choices that the tolerance allows, and the least misfit of those with as few."""
    turns = turning_points(line)
    fits = {(a, b): misfit(line, a, b) for a, b in combinations(turns, 2) if allowed(line, a, b, tolerance)}
    for count in range(len(turns) - 1):
        ways = ([turns[0], *between, turns[-1]] for between in combinations(turns[1:-1], count))
        found = [sum(fits[step] for step in pairwise(way)) for way in ways if set(pairwise(way)) <= set(fits)]
        if found:
            return count + 2, min(found)
    raise AssertionError("all points together are a choice")


@pytest.mark.parametrize("tolerance", [0.4, 0.8, 1.6])
@pytest.mark.parametrize("seed", range(12))
def test_no_other_choice_has_fewer_corners_or_fits_better(seed: int, tolerance: float) -> None:
    line = walk(np.random.default_rng(seed), 20)
    found = choose_corners(line, tolerance=tolerance).tolist()
    count, least = every_choice(line, tolerance)
    assert len(found) == count
    assert sum(misfit(line, *step) for step in pairwise(found)) == pytest.approx(least, abs=1e-6)
    assert all(allowed(line, start, end, tolerance + 1e-9) for start, end in pairwise(found))


def test_a_straight_line_of_any_length_has_two_corners() -> None:
    line = np.stack([np.arange(5000.0), np.zeros(5000)], axis=1)
    assert choose_corners(line, tolerance=0.5).tolist() == [0, 4999]


def test_a_line_that_goes_back_keeps_the_point_at_which_it_does() -> None:
    line = np.array([[0.0, 0], [9, 0], [18, 0], [9, 0]])
    assert turning_points(line).tolist() == [0, 2, 3]
    assert choose_corners(line, tolerance=1.0).tolist() == [0, 2, 3]


def test_a_spike_of_one_pixel_keeps_its_tip() -> None:
    out = np.stack([np.arange(0.5, 20), np.zeros(20)], axis=1)
    back = out[:4:-1] + np.array([0.0, 1.0])
    line = np.concatenate([out, [[20.0, 0.5]], back])
    kept = choose_corners(line, tolerance=1.4)
    assert line[kept].max(axis=0)[0] >= 20 - 1.4


def test_a_choice_follows_the_line_when_it_is_scaled() -> None:
    line = walk(np.random.default_rng(3), 80)
    assert choose_corners(16 * line, tolerance=16 * 1.4).tolist() == choose_corners(line, tolerance=1.4).tolist()
