"""The sentences of the errors of pairs and of the random walk, word for word."""

import pytest
import torch

from tagseg.errors import DataError, RecipeError
from tagseg.losses.affinity import pair_sums
from tagseg.ops.pairs import neighbour_offsets
from tagseg.refine.random_walk import random_walk, walk_cam

CELLS = torch.zeros(1, 3, 4)


@pytest.mark.parametrize("radius", [0, -2])
def test_a_radius_without_cells(radius):
    sentence = f"radius of neighbours is at least 1 cell, got {radius}; take 5 for the walk and 10 for training"
    for action in (
        lambda: neighbour_offsets(radius),
        lambda: random_walk(CELLS, CELLS[0], radius=radius),
        lambda: pair_sums(CELLS, torch.zeros(1, 2, 3, 4), CELLS.long(), radius=radius),
    ):
        with pytest.raises(RecipeError) as caught:
            action()
        assert str(caught.value) == sentence


def test_a_grid_too_small_for_its_pairs():
    with pytest.raises(RecipeError) as caught:
        pair_sums(torch.zeros(1, 24, 18), torch.zeros(1, 2, 24, 18), torch.zeros(1, 24, 18).long())
    assert str(caught.value) == (
        "grid for pairs of radius 10 has at least 10 x 19 cells, got 24 x 18; "
        "train on larger crops, or on pairs of a smaller radius"
    )


@pytest.mark.parametrize("beta", [0, -1.5])
def test_a_power_that_opens_walls(beta):
    with pytest.raises(RecipeError) as caught:
        random_walk(CELLS, CELLS[0], beta=float(beta))
    assert str(caught.value) == f"beta of the walk is above 0, got {float(beta)}; take the release's 10"


@pytest.mark.parametrize("doublings", [-1, 256])
def test_a_number_of_steps_for_doublings(doublings):
    with pytest.raises(RecipeError) as caught:
        random_walk(CELLS, CELLS[0], doublings=doublings)
    assert str(caught.value) == (
        f"doublings of the walk are 0 to 16, got {doublings}; take 8: two to the power of it is the number of steps"
    )


def test_a_boundary_of_another_image():
    with pytest.raises(DataError) as caught:
        walk_cam(torch.zeros(1, 375, 500), torch.zeros(125, 94))
    assert str(caught.value) == (
        "boundary of a 375 x 500 image has 94 x 125 cells, got 125 x 94; "
        "predict the boundary of the image that the maps belong to"
    )
