"""The commands that run stages: what they hand to the pipeline, and what they print of what comes back.

The pipeline itself has tests of its own. A command of Typer takes nothing but words, so the pipeline is exchanged in
its module.
"""

from pathlib import Path

import pytest
from kit.command_line import Calls, exit_code

from tagseg import pipeline
from tagseg.artifacts.run_scores import LabelScores, RunScores, ScoredCut, SeedScores
from tagseg.pipeline import ComparedRuns, Run

RECIPE = """
name = "tiny"
[data]
format = "folder"
root = "photos"
"""


def seeds(**mean_ious: float) -> RunScores:
    """Return scores with the given best mIoU for each kind of maps."""
    swept = {
        kind: SeedScores(
            best=ScoredCut(0.3, LabelScores(mean_iou, 0.625, None, iou={"background": 0.8, "cat": mean_iou}))
        )
        for kind, mean_iou in mean_ious.items()
    }
    return RunScores(split="train", images=437, seeds=swept)


@pytest.fixture
def recipe_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    path = tmp_path / "tiny.toml"
    path.write_text(RECIPE)
    return path


def test_run_hands_recipe_folder_and_settings_to_the_pipeline(
    recipe_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = Calls(Run(folder=Path("runs/x"), scored=seeds(network=0.48, averaged=0.53)))
    monkeypatch.setattr(pipeline, "run_pipeline", calls)
    words = ["run", str(recipe_path), "--out", "runs/x", "--set", "seed=7", "--set", "training.batch_size=4"]
    assert exit_code(*words, "--devices", "2", "--precision", "bf16-mixed", "--redo") == 0
    ((recipe, folder), options) = calls[0]
    assert (recipe.seed, recipe.training.batch_size) == (7, 4)
    assert (recipe.engine.devices, recipe.engine.precision) == (2, "bf16-mixed")
    assert folder == Path("runs/x")
    assert options["redo"] is True
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "Scores on split 'train', 437 images; seeds at the best background score" in lines
    assert "this run seeds from the network 0.30 48.0 62.5 -" in lines
    assert "this run seeds averaged over regions 0.30 53.0 62.5 -" in lines
    assert "run folder: runs/x" in lines


def test_the_run_folder_is_named_after_the_recipe_by_default(
    recipe_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Calls(Run(folder=Path("runs/tiny"), scored=None))
    monkeypatch.setattr(pipeline, "run_pipeline", calls)
    assert exit_code("run", str(recipe_path)) == 0
    assert calls[0][0][1] == Path("runs/tiny")


def test_the_baseline_is_printed_beside_the_run(
    recipe_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = Run(folder=Path("runs/x"), scored=seeds(network=0.5, averaged=0.53))
    plain = Run(folder=Path("runs/x/plain"), scored=seeds(network=0.48))
    calls = Calls(ComparedRuns(ours, plain))
    monkeypatch.setattr(pipeline, "run_compared", calls)
    assert exit_code("run", str(recipe_path), "--baseline") == 0
    assert (calls[0][1]["baseline"], calls[0][1]["upper_bound"]) == (True, False)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "plain CAM seeds from the network 0.30 48.0 62.5 -" in lines
    assert "SSC seeds from the network 0.30 50.0 62.5 - +2.0" in lines
    assert "SSC seeds averaged over regions 0.30 53.0 62.5 - +5.0" in lines
    ending = "points of mIoU on the same seed and budget"
    assert f"seeds from the network: SSC 50.0 % against plain CAM 48.0 %: +2.0 {ending}" in lines
    assert f"seeds averaged over regions: SSC 53.0 % against plain CAM 48.0 %: +5.0 {ending}" in lines


@pytest.mark.parametrize("stage", ["train_classifier", "extract_cams", "train_affinity", "make_masks", "evaluate"])
def test_a_stage_runs_alone(recipe_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    calls = Calls(Run(folder=Path("runs/tiny"), scored=seeds(network=0.48)))
    monkeypatch.setattr(pipeline, "run_pipeline", calls)
    assert exit_code(stage.replace("_", "-"), str(recipe_path)) == 0
    assert calls[0][1]["only"] == stage


def test_evaluate_prints_every_label(
    recipe_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pipeline, "run_pipeline", Calls(Run(folder=Path("runs/x"), scored=seeds(network=0.48))))
    assert exit_code("evaluate", str(recipe_path)) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "label IoU % seeds from the network" in lines
    assert "background 80.0" in lines and "cat 48.0" in lines


def test_a_run_without_ground_truth_prints_no_scores(
    recipe_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(folder=Path("runs/x"), scored=RunScores(reason="no masks"))
    monkeypatch.setattr(pipeline, "run_pipeline", Calls(run))
    assert exit_code("run", str(recipe_path)) == 0
    assert capsys.readouterr().out == "run folder: runs/tiny\n"
