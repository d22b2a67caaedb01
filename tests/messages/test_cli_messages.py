import errno
from pathlib import Path
from typing import Any

import pytest

from tagseg.cli import main
from tagseg.errors import DataError

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
    monkeypatch.setattr("tagseg.stages.run_pipeline", failing(error))
    assert run_words("run", str(recipe_path)) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "error: image photos/[a] cat.jpg is a picture, got 0 bytes\nhelp: replace or delete it\n"


def test_a_long_message_stays_on_its_line(
    recipe_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = "/".join(["a folder with a long name"] * 12)
    monkeypatch.setattr(
        "tagseg.stages.run_pipeline", failing(DataError(f"{path} is a file, got none", help="check the path"))
    )
    assert run_words("run", str(recipe_path)) == 2
    assert capsys.readouterr().err == f"error: {path} is a file, got none\nhelp: check the path\n"


def test_bytes_that_are_no_text_are_shown_as_escapes(
    recipe_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    error = DataError("image \udcffcat.jpg is a picture, got 0 bytes", help="replace it")
    monkeypatch.setattr("tagseg.stages.run_pipeline", failing(error))
    assert run_words("run", str(recipe_path)) == 2
    assert capfd.readouterr().err == "error: image \\udcffcat.jpg is a picture, got 0 bytes\nhelp: replace it\n"


@pytest.mark.parametrize("position", [0, 1, 2])
def test_with_debug_anywhere_the_error_itself_gets_out(
    recipe_path: Path, monkeypatch: pytest.MonkeyPatch, position: int
) -> None:
    monkeypatch.setattr("tagseg.stages.run_pipeline", failing(DataError("a is b, got c", help="do d")))
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
    monkeypatch.setattr("tagseg.stages.run_pipeline", failing(KeyboardInterrupt()))
    assert run_words("run", str(recipe_path)) == 130
    assert capsys.readouterr().err.strip() == "stopped; run the same command again to continue"


def test_a_full_disk(recipe_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    error = OSError(errno.ENOSPC, "No space left on device", "runs/tiny/1_classifier/curves.csv")
    monkeypatch.setattr("tagseg.stages.run_pipeline", failing(error))
    assert run_words("run", str(recipe_path)) == 2
    assert capsys.readouterr().err == (
        "error: the disk has no room left for runs/tiny/1_classifier/curves.csv\n"
        "help: free some space, then run the same command again: what is finished stays\n"
    )
