"""The errors of the dense CRF, word for word."""

from typing import Any

import numpy as np
import pytest
import torch
from kit.messages import assert_says, row

from tagseg.errors import DataError, RecipeError
from tagseg.refine.dense_crf import CrfSettings, DenseCrf, label_probabilities

UNITS = "give it in pixels or grey levels; to leave a kernel out, set its weight to 0"
IMAGE_HELP = "pass the decoded photograph; undo mean subtraction and scaling instead of casting them to uint8"
LEFT_OUT = "take 0 to leave the kernel out"
SOFTMAX = "pass probabilities, for example the softmax of scores, not logits"


@pytest.mark.parametrize(
    ("values", "problem", "help"),
    [
        row("iterations", {"iterations": -1}, "CRF iterations are at least 0, got -1", "take IRN's 10"),
        row("gaussian", {"gaussian_weight": -1.0}, "CRF gaussian_weight is at least 0, got -1.0", LEFT_OUT),
        row("bilateral", {"bilateral_weight": float("nan")}, "CRF bilateral_weight is at least 0, got nan", LEFT_OUT),
        row("gaussian_px", {"gaussian_sigma_px": 0.0}, "CRF gaussian_sigma_px is above 0, got 0.0", UNITS),
        row("bilateral_px", {"bilateral_sigma_px": -2.0}, "CRF bilateral_sigma_px is above 0, got -2.0", UNITS),
        row("bilateral_rgb", {"bilateral_sigma_rgb": 0.0}, "CRF bilateral_sigma_rgb is above 0, got 0.0", UNITS),
    ],
)
def test_settings(values: dict[str, Any], problem: str, help: str) -> None:
    assert_says(lambda: CrfSettings(**values), RecipeError, problem, help)


@pytest.mark.parametrize(
    ("image", "found"),
    [
        (np.linspace(-2.1, 2.6, 24, dtype=np.float32).reshape(2, 4, 3), "float32 of shape (2, 4, 3), -2.1 to 2.6"),
        (np.full((2, 4, 3), 200, np.int64), "int64 of shape (2, 4, 3), 200 to 200"),
        (np.zeros((2, 4), np.uint8), "uint8 of shape (2, 4)"),
        (np.zeros((3, 2, 4), np.uint8), "uint8 of shape (3, 2, 4)"),
        (np.zeros((0, 4, 3), np.uint8), "uint8 of shape (0, 4, 3)"),
    ],
)
def test_image(image: np.ndarray, found: str) -> None:
    assert_says(
        lambda: DenseCrf(image, settings=CrfSettings()),
        DataError,
        f"image of a CRF is uint8 RGB in 0..255 of shape (H, W, 3), got {found}",
        IMAGE_HELP,
    )


def test_sigma_too_small_for_the_image() -> None:
    image = np.zeros((2, 300, 3), np.uint8)
    image[1] = 255
    with pytest.raises(RecipeError) as caught:
        DenseCrf(image, settings=CrfSettings(bilateral_sigma_px=0.01, bilateral_sigma_rgb=0.01))
    assert caught.value.problem.startswith("kernel of a CRF spreads over fewer than 4.6e+18 lattice cells, got ")
    assert float(caught.value.problem.rsplit(" ", 1)[1]) > 4.6e18
    assert caught.value.help == "raise its sigmas"


@pytest.mark.parametrize(
    ("probabilities", "problem", "help"),
    [
        row(
            "of_another_size",
            torch.ones(2, 4, 2),
            "CRF probabilities have the image's size (2, 4), got (4, 2)",
            "resize them to the full image first",
        ),
        row(
            "logits",
            torch.tensor([[[-3.0, 0, 0, 0], [0, 0, 0, 1.5]]]),
            "CRF probabilities are finite and at least 0, got -3 to 1.5",
            SOFTMAX,
        ),
        row(
            "infinite",
            torch.full((2, 2, 4), torch.inf),
            "CRF probabilities are finite and at least 0, got inf to inf",
            SOFTMAX,
        ),
    ],
)
def test_probabilities(probabilities: torch.Tensor, problem: str, help: str) -> None:
    crf = DenseCrf(np.zeros((2, 4, 3), np.uint8), settings=CrfSettings())
    assert_says(lambda: crf.infer(probabilities), DataError, problem, help)


@pytest.mark.parametrize("certainty", [0.0, 0.5, 1.5])
def test_certainty(certainty: float) -> None:
    assert_says(
        lambda: label_probabilities(torch.zeros(1, 1, dtype=torch.int64), num_labels=2, certainty=certainty),
        RecipeError,
        f"CRF certainty of 2 labels lies in (0.5, 1], got {certainty}",
        "take IRN's 0.7",
    )


def test_labels_out_of_range() -> None:
    assert_says(
        lambda: label_probabilities(torch.tensor([[0, 255]], dtype=torch.uint8), num_labels=3),
        DataError,
        "labels of a CRF are 0..2, got 0 to 255",
        "give the labels of one image the numbers 0..L-1, and decide unknown pixels after the CRF",
    )
