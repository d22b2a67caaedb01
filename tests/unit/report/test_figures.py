import io

import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image

from tagseg.classes import ClassTable
from tagseg.report.colors import safe_color
from tagseg.report.figures import (
    cam_legend,
    color_mask,
    encode_png,
    label_legend,
    overlay_cam,
    overlay_known,
    overlay_mask,
    shrink,
    unknown_legend,
)
from tagseg.report.inferno import INFERNO

ANIMALS = ClassTable(("cat", "dog", "cow"))


def grey(height: int, width: int, value: int = 100) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def test_a_map_is_blended_with_its_photograph() -> None:
    shown = overlay_cam(grey(1, 3), np.array([[0.0, 0.5, 1.0]], np.float32), opacity=0.25)
    colors = np.array([colormaps["inferno"](round(value * 255))[:3] for value in (0.0, 0.5, 1.0)])
    np.testing.assert_allclose(shown[0], 75 + 0.25 * 255 * colors, atol=0.76)  # two roundings


def test_the_colours_are_those_of_matplotlib() -> None:
    expected = colormaps["inferno"](np.arange(256), bytes=True)[:, :3]
    np.testing.assert_array_equal(np.frombuffer(INFERNO, np.uint8).reshape(256, 3), expected)


def test_no_opacity_is_the_photograph_and_full_opacity_the_colours() -> None:
    cam = np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(overlay_cam(grey(2, 3), cam, opacity=0.0), grey(2, 3))
    full = overlay_cam(grey(2, 3), cam, opacity=1.0)
    np.testing.assert_array_equal(full, overlay_cam(grey(2, 3, value=7), cam, opacity=1.0))


def test_a_higher_map_is_never_darker() -> None:
    shown = overlay_cam(grey(1, 256), np.linspace(0, 1, 256, dtype=np.float32)[None])
    luminance = shown[0] @ np.array([0.2126, 0.7152, 0.0722])
    assert np.diff(luminance).min() > -0.75  # rounding to whole colours
    assert luminance[-1] - luminance[0] > 100


def test_values_out_of_range_are_shown_as_the_nearer_end() -> None:
    shown = overlay_cam(grey(1, 4), np.array([[-3.0, 0.0, 1.0, 7.0]]))
    np.testing.assert_array_equal(shown[0, 0], shown[0, 1])
    np.testing.assert_array_equal(shown[0, 3], shown[0, 2])


def test_labels_have_the_colours_of_voc_and_void_is_white() -> None:
    painted = color_mask(np.array([[0, 1], [2, 3], [255, 0]], np.uint8), ANIMALS)
    assert painted.tolist() == [
        [[0, 0, 0], [128, 0, 0]],
        [[0, 128, 0], [128, 128, 0]],
        [[255, 255, 255], [0, 0, 0]],
    ]


def test_background_of_a_mask_stays_the_photograph_whatever_the_opacity() -> None:
    photo = np.arange(12, dtype=np.uint8).reshape(1, 4, 3)
    shown = overlay_mask(photo, np.array([[0, 2, 255, 0]], np.uint8), ANIMALS, opacity=1.0)
    assert shown.tolist() == [[[0, 1, 2], [0, 128, 0], [255, 255, 255], [9, 10, 11]]]
    assert photo.tolist() == np.arange(12).reshape(1, 4, 3).tolist()  # not painted over


def test_what_is_unknown_is_striped_and_the_rest_is_the_mask() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (96, 40, 3), dtype=np.uint8)
    labels = np.zeros((96, 40), np.uint8)
    labels[:, 10:20], labels[:, 20:] = 2, 255
    shown, mask = overlay_known(photo, labels, ANIMALS), overlay_mask(photo, labels, ANIMALS)
    np.testing.assert_array_equal(shown[:, :20], mask[:, :20])
    # 96 pixels are 48 stripes: two pixels light, two dark, in every row and in every column.
    added = shown[:, 20:].astype(float) - 0.3 * photo[:, 20:]
    light, dark = (np.all(abs(added - 0.7 * tone) < 0.51, axis=-1, keepdims=True)[..., 0] for tone in (244, 120))
    assert (light ^ dark).all()
    assert light[0].tolist() == [True, True, False, False] * 5
    np.testing.assert_array_equal(light[1:, :-1], light[:-1, 1:])


@pytest.mark.parametrize(("size", "edges"), [((1, 1), 0), ((3, 2), 1), ((100, 48), 23), ((1440, 2880), 47)])
def test_large_photographs_have_as_many_stripes_and_small_ones_have_any(size: tuple[int, int], edges: int) -> None:
    shown = overlay_known(grey(*size), np.full(size, 255, np.uint8), ANIMALS)
    assert int((np.diff(shown[0, :, 0].astype(int)) != 0).sum()) == edges


def test_the_legend_of_stripes_shows_their_colours() -> None:
    entry = unknown_legend()
    shown = overlay_known(grey(96, 96, value=0), np.full((96, 96), 255, np.uint8), ANIMALS, opacity=0.1)
    assert entry.name == "unknown"
    colors = np.unique(entry.swatch.reshape(-1, 3), axis=0)
    np.testing.assert_allclose(np.unique(shown.reshape(-1, 3), axis=0), 0.7 * colors, atol=0.51)


def test_the_legend_names_each_label_once_in_its_colour() -> None:
    legend = label_legend({255, 3, 0, 1}, ANIMALS)
    assert [(entry.name, entry.swatch.tolist()) for entry in legend] == [
        ("cat", [[[128, 0, 0]]]),
        ("cow", [[[128, 128, 0]]]),
        ("void", [[[255, 255, 255]]]),
    ]


def test_another_palette_changes_the_classes_and_their_legend_only() -> None:
    labels, photo = np.array([[0, 1, 3, 255]], np.uint8), grey(1, 4)
    for overlay in (overlay_mask, overlay_known):
        voc, safe = (overlay(photo, labels, ANIMALS, opacity=1.0, palette=palette) for palette in ("voc", "safe"))
        assert voc[0, 1:3].tolist() == [[128, 0, 0], [128, 128, 0]]
        assert safe[0, 1:3].tolist() == [list(safe_color(1)), list(safe_color(3))]
        np.testing.assert_array_equal(voc[0, [0, 3]], safe[0, [0, 3]])
    legend = label_legend({255, 3}, ANIMALS, palette="safe")
    assert [entry.swatch.tolist() for entry in legend] == [[[list(safe_color(3))]], [[[255, 255, 255]]]]


def test_the_legend_of_maps_runs_from_their_lowest_to_their_highest_colour() -> None:
    swatch = cam_legend().swatch
    ends = overlay_cam(grey(1, 2), np.array([[0.0, 1.0]]), opacity=1.0)
    np.testing.assert_array_equal(swatch[:, [0, -1]], np.broadcast_to(ends, (len(swatch), 2, 3)))


@pytest.mark.parametrize(("size", "shrunk"), [((30, 60), (10, 20)), ((20, 8), (20, 8)), ((1, 500), (1, 20))])
def test_an_image_shrinks_in_its_proportions_and_never_grows(size: tuple[int, int], shrunk: tuple[int, int]) -> None:
    small = shrink(grey(*size), side_px=20)
    assert small.shape == (*shrunk, 3)
    assert (small == 100).all()


def test_a_png_holds_the_pixels() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    with Image.open(io.BytesIO(encode_png(pixels))) as image:
        assert image.format == "PNG"
        np.testing.assert_array_equal(np.asarray(image), pixels)
