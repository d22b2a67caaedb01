import errno
import io
import pickle
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from tagseg.artifacts.run_scores import LabelScores, RunScores, ScoredCut, SeedScores
from tagseg.cli import main
from tagseg.cli.console import ConsoleProgress, duration_text, figures_text, open_console
from tagseg.pipeline import ComparedRuns, Run
from tagseg.pipeline.order import needed_stages
from tagseg.recipe import load_recipe
from tagseg.results.figure import FigureChoice

ROOT = Path(__file__).resolve().parents[3]

COMMANDS = [
    "check",
    "run",
    "train-classifier",
    "extract-cams",
    "train-affinity",
    "make-masks",
    "train-segmenter",
    "evaluate",
]

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
def recipe_path(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(RECIPE)
    return path


class Calls(list[tuple[tuple[Any, ...], dict[str, Any]]]):
    """A stand-in for the pipeline: notes how it was called and returns ``result``."""

    def __init__(self, result: Any) -> None:
        self.result = result

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.append((args, kwargs))
        return self.result


def run_words(*words: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main.app_main(words)
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


def test_the_version_is_that_of_the_package() -> None:
    result = CliRunner().invoke(main.app, ["--version"])
    assert result.exit_code == 0
    assert re.fullmatch(r"tagseg \d+\.\d+\.\d+\n", result.output)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_shows_an_example_that_names_it(command: str) -> None:
    result = CliRunner().invoke(main.app, [command, "--help"])
    assert result.exit_code == 0
    assert f"Example: tagseg {command} recipes/" in " ".join(result.output.split())
    assert "--set KEY=VALUE" in result.output


@pytest.mark.parametrize("command", COMMANDS)
def test_the_example_of_a_command_is_one_that_its_recipe_allows(command: str) -> None:
    words = example_of(command)
    settings = [words[place + 1] for place, word in enumerate(words) if word == "--set"]
    recipe = load_recipe(ROOT / words[2], settings)
    for setting in settings:
        others = [other for other in settings if other != setting]
        assert load_recipe(ROOT / words[2], others) != recipe, f"{setting} is what the recipe says already"
    needed = [stage.name for stage in needed_stages(recipe)]
    assert command in ("check", "run") or command.replace("-", "_") in needed


def example_of(command: str) -> list[str]:
    """Return the words of the example that the help of a command shows."""
    shown = CliRunner().invoke(main.app, [command, "--help"], terminal_width=200).output
    return shlex.split(" ".join(shown.split()).partition("Example: ")[2])


def test_without_a_command_the_help_is_shown() -> None:
    result = CliRunner().invoke(main.app, [])
    assert all(f" {command} " in result.output for command in COMMANDS)
    assert "--debug" in result.output


@pytest.mark.parametrize(
    ("command", "leaves"),
    [
        ("train-affinity", "Leaves FOLDER/3_affinity"),
        ("make-masks", "Leaves FOLDER/4_masks"),
        ("train-segmenter", "Leaves FOLDER/5_segmenter"),
    ],
)
def test_the_help_says_what_a_command_leaves(command: str, leaves: str) -> None:
    result = CliRunner().invoke(main.app, [command, "--help"])
    shown = " ".join(result.output.split())
    assert leaves in shown
    assert all(option in shown for option in ("--out FOLDER", "--devices N", "--precision NAME", "--redo"))


def test_run_hands_recipe_folder_and_settings_to_the_pipeline(
    recipe_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = Calls(Run(folder=Path("runs/x"), scored=seeds(network=0.48, averaged=0.53)))
    monkeypatch.setattr("tagseg.pipeline.run_pipeline", calls)
    words = ["run", str(recipe_path), "--out", "runs/x", "--set", "seed=7", "--set", "training.batch_size=4"]
    assert run_words(*words, "--devices", "2", "--precision", "bf16-mixed", "--redo") == 0
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
    monkeypatch.setattr("tagseg.pipeline.run_pipeline", calls)
    assert run_words("run", str(recipe_path)) == 0
    assert calls[0][0][1] == Path("runs/tiny")


def test_the_baseline_is_printed_beside_the_run(
    recipe_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = Run(folder=Path("runs/x"), scored=seeds(network=0.5, averaged=0.53))
    plain = Run(folder=Path("runs/x/plain"), scored=seeds(network=0.48))
    calls = Calls(ComparedRuns(ours, plain))
    monkeypatch.setattr("tagseg.pipeline.run_compared", calls)
    assert run_words("run", str(recipe_path), "--baseline") == 0
    assert (calls[0][1]["baseline"], calls[0][1]["upper_bound"]) == (True, False)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "plain CAM seeds from the network 0.30 48.0 62.5 -" in lines
    assert "SSC seeds from the network 0.30 50.0 62.5 - +2.0" in lines
    assert "SSC seeds averaged over regions 0.30 53.0 62.5 - +5.0" in lines
    assert "seeds: SSC 53.0 % against plain CAM 48.0 %: +5.0 points of mIoU on the same seed and budget" in lines


@pytest.mark.parametrize("stage", ["train_classifier", "extract_cams", "train_affinity", "make_masks", "evaluate"])
def test_a_stage_runs_alone(recipe_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    calls = Calls(Run(folder=Path("runs/tiny"), scored=seeds(network=0.48)))
    monkeypatch.setattr("tagseg.pipeline.run_pipeline", calls)
    assert run_words(stage.replace("_", "-"), str(recipe_path)) == 0
    assert calls[0][1]["only"] == stage


def test_evaluate_prints_every_label(
    recipe_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tagseg.pipeline.run_pipeline", Calls(Run(folder=Path("runs/x"), scored=seeds(network=0.48))))
    assert run_words("evaluate", str(recipe_path)) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "label IoU % seeds from the network" in lines
    assert "background 80.0" in lines and "cat 48.0" in lines


def test_a_run_without_ground_truth_prints_no_scores(
    recipe_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(folder=Path("runs/x"), scored=RunScores(reason="no masks"))
    monkeypatch.setattr("tagseg.pipeline.run_pipeline", Calls(run))
    assert run_words("run", str(recipe_path)) == 0
    assert capsys.readouterr().out == "run folder: runs/tiny\n"


def test_figure_hands_runs_and_choice_to_its_stage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = Calls(("b/2", "a 1"))
    monkeypatch.setattr("tagseg.results.figure.write_figure", calls)
    words = ["figure", "runs/x/plain", "runs/x", "--out", "docs/fig.png", "--image", "b/2", "--image", "a 1"]
    assert run_words(*words, "--columns", "image, seed", "--background-score", "0.3") == 0
    assert run_words("figure", "runs/x", "--count", "6", "--out", "fig.png") == 0
    ((roots, out), options), ((other_roots, _), other_options) = calls
    assert (roots, out, other_roots) == ([Path("runs/x/plain"), Path("runs/x")], Path("docs/fig.png"), [Path("runs/x")])
    assert options["choice"] == FigureChoice(("b/2", "a 1"), columns=("image", "seed"), background_score=0.3)
    assert other_options["choice"] == FigureChoice(count=6)
    assert capsys.readouterr().out == "figure: docs/fig.png (2 images)\nfigure: fig.png (2 images)\n"


def test_figure_takes_lists_of_words(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls(("a",))
    monkeypatch.setattr("tagseg.results.figure.write_figure", calls)
    words = ["figure", "runs/x", "--images", "a", "b", "c", "--columns", "image", "cam,mask", "prediction", "truth"]
    assert run_words(*words, "--out", "fig.pdf", "--width-mm", "85", "--image", "d") == 0
    assert run_words("figure", "runs/x", "--out", "fig.png", "--width-px", "1200", "--palette", "safe") == 0
    ((roots, out), options), (_, other_options) = calls
    assert (roots, out) == ([Path("runs/x")], Path("fig.pdf"))
    columns = ("image", "cam", "mask", "prediction", "truth")
    assert options["choice"] == FigureChoice(("a", "b", "c", "d"), columns=columns, width_mm=85.0)
    assert other_options["choice"] == FigureChoice(width_px=1200, palette="safe")


def test_the_help_of_figure_says_which_images_it_shows() -> None:
    result = CliRunner().invoke(main.app, ["figure", "--help"])
    shown = " ".join(result.output.split())
    assert "Without --images, N images evenly spaced over those with masks" in shown
    assert "the same call shows the same images" in shown
    assert "Run folders stand before --images and --columns, which take all words up to the next option" in shown
    assert "Example: tagseg figure runs/demo --images 000003 000017 --columns image cam mask truth --out" in shown


@pytest.mark.parametrize(
    "words", [["runs/x"], ["--out", "fig.png"], ["runs/x", "--out", "fig.png", "--background-score", "1.5"]]
)
def test_figure_needs_a_run_a_file_and_a_score_in_range(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls(())
    monkeypatch.setattr("tagseg.results.figure.write_figure", calls)
    assert run_words("figure", *words) == 2
    assert calls == []


def test_an_unexpected_error_is_not_swallowed(recipe_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> Run:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("tagseg.pipeline.run_pipeline", fail)
    with pytest.raises(OSError, match="Input/output error"):
        main.app_main(["run", str(recipe_path)])


class Clock:
    """Seconds that move only when told to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def plain_progress(clock: Clock, *, interval_s: float = 10.0) -> tuple[ConsoleProgress, io.StringIO]:
    output = io.StringIO()
    progress = ConsoleProgress(interval_s=interval_s, clock=clock)
    progress.console = Console(file=output, width=200, markup=False, highlight=False, soft_wrap=True)
    return progress, output


def test_a_file_gets_a_line_at_every_interval_and_one_at_the_end() -> None:
    clock = Clock()
    progress, output = plain_progress(clock)
    with progress.task("Training", total=400, done=100) as task:
        for _ in range(3):
            clock.now_s += 5.0
            task.advance(50, loss=0.5, loss_classification=0.25, grad_classification=9.0)
    assert output.getvalue().splitlines() == [
        "  Training: 200/400 images, 10.0 images/s, 20 s left, loss 0.5, classification 0.25",
        "  Training: 150 images in 15 s (10.0 images/s), loss 0.5, classification 0.25",
    ]


def test_work_that_fails_has_no_closing_line() -> None:
    progress, output = plain_progress(Clock())
    with pytest.raises(RuntimeError), progress.task("Training", total=4):
        raise RuntimeError
    assert output.getvalue() == ""


def test_a_stage_is_printed_with_its_reason() -> None:
    progress, output = plain_progress(Clock())
    progress.stage("train_classifier", "start", "never started")
    progress.note("training on cpu [asked for]")
    progress.warn("2 images are left out")
    progress.stage("train_classifier", "done", "12 s")
    progress.stage("extract_cams", "skip", "done with the same inputs")
    progress.stage("evaluate", "resume", "")
    assert output.getvalue().splitlines() == [
        "train_classifier: starts (never started)",
        "  training on cpu [asked for]",
        "  warning: 2 images are left out",
        "train_classifier: done (12 s)",
        "extract_cams: skipped (done with the same inputs)",
        "evaluate: continues",
    ]


def test_a_terminal_gets_bars_that_may_be_nested() -> None:
    output = io.StringIO()
    progress = ConsoleProgress()
    progress.console = Console(file=output, width=160, force_terminal=True, color_system=None)
    with progress.task("Outer", total=2) as outer:
        with progress.task("Inner", total=8) as inner:
            inner.advance(8, loss=0.125)
        outer.advance(2)
        progress.note("epoch 1 of 2")
    shown = output.getvalue()
    assert all(text in shown for text in ("Outer", "2/2", "Inner", "8/8", "loss 0.125", "epoch 1 of 2"))


def test_progress_survives_the_way_to_another_process() -> None:
    copy = pickle.loads(pickle.dumps(ConsoleProgress(interval_s=3.0)))
    assert isinstance(copy, ConsoleProgress) and copy.interval_s == 3.0


def test_durations_round_before_they_are_split() -> None:
    assert [duration_text(seconds) for seconds in (0.2, 59.6, 3599.7)] == ["0 s", "1 min 0 s", "1 h 0 min"]


def test_gradient_norms_stay_out_of_the_line() -> None:
    assert figures_text({"grad_classification": 1.0}) == ""


@pytest.mark.parametrize("variable", ["RANK", "SLURM_PROCID"])
def test_only_the_first_process_of_a_launcher_prints(monkeypatch, capsys, variable):
    for rank in ("0", "1"):
        monkeypatch.setenv(variable, rank)
        open_console().print(f"from {rank}")
        open_console(errors=True).print(f"error from {rank}")
    printed = capsys.readouterr()
    assert printed.out == "from 0\n"
    assert printed.err == "error from 0\nerror from 1\n"
