"""The sentences of the refinements' errors, word for word."""

import numpy as np
import pytest
import torch

from tagseg.errors import DataError, RecipeError
from tagseg.refine.pixel_adaptive import PixelAdaptive, PixelAdaptiveSettings
from tagseg.refine.pseudo_mask import confidence_mask, label_scores
from tagseg.refine.refinement import refine_in_order
from tagseg.refine.seeds import seed_labels
from tagseg.refine.superpixel_snap import SuperpixelSnap


@pytest.mark.parametrize(
    ("background_score", "foreground_score"), [(0.3, 0.1), (-0.1, 0.3), (0.1, 1.5), (float("nan"), 0.3)]
)
def test_seed_scores(background_score, foreground_score):
    cam = np.zeros((1, 1, 1), np.float32)
    with pytest.raises(RecipeError) as caught:
        seed_labels(cam, (1,), foreground_score=foreground_score, background_score=background_score, crf=None)
    assert str(caught.value) == (
        "seed scores hold 0 <= background_score <= foreground_score <= 1, got background_score "
        f"{background_score} and foreground_score {foreground_score}; take the 0.1 and 0.3 of IRN"
    )


@pytest.mark.parametrize("background_score", [-0.1, 1.1])
def test_background_score(background_score):
    with pytest.raises(RecipeError) as caught:
        label_scores(torch.zeros(1, 1, 1), background_score)
    assert str(caught.value) == (
        f"background score lies in [0, 1], got {background_score}; take 0.25, or sweep it where masks exist"
    )


@pytest.mark.parametrize("keep_fraction", [-0.5, 1.5, 50.0])
def test_keep_fraction(keep_fraction):
    with pytest.raises(RecipeError) as caught:
        confidence_mask(np.zeros((1, 1), np.uint8), np.zeros((1, 1), np.float32), keep_fraction=keep_fraction)
    assert str(caught.value) == (
        f"keep_fraction lies in [0, 1], got {keep_fraction}; take 0.5, or 1 to trust every pixel"
    )


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"dilations": ()},
            "pixel-adaptive dilations are different and at least 1 px, got []; take AFA's 1, 2, 4, 8, 12, 24",
        ),
        (
            {"dilations": (1, 0)},
            "pixel-adaptive dilations are different and at least 1 px, got [1, 0]; take AFA's 1, 2, 4, 8, 12, 24",
        ),
        (
            {"dilations": (2, 2)},
            "pixel-adaptive dilations are different and at least 1 px, got [2, 2]; take AFA's 1, 2, 4, 8, 12, 24",
        ),
        ({"iterations": -1}, "pixel-adaptive iterations are at least 0, got -1; take 10, or 0 for none"),
        ({"colour_scale": 0.0}, "pixel-adaptive colour_scale is above 0, got 0.0; take AFA's 0.3"),
        ({"position_weight": -0.1}, "pixel-adaptive position_weight is at least 0, got -0.1; take AFA's 0.01"),
    ],
)
def test_pixel_adaptive_settings(values, sentence):
    with pytest.raises(RecipeError) as caught:
        PixelAdaptiveSettings(**values)
    assert str(caught.value) == sentence


def test_superpixels_of_another_image():
    snap = SuperpixelSnap(np.zeros((4, 3), np.int32))
    with pytest.raises(DataError) as caught:
        snap(np.zeros((3, 4, 3), np.uint8), torch.zeros(2, 3, 4))
    assert str(caught.value) == (
        "superpixels must have the size of the image, (3, 4), got (4, 3); "
        "delete the stored superpixels and compute them from this image again"
    )


def test_scores_of_another_image():
    with pytest.raises(DataError) as caught:
        refine_in_order(np.zeros((3, 4, 3), np.uint8), torch.zeros(2, 4, 3), [PixelAdaptive()])
    assert str(caught.value) == (
        "scores must have the size of the image, (3, 4), got (4, 3); compute the maps from this image again"
    )
