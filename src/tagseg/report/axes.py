"""Axes of charts: where a value lies between two ends, and which round values are written at the axis."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

_LOG_RATIO, _FEW = 50.0, 20
"""From this ratio of the largest value to the smallest, a twentieth left out, the axis of a curve is logarithmic."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of a chart.

    Args:
        low: value at its start.
        high: value at its end, above ``low``.
        ticks: values that are written at it, and how.
        log: whether equal ratios, not equal differences, are equally far apart; needs ``low > 0``.
    """

    low: float | int
    high: float | int
    ticks: tuple[tuple[float | int, str], ...]
    log: bool = False

    def share(self, value: float | int) -> float:
        """Return where a value lies, 0 at the start and 1 at the end.

        >>> Axis(0.0, 10.0, ()).share(2.5), round(Axis(1.0, 100.0, (), log=True).share(10.0), 3)
        (0.25, 0.5)
        """
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def holds(self, value: float | int | None) -> bool:
        """Return whether a value can be drawn: it is a number, and on a logarithmic axis above 0."""
        return value is not None and math.isfinite(value) and (value > 0 or not self.log)


PERCENT = Axis(0.0, 1.0, ((0.0, "0"), (0.25, "25"), (0.5, "50"), (0.75, "75"), (1.0, "100 %")))
"""An axis of shares."""

UNIT = Axis(0.0, 1.0, ((0.0, "0"), (0.2, "0.2"), (0.4, "0.4"), (0.6, "0.6"), (0.8, "0.8"), (1.0, "1")))
"""An axis of background scores."""


def value_axis(values: Iterable[float | int]) -> Axis:
    """Return an axis that holds all finite values: from 0 where they are of one size, logarithmic where they are not.

    A few small values, such as the last learning rates, do not make it logarithmic.

    >>> value_axis([0.5, 2.0]).ticks
    ((0.0, '0'), (0.5, '0.5'), (1.0, '1'), (1.5, '1.5'), (2.0, '2'))
    >>> value_axis([0.001, 0.1]).ticks
    ((0.001, '0.001'), (0.01, '0.01'), (0.1, '0.1'))
    """
    finite = [value for value in values if math.isfinite(value)] or [0.0]
    low, high = min(finite), max(finite)
    small = sorted(finite)[len(finite) // _FEW]
    if low > 0 and high / small >= _LOG_RATIO:
        return _log_axis(low, high)
    return _linear_axis(min(low, 0.0), high if high > 0 or low < 0 else 1.0)


def percent_axis(shares: Iterable[float | int | None]) -> Axis:
    """Return an axis of shares from 0 to a round one above all of them.

    >>> percent_axis([0.2, 0.41, None]).ticks
    ((0.0, '0'), (0.1, '10'), (0.2, '20'), (0.3, '30'), (0.4, '40'), (0.5, '50 %'))
    """
    top = max((share for share in shares if share is not None), default=1.0) or 1.0
    step = _round_step(top, at_most=5)
    values = [value for value, _ in _ticks(0.0, step * math.ceil(top / step - 1e-9), step=step)]
    texts = [f"{100 * value:g}{' %' if value == values[-1] else ''}" for value in values]
    return Axis(0.0, values[-1], tuple(zip(values, texts, strict=True)))


def step_axis(steps: Iterable[int]) -> Axis:
    """Return an axis of training steps from 0.

    >>> step_axis([20, 100]).ticks
    ((0.0, '0'), (50.0, '50'), (100.0, '100'))
    """
    high = float(max(steps, default=1))
    return Axis(0.0, high, _ticks(0.0, high, step=_round_step(high, at_most=4)))


def _linear_axis(low: float | int, high: float | int) -> Axis:
    step = _round_step(high - low, at_most=5)
    bottom, top = step * math.floor(low / step + 1e-9), step * math.ceil(high / step - 1e-9)
    return Axis(bottom, top, _ticks(bottom, top, step=step))


def _log_axis(low: float | int, high: float | int) -> Axis:
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    every = max(1, math.ceil((last - first) / 4))
    powers = range(first, last + 1, every)
    return Axis(10.0**first, 10.0**last, tuple((10.0**power, f"{10.0**power:g}") for power in powers), log=True)


def _round_step(span: float | int, *, at_most: int) -> float:
    """Return 1, 2 or 5 times a power of ten of which at most so many fit into the span."""
    power = 10.0 ** math.floor(math.log10(span / at_most))
    return next(factor * power for factor in (1, 2, 5, 10, 20) if span / (factor * power) <= at_most + 1e-9)


def _ticks(low: float | int, high: float | int, *, step: float | int) -> tuple[tuple[float, str], ...]:
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    values = [float(f"{index * step:.10g}") for index in range(first, last + 1)]  # 0.3, not 3 times 0.1
    return tuple((value, f"{value:g}") for value in values)


def short_number(value: float | int) -> str:
    """Return a number for a drawing: two decimals are less than anyone sees.

    >>> short_number(12.5), short_number(3.14159), short_number(-0.001)
    ('12.5', '3.14', '0')
    """
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text
