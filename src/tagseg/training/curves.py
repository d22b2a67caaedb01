"""Curves of a training run: a CSV and a TensorBoard log, cut back to where training resumes, and other loggers."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from statistics import mean, variance
from types import TracebackType
from typing import Any

from tagseg.artifacts.layout import TrainingLayout
from tagseg.errors import ArtifactError
from tagseg.system.atomic import append, atomic_write, refused
from tagseg.training.loggers import TENSORBOARD, Logged, Loggers


class Curves:
    """Writer of ``curves.csv`` (columns step, name, value), of TensorBoard events where its package is there, and of
    the loggers that a recipe names.

    Fabric's CSV logger starts a new version at every start; a resumed run needs one curve, hence this writer.

    Args:
        folder: the stage's folder.
        start_step: steps taken already; rows of later ones are dropped, since those steps are taken again.
        logged: the loggers, and what they get.
    """

    def __init__(self, folder: Path, *, start_step: int, logged: Logged | None = None) -> None:
        layout, logged = TrainingLayout(folder), logged or Logged()
        self.path = layout.curves
        there = read_curves(self.path) if self.path.exists() else []
        rows = [row for row in there if row[0] <= start_step]
        self._loggers = Loggers(logged, folder, sent_step=max((step for step, _, _ in there), default=0))
        atomic_write(self.path, _table([("step", "name", "value"), *rows]))
        wanted = TENSORBOARD in logged.loggers
        self._board = _open_board(layout.events, start_step=start_step) if wanted else None

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        """Add one point to each named curve."""
        append(self.path, _table([(step, name, float(value)) for name, value in figures.items()]))
        if self._board is not None:
            for name, value in figures.items():
                self._board.add_scalar(name.replace("_", "/", 1), value, global_step=step)
        self._loggers.add(step, figures)

    def __enter__(self) -> "Curves":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._board is not None:
            self._board.close()
        self._loggers.close()


def _table(rows: Sequence[tuple[int | str, str, float | str]]) -> bytes:
    """Return rows of the file; a number is written to its last digit."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue().encode()


def has_tensorboard() -> bool:
    """Return whether there is the package that TensorBoard's events are written with, the extra ``loggers``.

    >>> has_tensorboard() in (True, False)
    True
    """
    try:
        import_module("tensorboard")
    except ImportError:
        return False
    return True


def _open_board(folder: Path, *, start_step: int) -> Any:  # noqa: ANN401 (a SummaryWriter, whose package may be missing)
    """Return a writer of TensorBoard events, None without its package."""
    if not has_tensorboard():
        return None
    from torch.utils.tensorboard import SummaryWriter  # brings torch, which those who read curves do without

    try:
        return SummaryWriter(str(folder), purge_step=start_step + 1)
    except OSError as error:
        raise refused(folder, error) from error


def read_curves(path: Path) -> list[tuple[int, str, float]]:
    """Read the rows of a ``curves.csv``: (step, name, value); a last line that a kill cut short is left out.

    Raises:
        ArtifactError: when the file holds something else.
    """
    rows: list[tuple[int, str, float]] = []
    try:
        for line in path.read_text(encoding="utf-8").splitlines(keepends=True)[1:]:
            if line.endswith("\n"):
                step, name, value = line.rstrip("\n").split(",")
                rows.append((int(step), name, float(value)))
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"{path} must hold curves that tagseg wrote, got a file that cannot be read as such",
            help="delete it and run the same command again: the curves begin where training goes on",
        ) from error
    return rows


def lost_points(path: Path, *, steps: int, every_steps: int = 1) -> str:
    """Return what is wrong with curves that end before the training did, "" where nothing is.

    Args:
        path: of curves that can be read.
        steps: that were taken.
        every_steps: steps between points.
    """
    last = max((step for step, _, _ in read_curves(path) if step <= steps), default=0)
    if steps - last < every_steps:
        return ""
    return f"{path} must hold the points of {steps} steps, got none behind step {last}: the others are lost"


def is_still(values: Sequence[float]) -> bool:
    """Return whether a curve ends where it began, but for noise.

    The means of its first and of its last third are compared. It is still when the last one is less than a tenth lower
    and the two are no further apart than twice their standard error. Fewer than six points say nothing.

    Source: ours.

    Args:
        values: of the points, in their order.

    >>> is_still([0.7, 0.6, 0.7, 0.6, 0.7, 0.6]), is_still([0.7, 0.6, 0.5, 0.4, 0.3, 0.2]), is_still([0.7])
    (True, False, False)
    """
    count = len(values) // 3
    if count < 2:
        return False
    first, last = values[:count], values[-count:]
    before, after = mean(first), mean(last)
    error = math.sqrt((variance(first) + variance(last)) / count)
    return after > 0.9 * before and abs(after - before) <= 2 * error
