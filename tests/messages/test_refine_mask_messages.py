"""The errors of seeds, masks and refinements, word for word."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from kit.messages import ROW, assert_says, row

from tagseg.errors import DataError, RecipeError
from tagseg.refine.pixel_adaptive import PixelAdaptive, PixelAdaptiveSettings
from tagseg.refine.pseudo_mask import confidence_mask, label_scores
from tagseg.refine.refinement import refine_in_order
from tagseg.refine.seeds import seed_labels
from tagseg.refine.superpixel_snap import SuperpixelSnap

DILATIONS = "take AFA's 1, 2, 4, 8, 12, 24"
IMAGE = np.zeros((3, 4, 3), np.uint8)


def seeds(background_score: float, foreground_score: float) -> Any:
    cam = np.zeros((1, 1, 1), np.float32)
    return row(
        f"seeds_between_{background_score}_and_{foreground_score}",
        lambda: seed_labels(cam, (1,), foreground_score=foreground_score, background_score=background_score, crf=None),
        "seed scores hold 0 <= background_score <= foreground_score <= 1, got background_score "
        f"{background_score} and foreground_score {foreground_score}",
        "take the 0.1 and 0.3 of IRN",
    )


def background(score: float) -> Any:
    return row(
        f"background_score_{score}",
        lambda: label_scores(torch.zeros(1, 1, 1), score),
        f"background score lies in [0, 1], got {score}",
        "take 0.25, or sweep it where masks exist",
    )


def kept(fraction: float) -> Any:
    return row(
        f"keep_fraction_{fraction}",
        lambda: confidence_mask(np.zeros((1, 1), np.uint8), np.zeros((1, 1), np.float32), keep_fraction=fraction),
        f"keep_fraction lies in [0, 1], got {fraction}",
        "take 0.5, or 1 to trust every pixel",
    )


def adaptive(name: str, values: dict[str, Any], rule: str, help: str) -> Any:
    return row(name, lambda: PixelAdaptiveSettings(**values), f"pixel-adaptive {rule}", help)


@pytest.mark.parametrize(
    ROW,
    [
        seeds(0.3, 0.1),
        seeds(-0.1, 0.3),
        seeds(0.1, 1.5),
        seeds(float("nan"), 0.3),
        background(-0.1),
        background(1.1),
        kept(-0.5),
        kept(1.5),
        kept(50.0),
        adaptive("no_dilation", {"dilations": ()}, "dilations are different and at least 1 px, got []", DILATIONS),
        adaptive(
            "dilation_0", {"dilations": (1, 0)}, "dilations are different and at least 1 px, got [1, 0]", DILATIONS
        ),
        adaptive(
            "a_dilation_twice",
            {"dilations": (2, 2)},
            "dilations are different and at least 1 px, got [2, 2]",
            DILATIONS,
        ),
        adaptive("iterations", {"iterations": -1}, "iterations are at least 0, got -1", "take 10, or 0 for none"),
        adaptive("colours", {"colour_scale": 0.0}, "colour_scale is above 0, got 0.0", "take AFA's 0.3"),
        adaptive("position", {"position_weight": -0.1}, "position_weight is at least 0, got -0.1", "take AFA's 0.01"),
    ],
)
def test_settings(call: Callable[[], object], problem: str, help: str) -> None:
    assert_says(call, RecipeError, problem, help)


@pytest.mark.parametrize(
    ROW,
    [
        row(
            "superpixels",
            lambda: SuperpixelSnap(np.zeros((4, 3), np.int32))(IMAGE, torch.zeros(2, 3, 4)),
            "superpixels must have the size of the image, (3, 4), got (4, 3)",
            "delete the stored superpixels and compute them from this image again",
        ),
        row(
            "scores",
            lambda: refine_in_order(IMAGE, torch.zeros(2, 4, 3), [PixelAdaptive()]),
            "scores must have the size of the image, (3, 4), got (4, 3)",
            "compute the maps from this image again",
        ),
    ],
)
def test_what_belongs_to_another_image(call: Callable[[], object], problem: str, help: str) -> None:
    assert_says(call, DataError, problem, help)
