"""The errors of pictures, settings and predictions, word for word."""

import inspect
import io
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

CLASSES = ClassTable(("cat", "dog"))


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build_segmenter(SegmenterDesign("deeplabv2", "test_resnet", num_labels=3), weights=None)


@pytest.mark.parametrize("picture", [None, 3, b"bytes", [[0]]])
def test_no_picture(picture):
    with pytest.raises(DataError) as caught:
        inspect.unwrap(to_image)(picture)  # type checks of the test run would refuse it before
    assert str(caught.value) == (
        "image is a path, a Pillow image, a uint8 array (H, W), (H, W, 3) or (H, W, 4), or a tensor (3, H, W), "
        f"got {type(picture).__name__}; convert it to one of these"
    )


@pytest.mark.parametrize(
    ("array", "found"),
    [
        (np.zeros((2, 3, 3)), "float64 of shape (2, 3, 3)"),
        (np.zeros((2, 3), bool), "bool of shape (2, 3)"),
        (np.zeros((2, 3), np.uint16), "uint16 of shape (2, 3)"),
        (np.zeros((3, 5, 7), np.uint8), "uint8 of shape (3, 5, 7)"),
        (np.zeros((5, 7, 1), np.uint8), "uint8 of shape (5, 7, 1)"),
        (np.zeros((1, 5, 7, 3), np.uint8), "uint8 of shape (1, 5, 7, 3)"),
        (np.zeros(5, np.uint8), "uint8 of shape (5,)"),
        (np.zeros((0, 7, 3), np.uint8), "uint8 of shape (0, 7, 3)"),
    ],
)
def test_an_array_of_another_kind(array: np.ndarray, found: str):
    with pytest.raises(DataError) as caught:
        to_image(array)
    assert str(caught.value) == (
        f"image as an array is uint8 of shape (H, W), (H, W, 3) or (H, W, 4), got {found}; "
        "bring it to RGB in 0..255, channels last"
    )


@pytest.mark.parametrize(
    ("tensor", "found"),
    [
        (torch.zeros(5, 7, 3), "float32 of shape (5, 7, 3)"),
        (torch.zeros(1, 3, 5, 7), "float32 of shape (1, 3, 5, 7)"),
        (torch.zeros(3, 5, 7, dtype=torch.int64), "int64 of shape (3, 5, 7)"),
        (torch.zeros(3, 5, 7, dtype=torch.bool), "bool of shape (3, 5, 7)"),
        (torch.zeros(3, 0, 7, dtype=torch.uint8), "uint8 of shape (3, 0, 7)"),
        (torch.zeros(()), "float32 of shape ()"),
    ],
)
def test_a_tensor_of_another_kind(tensor: torch.Tensor, found: str):
    with pytest.raises(DataError) as caught:
        to_image(tensor)
    assert str(caught.value) == (
        f"image as a tensor is uint8, or float in [0, 1], of shape (3, H, W), got {found}; "
        "bring it to RGB, channels first, one image at a time"
    )


@pytest.mark.parametrize(
    ("low", "high", "found"), [(0.0, 255.0, "0 to 255"), (-2.25, 0.5, "-2.25 to 0.5"), (0.0, torch.nan, "nan to nan")]
)
def test_a_float_tensor_out_of_range(low: float, high: float, found: str):
    tensor = torch.full((3, 2, 2), low)
    tensor[1, 1, 1] = high
    with pytest.raises(DataError) as caught:
        to_image(tensor)
    assert str(caught.value) == (
        f"image as a float tensor lies in [0, 1], got {found}; "
        "pass it before it is normalised; divide values up to 255 by 255"
    )


@pytest.mark.parametrize("mode", ["F", "I", "I;16"])
def test_a_pillow_image_of_more_than_8_bits(mode: str):
    with pytest.raises(DataError) as caught:
        to_image(PillowImage.new(mode, (2, 2)))
    assert str(caught.value) == (
        f"Pillow image has 8 bits a channel, got mode {mode}; pass the path of its file, or scale it to 8 bits"
    )


def test_a_pillow_image_without_pixels():
    with pytest.raises(DataError) as caught:
        to_image(PillowImage.new("RGB", (0, 4)))
    assert str(caught.value) == "image has at least one pixel, got 4 x 0; check the crop"


def test_a_file_that_is_missing(tmp_path: Path):
    with pytest.raises(DataError) as caught:
        to_image(str(tmp_path / "photo.jpg"))
    assert str(tmp_path / "photo.jpg") in str(caught.value)


@pytest.mark.parametrize(("tile", "remedy"), [(0, 256), (128, 256), (300, 256), (1000, 1024), (-512, 256)])
def test_a_tile_of_another_size(tile: int, remedy: int):
    with pytest.raises(RecipeError) as caught:
        Tiling(tile_px=tile, overlap_px=128)
    assert str(caught.value) == f"tile_px is a multiple of 128, at least 256, got {tile}; take {remedy}"
    Tiling(tile_px=remedy, overlap_px=128)


@pytest.mark.parametrize(("overlap", "remedy"), [(0, 128), (-128, 128), (200, 256), (384, 256), (1024, 256)])
def test_an_overlap_of_another_size(overlap: int, remedy: int):
    with pytest.raises(RecipeError) as caught:
        PredictionSettings(tile_px=640, overlap_px=overlap)
    assert str(caught.value) == (
        f"overlap_px is a multiple of 128 up to half of tile_px = 640, got {overlap}; take {remedy}"
    )
    PredictionSettings(tile_px=640, overlap_px=remedy)


@pytest.mark.parametrize("scales", [(), (0.0,), (1.0, -0.5), (float("nan"),), (float("inf"),)])
def test_scales(scales: tuple[float, ...]):
    with pytest.raises(RecipeError) as caught:
        PredictionSettings(scales=scales)
    assert str(caught.value) == (
        f"scales of a prediction are one or more numbers above 0, got {list(scales)}; take [1.0]"
    )


def test_a_longest_side():
    with pytest.raises(RecipeError) as caught:
        PredictionSettings(max_side_px=0)
    assert str(caught.value) == "max_side_px is at least 1, or none for native size, got 0; take 1024"


def test_a_batch_size():
    with pytest.raises(RecipeError) as caught:
        PredictionSettings(batch_size=0)
    assert str(caught.value) == "batch_size of a prediction is at least 1, got 0; take 8"


def test_a_network_of_other_classes(network):
    with pytest.raises(ModelError) as caught:
        Segmenter(network, ClassTable(("cat",)))
    assert str(caught.value) == (
        "network of a segmenter has one label a class and background, 2, got 3; "
        "pass the class table that it was trained with"
    )


def test_a_batch_of_two_sizes(network):
    with pytest.raises(DataError) as caught:
        Segmenter(network, CLASSES).predict_batch([np.zeros((4, 5, 3), np.uint8), np.zeros((3, 5, 3), np.uint8)])
    assert str(caught.value) == "images of a batch have one size, got 3 x 5 and 4 x 5; predict them one by one"


@pytest.mark.parametrize("probabilities", [False, True])
@pytest.mark.parametrize("max_side_px", [1024, 8, None])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_network_that_has_diverged(bad: float, max_side_px: int | None, probabilities: bool):
    network = build_segmenter(SegmenterDesign("deeplabv2", "test_resnet", num_labels=3), weights=None)
    for convolution in network.network.head.parameters():
        torch.nn.init.constant_(convolution, bad)
    segmenter = Segmenter(network, CLASSES, settings=PredictionSettings(max_side_px=max_side_px))
    with pytest.raises(ModelError) as caught:
        segmenter.predict(np.zeros((20, 20, 3), np.uint8), probabilities=probabilities)
    assert str(caught.value) == (
        "network of a segmenter gives finite logits, got NaN; train it again with a lower learning rate"
    )


def test_an_overlay_on_another_size():
    found = Prediction(np.zeros((2, 3), np.uint8), np.ones((2, 3), np.float32), CLASSES, np.zeros((2, 3, 3), np.uint8))
    with pytest.raises(DataError) as caught:
        found.overlay(np.zeros((3, 2, 3), np.uint8))
    assert str(caught.value) == (
        "image of an overlay has the shape of the label map, (2, 3, 3), got (3, 2, 3); "
        "pass the image that was predicted, or none"
    )


@pytest.mark.parametrize("opacity", [-0.1, 1.5, float("nan")])
def test_the_opacity_of_an_overlay(opacity: float):
    found = Prediction(np.zeros((1, 1), np.uint8), np.ones((1, 1), np.float32), CLASSES, np.zeros((1, 1, 3), np.uint8))
    with pytest.raises(DataError) as caught:
        found.overlay(opacity=opacity)
    assert str(caught.value) == f"opacity of an overlay lies in [0, 1], got {opacity}; take 0.5"


def test_a_pillow_image_that_is_cut_off() -> None:
    whole = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    PillowImage.fromarray(noise).save(whole, format="JPEG")
    with pytest.raises(DataError) as caught:
        to_image(PillowImage.open(io.BytesIO(whole.getvalue()[:900])))
    assert caught.value.problem.startswith("Pillow image holds whole pixels, got one that cannot be decoded (")
    assert caught.value.help == "open the file again"
