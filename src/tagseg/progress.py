"""How long work tells what it is doing; the command line shows it, a program may ignore it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, runtime_checkable

StageStatus = str
"""One of ``start``, ``skip``, ``resume``, ``done``."""

STAGE_VERBS = {"start": "starts", "resume": "continues", "skip": "skipped", "done": "done"}
"""What happens to a stage, for people."""


@runtime_checkable
class Task(Protocol):
    """One counted piece of work under way."""

    def advance(self, count: int = 1, **fields: float) -> None:
        """Count ``count`` more units as done; ``fields`` are figures to show, such as loss terms."""
        ...


@runtime_checkable
class Progress(Protocol):
    """What a stage tells whoever started it. Implementations survive pickling, since workers get a copy."""

    def stage(self, name: str, status: StageStatus, detail: str) -> None:
        """Say that a stage starts, resumes, is skipped or is done, and why."""
        ...

    def note(self, text: str) -> None:
        """Say one thing that the user wants to know."""
        ...

    def warn(self, text: str) -> None:
        """Say one thing that the user should look at."""
        ...

    def task(self, title: str, *, total: int, done: int = 0, unit: str = "images") -> AbstractContextManager[Task]:
        """Open a counted piece of work of ``total`` units of which ``done`` are finished already."""
        ...


class SilentTask:
    """A task that nobody watches."""

    def advance(self, count: int = 1, **fields: float) -> None:
        """Do nothing."""


class SilentProgress:
    """The progress of a run that nobody watches: the default of the Python interface outside of notebooks."""

    def stage(self, name: str, status: StageStatus, detail: str) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""

    def warn(self, text: str) -> None:
        """Do nothing."""

    @contextmanager
    def task(self, title: str, *, total: int, done: int = 0, unit: str = "images") -> Iterator[Task]:
        """Yield a task that does nothing."""
        yield SilentTask()


def duration_text(seconds: float) -> str:
    """Return a duration as a person says it, in the two largest units.

    >>> duration_text(7.4), duration_text(83.0), duration_text(7559.0), duration_text(93600.0)
    ('7 s', '1 min 23 s', '2 h 5 min', '26 h 0 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def figures_text(figures: dict[str, float]) -> str:
    """Return figures for one line: the loss and its terms; the norms of gradients stay in the curves.

    >>> figures_text({"loss": 0.51234, "loss_classification": 0.4, "grad_classification": 3.0})
    'loss 0.5123, classification 0.4'
    """
    shown = {name.removeprefix("loss_"): value for name, value in figures.items() if not name.startswith("grad_")}
    return ", ".join(f"{name} {value:.4g}" for name, value in shown.items())
