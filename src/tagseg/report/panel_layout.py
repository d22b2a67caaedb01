"""Where everything of a figure stands: column titles above a grid of images, a caption over each row, a legend below.

The same items are painted as pixels (:mod:`tagseg.report.panel`) or as vectors (:mod:`tagseg.report.vector_panel`).

Axes: H height, W width, 3 RGB.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PIL import ImageFont

from tagseg.types import Image

DESIGN_WIDTH = 900
TEXT_SIZE = 13
"""Height of letters in a figure of the width :data:`DESIGN_WIDTH`."""

EMPTY_COLOR = (236, 236, 236)
INK_COLOR = (24, 24, 24)
FAINT_INK_COLOR = (96, 96, 96)

# Sizes at the width above; they grow with the scale, so that text stays readable when a wide figure is shrunk.
_LINE, _MARGIN, _GAP, _MIN_CELL = 19, 8, 4, 72

Color = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class PanelRow:
    """One row of a figure.

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
    """One entry below a figure.

    Args:
        name: what the swatch stands for.
        swatch: a colour as a 1 x 1 image, or a scale as a wider one.
    """

    name: str
    swatch: Image


@dataclass(frozen=True, slots=True)
class Text:
    """Words on one line.

    Args:
        x: their left end, or their middle.
        baseline: distance of the foot of capitals from the top.
        words: what is written.
        bold: whether the letters are.
        centred: whether ``x`` is the middle.
        color: RGB.
    """

    x: int
    baseline: int
    words: str
    bold: bool = False
    centred: bool = False
    color: Color = INK_COLOR


@dataclass(frozen=True, slots=True)
class Picture:
    """An image, fitted into a rectangle; ``smooth`` is False for swatches, whose colours must not mix."""

    left: int
    top: int
    width: int
    height: int
    image: Image
    smooth: bool = True


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle, filled or outlined."""

    left: int
    top: int
    width: int
    height: int
    color: Color
    filled: bool = True


Item = Text | Picture | Box


@dataclass(frozen=True, slots=True)
class Strip:
    """A horizontal part of a figure: its height, and its items, measured from its own upper left corner."""

    height: int
    items: tuple[Item, ...]


def fitted_size(image: Image, side: int) -> tuple[int, int]:
    """Return the (height, width) of an image whose longer side is ``side``, in its proportions.

    >>> import numpy as np
    >>> fitted_size(np.zeros((30, 60, 3), np.uint8), 20)
    (10, 20)
    """
    height, width = image.shape[:2]
    scale = side / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


class PanelLayout:
    """Sizes of a figure, and its horizontal strips.

    Every image is fitted into a square cell in its own proportions; a row is as high as its highest image.

    Args:
        num_columns: how many images stand side by side.
        width: of the figure, at least 1. So many columns that a cell would be narrower than 72 of 900 units of the
            usual scale make it wider.
        scale: of text, lines and gaps; 1 is letters of 13 units.

    >>> layout = PanelLayout(5, 900)
    >>> layout.cell, layout.width, PanelLayout(20, 900).width
    (173, 900, 1532)
    """

    def __init__(self, num_columns: int, width: int, *, scale: float | None = None) -> None:
        scale = width / DESIGN_WIDTH if scale is None else scale
        sizes = (TEXT_SIZE, _LINE, _MARGIN, _GAP, _MIN_CELL)
        self.text, self.line, self.margin, self.gap, smallest = (max(1, round(size * scale)) for size in sizes)
        room = width - 2 * self.margin - (num_columns - 1) * self.gap
        self.cell = max(smallest, room // num_columns)
        self.width = max(width, 2 * self.margin + num_columns * (self.cell + self.gap) - self.gap)

    def strips(self, columns: Sequence[str], rows: Iterable[PanelRow], legend: Sequence[LegendEntry]) -> list[Strip]:
        """Return the strips from top to bottom: titles, rows, lines of the legend."""
        return [self.titles(columns), *(self.row(row) for row in rows), *self.legend(legend)]

    def titles(self, columns: Sequence[str]) -> Strip:
        """Return the titles, each centred above its column; the last lines stand on one level."""
        lines = [self._title_lines(column) for column in columns]
        depth = max(len(parts) for parts in lines)
        items: list[Item] = []
        for index, parts in enumerate(lines):
            centre = self._left(index) + self.cell // 2
            for position, (part, bold) in enumerate(parts):
                baseline = self.gap + (depth - len(parts) + position) * self.line + self.text
                words = fit_words(part, font(self.text, bold=bold), self.cell)
                items.append(Text(centre, baseline, words, bold=bold, centred=True))
        return Strip(depth * self.line + self.gap, tuple(items))

    def row(self, row: PanelRow) -> Strip:
        """Return one row under its caption."""
        room = self.width - 2 * self.margin
        title_font = font(self.text, bold=True)
        title = fit_words(row.title, title_font, room)
        used = round(title_font.getlength(title)) + self.margin
        detail = fit_words(row.detail, font(self.text), room - used)
        items: list[Item] = [
            Text(self.margin, self.text, title, bold=True),
            Text(self.margin + used, self.text, detail, color=FAINT_INK_COLOR),
        ]
        sizes = [None if image is None else fitted_size(image, self.cell) for image in row.images]
        height = max((size[0] for size in sizes if size is not None), default=self.line)
        for index, (image, size) in enumerate(zip(row.images, sizes, strict=True)):
            left = self._left(index)
            if image is None or size is None:
                items.append(Box(left, self.line, self.cell, height, EMPTY_COLOR))
            else:
                indent, drop = (self.cell - size[1]) // 2, (height - size[0]) // 2
                items.append(Picture(left + indent, self.line + drop, size[1], size[0], image))
        return Strip(self.line + height + self.margin, tuple(items))

    def legend(self, entries: Sequence[LegendEntry]) -> list[Strip]:
        """Return the entries one after the other, in as many lines as they need."""
        lines: list[list[Item]] = []
        side, left = self.text, self.width
        for entry in entries:
            height, width = entry.swatch.shape[:2]
            swatch_width = min(max(side, round(side * width / height)), self.width - 2 * self.margin)
            text_left = swatch_width + self.gap
            name = fit_words(entry.name, font(self.text), self.width - 2 * self.margin - text_left)
            entry_width = text_left + round(font(self.text).getlength(name))
            if left + entry_width > self.width - self.margin:
                lines.append([])
                left = self.margin
            baseline = self.gap + round(0.85 * side)  # capitals stand level with the swatch
            lines[-1] += [
                Picture(left, self.gap, swatch_width, side, entry.swatch, smooth=False),
                Box(left, self.gap, swatch_width, side, FAINT_INK_COLOR, filled=False),
                Text(left + text_left, baseline, name),
            ]
            left += entry_width + 2 * self.margin
        return [Strip(self.line + self.gap, tuple(items)) for items in lines]

    def _title_lines(self, column: str) -> list[tuple[str, bool]]:
        """Return the lines of a title: the first one bold, and in two where its words do not fit on one line."""
        bold = font(self.text, bold=True)
        title, *others = column.split("\n")
        words = title.split()
        fitting = [n for n in range(1, len(words)) if bold.getlength(" ".join(words[:n])) <= self.cell]
        if fitting and bold.getlength(title) > self.cell:
            titles = [" ".join(words[: fitting[-1]]), " ".join(words[fitting[-1] :])]
        else:
            titles = [title]
        return [*((line, True) for line in titles), *((line, False) for line in others)]

    def _left(self, index: int) -> int:
        return self.margin + index * (self.cell + self.gap)


def fit_words(text: str, font: ImageFont.FreeTypeFont, room: int) -> str:
    """Return ``text`` on one line, cut with an ellipsis where it is wider than ``room``."""
    # A file name may hold bytes that are not text; they are shown as escapes.
    text = " ".join(text.encode("utf-8", "backslashreplace").decode().split())
    if font.getlength(text) <= room:
        return text
    while text and font.getlength(f"{text}…") > room:
        text = text[:-1]
    return f"{text}…" if text else ""


def font_path(*, bold: bool = False) -> Path:
    """Return the file of DejaVu Sans, which comes with matplotlib: the same letters on every machine."""
    installed = find_spec("matplotlib")  # its folder is enough: a PNG needs nothing else of what is slow to import
    assert installed is not None and installed.origin is not None, "matplotlib is required"
    fonts = Path(installed.origin).with_name("mpl-data") / "fonts" / "ttf"
    return fonts / ("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")


@cache
def font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return the letters of a figure at this size."""
    return ImageFont.truetype(str(font_path(bold=bold)), size)
