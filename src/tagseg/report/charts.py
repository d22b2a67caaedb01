"""Charts as inline SVG that follows the page: colours by CSS class, text of one size at every width, spoken titles.

A chart is as wide as its box. Its lines are drawn in a stretched inner picture, its text and dots at shares of the
width, so that letters are never stretched and nothing has to be measured by a script.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from tagseg.report.axes import Axis, short_number

_STRETCH = 1000
"""Width of the inner picture in its own units."""

_LABEL_LINE_PX, _LABEL_SHARE = 14, 0.4
"""Height of a label next to a dot, and the share of a chart's width that it takes at most."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart.

    Args:
        title: what it shows.
        css: its CSS class, which gives the colour.
        x: of its points, ascending.
        y: of its points; None or a value that is not a number leaves a gap.
    """

    title: str
    css: str
    x: Sequence[float | int]
    y: Sequence[float | int | None]


@dataclass(frozen=True, slots=True)
class Dot:
    """One point of a scatter chart.

    Args:
        name: what it stands for.
        css: its CSS class.
        x: its place across.
        y: its place upwards.
        label: written next to it, may be empty.
    """

    name: str
    css: str
    x: float | int
    y: float | int
    label: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """A vertical line in a chart: where it stands, and its CSS class."""

    at: float | int
    css: str


@dataclass(frozen=True, slots=True)
class Frame:
    """What surrounds the drawing of a chart.

    Args:
        title: the chart's name, read to those who do not see it.
        description: what it shows, in a sentence.
        x: the horizontal axis.
        y: the vertical axis.
        height_px: of the drawing, without the axes' text.
        x_name: written below the horizontal axis, may be empty.
    """

    title: str
    description: str
    x: Axis
    y: Axis
    height_px: int = 160
    x_name: str = ""


def line_chart(frame: Frame, lines: Iterable[Line], *, marks: Iterable[Mark] = ()) -> Markup:
    """Return lines over a common axis, a dot for a line of one point, and vertical marks.

    >>> frame = Frame("Loss", "One line.", Axis(0.0, 1.0, ()), Axis(0.0, 1.0, ()))
    >>> chart = line_chart(frame, [Line("a", "s0", [0, 1], [0.5, 1])])
    >>> "<title>Loss</title>" in chart, 'd="M0 80L1000 0"' in chart
    (True, True)
    """
    paths, dots = [], []
    for line in lines:
        title = escape(line.title)
        paths.append(f'<path class="line {line.css}" d="{_path(frame, line)}"><title>{title}</title></path>')
        points = [(x, y) for x, y in zip(line.x, line.y, strict=True) if y is not None and frame.y.holds(y)]
        if len(points) == 1:
            dots.append(_circle(frame, Dot(line.title, line.css, *points[0]), radius_px=3))
    inner = f'<svg viewBox="0 0 {_STRETCH} {frame.height_px}" preserveAspectRatio="none" width="100%" '
    inner += f'height="{frame.height_px}" class="stretched">{"".join(paths)}</svg>'
    return _framed(frame, inner + "".join(dots) + "".join(_mark(frame, mark) for mark in marks))


def scatter_chart(
    frame: Frame, dots: Iterable[Dot], *, corners: Sequence[tuple[float | int, float | int, str]] = ()
) -> Markup:
    """Return points by two values, and words at places of the chart: (x, y, text), shares of its axes.

    >>> frame = Frame("Shares", "A point.", Axis(0.0, 1.0, ()), Axis(0.0, 1.0, ()))
    >>> chart = scatter_chart(frame, [Dot("cat", "s0", 0.25, 1)])
    >>> '<circle class="dot s0" cx="25%" cy="0"' in chart
    True
    """
    words = [
        f'<text class="corner" x="{short_number(100 * frame.x.share(x))}%" y="{_y(frame, y)}" '
        f'text-anchor="{"start" if x < 0.5 else "end"}">{escape(text)}</text>'
        for x, y, text in corners
    ]
    drawn = list(dots)
    points = "".join(_circle(frame, dot, radius_px=5) for dot in drawn)
    return _framed(frame, "".join(words) + points + "".join(_dot_labels(frame, drawn, corners)))


def _framed(frame: Frame, drawing: str) -> Markup:
    height = frame.height_px
    rows = [
        f'<line class="grid" x2="100%" y1="{_y(frame, value)}" y2="{_y(frame, value)}"/>'
        f'<text class="tick" x="-8" y="{_y(frame, value)}" dy="0.32em" text-anchor="end">{text}</text>'
        for value, text in frame.y.ticks
    ]
    columns = [
        f'<text class="tick" x="{short_number(100 * frame.x.share(value))}%" y="{height + 18}" '
        f'text-anchor="middle">{text}</text>'
        for value, text in frame.x.ticks
    ]
    if frame.x_name:
        columns.append(
            f'<text class="tick" x="50%" y="{height + 36}" text-anchor="middle">{escape(frame.x_name)}</text>'
        )
    return Markup(
        '<svg class="plot" height="{}" role="img"><title>{}</title><desc>{}</desc>{}'
        '<line class="floor" x2="100%" y1="{}" y2="{}"/>{}</svg>'
    ).format(height, frame.title, frame.description, Markup("".join(rows + columns)), height, height, Markup(drawing))


def _path(frame: Frame, line: Line) -> str:
    """Return the outline of a line; a value that cannot be drawn ends one piece and begins another."""
    parts: list[str] = []
    pen_down = False
    for x, y in zip(line.x, line.y, strict=True):
        if y is None or not frame.y.holds(y):
            pen_down = False
            continue
        parts.append(f"{'L' if pen_down else 'M'}{short_number(_STRETCH * frame.x.share(x))} {_y(frame, y)}")
        pen_down = True
    return "".join(parts)


def _mark(frame: Frame, mark: Mark) -> str:
    at = f"{short_number(100 * frame.x.share(mark.at))}%"
    return f'<line class="mark {mark.css}" x1="{at}" x2="{at}" y1="0" y2="{frame.height_px}"/>'


def _circle(frame: Frame, dot: Dot, *, radius_px: int) -> str:
    return (
        f'<circle class="dot {dot.css}" cx="{short_number(100 * frame.x.share(dot.x))}%" cy="{_y(frame, dot.y)}" '
        f'r="{radius_px}"><title>{escape(dot.name)}</title></circle>'
    )


def _dot_labels(
    frame: Frame, dots: Iterable[Dot], corners: Iterable[tuple[float | int, float | int, str]]
) -> Iterator[str]:
    """Yield the labels next to their dots, moved up or down where they would lie over words or leave the chart."""
    height, line = frame.height_px, _LABEL_LINE_PX
    placed = [(frame.x.share(x), height * (1 - frame.y.share(y)) - line / 3) for x, y, _ in corners]
    for dot in dots:
        if not dot.label:
            continue
        across, down = frame.x.share(dot.x), height * (1 - frame.y.share(dot.y))
        near = [level for at, level in placed if abs(at - across) < _LABEL_SHARE]
        levels = [down + step * sign * line for step in range(2 * len(near) + 1) for sign in (1, -1)]
        free = [level for level in levels if all(abs(level - at) >= line - 1 for at in near)]
        level = next((level for level in free if 0 <= level <= height), free[0])
        placed.append((across, level))
        side = 'dx="9" text-anchor="start"' if across < 0.7 else 'dx="-9" text-anchor="end"'
        place = f'x="{short_number(100 * across)}%" y="{short_number(level)}" dy="0.33em"'
        yield f'<text class="dot-label" {place} {side}>{escape(dot.label)}</text>'


def _y(frame: Frame, value: float | int) -> str:
    return short_number(frame.height_px * (1 - frame.y.share(value)))
