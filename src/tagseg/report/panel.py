"""A figure as pixels: a labelled grid of images.

Axes: H height, W width, 3 RGB.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw

from tagseg.report.panel_layout import DESIGN_WIDTH, Box, Item, LegendEntry, PanelLayout, PanelRow, Strip, Text, font
from tagseg.types import Image

PAPER_COLOR = (255, 255, 255)


def panel(
    columns: Sequence[str],
    rows: Iterable[PanelRow],
    *,
    legend: Sequence[LegendEntry] = (),
    width_px: int = DESIGN_WIDTH,
) -> Image:
    """Lay images out in a grid: titles above the columns, a caption above each row, a legend below.

    Every image is fitted into a square cell in its own proportions; a row is as high as its highest image.

    Args:
        columns: titles, in two lines where one is too narrow; a line break begins a lighter line. What does not fit is
            cut.
        rows: one image or None for each column.
        legend: what the colours mean.
        width_px: of the result, at least 1; text grows with it. So many columns that a cell would be narrower than 72
            of the 900 pixels of the usual width make the result wider.

    Returns:
        (H, W, 3) RGB on white.

    >>> row = PanelRow("photo", "cat", (np.zeros((30, 40, 3), np.uint8), None))
    >>> panel(("image", "truth"), [row], width_px=300).shape
    (126, 300, 3)
    """
    layout = PanelLayout(len(columns), width_px)
    strips = layout.strips(columns, rows, legend)
    return np.concatenate([_paint(strip, layout) for strip in strips])


def _paint(strip: Strip, layout: PanelLayout) -> Image:
    canvas = PillowImage.new("RGB", (layout.width, strip.height), PAPER_COLOR)
    for item in strip.items:
        _paint_item(canvas, item, text_px=layout.text)
    return np.asarray(canvas)


def _paint_item(canvas: PillowImage.Image, item: Item, *, text_px: int) -> None:
    draw = ImageDraw.Draw(canvas)
    if isinstance(item, Text):
        anchor = "ms" if item.centred else "ls"
        draw.text((item.x, item.baseline), item.words, item.color, font(text_px, bold=item.bold), anchor=anchor)
    elif isinstance(item, Box):
        corners = (item.left, item.top, item.left + item.width - 1, item.top + item.height - 1)
        draw.rectangle(corners, item.color if item.filled else None, None if item.filled else item.color)
    else:
        # Colours of photographs are averaged, never sharpened past their range.
        method = PillowImage.Resampling.BILINEAR if item.smooth else PillowImage.Resampling.NEAREST
        resized = PillowImage.fromarray(item.image).resize((item.width, item.height), method)
        canvas.paste(resized, (item.left, item.top))
