from itertools import combinations

import numpy as np
import pytest

from tagseg.classes import MAX_CLASSES, voc_color
from tagseg.report.colors import VOID_COLORS, palette_colors, safe_color

# Vienot, Brettel and Mollon (1999), in linear RGB: another simulation than the one that the colours are chosen with.
PROTANOPE = np.array([[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]])
DEUTERANOPE = np.array([[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]])
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
JUST_TOLD_APART = 15.0  # CIE 1976; about 2.3 is noticeable side by side, a legend asks for more


def lab(color: tuple[int, int, int], vision: np.ndarray) -> np.ndarray:
    share = np.array(color) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    xyz = TO_XYZ @ np.clip(vision @ linear, 0, 1) / (TO_XYZ @ np.ones(3))
    x, y, z = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def distance(one: tuple[int, int, int], other: tuple[int, int, int], vision: np.ndarray) -> float:
    return float(np.linalg.norm(lab(one, vision) - lab(other, vision)))


@pytest.mark.parametrize("vision", [np.eye(3), PROTANOPE, DEUTERANOPE], ids=["all cones", "no red", "no green"])
def test_the_first_eight_safe_colours_are_told_apart(vision: np.ndarray) -> None:
    colors = [safe_color(label) for label in range(1, 9)] + [VOID_COLORS["safe"]]
    nearest = min(combinations(colors, 2), key=lambda pair: distance(*pair, vision))
    assert distance(*nearest, vision) > JUST_TOLD_APART, nearest


def test_the_measure_sees_what_the_colour_blind_confuse() -> None:
    dull_red, dull_green = (170, 110, 60), (110, 135, 60)
    assert distance(dull_red, dull_green, np.eye(3)) > 30
    assert distance(dull_red, dull_green, DEUTERANOPE) < JUST_TOLD_APART
    with_voc = [distance(*pair, DEUTERANOPE) for pair in combinations(map(voc_color, range(1, 9)), 2)]
    assert min(with_voc) < JUST_TOLD_APART


def test_every_label_has_a_safe_colour_of_its_own() -> None:
    colors = [safe_color(label) for label in range(1, MAX_CLASSES + 1)]
    assert len(set(colors)) == MAX_CLASSES
    assert VOID_COLORS["safe"] not in colors


def test_many_colours_lie_apart_as_far_as_they_can() -> None:
    colors = [safe_color(label) for label in range(1, 22)]
    assert min(distance(*pair, np.eye(3)) for pair in combinations(colors, 2)) > 15


@pytest.mark.parametrize("palette", ["voc", "safe"])
def test_background_is_the_photo_itself(palette: str) -> None:
    colors = palette_colors(palette, 256 - 1)
    assert colors[0] == "transparent"
    assert len(set(colors)) == 255


def test_the_voc_palette_is_that_of_the_masks() -> None:
    assert palette_colors("voc", 21)[15] == "#c08080"
