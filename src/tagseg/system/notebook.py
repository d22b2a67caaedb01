"""Notebooks: whether this is one, progress as a bar below a cell, and what is shown there."""

import importlib
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

from tagseg.errors import printable
from tagseg.progress import (
    STAGE_VERBS,
    Progress,
    SilentProgress,
    StageStatus,
    Task,
    duration_text,
    figures_text,
)

_INTERVAL_S = 0.25
"""Between two pictures of a bar: each travels to a browser."""


def in_notebook() -> bool:
    """Return whether a cell of a notebook runs this: IPython with a kernel, such as Jupyter, Colab or VS Code.

    >>> in_notebook()
    False
    """
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


def default_progress() -> Progress:
    """Return what a call without a listener reports to: a notebook, or nobody."""
    return NotebookProgress() if in_notebook() else SilentProgress()


def display_in_notebook(thing: object, *, with_handle: bool = False) -> Any:  # noqa: ANN401 (IPython's handle)
    """Show something below the cell that runs, and return what it can be changed by when asked for that."""
    return importlib.import_module("IPython.display").display(thing, display_id=with_handle)


class NotebookProgress:
    """Shows stages and notes as lines, and work under way as a bar."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock

    def __reduce__(self) -> tuple[object, ...]:
        """Become silent on the way to another process: it has no cell."""
        return (SilentProgress, ())

    def stage(self, name: str, status: StageStatus, detail: str) -> None:
        """Show a stage's name, what happens to it, and why."""
        display_in_notebook(_Line(f"{name}: {STAGE_VERBS[status]}{f' ({detail})' if detail else ''}"))

    def note(self, text: str) -> None:
        """Show one thing that the user wants to know."""
        display_in_notebook(_Line(text))

    def warn(self, text: str) -> None:
        """Show one thing that the user should look at."""
        display_in_notebook(_Line(f"warning: {text}"))

    @contextmanager
    def task(self, title: str, *, total: int, done: int = 0, unit: str = "images") -> Iterator[Task]:
        """Show a bar until the block ends, then how long it took."""
        bar = _Bar(title, total, done, unit, clock=self._clock)
        yield bar
        bar.finish()


class _Bar:
    """A task as a line with a bar."""

    def __init__(self, title: str, total: int, done: int, unit: str, *, clock: Callable[[], float]) -> None:
        self._title, self._total, self._unit, self._clock = title, total, unit, clock
        self._done = self._done_before = done
        self._figures = ""
        self._started_s = self._shown_s = clock()
        self._handle = display_in_notebook(self._line(), with_handle=True)

    def advance(self, count: int = 1, **fields: float) -> None:
        self._done += count
        self._figures = figures_text(fields) or self._figures
        now_s = self._clock()
        if now_s - self._shown_s >= _INTERVAL_S:
            self._shown_s = now_s
            self._handle.update(self._line())

    def finish(self) -> None:
        """Show how many, and how long it took."""
        seconds = duration_text(self._clock() - self._started_s)
        self._handle.update(_Line(self._words(f"{self._done - self._done_before} {self._unit} in {seconds}")))

    def _line(self) -> "_Line":
        bar = f'<progress value="{self._done}" max="{max(1, self._total)}"></progress> '
        return _Line(self._words(f"{self._done}/{self._total} {self._unit}"), before=bar)

    def _words(self, count: str) -> str:
        return f"{self._title}: {', '.join(part for part in (count, self._figures) if part)}"


class _Line:
    """A line that a notebook shows: text, and in HTML something before it."""

    def __init__(self, text: str, *, before: str = "") -> None:
        self._text, self._before = printable(text), before

    def __repr__(self) -> str:
        return self._text

    def _repr_html_(self) -> str:
        return f"<div>{self._before}{escape(self._text)}</div>"
