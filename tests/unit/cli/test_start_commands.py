"""The commands of the first minutes: what they print, and what they hand on."""

import os
from pathlib import Path

import pytest
from kit.command_line import Calls, exit_code

from tagseg import pipeline
from tagseg.pipeline import ComparedRuns, Run
from tagseg.recipe.packaged import packaged_names
from tagseg.results import figure


def test_the_recipes_are_listed_with_purpose_hardware_and_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("recipes") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines if not line.startswith(" ")] == [
        *packaged_names(),
        "run one by its name, such as",
    ]
    place = lines.index("demo: Drawn creatures with tags, SSC against plain CAM; nothing is downloaded")
    assert lines[place + 1 : place + 3] == [
        "  hardware: any CPU, 2 GB of memory",
        "  time: two to five minutes on two idle cores",
    ]


@pytest.mark.parametrize("cores", [1, 2])
@pytest.mark.parametrize(("words", "folder"), [((), Path("runs/demo")), (("--out", "mine"), Path("mine"))])
def test_the_demo_is_the_run_with_both_comparisons(
    words: tuple[str, ...],
    folder: Path,
    cores: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    calls = Calls(ComparedRuns(Run(folder=folder, scored=None), None))
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    monkeypatch.setattr(pipeline, {1: "run_compared", 2: "run_at_once"}[cores], calls)
    drawn = Calls(())
    monkeypatch.setattr(figure, "write_figure", drawn)
    assert exit_code("demo", *words) == 0
    ((recipe, out), options) = calls[0]
    assert (recipe.name, out) == ("demo", folder)
    if cores == 1:
        assert (options["baseline"], options["upper_bound"], options["redo"]) == (True, True, False)
    assert drawn[0][0] == ([folder / "plain", folder], Path("demo.png"))
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "Drawn creatures with tags, SSC against plain CAM; nothing is downloaded.",
        "It draws pictures, learns from their tags, cuts masks and trains a network on them.",
        "Plain CAM and a network that ground truth teaches do the same, to compare.",
        "Time: two to five minutes on two idle cores. Ctrl-C stops it, and the same command goes on.",
        f"You get the folder {folder} and the picture demo.png.",
        f"run folder: {folder}",
        "picture: demo.png (maps and masks of plain CAM and of SSC)",
        f"next: tagseg serve {folder}",
        "then: tagseg init FOLDER, with your own photographs",
    ]


@pytest.mark.parametrize(("again", "place"), [(False, "runs/demo/demo.png"), (True, "demo.png")])
def test_a_picture_that_somebody_else_made_is_kept(
    again: bool, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("demo.png").touch()
    if again:
        Path("runs/demo").mkdir(parents=True)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(pipeline, "run_at_once", Calls(ComparedRuns(Run(folder=Path("runs/demo"), scored=None), None)))
    drawn = Calls(())
    monkeypatch.setattr(figure, "write_figure", drawn)
    assert exit_code("demo") == 0
    assert drawn[0][0][1] == Path(place)
