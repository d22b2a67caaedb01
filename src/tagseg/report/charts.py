"""Charts as inline SVG that follows the page: colours by CSS class, text of one size at every width, spoken titles.

A chart is as wide as its box. Its lines are drawn in a stretched inner picture, its text and dots at shares of the
width, so that letters are never stretched and nothing has to be measured by a script.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from tagseg.report.axes import Axis

_STRETCH = 1000
"""Width of the inner picture in its own units."""

_BAR_PX, _BAR_STEP_PX = 7, 10

_MINUS = "\N{MINUS SIGN}"
"""As wide as a plus sign, so that signed numbers stand in line."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart.

    Args:
        title: what it shows.
        css: its CSS class, which gives the colour.
        x: of its points, ascending.
        y: of its points; None or a value that is no number leaves a gap.
    """

    title: str
    css: str
    x: Sequence[float]
    y: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars of one colour, one for each name of a chart.

    Args:
        title: what they show.
        css: their CSS class, which gives the colour.
        values: shares in [0, 1], by name; None where not defined.
    """

    title: str
    css: str
    values: dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Dot:
    """One point of a scatter chart.

    Args:
        name: what it stands for.
        css: its CSS class.
        x: in [0, 1].
        y: in [0, 1].
    """

    name: str
    css: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Mark:
    """A vertical line in a chart: where it stands, its CSS class and its words, which may be empty."""

    at: float
    css: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Frame:
    """What surrounds the drawing of a chart.

    Args:
        title: the chart's name, read to those who do not see it.
        description: what it shows, in a sentence.
        x: the horizontal axis.
        y: the vertical axis.
        height_px: of the drawing, without the axes' text.
    """

    title: str
    description: str
    x: Axis
    y: Axis
    height_px: int = 160


def percent(value: float | None, digits: int = 1) -> str:
    """Return a share for people.

    >>> percent(0.4567), percent(None)
    ('45.7 %', 'n/a')
    """
    return "n/a" if value is None else f"{100 * value:.{digits}f} %"


def line_chart(frame: Frame, lines: Iterable[Line], *, marks: Iterable[Mark] = ()) -> Markup:
    """Return lines over a common axis, a dot for a line of one point, and vertical marks.

    >>> frame = Frame("Loss", "One line.", Axis(0, 1, ()), Axis(0, 1, ()))
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


def scatter_chart(frame: Frame, dots: Iterable[Dot], *, corners: Sequence[tuple[float, float, str]] = ()) -> Markup:
    """Return points by two values, and words at places of the chart: (x, y, text), shares of its axes.

    >>> frame = Frame("Shares", "A point.", Axis(0, 1, ()), Axis(0, 1, ()))
    >>> chart = scatter_chart(frame, [Dot("cat", "s0", 0.25, 1)])
    >>> '<circle class="dot s0" cx="25%" cy="0"' in chart
    True
    """
    words = [
        f'<text class="corner" x="{_number(100 * frame.x.share(x))}%" y="{_y(frame, y)}" '
        f'text-anchor="{"start" if x < 0.5 else "end"}">{escape(text)}</text>'
        for x, y, text in corners
    ]
    return _framed(frame, "".join(words) + "".join(_circle(frame, dot, radius_px=5) for dot in dots))


def bar_rows(names: Sequence[str], series: Sequence[Bars], *, title: str) -> Markup:
    """Return one row of bars for each name, in as many columns as the page has room for.

    >>> rows = bar_rows(["cat"], [Bars("Seeds", "s0", {"cat": 0.5})], title="IoU")
    >>> '<title>IoU of cat: Seeds 50.0 %</title>' in rows, 'width="50%"' in rows
    (True, True)
    """
    return Markup('<div class="bar-rows">{}</div>').format(
        Markup("").join(_bar_row(name, series, title=title) for name in names)
    )


def bar(share: float, *, css: str, title: str) -> Markup:
    """Return a single bar on its own, such as for a cell of a table; ``share`` is in [0, 1]."""
    return Markup(
        '<svg class="bar" height="{}" role="img"><title>{}</title>'
        '<rect class="{}" width="{}%" height="{}" rx="1"/></svg>'
    ).format(_BAR_PX + 1, title, css, _number(100 * share), _BAR_PX + 1)


def difference_rows(names: Sequence[str], series: Sequence[Bars], *, title: str) -> Markup:
    """Return rows of bars that grow to the right for a gain and to the left for a loss, with signed numbers.

    Args:
        names: of the rows.
        series: differences in [-1, 1].
        title: what differs.

    >>> rows = difference_rows(["cat"], [Bars("b", "r1", {"cat": -0.25})], title="IoU")
    >>> "25.0" in rows, 'x="37.5%" width="12.5%"' in rows
    (True, True)
    """
    return Markup('<div class="bar-rows differences">{}</div>').format(
        Markup("").join(_difference_row(name, series, title=title) for name in names)
    )


def signed(difference: float | None) -> str:
    """Return a difference of shares in points, with its sign.

    >>> signed(0.0123), signed(-0.5), signed(0.0001), signed(None)
    ('+1.2', '\u221250.0', '±0.0', 'n/a')
    """
    if difference is None:
        return "n/a"
    points = round(100 * difference, 1)
    return "±0.0" if points == 0 else f"{'+' if points > 0 else _MINUS}{abs(points):.1f}"


def _bar_row(name: str, series: Sequence[Bars], *, title: str) -> Markup:
    values = [(bars, bars.values.get(name)) for bars in series]
    spoken = ", ".join(f"{bars.title} {percent(value)}" for bars, value in values)
    rects = [
        f'<rect class="{bars.css}" y="{index * _BAR_STEP_PX}" width="{_number(100 * value)}%" height="{_BAR_PX}" '
        f'rx="1"><title>{escape(name)}, {escape(bars.title)}: {percent(value)}</title></rect>'
        for index, (bars, value) in enumerate(values)
        if value is not None
    ]
    last = values[-1][1] if values else None
    return Markup(
        '<div class="bar-row"><bdi class="bar-name" title="{0}">{0}</bdi>'
        '<svg height="{1}" role="img"><title>{2} of {0}: {3}</title>{4}</svg><span class="bar-number">{5}</span></div>'
    ).format(name, _rows_height(len(series)), title, spoken, Markup("".join(rects)), _last_number(last))


def _last_number(value: float | None) -> str:
    return "n/a" if value is None else f"{100 * value:.1f}"


def _difference_row(name: str, series: Sequence[Bars], *, title: str) -> Markup:
    values = [(bars, bars.values.get(name)) for bars in series]
    spoken = ", ".join(f"{bars.title} {signed(value)}" for bars, value in values)
    rects = [
        f'<rect class="{bars.css}" y="{index * _BAR_STEP_PX}" x="{_number(50 + min(value, 0) * 50)}%" '
        f'width="{_number(abs(value) * 50)}%" height="{_BAR_PX}" rx="1"/>'
        for index, (bars, value) in enumerate(values)
        if value is not None
    ]
    numbers = Markup("").join(Markup('<span class="bar-number">{}</span>').format(signed(value)) for _, value in values)
    return Markup(
        '<div class="bar-row"><bdi class="bar-name" title="{0}">{0}</bdi>'
        '<svg height="{1}" role="img"><title>{2} of {0}: {3}</title>'
        '<line class="zero" x1="50%" x2="50%" y1="0" y2="100%"/>{4}</svg><span class="bar-numbers">{5}</span></div>'
    ).format(name, _rows_height(len(series)), title, spoken, Markup("".join(rects)), numbers)


def _rows_height(count_of_bars: int) -> int:
    return max(1, count_of_bars) * _BAR_STEP_PX - (_BAR_STEP_PX - _BAR_PX)


def _framed(frame: Frame, drawing: str) -> Markup:
    height = frame.height_px
    rows = [
        f'<line class="grid" x2="100%" y1="{_y(frame, value)}" y2="{_y(frame, value)}"/>'
        f'<text class="tick" x="-8" y="{_y(frame, value)}" dy="0.32em" text-anchor="end">{text}</text>'
        for value, text in frame.y.ticks
    ]
    columns = [
        f'<text class="tick" x="{_number(100 * frame.x.share(value))}%" y="{height + 18}" '
        f'text-anchor="middle">{text}</text>'
        for value, text in frame.x.ticks
    ]
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
        parts.append(f"{'L' if pen_down else 'M'}{_number(_STRETCH * frame.x.share(x))} {_y(frame, y)}")
        pen_down = True
    return "".join(parts)


def _mark(frame: Frame, mark: Mark) -> str:
    at = f"{_number(100 * frame.x.share(mark.at))}%"
    anchor = "start" if frame.x.share(mark.at) < 0.6 else "end"
    offset = 6 if anchor == "start" else -6
    line = f'<line class="mark {mark.css}" x1="{at}" x2="{at}" y1="0" y2="{frame.height_px}"/>'
    if not mark.text:
        return line
    place = f'x="{at}" y="10" dx="{offset}" text-anchor="{anchor}"'
    return f'{line}<text class="mark-text {mark.css}" {place}>{escape(mark.text)}</text>'


def _circle(frame: Frame, dot: Dot, *, radius_px: int) -> str:
    return (
        f'<circle class="dot {dot.css}" cx="{_number(100 * frame.x.share(dot.x))}%" cy="{_y(frame, dot.y)}" '
        f'r="{radius_px}"><title>{escape(dot.name)}</title></circle>'
    )


def _y(frame: Frame, value: float) -> str:
    return _number(frame.height_px * (1 - frame.y.share(value)))


def _number(value: float) -> str:
    """Return a number for a drawing: two decimals are less than anyone sees."""
    return f"{value:.2f}".rstrip("0").rstrip(".") or "0"
