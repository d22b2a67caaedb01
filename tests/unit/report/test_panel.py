"""Pixels of a panel. At the usual width of 900: margin 8, gap 4, title and caption lines 19, text 13."""

import numpy as np
import pytest

from tagseg.report.panel import panel
from tagseg.report.panel_layout import EMPTY_COLOR, LegendEntry, PanelRow

RED, BLUE = (200, 10, 20), (10, 20, 200)
CELL = (900 - 2 * 8 - 4) // 2  # two columns
TOP = 19 + 4 + 19  # the title strip, then the caption of the first row


def flat(height: int, width: int, color: tuple[int, int, int]) -> np.ndarray:
    return np.broadcast_to(np.array(color, np.uint8), (height, width, 3)).copy()


def ink(pixels: np.ndarray) -> int:
    """Return how many pixels are darker than paper."""
    return int((pixels.min(axis=-1) < 200).sum())


def test_images_stand_side_by_side_in_cells_of_one_size() -> None:
    shown = panel(("a", "b"), [PanelRow("photo", "cat", (flat(10, 20, RED), flat(100, 200, BLUE)))])
    height = CELL // 2
    assert shown.shape == (TOP + height + 8, 900, 3)
    assert shown.dtype == np.uint8
    for left, color in ((8, RED), (8 + CELL + 4, BLUE)):
        cell = shown[TOP : TOP + height, left : left + CELL]
        np.testing.assert_array_equal(cell, flat(height, CELL, color))
    assert (shown[TOP:, 8 + CELL : 8 + CELL + 4] == 255).all()
    assert (shown[:, :8] == 255).all() and (shown[:, -8:] == 255).all()


def test_an_upright_image_is_centred_beside_a_wide_one() -> None:
    shown = panel(("a", "b"), [PanelRow("photo", "", (flat(40, 20, RED), flat(20, 40, BLUE)))])
    red, blue = (np.argwhere((shown == color).all(axis=-1)) for color in (RED, BLUE))
    assert red.min(axis=0).tolist() == [TOP, 8 + CELL // 4]
    assert np.ptp(red, axis=0).tolist() == [CELL - 1, CELL // 2 - 1]
    assert blue.min(axis=0).tolist() == [TOP + CELL // 4, 8 + CELL + 4]


def test_a_missing_image_leaves_its_cell_empty() -> None:
    shown = panel(("a", "b"), [PanelRow("photo", "", (flat(10, 20, RED), None))])
    np.testing.assert_array_equal(
        shown[TOP : TOP + CELL // 2, 8 + CELL + 4 : 900 - 8], flat(CELL // 2, CELL, EMPTY_COLOR)
    )


def test_titles_are_centred_and_captions_begin_at_the_left() -> None:
    shown = panel(("title", "title"), [PanelRow("photo", "cat, dog", (flat(10, 20, RED), flat(10, 20, RED)))])
    columns = np.flatnonzero(shown[:23].min(axis=(0, 2)) < 200)
    first = columns[columns < 450]
    assert abs((first[0] + first[-1]) / 2 - (8 + CELL / 2)) < 3
    caption = np.flatnonzero(shown[23:TOP].min(axis=(0, 2)) < 200)
    assert 8 <= caption[0] <= 11
    assert caption[-1] < 200


def test_a_second_line_makes_room_for_itself_and_single_lines_stand_at_the_bottom() -> None:
    row = PanelRow("photo", "", (flat(10, 20, RED), flat(10, 20, RED)))
    shown = panel(("image", "map\nplain CAM"), [row])
    assert shown.shape[0] == panel(("image", "map"), [row]).shape[0] + 19
    assert ink(shown[:19, :450]) == 0 and ink(shown[19:42, :450]) > 0
    assert ink(shown[:19, 450:]) > 0 and ink(shown[19:42, 450:]) > 0


def test_a_title_too_wide_for_its_column_takes_two_lines_between_words() -> None:
    row = PanelRow("photo", "", tuple(flat(10, 10, RED) for _ in range(12)))
    shown = panel(["image"] * 11 + ["ground truth\nSSC"], [row])
    cut = panel(["image"] * 11 + ["ground\ntruth\nSSC"], [row])
    assert shown.shape == cut.shape
    first, second, third = slice(0, 19), slice(19, 38), slice(38, 42)
    np.testing.assert_array_equal(shown[first], cut[first])  # 'ground' alone, bold
    assert ink(shown[second]) > ink(cut[second])  # 'truth' is bold too, where a line break makes it lighter
    np.testing.assert_array_equal(shown[third], cut[third])
    wide = panel(["ground truth"], [PanelRow("photo", "", (flat(10, 10, RED),))])
    assert wide.shape == panel(["image"], [PanelRow("photo", "", (flat(10, 10, RED),))]).shape


@pytest.mark.parametrize("text", ["w" * 300, "\udcff.jpg " + "w" * 300, "two\nlines " * 40])
def test_text_that_is_too_long_is_cut_inside_the_margins(text: str) -> None:
    image = flat(10, 20, RED)
    shown = panel((text.replace("\n", " "), "b"), [PanelRow(text, text, (image, image))])
    assert (shown[:, :7] == 255).all() and (shown[:, -7:] == 255).all()
    assert ink(shown[:23, 8 + CELL + 4 :]) < 150  # only the short title of the other column
    assert ink(shown[23:TOP]) > 500


def test_twice_the_width_has_text_of_twice_the_size() -> None:
    def build(width_px: int) -> np.ndarray:
        return panel(("image",), [PanelRow("photo", "", (flat(10, 20, RED),))], width_px=width_px)

    once, twice = (build(width_px) for width_px in (900, 1800))
    assert twice.shape == (2 * once.shape[0], 1800, 3)
    assert ink(twice[:84]) == pytest.approx(4 * ink(once[:42]), rel=0.3)


def test_many_columns_make_a_panel_wider_rather_than_cells_too_small_to_see() -> None:
    images = tuple(flat(10, 10, RED) for _ in range(20))
    shown = panel(["c"] * 20, [PanelRow("photo", "", images)])
    assert shown.shape == (TOP + 72 + 8, 2 * 8 + 20 * 72 + 19 * 4, 3)


def test_the_legend_takes_as_many_lines_as_it_needs() -> None:
    rows = [PanelRow("photo", "", (flat(10, 20, RED),))]
    bare = panel(("image",), rows)
    short = panel(("image",), rows, legend=[LegendEntry("dog", flat(1, 1, BLUE))])
    assert short.shape[0] == bare.shape[0] + 19 + 4
    inside = short[bare.shape[0] + 4 + 1 : bare.shape[0] + 4 + 12, 9:20]  # within the outline
    np.testing.assert_array_equal(inside, flat(11, 11, BLUE))
    long = panel(("image",), rows, legend=[LegendEntry(f"a long name {i}", flat(1, 1, BLUE)) for i in range(20)])
    assert long.shape[0] > bare.shape[0] + 2 * 23
    assert (long[:, -7:] == 255).all()


def test_a_scale_keeps_its_proportions_in_the_legend() -> None:
    scale = np.concatenate([flat(10, 30, RED), flat(10, 30, BLUE)], axis=1)
    row = PanelRow("photo", "", (flat(10, 20, (0, 90, 0)),))
    shown = panel(("image",), [row], legend=[LegendEntry("map", scale)])
    red, blue = ((shown[-23:] == color).all(axis=-1).any(axis=0).sum() for color in (RED, BLUE))
    assert (red, blue) == (6 * 13 / 2 - 1, 6 * 13 / 2 - 1)  # each loses one column to the outline


def test_without_rows_there_are_titles_only() -> None:
    assert panel(("image", "truth"), []).shape == (23, 900, 3)
