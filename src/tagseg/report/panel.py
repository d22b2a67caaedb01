"""A labelled grid of images: column titles above, a caption over each row, a legend below.

Axes: H height, W width, 3 RGB.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from tagseg.types import Image

PAPER_COLOR = (255, 255, 255)
EMPTY_COLOR = (236, 236, 236)
INK_COLOR = (24, 24, 24)
FAINT_INK_COLOR = (96, 96, 96)

# Sizes in pixels of a panel of this width; they grow with it, so that text stays readable when a wide one is shrunk.
_DESIGN_WIDTH_PX = 900
_TEXT_PX, _LINE_PX, _MARGIN_PX, _GAP_PX, _MIN_CELL_PX = 13, 19, 8, 4, 72


@dataclass(frozen=True, slots=True)
class PanelRow:
    """One row of a panel.

    Args:
        title: printed bold above the row, such as the image's id.
        detail: printed after it, such as the image's tags.
        images: one for each column; None leaves the cell empty.
    """

    title: str
    detail: str
    images: tuple[Image | None, ...]


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """One entry below a panel.

    Args:
        name: what the swatch stands for.
        swatch: a colour as a 1 x 1 image, or a scale as a wider one.
    """

    name: str
    swatch: Image


def panel(
    columns: Sequence[str],
    rows: Iterable[PanelRow],
    *,
    legend: Sequence[LegendEntry] = (),
    width_px: int = _DESIGN_WIDTH_PX,
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
    layout = _Layout(len(columns), width_px)
    strips = [layout.titles(columns), *(layout.row(row) for row in rows)]
    return np.concatenate([np.asarray(strip) for strip in [*strips, *layout.legend(legend)]])


def resize_to(image: Image, side_px: int) -> Image:
    """Return the image with its longer side at ``side_px``; colours are averaged, never sharpened past their range."""
    height, width = image.shape[:2]
    scale = side_px / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(PillowImage.fromarray(image).resize(size, PillowImage.Resampling.BILINEAR))


class _Layout:
    """Sizes of a panel, and its horizontal strips."""

    def __init__(self, num_columns: int, width_px: int) -> None:
        scale = width_px / _DESIGN_WIDTH_PX
        sizes = (_TEXT_PX, _LINE_PX, _MARGIN_PX, _GAP_PX, _MIN_CELL_PX)
        self.text, self.line, self.margin, self.gap, smallest = (max(1, round(size * scale)) for size in sizes)
        room = width_px - 2 * self.margin - (num_columns - 1) * self.gap
        self.cell = max(smallest, room // num_columns)
        self.width = max(width_px, 2 * self.margin + num_columns * (self.cell + self.gap) - self.gap)

    def titles(self, columns: Sequence[str]) -> PillowImage.Image:
        """Draw the titles, each centred above its column; the last lines stand on one level."""
        lines = [self._title_lines(column) for column in columns]
        depth = max(len(parts) for parts in lines)
        strip = self._strip(depth * self.line + self.gap)
        draw = ImageDraw.Draw(strip)
        for index, parts in enumerate(lines):
            centre = self._left(index) + self.cell // 2
            for position, (part, font) in enumerate(parts):
                baseline = self.gap + (depth - len(parts) + position) * self.line + self.text
                draw.text((centre, baseline), _fit(part, font, self.cell), INK_COLOR, font, anchor="ms")
        return strip

    def row(self, row: PanelRow) -> PillowImage.Image:
        """Draw one row under its caption."""
        fitted = [None if image is None else resize_to(image, self.cell) for image in row.images]
        height = max((image.shape[0] for image in fitted if image is not None), default=self.line)
        strip = self._strip(self.line + height + self.margin)
        draw = ImageDraw.Draw(strip)
        room = self.width - 2 * self.margin
        title_font, detail_font = _font(self.text, bold=True), _font(self.text)
        title = _fit(row.title, title_font, room)
        draw.text((self.margin, self.text), title, INK_COLOR, title_font, anchor="ls")
        used = round(title_font.getlength(title)) + self.margin
        detail = _fit(row.detail, detail_font, room - used)
        draw.text((self.margin + used, self.text), detail, FAINT_INK_COLOR, detail_font, anchor="ls")
        for index, image in enumerate(fitted):
            left = self._left(index)
            if image is None:
                draw.rectangle((left, self.line, left + self.cell - 1, self.line + height - 1), EMPTY_COLOR)
            else:
                indent, drop = (self.cell - image.shape[1]) // 2, (height - image.shape[0]) // 2
                strip.paste(PillowImage.fromarray(image), (left + indent, self.line + drop))
        return strip

    def legend(self, entries: Sequence[LegendEntry]) -> list[PillowImage.Image]:
        """Draw the entries one after the other, in as many lines as they need."""
        lines: list[PillowImage.Image] = []
        font, side, left = _font(self.text), self.text, self.width
        for entry in entries:
            height, width = entry.swatch.shape[:2]
            swatch_width = min(max(side, round(side * width / height)), self.width - 2 * self.margin)
            text_left = swatch_width + self.gap
            name = _fit(entry.name, font, self.width - 2 * self.margin - text_left)
            entry_width = text_left + round(font.getlength(name))
            if left + entry_width > self.width - self.margin:
                lines.append(self._strip(self.line + self.gap))
                left = self.margin
            draw = ImageDraw.Draw(lines[-1])
            swatch = PillowImage.fromarray(entry.swatch).resize((swatch_width, side), PillowImage.Resampling.NEAREST)
            lines[-1].paste(swatch, (left, self.gap))
            draw.rectangle((left, self.gap, left + swatch_width - 1, self.gap + side - 1), outline=FAINT_INK_COLOR)
            baseline = self.gap + round(0.85 * side)  # capitals stand level with the swatch
            draw.text((left + text_left, baseline), name, INK_COLOR, font, anchor="ls")
            left += entry_width + 2 * self.margin
        return lines

    def _title_lines(self, column: str) -> list[tuple[str, ImageFont.FreeTypeFont]]:
        """Return the lines of a title: the first one bold, and in two where its words do not fit beside each other."""
        bold, light = _font(self.text, bold=True), _font(self.text)
        title, *others = column.split("\n")
        words = title.split()
        fitting = [n for n in range(1, len(words)) if bold.getlength(" ".join(words[:n])) <= self.cell]
        if fitting and bold.getlength(title) > self.cell:
            titles = [" ".join(words[: fitting[-1]]), " ".join(words[fitting[-1] :])]
        else:
            titles = [title]
        return [*((line, bold) for line in titles), *((line, light) for line in others)]

    def _left(self, index: int) -> int:
        return self.margin + index * (self.cell + self.gap)

    def _strip(self, height: int) -> PillowImage.Image:
        return PillowImage.new("RGB", (self.width, height), PAPER_COLOR)


def _fit(text: str, font: ImageFont.FreeTypeFont, room_px: int) -> str:
    """Return ``text`` on one line, cut with an ellipsis where it is wider than ``room_px``."""
    # A file name may hold bytes that are no text; they are shown as escapes.
    text = " ".join(text.encode("utf-8", "backslashreplace").decode().split())
    if font.getlength(text) <= room_px:
        return text
    while text and font.getlength(f"{text}…") > room_px:
        text = text[:-1]
    return f"{text}…" if text else ""


@cache
def _font(size_px: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return DejaVu Sans, which comes with matplotlib: the same letters on every machine."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts", "ttf", name)), size_px)
