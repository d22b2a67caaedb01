"""A run, plain CAM and the upper bound at the same time: the same results as one after the other."""

from types import SimpleNamespace

import pytest
from kit.processes import copies
from kit.small_segmenter_run import small_recipe

from tagseg.cli.console import ConsoleProgress
from tagseg.data.drawn_pictures import write_dataset
from tagseg.errors import TagsegError
from tagseg.pipeline import run_at_once, run_compared
from tagseg.system import apart


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    write_dataset(root / "learn", num_images=8, size=(64, 64), seed=3)
    write_dataset(root / "test", num_images=3, size=(64, 64), seed=3, first_index=8)
    return small_recipe(root, "self_modulation.enabled=true", "self_modulation.warmup_epochs=1")


def test_the_runs_leave_what_they_leave_in_turn(recipe, tmp_path, capsys):
    turn = run_compared(recipe, tmp_path / "turn", baseline=True, upper_bound=True, progress=ConsoleProgress())
    capsys.readouterr()
    once = run_at_once(recipe, tmp_path / "once", progress=ConsoleProgress())
    shown = capsys.readouterr().out
    assert once.main.scores == turn.main.scores
    for name, one, other in (("plain", once.plain, turn.plain), ("full", once.full, turn.full)):
        assert one is not None
        assert other is not None
        assert one.scores == other.scores
        log = tmp_path / "once" / f"{name}.log"
        assert "train_segmenter: done" in log.read_text()
        assert f", with the same seed, data and budget; its progress is in {log}\n" in shown
        assert not (tmp_path / "turn" / f"{name}.log").exists()
    assert "Waiting for the other runs: 2 runs" in shown


def test_an_error_of_another_run_ends_it(recipe, tmp_path, monkeypatch):
    # Copies of a process that has imported torch; the test above spawns them.
    monkeypatch.setattr(apart, "multiprocessing", SimpleNamespace(get_context=lambda _: copies()))
    out = tmp_path / "run"
    (out / "plain" / "recipe.toml").mkdir(parents=True)
    with pytest.raises(TagsegError, match="plain"):
        run_at_once(recipe, out, progress=ConsoleProgress())
