"""The errors of pairs and of the random walk, word for word."""

from collections.abc import Callable

import pytest
import torch
from kit.messages import ROW, assert_says, row

from tagseg.errors import DataError, RecipeError
from tagseg.losses.affinity import pair_sums
from tagseg.ops.pairs import neighbour_offsets
from tagseg.refine.random_walk import random_walk, walk_cam

CELLS = torch.zeros(1, 3, 4)
RADIUS = "take 5 for the walk and 10 for training"
DOUBLINGS = "take 8: two to the power of it is the number of steps"


def pairs_of(height: int, width: int, **options: int) -> object:
    return pair_sums(
        torch.zeros(1, height, width), torch.zeros(1, 2, height, width), torch.zeros(1, height, width).long(), **options
    )


@pytest.mark.parametrize(
    ROW,
    [
        *(
            row(
                f"radius_{radius}_of_{name}",
                lambda call=call, radius=radius: call(radius),
                f"radius of neighbours is at least 1 cell, got {radius}",
                RADIUS,
            )
            for radius in (0, -2)
            for name, call in {
                "neighbours": neighbour_offsets,
                "the_walk": lambda radius: random_walk(CELLS, CELLS[0], radius=radius),
                "training": lambda radius: pairs_of(3, 4, radius=radius),
            }.items()
        ),
        row(
            "a_grid_too_small_for_its_pairs",
            lambda: pairs_of(24, 18),
            "grid for pairs of radius 10 has at least 10 x 19 cells, got 24 x 18",
            "train on larger crops, or on pairs of a smaller radius",
        ),
        *(
            row(
                f"beta_{beta}",
                lambda beta=beta: random_walk(CELLS, CELLS[0], beta=beta),
                f"beta of the walk is above 0, got {beta}",
                "take the release's 10",
            )
            for beta in (0.0, -1.5)
        ),
        *(
            row(
                f"doublings_{doublings}",
                lambda doublings=doublings: random_walk(CELLS, CELLS[0], doublings=doublings),
                f"doublings of the walk are 0 to 16, got {doublings}",
                DOUBLINGS,
            )
            for doublings in (-1, 256)
        ),
    ],
)
def test_settings(call: Callable[[], object], problem: str, help: str) -> None:
    assert_says(call, RecipeError, problem, help)


def test_a_boundary_of_another_image() -> None:
    assert_says(
        lambda: walk_cam(torch.zeros(1, 375, 500), torch.zeros(125, 94)),
        DataError,
        "boundary of a 375 x 500 image has 94 x 125 cells, got 125 x 94",
        "predict the boundary of the image that the maps belong to",
    )
