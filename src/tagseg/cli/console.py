"""What a person sees: stages with their reasons, work under way, tables, errors."""

import io
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress
from rich.progress import Task as RichTask
from rich.table import Table
from rich.text import Text

from tagseg.errors import printable
from tagseg.progress import STAGE_VERBS, StageStatus, Task, duration_text, figures_text

PLAIN_INTERVAL_S = 10.0
"""Seconds between progress lines when the output is a file or a pipe."""

_WIDTH_OF_A_FILE, _WIDEST = 120, 1000  # characters, usual and at most; a terminal tells its own


def open_console(*, errors: bool = False) -> Console:
    """Return a console on standard output, or on standard error.

    A file name may hold bytes that are not text; they are shown as escapes, never as a crash in the message about them.
    Under torchrun or SLURM only the first of the processes is heard on standard output; errors are heard from all.
    """
    stream = sys.stderr if errors else sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    quiet = not errors and os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0")) != "0"
    console = _PlainConsole(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=True, quiet=quiet)
    if not console.is_terminal:
        console.width = _WIDTH_OF_A_FILE
    return console


class _PlainConsole(Console):
    """A console on which text is shown and never obeyed: control characters in it become escapes."""

    def print(self, *objects: Any, **options: Any) -> None:  # noqa: ANN401 (whatever rich takes)
        """Print as rich does."""
        super().print(*(_shown(each) if isinstance(each, str) else each for each in objects), **options)


def _shown(text: str) -> str:
    """Return each line of a text as it is to be seen."""
    return "\n".join(printable(line, most=_WIDEST * 10) for line in text.split("\n"))


def print_error(problem: str, *, help: str) -> None:
    """Print the two lines of an error to standard error.

    Args:
        problem: what is wrong, without a full stop.
        help: the next move, without a full stop.
    """
    console = open_console(errors=True)
    console.print(Text("error: ", style="bold red") + Text(printable(problem)), soft_wrap=True)
    console.print(Text("help: ", style="bold cyan") + Text(printable(help)), soft_wrap=True)


def print_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, num_text_columns: int = 1
) -> None:
    """Print a table.

    Args:
        title: one line above it.
        columns: what stands over each column.
        rows: the cells.
        num_text_columns: how many columns from the left hold words; the others hold figures.
    """
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index < num_text_columns else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console = open_console()
    if not console.is_terminal:  # a file has room for a table of many runs
        needed = console.measure(table, options=console.options.update(width=_WIDEST)).maximum
        console.width = max(console.width, needed)
    console.print()
    console.print(Text(printable(title), style="bold"))
    console.print(table)
    console.print()


class ConsoleProgress:
    """Shows the progress of stages: bars on a terminal, a line every few seconds elsewhere.

    A copy in another process, made by pickling, speaks to the same standard output.

    Args:
        interval_s: seconds between lines when the output is not a terminal.
        clock: seconds that never run backwards.
    """

    def __init__(self, *, interval_s: float = PLAIN_INTERVAL_S, clock: Callable[[], float] = time.monotonic) -> None:
        self.interval_s = interval_s
        self.clock = clock
        self.console = open_console()
        self.bars: RichProgress | None = None  # one display for all nested work: a terminal has one last line

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the way to another process: a console holds a lock and a stream, so the copy opens its own."""
        return (_reopen, (self.interval_s,))

    def stage(self, name: str, status: StageStatus, detail: str) -> None:
        """Print a stage's name, what happens to it, and why."""
        style = {"skip": "dim", "done": "green"}.get(status, "bold")
        self.console.print(
            Text(f"{name}: {STAGE_VERBS[status]}", style=style) + Text(f" ({printable(detail)})" if detail else "")
        )

    def note(self, text: str) -> None:
        """Print one thing that the user wants to know, below its stage."""
        self.console.print(Text(f"  {printable(text)}"))

    def warn(self, text: str) -> None:
        """Print one thing that the user should look at."""
        self.console.print(Text("  warning: ", style="bold yellow") + Text(printable(text)))

    @contextmanager
    def task(self, title: str, *, total: int, done: int = 0, unit: str = "images") -> Iterator[Task]:
        """Show a counted piece of work until the block ends; ``total`` and ``done`` count ``unit``."""
        if not self.console.is_terminal:
            work = _PlainTask(self, title=title, total=total, done=done, unit=unit)
            yield work
            work.finish()
        elif self.bars is None:
            with _bars(self.console) as self.bars:
                try:
                    yield _BarTask(self.bars, title=title, total=total, done=done, unit=unit)
                finally:
                    self.bars = None
        else:
            yield _BarTask(self.bars, title=title, total=total, done=done, unit=unit)


class _BarTask:
    """A task that moves a bar."""

    def __init__(self, bars: RichProgress, *, title: str, total: int, done: int, unit: str) -> None:
        self.bars = bars
        self.task_id = bars.add_task(title, total=total, completed=done, unit=unit, figures="")

    def advance(self, count: int = 1, **fields: float) -> None:
        if fields:
            self.bars.update(self.task_id, figures=figures_text(fields))
        self.bars.advance(self.task_id, count)


class _PlainTask:
    """A task that prints a line every few seconds and one at its end."""

    def __init__(self, progress: ConsoleProgress, *, title: str, total: int, done: int, unit: str) -> None:
        self.progress, self.title, self.unit = progress, title, unit
        self.total, self.done, self.done_before = total, done, done
        self.figures = ""
        self.started_s = self.printed_s = progress.clock()

    def advance(self, count: int = 1, **fields: float) -> None:
        self.done += count
        self.figures = figures_text(fields) or self.figures
        now_s = self.progress.clock()
        if now_s - self.printed_s >= self.progress.interval_s:
            self.printed_s = now_s
            rate = (self.done - self.done_before) / (now_s - self.started_s)
            left = duration_text((self.total - self.done) / rate) if rate else "unknown time"
            parts = [f"{self.done}/{self.total} {self.unit}", f"{rate:.1f} {self.unit}/s", f"{left} left", self.figures]
            self.progress.note(f"{self.title}: {', '.join(part for part in parts if part)}")

    def finish(self) -> None:
        """Print the closing line: how many, how long, how fast."""
        elapsed_s = self.progress.clock() - self.started_s
        count = self.done - self.done_before
        rate = f" ({count / elapsed_s:.1f} {self.unit}/s)" if elapsed_s > 0 else ""
        parts = [f"{count} {self.unit} in {duration_text(elapsed_s)}{rate}", self.figures]
        self.progress.note(f"{self.title}: {', '.join(part for part in parts if part)}")


class _RateColumn(ProgressColumn):
    """Units a second."""

    def render(self, task: RichTask) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f} {task.fields['unit']}/s", style="progress.data.speed")


def _bars(console: Console) -> RichProgress:
    return RichProgress(
        TextColumn("  {task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        _RateColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("{task.fields[figures]}", markup=False),
        console=console,
    )


def _reopen(interval_s: float) -> ConsoleProgress:
    return ConsoleProgress(interval_s=interval_s)
