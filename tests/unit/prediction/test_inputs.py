"""Every kind of picture becomes the pixels that its file has."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from tagseg.prediction.inputs import to_image

RGB = np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)
GREY = RGB[..., 0]
RGBA = np.dstack([RGB, np.random.default_rng(1).integers(0, 256, (6, 9), np.uint8)])


def on_white(rgba: np.ndarray) -> np.ndarray:
    alpha = rgba[..., 3:] / 255
    return rgba[..., :3] * alpha + 255 * (1 - alpha)


def saved(folder: Path, image: PillowImage.Image) -> Path:
    image.save(folder / "picture.png")
    return folder / "picture.png"


@pytest.mark.parametrize(
    "picture",
    [
        RGB,
        np.asfortranarray(RGB),
        PillowImage.fromarray(RGB),
        PillowImage.fromarray(RGB).convert("RGBA"),
        np.dstack([RGB, np.full((6, 9), 255, np.uint8)]),
        torch.from_numpy(RGB).permute(2, 0, 1),
        torch.from_numpy(RGB).permute(2, 0, 1).contiguous() / 255,
        torch.from_numpy(RGB).permute(2, 0, 1).double() / 255,
        torch.from_numpy(RGB).permute(2, 0, 1).half() / 255,
        (torch.from_numpy(RGB).permute(2, 0, 1) / 255).requires_grad_(),
    ],
    ids=["RGB", "order", "pillow", "opaque", "opaque array", "uint8", "float", "double", "half", "with gradient"],
)
def test_a_colour_picture_of_any_kind(picture):
    found = to_image(picture)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, RGB)


@pytest.mark.parametrize("kind", [str, Path])
def test_a_file(tmp_path: Path, kind: type):
    path = saved(tmp_path, PillowImage.fromarray(RGB))
    np.testing.assert_array_equal(to_image(kind(path)), RGB)


@pytest.mark.parametrize("picture", [GREY, PillowImage.fromarray(GREY)], ids=["array", "pillow"])
def test_a_grey_picture_has_three_equal_channels(picture):
    np.testing.assert_array_equal(to_image(picture), np.repeat(GREY[..., None], 3, axis=2))


@pytest.mark.parametrize("kind", ["array", "pillow", "file"])
def test_transparent_pixels_are_laid_on_white(kind: str, tmp_path: Path):
    layer = PillowImage.fromarray(RGBA)
    picture = {"array": lambda: RGBA, "pillow": lambda: layer, "file": lambda: saved(tmp_path, layer)}[kind]()
    np.testing.assert_allclose(to_image(picture), on_white(RGBA), atol=1)


def test_a_transparent_grey_picture_is_laid_on_white():
    assert to_image(PillowImage.new("LA", (1, 1), (0, 0)))[0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize("kind", ["pillow", "file"])
def test_the_colours_of_a_palette_count(kind: str, tmp_path: Path):
    few = PillowImage.fromarray(RGB).quantize(16)
    assert few.mode == "P"
    np.testing.assert_array_equal(to_image(few if kind == "pillow" else saved(tmp_path, few)), few.convert("RGB"))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGBX", "CMYK", "YCbCr", "HSV", "RGBa"])
def test_a_pillow_image_of_every_mode_with_8_bits(mode: str):
    black = PillowImage.new("RGBA", (4, 3), "black").convert("RGB")
    layer = black.convert("RGBA").convert("RGBa") if mode == "RGBa" else black.convert("P" if mode == "PA" else mode)
    picture = layer.convert("PA") if mode == "PA" else layer
    assert picture.mode == mode
    np.testing.assert_array_equal(to_image(picture), np.zeros((3, 4, 3), np.uint8))


def test_exif_turns_a_pillow_image_as_it_turns_its_file(tmp_path: Path):
    picture, path = PillowImage.fromarray(RGB), tmp_path / "turned.png"
    exif = picture.getexif()
    exif[0x0112] = 6  # the camera's row 0 is the right side
    picture.save(path, exif=exif)
    with PillowImage.open(path) as opened:
        np.testing.assert_array_equal(to_image(opened), np.rot90(RGB, k=-1))
    np.testing.assert_array_equal(to_image(picture), np.rot90(RGB, k=-1))  # that never was a file
    np.testing.assert_array_equal(to_image(path), np.rot90(RGB, k=-1))


def test_every_value_of_a_float_tensor_is_rounded_to_the_nearest_eight_bits():
    levels = torch.arange(256).view(1, 16, 16).expand(3, -1, -1)
    np.testing.assert_array_equal(to_image(levels / 255)[..., 2].ravel(), np.arange(256))
    assert to_image(torch.full((3, 1, 1), 0.499 / 255)).tolist() == [[[0, 0, 0]]]
    assert to_image(torch.full((3, 1, 1), 0.501 / 255)).tolist() == [[[1, 1, 1]]]


def test_an_rgb_array_is_taken_as_it_is_and_pictures_are_not_changed():
    kept = RGB.copy()
    assert to_image(kept) is kept
    tensor = torch.from_numpy(kept.copy()).permute(2, 0, 1) / 255
    before = tensor.clone()
    to_image(tensor)[:] = 0
    assert torch.equal(tensor, before)


@pytest.mark.parametrize("height", [1, 3, 4])
def test_a_picture_with_few_rows_is_never_taken_for_channels(height: int):
    assert to_image(np.zeros((height, 3, 3), np.uint8)).shape == (height, 3, 3)
    assert to_image(torch.zeros(3, height, 4)).shape == (height, 4, 3)
    assert to_image(np.zeros((height, 4), np.uint8)).shape == (height, 4, 3)
