"""Curves for other programs: MLflow, Weights & Biases and trackio, each where a recipe names it.

Each keeps what it logs where its own settings say: in a folder of this machine, or on a server. ``curves.csv`` is
always written too, and holds every point.
"""

import contextlib
import io
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from tagseg.artifacts.json_file import json_bytes, read_json
from tagseg.artifacts.layout import TrainingLayout
from tagseg.errors import TrainingError
from tagseg.system.atomic import atomic_write

TENSORBOARD = "tensorboard"
"""The logger whose package may be missing; its files are written by :mod:`tagseg.training.curves`."""

PROJECT = "tagseg"
"""The project, or experiment, that runs are filed under."""


@dataclass(frozen=True, slots=True)
class Logged:
    """What loggers get of a training in addition to its figures.

    Args:
        loggers: some of ``tensorboard``, ``mlflow``, ``wandb`` and ``trackio``.
        name: of the training, such as ``photos/1_classifier``.
        values: of the recipe, by key.
        warn: called when a logger fails; training goes on without it.
    """

    loggers: tuple[str, ...] = (TENSORBOARD,)
    name: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    warn: Callable[[str], None] = lambda _text: None


@runtime_checkable
class Logger(Protocol):
    """One program that curves are sent to; ``key`` finds the same run there when a training goes on."""

    key: str

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        """Add one point to each named curve."""
        ...

    def close(self) -> None:
        """End the run there."""
        ...


class MlflowLogger:
    """A run of MLflow, wherever ``MLFLOW_TRACKING_URI`` says; without it, in MLflow's usual place here."""

    def __init__(self, about: Logged, *, key: str | None) -> None:
        self._mlflow = import_module("mlflow")
        self._client = self._mlflow.MlflowClient()
        if key is None:
            experiment = self._client.get_experiment_by_name(PROJECT)
            number = experiment.experiment_id if experiment else self._client.create_experiment(PROJECT)
            run = self._client.create_run(number, run_name=about.name)
            key = str(run.info.run_id)
            param = self._mlflow.entities.Param
            self._client.log_batch(key, params=[param(name, str(value)) for name, value in about.values.items()])
        self.key: str = key

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        """Add one point to each named curve."""
        metric, now = self._mlflow.entities.Metric, int(time.time() * 1000)
        self._client.log_batch(self.key, metrics=[metric(name, value, now, step) for name, value in figures.items()])

    def close(self) -> None:
        """Mark the run as finished."""
        self._client.set_terminated(self.key)


class WandbLogger:
    """A run of Weights & Biases; ``WANDB_MODE=offline`` keeps it here, in the folder of the stage."""

    def __init__(self, about: Logged, *, key: str | None, folder: Path) -> None:
        wandb = import_module("wandb")
        self.key = key or uuid.uuid4().hex[:12]
        # It would send names of folders, of the machine and of the last commit, too.
        settings = wandb.Settings(
            console="off", quiet=True, disable_git=True, disable_code=True, x_disable_meta=True, x_disable_stats=True
        )
        self._run = wandb.init(
            **{"project": PROJECT, "name": about.name, "config": dict(about.values), "dir": str(folder)},
            **{"id": self.key, "resume": "allow", "settings": settings},
        )

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        """Add one point to each named curve."""
        self._run.log(dict(figures), step=step)

    def close(self) -> None:
        """Send what is left."""
        self._run.finish()


class TrackioLogger:
    """A run of trackio: on this machine, or where its own variables say."""

    def __init__(self, about: Logged, *, key: str | None) -> None:
        self._trackio = import_module("trackio")
        self.key = key or f"{about.name} {uuid.uuid4().hex[:6]}"
        with contextlib.redirect_stdout(io.StringIO()):  # it explains itself at length
            self._run = self._trackio.init(project=PROJECT, name=self.key, resume="allow", config=dict(about.values))

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        """Add one point to each named curve."""
        self._run.log(dict(figures), step=step)

    def close(self) -> None:
        """Write what is left."""
        with contextlib.redirect_stdout(io.StringIO()):
            self._trackio.finish()


def require_loggers(names: Sequence[str]) -> None:
    """Refuse loggers whose package is not installed; TensorBoard's may be missing.

    Raises:
        TrainingError: naming the first package that is missing.
    """
    for name in names:
        if name != TENSORBOARD and find_spec(name) is None:
            raise TrainingError(
                f"engine.loggers has '{name}', which needs the package {name}, got none that is installed",
                help=f"pip install {name}, or take it out of engine.loggers",
            )


class Loggers:
    """The loggers of one training; one that fails is left out with a warning, and the others go on.

    Args:
        about: the training.
        folder: of the stage; what finds the same runs again is kept there.
        sent_step: points up to this step were sent by an earlier sitting and are not sent again. Training repeats them
            bit for bit.

    Raises:
        TrainingError: when a logger cannot be opened at the start of a training.
    """

    def __init__(self, about: Logged, folder: Path, *, sent_step: int) -> None:
        require_loggers(about.loggers)
        self._about, self._sent_step = about, sent_step
        path = TrainingLayout(folder).logger_keys
        keys: dict[str, str] = read_json(path) if path.exists() else {}
        self._open: dict[str, Logger] = {}
        for name in (name for name in about.loggers if name != TENSORBOARD):
            try:
                self._open[name] = _open(name, about, key=keys.get(name), folder=folder)
            except Exception as error:  # each library has errors of its own, for servers, keys and files
                raise TrainingError(
                    f"logger '{name}' cannot start, got {_first_line(error)}",
                    help=f"set up {name}, or take it out of engine.loggers",
                ) from error
        if self._open:
            keys |= {name: logger.key for name, logger in self._open.items()}
            atomic_write(path, json_bytes(keys))

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        """Add one point to each named curve of each logger."""
        if step > self._sent_step:
            self._each(lambda logger: logger.add(step, figures))

    def close(self) -> None:
        """End every logger."""
        self._each(lambda logger: logger.close())

    def _each(self, call: Callable[[Logger], None]) -> None:
        for name, logger in list(self._open.items()):
            try:
                call(logger)
            except Exception as error:  # hours of training must not end because a server is away
                del self._open[name]
                self._about.warn(f"logger '{name}' stopped, got {_first_line(error)}; curves.csv has every point")


def _open(name: str, about: Logged, *, key: str | None, folder: Path) -> Logger:
    if name == "mlflow":
        return MlflowLogger(about, key=key)
    if name == "wandb":
        return WandbLogger(about, key=key, folder=folder)
    return TrackioLogger(about, key=key)


def _first_line(error: Exception) -> str:
    text = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
