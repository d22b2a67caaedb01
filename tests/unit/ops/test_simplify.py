"""Fewer corners: known answers, the bound, and arcs that would cross."""

from itertools import pairwise

import numpy as np
import pytest
from skimage.draw import disk

from tagseg.ops.part_rings import part_rings, rings_mask
from tagseg.ops.simplify import simplify_arcs


def staircase(steps: int) -> np.ndarray:
    return np.array([[(at + 1) // 2, at // 2] for at in range(2 * steps + 1)])


def distance(points: np.ndarray, line: np.ndarray) -> np.ndarray:
    """Return how far each point is from a line of many segments, in the plainest way."""
    found = np.full(len(points), np.inf)
    for start, end in pairwise(line):
        along = end - start
        share = np.clip((points - start) @ along / max(along @ along, 1e-12), 0, 1)
        found = np.minimum(found, np.linalg.norm(points - start - share[:, None] * along, axis=1))
    return found


def test_stairs_become_one_line() -> None:
    (found,) = simplify_arcs([staircase(20)], free=[False], tolerance_px=1.0)
    assert found.tolist() == [[0, 0], [20, 20]]


def test_without_tolerance_only_points_on_a_line_go() -> None:
    arc = np.array([[0, 0], [1, 0], [2, 0], [2, 1], [2, 2], [3, 2]])
    (found,) = simplify_arcs([arc], free=[False], tolerance_px=0.0)
    assert found.tolist() == [[0, 0], [2, 0], [2, 2], [3, 2]]


@pytest.mark.parametrize("tolerance_px", [0.5, 1.0, 1.5, 4.0])
def test_no_point_is_further_than_the_tolerance(tolerance_px: float) -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        steps = np.eye(2, dtype=np.int64)[rng.integers(0, 2, 60)]  # right or down: it never meets itself
        arc = np.concatenate([[[0, 0]], steps.cumsum(axis=0)])
        (found,) = simplify_arcs([arc], free=[False], tolerance_px=tolerance_px)
        assert found[0].tolist() == [0, 0]
        assert found[-1].tolist() == arc[-1].tolist()
        assert distance((arc[1:] + arc[:-1]) / 2, found).max() <= tolerance_px + 0.05  # corners lie on 16ths


@pytest.mark.parametrize("tolerance_px", [1.0, 2.0, 4.0])
def test_no_border_of_a_part_is_further_than_the_tolerance(tolerance_px: float) -> None:
    """Blobs with spikes and bays: rings go back and forth, and start anywhere."""
    rng = np.random.default_rng(1)
    for _ in range(5):
        ids = (rng.random((16, 16)).cumsum(axis=0) % 2.2 < 1.5).astype(np.int32)
        exact, simple = (
            [np.concatenate([ring, ring[:1]]) for rings in part_rings(ids, tolerance_px=t) for ring in rings]
            for t in (0.0, tolerance_px)
        )
        for ring, line in zip(exact, simple, strict=True):
            assert distance((ring[1:] + ring[:-1]) / 2, line).max() <= tolerance_px + 0.5 + 0.05


def test_lines_that_would_cross_are_done_finer() -> None:
    """A ribbon of one pixel that winds: with its own tolerance each of its sides would cut across the other."""
    ids = np.zeros((20, 60), np.int32)
    heights = np.round(9 + 7 * np.sin(np.arange(60) / 3)).astype(int)
    for x, y in enumerate(heights.tolist()):
        ids[min(y, heights[max(x - 1, 0)]) : max(y, heights[max(x - 1, 0)]) + 1, x] = 1
    (rings,) = part_rings(ids, tolerance_px=5.0)
    mask = rings_mask(rings, size=(20, 60))
    assert (mask & (ids == 1)).sum() > 0.5 * ids.sum()
    x, y = rings[0].T
    assert (x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2 == pytest.approx(ids.sum(), rel=0.3)


def test_a_disk_keeps_its_area_with_few_corners() -> None:
    ids = np.zeros((120, 120), np.int32)
    ids[disk((60, 60), 50)] = 1
    ((ring,),) = part_rings(ids, tolerance_px=1.5)
    x, y = ring.T
    assert len(ring) <= 30
    assert (x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2 == pytest.approx(ids.sum(), rel=0.01)
    overlap = rings_mask([ring], size=ids.shape)
    assert (overlap & (ids == 1)).sum() / (overlap | (ids == 1)).sum() > 0.98
