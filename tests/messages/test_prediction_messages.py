"""The sentences of the errors of prediction, word for word."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from tagseg.classes import ClassTable
from tagseg.errors import DataError, ModelError, RecipeError
from tagseg.models.segmentation_network import SegmenterDesign, build_segmenter
from tagseg.prediction.inputs import to_image
from tagseg.prediction.result import Prediction
from tagseg.prediction.segmenter import PredictionSettings, Segmenter
from tagseg.prediction.tiles import Tiling

KINDS = "a path, a Pillow image, a uint8 array (H, W), (H, W, 3) or (H, W, 4), or a tensor (3, H, W)"
ARRAYS = "image as an array is uint8 of shape (H, W), (H, W, 3) or (H, W, 4)"
TENSORS = "image as a tensor is uint8, or float in [0, 1], of shape (3, H, W)"


def segmenter(num_labels: int = 2) -> Segmenter:
    network = build_segmenter(SegmenterDesign("deeplabv2", "test_resnet", num_labels=num_labels), weights=None)
    return Segmenter(network, ClassTable(("cat",)))


def said(kind, action) -> str:
    with pytest.raises(kind) as caught:
        action()
    return str(caught.value)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"scales": ()}, "scales of a prediction are one or more numbers above 0, got []; take [1.0]"),
        ({"scales": (1.0, 0.0)}, "scales of a prediction are one or more numbers above 0, got [1.0, 0.0]; take [1.0]"),
        (
            {"scales": (float("nan"),)},
            "scales of a prediction are one or more numbers above 0, got [nan]; take [1.0]",
        ),
        ({"max_side_px": 0}, "max_side_px is at least 1, or none for native size, got 0; take 1024"),
        ({"batch_size": 0}, "batch_size of a prediction is at least 1, got 0; take 8"),
        ({"tile_px": 1000}, "tile_px is a multiple of 128, at least 256, got 1000; take 1024"),
    ],
)
def test_settings(values, sentence):
    assert said(RecipeError, lambda: PredictionSettings(**values)) == sentence


@pytest.mark.parametrize(
    ("tile_px", "overlap_px", "sentence"),
    [
        (128, 128, "tile_px is a multiple of 128, at least 256, got 128; take 256"),
        (1024, 100, "overlap_px is a multiple of 128 up to half of tile_px = 1024, got 100; take 128"),
        (1024, 640, "overlap_px is a multiple of 128 up to half of tile_px = 1024, got 640; take 512"),
        (1024, 0, "overlap_px is a multiple of 128 up to half of tile_px = 1024, got 0; take 128"),
    ],
)
def test_tiling(tile_px, overlap_px, sentence):
    assert said(RecipeError, lambda: Tiling(tile_px, overlap_px)) == sentence


def test_another_number_of_labels():
    assert said(ModelError, lambda: segmenter(num_labels=21)) == (
        "network of a segmenter has one label a class and background, 2, got 21; "
        "pass the class table that it was trained with"
    )


def test_a_network_that_diverged():
    model = segmenter()
    torch.nn.init.constant_(model.network.network.head.branches[0].bias, float("nan"))
    sentence = "network of a segmenter gives finite logits, got NaN; train it again with a lower learning rate"
    image = np.zeros((40, 40, 3), np.uint8)
    assert said(ModelError, lambda: model.predict(image)) == sentence
    assert said(ModelError, lambda: model.predict(image, probabilities=True)) == sentence


def test_images_of_two_sizes_in_a_batch():
    images = [np.zeros((4, 5, 3), np.uint8), np.zeros((5, 4, 3), np.uint8)]
    assert said(DataError, lambda: segmenter().predict_batch(images)) == (
        "images of a batch have one size, got 4 x 5 and 5 x 4; predict them one by one"
    )


@pytest.mark.parametrize(
    ("picture", "sentence"),
    [
        (
            np.zeros((4, 5, 3)),
            f"{ARRAYS}, got float64 of shape (4, 5, 3); bring it to RGB in 0..255, channels last",
        ),
        (
            np.zeros((3, 4, 5), np.uint8),
            f"{ARRAYS}, got uint8 of shape (3, 4, 5); bring it to RGB in 0..255, channels last",
        ),
        (
            np.zeros((0, 5, 3), np.uint8),
            f"{ARRAYS}, got uint8 of shape (0, 5, 3); bring it to RGB in 0..255, channels last",
        ),
        (
            torch.zeros(1, 3, 4, 5),
            f"{TENSORS}, got float32 of shape (1, 3, 4, 5); bring it to RGB, channels first, one image at a time",
        ),
        (
            torch.zeros(3, 4, 5, dtype=torch.int64),
            f"{TENSORS}, got int64 of shape (3, 4, 5); bring it to RGB, channels first, one image at a time",
        ),
        (
            torch.full((3, 4, 5), 2.5),
            "image as a float tensor lies in [0, 1], got 2.5 to 2.5; "
            "pass it before it is normalised; divide values up to 255 by 255",
        ),
        (
            torch.full((3, 4, 5), float("nan")),
            "image as a float tensor lies in [0, 1], got nan to nan; "
            "pass it before it is normalised; divide values up to 255 by 255",
        ),
        (
            PillowImage.new("I;16", (5, 4)),
            "Pillow image has 8 bits a channel, got mode I;16; pass the path of its file, or scale it to 8 bits",
        ),
        (PillowImage.new("RGB", (5, 0)), "image has at least one pixel, got 0 x 5; check the crop"),
        (Path("missing.png"), "image missing.png must be a file, got no such file; restore the file or remove it "
         "from the data set"),
    ],
)  # fmt: skip
def test_pictures(picture, sentence):
    assert said(DataError, lambda: to_image(picture)) == sentence


def test_overlay():
    labels = np.zeros((4, 5), np.uint8)
    found = Prediction(labels, np.ones((4, 5), np.float32), ClassTable(("cat",)), np.zeros((4, 5, 3), np.uint8))
    assert said(DataError, lambda: found.overlay(np.zeros((5, 4, 3), np.uint8))) == (
        "image of an overlay has the shape of the label map, (4, 5, 3), got (5, 4, 3); "
        "pass the image that was predicted, or none"
    )
    assert said(DataError, lambda: found.overlay(opacity=2.0)) == (
        "opacity of an overlay lies in [0, 1], got 2.0; take 0.5"
    )
