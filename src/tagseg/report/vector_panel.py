"""A figure for papers: PDF or SVG with letters and lines as vectors, and images as they are.

Axes: H height, W width, 3 RGB.
"""

import warnings
from collections.abc import Iterable, Sequence
from io import BytesIO
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle

from tagseg.report.panel_layout import (
    TEXT_SIZE,
    Box,
    Color,
    Item,
    LegendEntry,
    PanelLayout,
    PanelRow,
    Picture,
    Strip,
    Text,
    font_path,
)

POINTS_PER_MM = 72 / 25.4
TEXT_PT = 7
"""Height of letters, whatever the width of the figure: the smallest that journals ask for."""

IMAGE_DPI = 600
"""Dots an inch of the printed figure beyond which an image is made smaller."""

_UNITS_PER_PT = 20  # the layout counts in whole units; a twentieth of a point is not seen
_LINE_PT = 0.4

# Letters stay letters of an embedded TrueType font in a PDF, which publishers ask for. An SVG has their outlines, since
# a reader without the font would see others, of another width. Names inside the file come from a word, not by chance.
_SETTINGS = {"pdf.fonttype": 42, "svg.fonttype": "path", "svg.hashsalt": "tagseg", "image.composite_image": False}
_NO_DATE = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}


def vector_panel(
    columns: Sequence[str],
    rows: Iterable[PanelRow],
    *,
    legend: Sequence[LegendEntry] = (),
    width_mm: float = 170.0,
    format: Literal["pdf", "svg"] = "pdf",
) -> bytes:
    """Lay images out as :func:`tagseg.report.panel.panel` does, in a file that can be printed at any size.

    The same arguments give the same bytes: no date is in them.

    Args:
        columns: titles, in two lines where one is too narrow; a line break begins a lighter line. What does not fit is
            cut.
        rows: one image or None for each column; images are kept pixel by pixel, see :func:`cell_side_px`.
        legend: what the colours mean.
        width_mm: of the figure; letters are 7 points high in any. So many columns that a cell would be narrower than
            13.7 mm make it wider.
        format: ``pdf`` or ``svg``.

    Returns:
        The bytes of the file.

    >>> row = PanelRow("photo", "cat", (np.zeros((30, 40, 3), np.uint8), None))
    >>> vector_panel(("image", "truth"), [row], width_mm=85.0)[:5]
    b'%PDF-'
    """
    layout = _layout(len(columns), width_mm)
    strips = layout.strips(columns, rows, legend)
    # Nothing of a user's own matplotlibrc may change a figure.
    settings: dict[Any, Any] = {**matplotlib.rcParamsDefault, **_SETTINGS}
    with matplotlib.rc_context({name: value for name, value in settings.items() if name != "backend"}):
        figure, encoded = _draw_figure(strips, layout), BytesIO()
        with warnings.catch_warnings():
            # A letter that the font lacks is drawn as a box, as in a PNG.
            warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font", category=UserWarning)
            figure.savefig(encoded, format=format, metadata=_NO_DATE[format])
    return encoded.getvalue()


def cell_side_px(num_columns: int, *, width_mm: float) -> int:
    """Return the longest side that an image needs: its cell at 600 dots an inch.

    >>> cell_side_px(5, width_mm=170.0)
    774
    """
    return round(_layout(num_columns, width_mm).cell / _UNITS_PER_PT / 72 * IMAGE_DPI)


def _layout(num_columns: int, width_mm: float) -> PanelLayout:
    return PanelLayout(
        num_columns, round(width_mm * POINTS_PER_MM * _UNITS_PER_PT), scale=TEXT_PT * _UNITS_PER_PT / TEXT_SIZE
    )


def _draw_figure(strips: Sequence[Strip], layout: PanelLayout) -> Figure:
    height, units_per_inch = sum(strip.height for strip in strips), 72 * _UNITS_PER_PT
    figure = Figure(figsize=(layout.width / units_per_inch, height / units_per_inch), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    top = 0
    for strip in strips:
        for item in strip.items:
            _draw(axes, item, top=top)
        top += strip.height
    axes.set(xlim=(0, layout.width), ylim=(height, 0))
    return figure


def _draw(axes: Axes, item: Item, *, top: int) -> None:
    if isinstance(item, Text):
        axes.text(
            item.x,
            top + item.baseline,
            item.words,
            font=FontProperties(fname=font_path(bold=item.bold), size=TEXT_PT),  # pyright: ignore[reportArgumentType]
            color=_color(item.color),
            ha="center" if item.centred else "left",
            va="baseline",
            parse_math=False,  # a dollar in a file name is a dollar
        )
    elif isinstance(item, Picture) and item.image.shape[:2] != (1, 1):
        bounds = (item.left, item.left + item.width, top + item.top + item.height, top + item.top)
        axes.imshow(item.image, extent=bounds, aspect="auto", interpolation="none")
    else:
        _draw_rectangle(axes, item, top=top)


def _draw_rectangle(axes: Axes, item: Box | Picture, *, top: int) -> None:
    """Draw a box, or the swatch of one colour."""
    style: dict[str, Any] = {"linewidth": 0, "facecolor": "none"}
    if isinstance(item, Picture):
        red, green, blue = np.asarray(item.image)[0, 0].tolist()
        style["facecolor"] = _color((red, green, blue))
    elif item.filled:
        style["facecolor"] = _color(item.color)
    else:
        style |= {"edgecolor": _color(item.color), "linewidth": _LINE_PT}
    axes.add_patch(Rectangle((item.left, top + item.top), item.width, item.height, **style))


def _color(color: Color) -> tuple[float, float, float]:
    red, green, blue = color
    return red / 255, green / 255, blue / 255
