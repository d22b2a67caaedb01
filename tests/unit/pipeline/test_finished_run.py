"""A run as a line, as a table, as pictures."""

from pathlib import Path

import numpy as np
import pytest
from kit.hand_made_runs import NUM_IMAGES, SIDE, make_run
from kit.scores import ALL_SCORES

from tagseg.artifacts.json_file import json_bytes
from tagseg.artifacts.run_scores import RunScores
from tagseg.artifacts.scores_file import read_scores
from tagseg.data.drawn_pictures import write_dataset
from tagseg.pipeline import Run, finished_run


def scored(folder: Path) -> Run:
    path = folder / "scores.json"
    path.write_bytes(json_bytes(ALL_SCORES))
    return Run(folder, read_scores(path))


def test_it_prints_as_one_short_line(tmp_path: Path) -> None:
    run = scored(tmp_path)
    assert repr(run) == f"Run('{tmp_path}', mIoU: seeds 30.0 %, pseudo masks 50.0 %, segmenter 50.0 %)"
    assert repr(Run(Path("runs/a"), None)) == "Run('runs/a')"
    assert repr(Run(Path("runs/a"), RunScores(reason="no masks"))) == "Run('runs/a')"


def test_a_notebook_shows_a_table_and_where_the_page_is(tmp_path: Path) -> None:
    folder = tmp_path / "a <b>"
    folder.mkdir()
    run = scored(folder)
    shown = run._repr_html_()
    assert "<td>pseudo masks</td><td>50.0 %</td>" in shown
    assert "a &lt;b&gt;" in shown and "<b>" not in shown and "report:" not in shown
    (folder / "report.html").touch()
    assert "report.html" in run._repr_html_()
    assert "<td>seeds</td><td>-</td>" in Run(folder, None)._repr_html_()


def test_its_pictures_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[np.ndarray] = []
    monkeypatch.setattr(finished_run, "show_picture", shown.append)
    write_dataset(tmp_path / "photos", num_images=NUM_IMAGES, size=(SIDE, SIDE), seed=3)
    run = Run(make_run(tmp_path / "run", tmp_path / "photos"), None)
    before = sorted(path.name for path in run.folder.rglob("*"))
    run.show(count=2)
    run.show(count=1)
    assert shown[0].shape[1:] == (900, 3) and shown[0].shape[0] > shown[1].shape[0]
    assert sorted(path.name for path in run.folder.rglob("*")) == before
