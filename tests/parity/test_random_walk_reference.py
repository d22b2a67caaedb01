"""The random walk against the dense transition matrix, squared eight times in double precision."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from tagseg.refine.random_walk import random_walk, walk_cam

GRIDS = [(1, 1), (1, 7), (6, 1), (3, 4), (5, 9), (11, 6), (17, 23)]


def dense_transition(boundary: np.ndarray, *, radius: int, beta: float) -> np.ndarray:
    """Return T cell by cell: every pair of cells, and for each the cells between them."""
    height, width = boundary.shape
    grid = list(itertools.product(range(height), range(width)))
    affinity = np.eye(len(grid))
    for (first, (y0, x0)), (second, (y1, x1)) in itertools.combinations(enumerate(grid), 2):
        length = math.hypot(y1 - y0, x1 - x0)
        if length < radius:
            rows, columns = np.mgrid[min(y0, y1) : max(y0, y1) + 1, min(x0, x1) : max(x0, x1) + 1]
            distance = np.abs((y1 - y0) * (columns - x0) - (x1 - x0) * (rows - y0)) / length
            crossed = boundary[rows, columns][distance < 1 - 1e-9].max()
            affinity[first, second] = affinity[second, first] = (1 - crossed) ** beta
    return affinity / affinity.sum(axis=0, keepdims=True)


def dense_walk(maps, boundary, *, radius=5, beta=10.0, doublings=8) -> np.ndarray:
    maps, boundary = maps.double().numpy(), boundary.double().numpy()
    transition = dense_transition(boundary, radius=radius, beta=beta)
    for _ in range(doublings):
        transition = transition @ transition
    start = (maps * (1 - boundary)).reshape(len(maps), -1)
    return (start @ transition).reshape(maps.shape)


def random_boundary(kind: str, size: tuple[int, int]) -> torch.Tensor:
    """Return a boundary: noise, mostly low noise, none, walls of one with gaps, or isolated cells."""
    noise = torch.rand(size, generator=torch.Generator().manual_seed(sum(size)))
    if kind == "walls":
        noise = noise**4
        noise[size[0] // 2] = 1.0
        noise[:, size[1] // 3] = (noise[:, size[1] // 3] > 0.01).float()
        return noise
    return {"noise": noise, "low": noise**4, "none": noise * 0, "isolated": (noise > 0.4).float()}[kind]


def relative_error(found: torch.Tensor, expected: np.ndarray) -> float:
    """Return the largest error over the classes, each relative to the peak of its map."""
    error = np.abs(found.double().numpy() - expected).max(axis=(1, 2))
    return (error / np.maximum(np.abs(expected).max(axis=(1, 2)), 1e-300)).max()


@pytest.mark.parametrize("size", GRIDS)
@pytest.mark.parametrize("kind", ["noise", "low", "none", "walls", "isolated"])
def test_walk_equals_the_dense_matrix(size, kind):
    boundary = random_boundary(kind, size)
    maps = torch.rand(3, *size, generator=torch.Generator().manual_seed(1))
    maps[1] = 0
    maps[1].view(-1)[maps[1].numel() // 2] = 1.0  # all of the map in one cell
    maps[2] -= 0.2  # some scores below 0
    expected = dense_walk(maps, boundary)
    assert relative_error(random_walk(maps, boundary), expected) < 1e-6
    assert relative_error(random_walk(maps.double(), boundary.double()), expected) < 1e-6


@pytest.mark.parametrize(
    "constants",
    [
        {"radius": 2},
        {"radius": 3, "beta": 1.0},
        {"radius": 8, "beta": 4.5},
        {"doublings": 0},
        {"doublings": 4},
        {"doublings": 11},
    ],
)
def test_walk_equals_the_dense_matrix_with_other_constants(constants):
    boundary = random_boundary("low", (8, 11))
    maps = torch.rand(2, 8, 11, generator=torch.Generator().manual_seed(1))
    assert relative_error(random_walk(maps, boundary, **constants), dense_walk(maps, boundary, **constants)) < 1e-6


def test_a_single_cell_spreads_over_a_plain_as_with_the_dense_matrix():
    maps = torch.zeros(1, 32, 36)
    maps[0, 0, 0] = 1.0
    boundary = torch.zeros(32, 36)
    assert relative_error(random_walk(maps, boundary, doublings=6), dense_walk(maps, boundary, doublings=6)) < 1e-5


def test_cam_goes_down_walks_and_comes_up():
    cam = torch.rand(2, 21, 30, generator=torch.Generator().manual_seed(0))
    boundary = random_boundary("low", (6, 8))
    down = functional.interpolate(cam[None], size=(6, 8), mode="bilinear", align_corners=False)[0]
    walked = torch.from_numpy(dense_walk(down, boundary))
    up = functional.interpolate(walked[None], size=(21, 30), mode="bilinear", align_corners=False)[0]
    torch.testing.assert_close(walk_cam(cam, boundary), (up / up.max()).float(), atol=1e-5, rtol=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device to compare with the CPU")
def test_cpu_and_gpu_agree():
    boundary = random_boundary("walls", (17, 23))
    maps = torch.rand(3, 17, 23, generator=torch.Generator().manual_seed(1))
    on_gpu = random_walk(maps.cuda(), boundary.cuda()).cpu()
    torch.testing.assert_close(on_gpu, random_walk(maps, boundary), atol=1e-6, rtol=1e-5)
