"""The errors of the losses, word for word."""

from typing import Any

import pytest
import torch
from kit.messages import assert_says, row

from tagseg.errors import RecipeError
from tagseg.losses.reconstruction import perceptual_loss
from tagseg.losses.self_modulation import SelfModulationSettings

THRESHOLD = "take the paper's 0.3"
WEIGHTS = "take 1/32, 1/16, 1/8, 1/4, 1, or leave the reconstruction out with beta_p = 0"


@pytest.mark.parametrize(
    ("values", "problem", "help"),
    [
        row("threshold_of_one", {"threshold": 1.0}, "self-modulation threshold lies in [0, 1), got 1.0", THRESHOLD),
        row("negative_threshold", {"threshold": -0.1}, "self-modulation threshold lies in [0, 1), got -0.1", THRESHOLD),
        row(
            "erosion",
            {"erosion_px": 0},
            "self-modulation erosion_px is at least 1, got 0",
            "take the paper's 8, or 1 for no erosion",
        ),
        row(
            "contrast",
            {"contrast": -1.0},
            "self-modulation contrast is at least 0, got -1.0",
            "take 0 for the paper's target",
        ),
    ],
)
def test_settings_of_self_modulation(values: dict[str, Any], problem: str, help: str) -> None:
    assert_says(lambda: SelfModulationSettings(**values), RecipeError, problem, help)


@pytest.mark.parametrize(
    ("weights", "problem", "help"),
    [
        row("too_few", [1.0], "perceptual weights are one a level, got 1 for 2 levels", "give 2 weights"),
        row(
            "negative",
            [1.0, -1.0],
            "perceptual weights are at least 0 and not all 0, got [1.0, -1.0]",
            WEIGHTS,
        ),
        row("all_zero", [0.0, 0.0], "perceptual weights are at least 0 and not all 0, got [0.0, 0.0]", WEIGHTS),
    ],
)
def test_perceptual_weights(weights: list[float], problem: str, help: str) -> None:
    levels = [torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 2, 2)]
    assert_says(lambda: perceptual_loss(levels, levels, weights=weights, normalize=True), RecipeError, problem, help)
