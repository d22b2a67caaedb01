"""Bars of scores as inline SVG next to a name and its numbers; colours by CSS class, as in ``charts``."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from tagseg.report.axes import short_number

_BAR_PX, _BAR_STEP_PX, _BAR_TOP_PX = 8, 15, 4  # a step is a line of small text

_NOTHING = Markup()

_MINUS = "\N{MINUS SIGN}"
"""As wide as a plus sign, so that signed numbers stand in line."""


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
    values: Mapping[str, float | int | None]


def percent(value: float | int | None, digits: int = 1) -> str:
    """Return a share for people.

    >>> percent(0.4567), percent(None)
    ('45.7 %', 'n/a')
    """
    return "n/a" if value is None else f"{100 * value:.{digits}f} %"


def sentence(text: str) -> str:
    """Return a title with a capital letter.

    >>> sentence("seeds from the network")
    'Seeds from the network'
    """
    return text[:1].upper() + text[1:]


def bar_rows(names: Sequence[str], series: Sequence[Bars], *, title: str) -> Markup:
    """Return one row of bars with their numbers for each name, in as many columns as the page has room for.

    >>> rows = bar_rows(["cat"], [Bars("Seeds", "s0", {"cat": 0.5})], title="IoU")
    >>> '<title>IoU of cat: Seeds 50.0 %</title>' in rows, 'width="50%"' in rows
    (True, True)
    """
    rows = (_row(name, series, title=title, number=percent, draw=_share_bar) for name in names)
    return Markup('<div class="bar-rows">{}</div>').format(Markup("").join(rows))


def bar(share: float | int, *, css: str, title: str) -> Markup:
    """Return a single bar on its own, such as for a cell of a table; ``share`` is in [0, 1]."""
    return Markup(
        '<svg class="bar" height="{}" role="img"><title>{}</title>'
        '<rect class="{}" width="{}%" height="{}" rx="1"/></svg>'
    ).format(_BAR_PX + 1, title, css, short_number(100 * share), _BAR_PX + 1)


def difference_rows(names: Sequence[str], series: Sequence[Bars], *, title: str) -> Markup:
    """Return rows of bars that grow to the right for a gain and to the left for a loss, with signed numbers.

    The longest bar fills its side, rounded up to 5 points; the drawing says how much that is.

    Args:
        names: of the rows.
        series: differences in [-1, 1].
        title: what differs.

    >>> rows = difference_rows(["cat"], [Bars("b", "r1", {"cat": -0.25})], title="IoU")
    >>> "25.0" in rows, 'x="0%" width="50%"' in rows, "25 points" in rows
    (True, True, True)
    """
    longest = max((abs(value) for bars in series for value in bars.values.values() if value is not None), default=0)
    points = max(5, 5 * math.ceil(100 * longest / 5 - 1e-9))
    zero = Markup('<line class="zero" x1="50%" x2="50%" y1="0" y2="100%"/>')

    def draw(value: float | int) -> str:
        share = 100 * value / points / 2
        return f'x="{short_number(50 + 100 * min(share, 0))}%" width="{short_number(100 * abs(share))}%"'

    rows = (_row(name, series, title=title, number=signed, draw=draw, under=zero) for name in names)
    return Markup(
        '<p class="hint">From the middle to either end: {} points.</p><div class="bar-rows differences">{}</div>'
    ).format(points, Markup("").join(rows))


def signed(difference: float | int | None) -> str:
    """Return a difference of shares in points, with its sign.

    >>> signed(0.0123), signed(-0.5), signed(0.0001), signed(None)
    ('+1.2', '\u221250.0', '±0.0', 'n/a')
    """
    if difference is None:
        return "n/a"
    points = round(100 * difference, 1)
    return "±0.0" if points == 0 else f"{'+' if points > 0 else _MINUS}{abs(points):.1f}"


def _row(
    name: str,
    series: Sequence[Bars],
    *,
    title: str,
    number: Callable[[float | int | None], str],
    draw: Callable[[float | int], str],
    under: Markup = _NOTHING,
) -> Markup:
    """Return a name, its bars, and their numbers, each level with its bar."""
    values = [(bars, bars.values.get(name)) for bars in series]
    spoken = ", ".join(f"{bars.title} {number(value)}" for bars, value in values)
    rects = [
        f'<rect class="{bars.css}" y="{index * _BAR_STEP_PX + _BAR_TOP_PX}" height="{_BAR_PX}" rx="1" {draw(value)}/>'
        for index, (bars, value) in enumerate(values)
        if value is not None
    ]
    numbers = Markup("").join(Markup("<span>{}</span>").format(number(value).removesuffix(" %")) for _, value in values)
    return Markup(
        '<div class="bar-row"><bdi class="bar-name" title="{0}">{0}</bdi>'
        '<svg height="{1}" role="img"><title>{2} of {0}: {3}</title>{4}{5}</svg>'
        '<span class="bar-numbers" aria-hidden="true">{6}</span></div>'
    ).format(name, _BAR_STEP_PX * max(1, len(series)), title, spoken, under, Markup("".join(rects)), numbers)


def _share_bar(value: float | int) -> str:
    return f'width="{short_number(100 * value)}%"'
