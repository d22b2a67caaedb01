"""What every command says of itself: version, help, and an example that works."""

import re
import shlex
from pathlib import Path

import pytest
import typer
from kit.command_line import exit_code
from typer.testing import CliRunner

from tagseg.cli import main
from tagseg.pipeline.order import needed_stages
from tagseg.recipe import load_recipe

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


def test_the_version_is_that_of_the_package() -> None:
    result = CliRunner().invoke(main.app, ["--version"])
    assert result.exit_code == 0
    assert re.fullmatch(r"tagseg \d+\.\d+\.\d+\n", result.output)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_shows_an_example_that_names_it(command: str) -> None:
    result = CliRunner().invoke(main.app, [command, "--help"])
    assert result.exit_code == 0
    assert f"Example: tagseg {command} " in " ".join(result.output.split())
    assert "--set KEY=VALUE" in result.output


@pytest.mark.parametrize("command", COMMANDS)
def test_the_example_of_a_command_is_one_that_its_recipe_allows(command: str) -> None:
    words = example_of(command)
    settings = [words[place + 1] for place, word in enumerate(words) if word == "--set"]
    recipe = load_recipe(words[2], settings)
    for setting in settings:
        others = [other for other in settings if other != setting]
        assert load_recipe(words[2], others) != recipe, f"{setting} is what the recipe says already"
    needed = [stage.name for stage in needed_stages(recipe)]
    assert command in ("check", "run") or command.replace("-", "_") in needed


def example_of(command: str) -> list[str]:
    """Return the words of the example that the help of a command shows."""
    shown = CliRunner().invoke(main.app, [command, "--help"], terminal_width=200).output
    return shlex.split(" ".join(shown.split()).partition("Example: ")[2])


def test_without_a_command_the_help_is_shown() -> None:
    result = CliRunner().invoke(main.app, [])
    assert all(f" {command} " in result.output for command in COMMANDS)
    assert "..." not in result.output.replace("[ARGS]...", "")  # what a command does fits into its line
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


@pytest.mark.parametrize("words", [["--out=~/a"], ["--out", "~/a"]])
def test_the_home_folder_may_be_short(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    commands, calls = typer.Typer(), []

    @commands.command()
    def run(out: str = "") -> None:
        calls.append(out)

    @commands.command()
    def other() -> None:
        pass

    assert exit_code("run", *words, commands=commands) == 0
    assert calls == ["/home/me/a"]
