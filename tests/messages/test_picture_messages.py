"""The errors of pictures that are given to a prediction, word for word."""

import inspect
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from kit.messages import assert_says, row
from PIL import Image as PillowImage

from tagseg.errors import DataError
from tagseg.prediction.inputs import to_image

IN_RANGE = "pass it before it is normalised; divide values up to 255 by 255"


def other_kind(picture: object) -> Any:
    return row(
        f"a_{type(picture).__name__}",
        picture,
        "image is a path, a Pillow image, a uint8 array (H, W), (H, W, 3) or (H, W, 4), or a tensor (3, H, W), "
        f"got {type(picture).__name__}",
        "convert it to one of these",
    )


def array(values: np.ndarray) -> Any:
    found = f"{values.dtype} of shape {values.shape}"
    return row(
        f"array_{found.replace(' ', '_')}",
        values,
        f"image as an array is uint8 of shape (H, W), (H, W, 3) or (H, W, 4), got {found}",
        "bring it to RGB in 0..255, channels last",
    )


def tensor(found: str, values: torch.Tensor) -> Any:
    return row(
        f"tensor_{found.replace(' ', '_')}",
        values,
        f"image as a tensor is uint8, or float in [0, 1], of shape (3, H, W), got {found}",
        "bring it to RGB, channels first, one image at a time",
    )


def out_of_range(low: float, high: float, found: str) -> Any:
    values = torch.full((3, 2, 2), low)
    values[1, 1, 1] = high
    return row(
        f"from_{found.replace(' ', '_')}", values, f"image as a float tensor lies in [0, 1], got {found}", IN_RANGE
    )


def deep(mode: str) -> Any:
    return row(
        f"pillow_{mode.replace(';', '_')}",
        PillowImage.new(mode, (2, 2)),
        f"Pillow image has 8 bits a channel, got mode {mode}",
        "pass the path of its file, or scale it to 8 bits",
    )


@pytest.mark.parametrize(
    ("picture", "problem", "help"),
    [
        other_kind(None),
        other_kind(3),
        other_kind(b"bytes"),
        other_kind([[0]]),
        array(np.zeros((2, 3, 3))),
        array(np.zeros((2, 3), bool)),
        array(np.zeros((2, 3), np.uint16)),
        array(np.zeros((3, 5, 7), np.uint8)),
        array(np.zeros((5, 7, 1), np.uint8)),
        array(np.zeros((1, 5, 7, 3), np.uint8)),
        array(np.zeros(5, np.uint8)),
        array(np.zeros((0, 7, 3), np.uint8)),
        tensor("float32 of shape (5, 7, 3)", torch.zeros(5, 7, 3)),
        tensor("float32 of shape (1, 3, 5, 7)", torch.zeros(1, 3, 5, 7)),
        tensor("int64 of shape (3, 5, 7)", torch.zeros(3, 5, 7, dtype=torch.int64)),
        tensor("bool of shape (3, 5, 7)", torch.zeros(3, 5, 7, dtype=torch.bool)),
        tensor("uint8 of shape (3, 0, 7)", torch.zeros(3, 0, 7, dtype=torch.uint8)),
        tensor("float32 of shape ()", torch.zeros(())),
        out_of_range(0.0, 255.0, "0 to 255"),
        out_of_range(-2.25, 0.5, "-2.25 to 0.5"),
        out_of_range(2.5, 2.5, "2.5 to 2.5"),
        out_of_range(0.0, torch.nan, "nan to nan"),
        out_of_range(torch.nan, torch.nan, "nan to nan"),
        deep("F"),
        deep("I"),
        deep("I;16"),
        row("no_columns", PillowImage.new("RGB", (0, 4)), "image has at least one pixel, got 4 x 0", "check the crop"),
        row("no_rows", PillowImage.new("RGB", (5, 0)), "image has at least one pixel, got 0 x 5", "check the crop"),
        row(
            "no_file",
            Path("missing.png"),
            "image missing.png must be a file, got no such file",
            "restore the file or remove it from the data set",
        ),
        row(
            "no_file_of_a_name",
            "missing.png",
            "image missing.png must be a file, got no such file",
            "restore the file or remove it from the data set",
        ),
    ],
)
def test_pictures(picture: Any, problem: str, help: str) -> None:
    unchecked = inspect.unwrap(to_image)  # type checks of the test run would refuse some of them before
    assert_says(lambda: unchecked(picture), DataError, problem, help)


def test_a_pillow_image_that_is_cut_off() -> None:
    whole = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    PillowImage.fromarray(noise).save(whole, format="JPEG")
    with pytest.raises(DataError) as caught:
        to_image(PillowImage.open(io.BytesIO(whole.getvalue()[:900])))
    assert caught.value.problem.startswith("Pillow image holds whole pixels, got one that cannot be decoded (")
    assert caught.value.help == "open the file again"
