"""Known answers of neighbours, paths and the maximum on a path."""

import math

import pytest
import torch

from tagseg.errors import RecipeError
from tagseg.ops.pairs import neighbour_cells, neighbour_offsets, path_maximum, path_offsets, source_cells


@pytest.mark.parametrize(("radius", "directions"), [(1, 0), (2, 4), (5, 34), (10, 152)])
def test_number_of_directions(radius, directions):
    assert len(neighbour_offsets(radius)) == directions


@pytest.mark.parametrize("radius", [2, 3, 5, 10])
def test_offsets_and_their_opposites_are_the_open_disc_without_its_centre(radius):
    half = set(neighbour_offsets(radius))
    opposite = {(-dy, -dx) for dy, dx in half}
    reach = range(-radius, radius + 1)
    disc = {(dy, dx) for dy in reach for dx in reach if 0 < math.hypot(dy, dx) < radius}
    assert not half & opposite
    assert half | opposite == disc


def test_pairs_of_the_training_grid():
    num_sources = source_cells(torch.zeros(128, 128), radius=10).numel()
    assert num_sources == 13_090
    assert num_sources * len(neighbour_offsets(10)) == 1_989_680


@pytest.mark.parametrize(
    ("offset", "path"),
    [
        ((0, 3), {(0, 0), (0, 1), (0, 2), (0, 3)}),
        ((2, 0), {(0, 0), (1, 0), (2, 0)}),
        ((1, 1), {(0, 0), (0, 1), (1, 0), (1, 1)}),
        ((2, -2), {(0, 0), (0, -1), (1, 0), (1, -1), (1, -2), (2, -1), (2, -2)}),
        ((1, -3), {(0, 0), (0, -1), (0, -2), (0, -3), (1, 0), (1, -1), (1, -2), (1, -3)}),
        ((3, 1), {(0, 0), (1, 0), (2, 0), (3, 0), (0, 1), (1, 1), (2, 1), (3, 1)}),
    ],
)
def test_cells_of_a_path(offset, path):
    assert set(path_offsets(offset)) == path


@pytest.mark.parametrize("offset", neighbour_offsets(10))
def test_a_path_has_both_ends_no_cell_twice_and_looks_the_same_from_either(offset):
    path = path_offsets(offset)
    assert {(0, 0), offset} <= set(path)
    assert len(set(path)) == len(path) <= 22
    assert {(offset[0] - y, offset[1] - x) for y, x in path} == set(path)


@pytest.mark.parametrize("radius", [2, 4, 5])
def test_neighbours_lie_at_their_offset_from_the_source(radius):
    cells = torch.arange(2 * 9 * 11).view(2, 9, 11)
    sources = source_cells(cells, radius=radius)
    assert sources.shape == (2, 9 - radius + 1, 11 - 2 * radius + 2)
    assert sources[0, 0, 0] == radius - 1
    for dy, dx in neighbour_offsets(radius):
        assert torch.equal(neighbour_cells(cells, (dy, dx), radius=radius), sources + dy * 11 + dx)


def test_cells_are_views():
    cells = torch.zeros(3, 5)
    source_cells(cells, radius=2).add_(1)
    neighbour_cells(cells, (1, 1), radius=2).sub_(3)
    assert cells.tolist() == [[0, 1, 1, 1, 0], [0, 1, -2, -2, -3], [0, 0, -3, -3, -3]]


def test_maximum_between_two_cells_sees_the_wall():
    cells = torch.tensor([[0.1, 0.0, 0.0, 0.9, 0.0, 0.2, 0.0], [0.0] * 7, [0.0] * 7])
    torch.testing.assert_close(path_maximum(cells, (0, 2), radius=3), torch.tensor([[0.9, 0.9, 0.2]]))


@pytest.mark.parametrize("dtype", [torch.int32, torch.float64])
def test_maximum_keeps_the_type(dtype):
    cells = torch.tensor([[0, 5, 0], [2, 0, 7]], dtype=dtype)
    maximum = path_maximum(cells, (1, 1), radius=2)
    assert maximum.dtype == dtype
    assert maximum.tolist() == [[7]]


def test_maximum_changes_no_input():
    cells = torch.rand(1, 6, 9)
    before = cells.clone()
    path_maximum(cells, (2, 1), radius=3)
    assert torch.equal(cells, before)


@pytest.mark.parametrize("size", [(1, 3), (2, 2)])
def test_a_grid_below_the_smallest_is_refused(size):
    assert source_cells(torch.zeros(2, 3), radius=2).shape == (1, 1)
    with pytest.raises(RecipeError, match="at least 2 x 3 cells"):
        source_cells(torch.zeros(size), radius=2)
