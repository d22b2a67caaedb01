"""The command that draws figures: what it makes of its words."""

from pathlib import Path

import pytest
from kit.command_line import Calls, exit_code
from typer.testing import CliRunner

from tagseg.cli import main
from tagseg.results import figure
from tagseg.results.figure import FigureChoice


def test_figure_hands_runs_and_choice_to_its_stage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = Calls(("b/2", "a 1"))
    monkeypatch.setattr(figure, "write_figure", calls)
    words = ["figure", "runs/x/plain", "runs/x", "--out", "docs/fig.png", "--image", "b/2", "--image", "a 1"]
    assert exit_code(*words, "--columns", "image, seed", "--background-score", "0.3") == 0
    assert exit_code("figure", "runs/x", "--count", "6", "--out", "fig.png") == 0
    ((roots, out), options), ((other_roots, _), other_options) = calls
    assert (roots, out, other_roots) == ([Path("runs/x/plain"), Path("runs/x")], Path("docs/fig.png"), [Path("runs/x")])
    assert options["choice"] == FigureChoice(("b/2", "a 1"), columns=("image", "seed"), background_score=0.3)
    assert other_options["choice"] == FigureChoice(count=6)
    assert capsys.readouterr().out == "figure: docs/fig.png (2 images)\nfigure: fig.png (2 images)\n"


def test_figure_takes_lists_of_words(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls(("a",))
    monkeypatch.setattr(figure, "write_figure", calls)
    words = ["figure", "runs/x", "--images", "a", "b", "c", "--columns", "image", "cam,mask", "prediction", "truth"]
    assert exit_code(*words, "--out", "fig.pdf", "--width-mm", "85", "--image", "d") == 0
    assert exit_code("figure", "runs/x", "--out", "fig.png", "--width-px", "1200", "--palette", "safe") == 0
    ((roots, out), options), (_, other_options) = calls
    assert (roots, out) == ([Path("runs/x")], Path("fig.pdf"))
    columns = ("image", "cam", "mask", "prediction", "truth")
    assert options["choice"] == FigureChoice(("a", "b", "c", "d"), columns=columns, width_mm=85.0)
    assert other_options["choice"] == FigureChoice(width_px=1200, palette="safe")


def test_the_help_of_figure_says_which_images_it_shows() -> None:
    result = CliRunner().invoke(main.app, ["figure", "--help"])
    shown = " ".join(result.output.split())
    assert "Without --images it takes N images evenly spaced over those with masks" in shown
    assert "The same call shows the same images" in shown
    assert "Run folders stand before --images and --columns, which take all words up to the next option" in shown
    assert "Example: tagseg figure runs/demo --images 000003 000017 --columns image cam mask truth --out" in shown


@pytest.mark.parametrize(
    "words", [["runs/x"], ["--out", "fig.png"], ["runs/x", "--out", "fig.png", "--background-score", "1.5"]]
)
def test_figure_needs_a_run_a_file_and_a_score_in_range(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls(())
    monkeypatch.setattr(figure, "write_figure", calls)
    assert exit_code("figure", *words) == 2
    assert calls == []
