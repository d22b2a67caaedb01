"""Loggers: each gets every point once, also when a training goes on, and one that fails takes nothing with it."""

import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tagseg.training import loggers
from tagseg.training.curves import Curves, read_curves
from tagseg.training.loggers import Logged

VALUES = {"training.lr": 0.5, "masks.refine": ["crf"], "seed": 0}
POINTS = {10: 1.25, 20: 2.5, 30: 3.75, 40: 5.0}


def train_twice(folder: Path, name: str, *, warn: Any = None) -> None:
    """Write what a training writes that was killed behind step 30, and goes on from the checkpoint of step 20."""
    logged = Logged((name,), "photos/1_classifier", VALUES, warn or pytest.fail)
    for start, steps in ((0, (10, 20, 30)), (20, (30, 40))):
        with Curves(folder, start_step=start, logged=logged) as curves:
            for step in steps:
                curves.add(step, {"loss": POINTS[step]})


class Fake:
    """A logger of nobody's: keeps what it gets, and fails when it is told to."""

    def __init__(self, key: str | None, *, fails: bool) -> None:
        self.key, self.fails = key or "one", fails
        self.points: list[tuple[int, float]] = []

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        if self.fails:
            raise ConnectionError("no route\nand more")
        self.points.append((step, figures["loss"]))

    def close(self) -> None:
        pass


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Fake]:
    """Put fakes in the place of loggers; `opened` lists those that were opened."""
    made: list[Fake] = []

    def make(name: str, _about: Logged, *, key: str | None, folder: Path) -> Fake:
        made.append(Fake(key, fails=name == "wandb"))
        return made[-1]

    monkeypatch.setattr(loggers, "_open", make)
    monkeypatch.setattr(loggers, "find_spec", lambda _name: object())
    return made


def test_a_training_that_goes_on_sends_each_point_once_to_the_same_run(tmp_path: Path, opened: list[Fake]) -> None:
    train_twice(tmp_path, "mlflow")
    assert [fake.points for fake in opened] == [[(10, 1.25), (20, 2.5), (30, 3.75)], [(40, 5.0)]]
    assert json.loads((tmp_path / ".loggers.json").read_text()) == {"mlflow": "one"}
    assert read_curves(tmp_path / "curves.csv") == [(step, "loss", value) for step, value in POINTS.items()]


def test_a_logger_that_fails_is_left_out_with_a_warning(tmp_path: Path, opened: list[Fake]) -> None:
    warnings: list[str] = []
    logged = Logged(("wandb", "mlflow"), "photos/1_classifier", VALUES, warnings.append)
    with Curves(tmp_path, start_step=0, logged=logged) as curves:
        for step, value in POINTS.items():
            curves.add(step, {"loss": value})
    assert warnings == [
        "logger 'wandb' stopped, got ConnectionError: no route; curves.csv has every point",
    ]
    assert opened[1].points == list(POINTS.items())
    assert len(read_curves(tmp_path / "curves.csv")) == len(POINTS)


def test_without_loggers_there_is_only_the_table(tmp_path: Path) -> None:
    with Curves(tmp_path, start_step=0, logged=Logged(())) as curves:
        curves.add(10, {"loss": 0.5})
    assert [path.name for path in tmp_path.iterdir()] == ["curves.csv"]


@pytest.mark.filterwarnings("ignore")  # of its libraries
def test_mlflow_has_the_curve_and_the_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="the extra mlflow is not installed")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.chdir(tmp_path)
    train_twice(tmp_path / "run", "mlflow")
    client = mlflow.MlflowClient()
    (run,) = client.search_runs([client.get_experiment_by_name("tagseg").experiment_id])
    assert (run.info.run_name, run.info.status) == ("photos/1_classifier", "FINISHED")
    assert run.data.params == {name: str(value) for name, value in VALUES.items()}
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [(metric.step, metric.value) for metric in history] == list(POINTS.items())


@pytest.mark.filterwarnings("ignore")
def test_wandb_keeps_its_runs_in_the_folder_of_the_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="the extra wandb is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "cache"))
    train_twice(tmp_path / "run", "wandb")
    key = json.loads((tmp_path / "run" / ".loggers.json").read_text())["wandb"]
    files = sorted((tmp_path / "run" / "wandb").glob("offline-run-*/*.wandb"))
    assert {path.stem for path in files} == {f"run-{key}"}
    content = b"".join(path.read_bytes() for path in files)
    assert b"photos/1_classifier" in content
    assert b"loss" in content
    assert str(tmp_path).encode() not in content.replace(str(tmp_path / "run").encode(), b"")


@pytest.mark.filterwarnings("ignore")
def test_trackio_has_the_curve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("trackio", reason="the extra trackio is not installed")
    monkeypatch.setattr("trackio.utils.TRACKIO_DIR", tmp_path / "trackio")
    monkeypatch.setattr("trackio.sqlite_storage.TRACKIO_DIR", tmp_path / "trackio")
    train_twice(tmp_path / "run", "trackio")
    assert capsys.readouterr().out == ""
    (database,) = (tmp_path / "trackio").glob("tagseg*.db")
    rows = sqlite3.connect(database).execute("select step, metrics, run_name from metrics order by step").fetchall()
    assert [(step, json.loads(metrics)["loss"]) for step, metrics, _ in rows] == list(POINTS.items())
    assert {name.partition(" ")[0] for _, _, name in rows} == {"photos/1_classifier"}
