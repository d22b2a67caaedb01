"""The sentences of the losses' errors, word for word."""

import pytest
import torch

from tagseg.errors import RecipeError
from tagseg.losses.reconstruction import perceptual_loss
from tagseg.losses.self_modulation import SelfModulationSettings


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"threshold": 1.0}, "self-modulation threshold lies in [0, 1), got 1.0; take the paper's 0.3"),
        ({"threshold": -0.1}, "self-modulation threshold lies in [0, 1), got -0.1; take the paper's 0.3"),
        (
            {"erosion_px": 0},
            "self-modulation erosion_px is at least 1, got 0; take the paper's 8, or 1 for no erosion",
        ),
        ({"contrast": -1.0}, "self-modulation contrast is at least 0, got -1.0; take 0 for the paper's target"),
    ],
)
def test_self_modulation_settings(values, sentence):
    with pytest.raises(RecipeError) as caught:
        SelfModulationSettings(**values)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [
        ([1.0], "perceptual weights are one a level, got 1 for 2 levels; give 2 weights"),
        (
            [1.0, -1.0],
            "perceptual weights are at least 0 and not all 0, got [1.0, -1.0]; "
            "take 1/32, 1/16, 1/8, 1/4, 1, or leave the reconstruction out with beta_p = 0",
        ),
        (
            [0.0, 0.0],
            "perceptual weights are at least 0 and not all 0, got [0.0, 0.0]; "
            "take 1/32, 1/16, 1/8, 1/4, 1, or leave the reconstruction out with beta_p = 0",
        ),
    ],
)
def test_perceptual_weights(weights, sentence):
    levels = [torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 2, 2)]
    with pytest.raises(RecipeError) as caught:
        perceptual_loss(levels, levels, weights=weights, normalize=True)
    assert str(caught.value) == sentence
