"""The errors of settings of predictions and of segmenters, word for word."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from kit.messages import ROW, assert_says, row

from tagseg.classes import ClassTable
from tagseg.errors import DataError, ModelError, RecipeError
from tagseg.models.segmentation_network import SegmenterDesign, build_segmenter
from tagseg.prediction.result import Prediction
from tagseg.prediction.segmenter import MAX_SIDE_PX, PredictionSettings, Segmenter
from tagseg.prediction.tiles import Tiling

CAT = ClassTable(("cat",))


def segmenter(num_labels: int = 2, **settings: Any) -> Segmenter:
    network = build_segmenter(SegmenterDesign("deeplabv2", "test_resnet", num_labels=num_labels), weights=None)
    return Segmenter(network, CAT, settings=PredictionSettings(**{"max_side_px": MAX_SIDE_PX, **settings}))


def scales(*values: float) -> Any:
    return row(
        f"scales_{'_'.join(map(str, values)) or 'none'}",
        {"scales": values},
        f"scales of a prediction are one or more numbers above 0, got {list(values)}",
        "take [1.0]",
    )


@pytest.mark.parametrize(
    ("values", "problem", "help"),
    [
        scales(),
        scales(0.0),
        scales(1.0, 0.0),
        scales(1.0, -0.5),
        scales(float("nan")),
        scales(float("inf")),
        row(
            "longest_side",
            {"max_side_px": 0},
            "max_side_px is at least 1, or none for native size, got 0",
            "take 1024",
        ),
        row("batch_size", {"batch_size": 0}, "batch_size of a prediction is at least 1, got 0", "take 8"),
        row("tile", {"tile_px": 1000}, "tile_px is a multiple of 128, at least 256, got 1000", "take 1024"),
    ],
)
def test_settings(values: dict[str, Any], problem: str, help: str) -> None:
    assert_says(lambda: PredictionSettings(**{"max_side_px": MAX_SIDE_PX, **values}), RecipeError, problem, help)


@pytest.mark.parametrize(
    ("tile_px", "remedy"), [(0, 256), (128, 256), (300, 256), (1000, 1024), (-512, 256)], ids=lambda value: str(value)
)
def test_a_tile_of_another_size(tile_px: int, remedy: int) -> None:
    assert_says(
        lambda: Tiling(tile_px=tile_px, overlap_px=128),
        RecipeError,
        f"tile_px is a multiple of 128, at least 256, got {tile_px}",
        f"take {remedy}",
    )
    Tiling(tile_px=remedy, overlap_px=128)


@pytest.mark.parametrize(
    ("tile_px", "overlap_px", "remedy"),
    [
        (640, 0, 128),
        (640, -128, 128),
        (640, 200, 256),
        (640, 384, 256),
        (640, 1024, 256),
        (1024, 100, 128),
        (1024, 640, 512),
        (1024, 0, 128),
    ],
)
@pytest.mark.parametrize("kind", [Tiling, partial(PredictionSettings, max_side_px=MAX_SIDE_PX)])
def test_an_overlap_of_another_size(kind: Callable[..., object], tile_px: int, overlap_px: int, remedy: int) -> None:
    assert_says(
        lambda: kind(tile_px=tile_px, overlap_px=overlap_px),
        RecipeError,
        f"overlap_px is a multiple of 128 up to half of tile_px = {tile_px}, got {overlap_px}",
        f"take {remedy}",
    )
    kind(tile_px=tile_px, overlap_px=remedy)


@pytest.mark.parametrize("num_labels", [3, 21])
def test_a_network_of_other_classes(num_labels: int) -> None:
    assert_says(
        lambda: segmenter(num_labels),
        ModelError,
        f"network of a segmenter has one label a class and background, 2, got {num_labels}",
        "pass the class table that it was trained with",
    )


@pytest.mark.parametrize(
    ("sizes", "found"), [(((4, 5), (3, 5)), "3 x 5 and 4 x 5"), (((4, 5), (5, 4)), "4 x 5 and 5 x 4")]
)
def test_a_batch_of_two_sizes(sizes: tuple[tuple[int, int], ...], found: str) -> None:
    images = [np.zeros((*size, 3), np.uint8) for size in sizes]
    assert_says(
        lambda: segmenter().predict_batch(images),
        DataError,
        f"images of a batch have one size, got {found}",
        "predict them one by one",
    )


@pytest.mark.parametrize("probabilities", [False, True])
@pytest.mark.parametrize("max_side_px", [1024, 8, None])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("where", ["everywhere", "in_one_bias"])
def test_a_network_that_has_diverged(bad: float, max_side_px: int | None, probabilities: bool, where: str) -> None:
    diverged = segmenter(max_side_px=max_side_px)
    head = diverged.network.network.head
    for parameter in head.parameters() if where == "everywhere" else [head.branches[0].bias]:
        torch.nn.init.constant_(parameter, bad)
    assert_says(
        lambda: diverged.predict(np.zeros((40, 40, 3), np.uint8), probabilities=probabilities),
        ModelError,
        "network of a segmenter gives finite logits, got NaN",
        "train it again with a lower learning rate",
    )


def prediction(height: int, width: int) -> Prediction:
    labels = np.zeros((height, width), np.uint8)
    return Prediction(labels, np.ones((height, width), np.float32), CAT, np.zeros((height, width, 3), np.uint8))


@pytest.mark.parametrize(
    ROW,
    [
        row(
            "of_another_size",
            lambda: prediction(2, 3).overlay(np.zeros((3, 2, 3), np.uint8)),
            "image of an overlay has the shape of the label map, (2, 3, 3), got (3, 2, 3)",
            "pass the image that was predicted, or none",
        ),
        *(
            row(
                f"opacity_{opacity}",
                lambda opacity=opacity: prediction(1, 1).overlay(opacity=opacity),
                f"opacity of an overlay lies in [0, 1], got {opacity}",
                "take 0.5",
            )
            for opacity in (-0.1, 1.5, 2.0, float("nan"))
        ),
    ],
)
def test_overlays(call: Callable[[], object], problem: str, help: str) -> None:
    assert_says(call, DataError, problem, help)
