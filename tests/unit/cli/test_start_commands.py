"""The commands of the first minutes: what they print, and what they hand on."""

from pathlib import Path

import pytest
from kit.command_line import Calls, exit_code

from tagseg import pipeline
from tagseg.pipeline import ComparedRuns, Run
from tagseg.recipe.packaged import packaged_names


def test_the_recipes_are_listed_with_purpose_hardware_and_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("recipes") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines if not line.startswith(" ")] == [
        *packaged_names(),
        "run one by its name, such as",
    ]
    place = lines.index("demo: Drawn creatures with tags, SSC beside plain CAM; nothing is downloaded")
    assert lines[place + 1 : place + 3] == [
        "  hardware: any CPU, 2 GB of memory",
        "  time: about three minutes on two idle cores",
    ]


@pytest.mark.parametrize(("words", "folder"), [((), Path("runs/demo")), (("--out", "mine"), Path("mine"))])
def test_the_demo_is_the_run_with_both_comparisons(
    words: tuple[str, ...], folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = Calls(ComparedRuns(Run(folder=folder, scored=None), None))
    monkeypatch.setattr(pipeline, "run_compared", calls)
    assert exit_code("demo", *words) == 0
    ((recipe, out), options) = calls[0]
    assert (recipe.name, out) == ("demo", folder)
    assert (options["baseline"], options["upper_bound"], options["redo"]) == (True, True, False)
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first == (
        "Drawn creatures with tags, SSC beside plain CAM; nothing is downloaded. "
        "Time: about three minutes on two idle cores."
    )
    assert last == f"run folder: {folder}"
