"""A run and plain CAM at the same time: the same results as one after the other."""

import pytest
from kit.small_run import NUM_IMAGES, quick_recipe

from tagseg.cli.console import ConsoleProgress
from tagseg.data.drawn_pictures import write_dataset
from tagseg.errors import TagsegError
from tagseg.pipeline import run_compared


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    write_dataset(root, num_images=NUM_IMAGES, size=(64, 64), seed=3)
    return root


def test_both_runs_leave_what_they_leave_in_turn(photos, tmp_path, capsys):
    recipe = quick_recipe(photos, tmp_path / "cache")
    compared = {}
    for name, at_once in (("turn", False), ("once", True)):
        compared[name] = run_compared(
            recipe,
            tmp_path / name,
            baseline=True,
            upper_bound=False,
            progress=ConsoleProgress(),
            side_by_side=at_once,
        )
    turn, once = compared["turn"], compared["once"]
    assert once.main.scores == turn.main.scores
    assert once.plain is not None
    assert turn.plain is not None
    assert once.plain.scores == turn.plain.scores
    log = tmp_path / "once" / "plain.log"
    assert "train_classifier: done" in log.read_text()
    shown = capsys.readouterr().out
    assert f"at the same time plain CAM, with the same seed, data and budget; its progress is in {log}\n" in shown
    assert "Waiting for the other runs: 1 runs" in shown
    assert not (tmp_path / "turn" / "plain.log").exists()


def test_an_error_beside_the_run_ends_it(photos, tmp_path):
    out = tmp_path / "run"
    (out / "plain").mkdir(parents=True)
    (out / "plain" / "recipe.toml").mkdir()
    with pytest.raises(TagsegError, match="plain"):
        run_compared(
            quick_recipe(photos, tmp_path / "cache"),
            out,
            baseline=True,
            upper_bound=False,
            progress=ConsoleProgress(),
            side_by_side=True,
        )
