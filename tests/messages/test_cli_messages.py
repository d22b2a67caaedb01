import errno
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tagseg.cli import main
from tagseg.data.drawn_pictures import write_dataset
from tagseg.errors import DataError
from tagseg.pipeline import PIPELINE
from tagseg.stages.context import Stage, StageContext

RECIPE = 'name = "tiny"\n[data]\nformat = "folder"\nroot = "photos"\n'


@pytest.fixture
def recipe_path(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(RECIPE)
    return path


def run_words(*words: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main.app_main(words)
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


def failing(error: BaseException) -> Any:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise error

    return fail


def test_an_error_of_ours_is_two_lines_on_standard_error(
    recipe_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = DataError("image photos/[a] cat.jpg is a picture, got 0 bytes", help="replace or delete it")
    monkeypatch.setattr("tagseg.pipeline.run_pipeline", failing(error))
    assert run_words("run", str(recipe_path)) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "error: image photos/[a] cat.jpg is a picture, got 0 bytes\nhelp: replace or delete it\n"


def test_a_long_message_stays_on_its_line(
    recipe_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = "/".join(["a folder with a long name"] * 12)
    monkeypatch.setattr(
        "tagseg.pipeline.run_pipeline", failing(DataError(f"{path} is a file, got none", help="check the path"))
    )
    assert run_words("run", str(recipe_path)) == 2
    assert capsys.readouterr().err == f"error: {path} is a file, got none\nhelp: check the path\n"


def test_bytes_that_are_no_text_are_shown_as_escapes(
    recipe_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    error = DataError("image \udcffcat.jpg is a picture, got 0 bytes", help="replace it")
    monkeypatch.setattr("tagseg.pipeline.run_pipeline", failing(error))
    assert run_words("run", str(recipe_path)) == 2
    assert capfd.readouterr().err == "error: image \\udcffcat.jpg is a picture, got 0 bytes\nhelp: replace it\n"


@pytest.mark.parametrize("position", [0, 1, 2])
def test_with_debug_anywhere_the_error_itself_gets_out(
    recipe_path: Path, monkeypatch: pytest.MonkeyPatch, position: int
) -> None:
    monkeypatch.setattr("tagseg.pipeline.run_pipeline", failing(DataError("a is b, got c", help="do d")))
    words = ["run", str(recipe_path)]
    words.insert(position, "--debug")
    with pytest.raises(DataError, match="a is b, got c; do d"):
        main.app_main(words)


def test_a_recipe_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "none.toml"
    assert run_words("run", str(path)) == 2
    assert capsys.readouterr().err == f"error: recipe {path} is a file that exists, got none\nhelp: check the path\n"


def test_an_option_that_does_not_exist(recipe_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_words("run", str(recipe_path), "--ou", "x") == 2
    problem, help_line = capsys.readouterr().err.splitlines()
    assert problem.startswith("error: No such option: --ou")
    assert help_line == "help: 'tagseg --help' and 'tagseg COMMAND --help' list what there is"


def test_a_command_that_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_words("fly") == 2
    assert capsys.readouterr().err.startswith("error: No such command 'fly'")


def test_a_run_that_is_stopped_by_hand(
    recipe_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tagseg.pipeline.run_pipeline", failing(KeyboardInterrupt()))
    assert run_words("run", str(recipe_path)) == 130
    assert capsys.readouterr().err.strip() == "stopped; run the same command again to continue"


def test_a_full_disk(recipe_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    error = OSError(errno.ENOSPC, "No space left on device", "runs/tiny/1_classifier/curves.csv")
    monkeypatch.setattr("tagseg.pipeline.run_pipeline", failing(error))
    assert run_words("run", str(recipe_path)) == 2
    assert capsys.readouterr().err == (
        "error: the disk has no room left for runs/tiny/1_classifier/curves.csv\n"
        "help: free some space, then run the same command again: what is finished stays\n"
    )


@pytest.fixture
def photos_recipe(tmp_path: Path) -> Path:
    """Return a recipe of two photographs that can really be read."""
    write_dataset(tmp_path / "photos", num_images=2, size=(32, 32), seed=0)
    path = tmp_path / "small.toml"
    path.write_text(f'name = "small"\n[data]\nformat = "folder"\nroot = "{tmp_path / "photos"}"\n')
    return path


def output_of(*words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str], str]:
    code = run_words(*words)
    shown = capsys.readouterr()
    return code, shown.out.splitlines(), shown.err


@pytest.fixture
def quick_stages(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the stages do nothing but leave a folder, and return a list of those that ran."""
    ran: list[str] = []

    def quick(stage: Stage) -> Stage:
        def do(context: StageContext) -> dict[str, Any]:
            context.folder.output(stage.name).mkdir()
            ran.append(stage.name)
            return {}

        return replace(stage, run=do, missing=lambda context: 0)

    monkeypatch.setattr("tagseg.pipeline.drive.PIPELINE", tuple(quick(stage) for stage in PIPELINE))
    return ran


@pytest.mark.parametrize("command", ["extract-cams", "train-affinity", "make-masks", "evaluate"])
def test_a_stage_before_those_that_it_follows(
    photos_recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    code, _, error = output_of(command, str(photos_recipe), "--out", str(tmp_path / "run"), capsys=capsys)
    assert code == 2
    assert error == (
        f"error: stage '{command.replace('-', '_')}' follows a finished 'train_classifier', "
        "got one that is not (never started)\n"
        "help: run 'tagseg train-classifier' or 'tagseg run' first\n"
    )


def test_masks_before_the_affinity_network_that_they_walk_with(
    photos_recipe: Path, tmp_path: Path, quick_stages: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("train-classifier", "extract-cams"):
        assert run_words(command, str(photos_recipe), "--out", str(tmp_path / "run")) == 0
    code, _, error = output_of("make-masks", str(photos_recipe), "--out", str(tmp_path / "run"), capsys=capsys)
    assert code == 2
    assert error == (
        "error: stage 'make_masks' follows a finished 'train_affinity', got one that is not (never started)\n"
        "help: run 'tagseg train-affinity' or 'tagseg run' first\n"
    )
    assert quick_stages == ["train_classifier", "extract_cams"]


def test_an_affinity_network_that_nothing_walks_with(
    photos_recipe: Path, tmp_path: Path, quick_stages: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(photos_recipe), "--out", str(tmp_path / "run"), "--set", "masks.refine=[]"]
    for command in ("train-classifier", "extract-cams", "train-affinity"):
        code, lines, _ = output_of(command, *words, capsys=capsys)
        assert code == 0
    assert lines == [
        "train_classifier: skipped (done with the same inputs)",
        "extract_cams: skipped (done with the same inputs)",
        "train_affinity: skipped (masks.refine does not walk)",
    ]
    code, lines, _ = output_of("make-masks", *words, capsys=capsys)
    assert code == 0
    assert lines[2:] == [
        "train_affinity: skipped (masks.refine does not walk)",
        "make_masks: starts (never started)",
        "make_masks: done (0 s)",
    ]
    assert quick_stages == ["train_classifier", "extract_cams", "make_masks"]
