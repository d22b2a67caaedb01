"""The scores of a run as rows."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from kit.scores import ALL_SCORES

from tagseg.artifacts.run_scores import LabelScores, RunScores
from tagseg.artifacts.scores_file import read_scores
from tagseg.artifacts.scores_table import label_rows, write_scores_table


@pytest.fixture
def scores(tmp_path: Path) -> RunScores:
    path = tmp_path / "scores.json"
    path.write_text(json.dumps(ALL_SCORES))
    found = read_scores(path)
    assert found is not None
    return found


def rows_of(scores: RunScores, folder: Path) -> list[dict[str, str]]:
    path = folder / "scores.csv"
    write_scores_table(path, scores)
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_point_of_every_sweep_has_its_rows(scores: RunScores, tmp_path: Path) -> None:
    rows = rows_of(scores, tmp_path)
    names = ["mean_iou", "precision", "recall", "pixel_accuracy", "iou of background", "iou of bullseye"]
    kinds = [(kind, score) for kind in ("network", "averaged", "masks") for score in ("0.2", "0.4")]
    kinds.append(("segmenter", ""))
    assert [(row["maps"], row["background_score"], row["score"]) for row in rows] == [
        (*kind, name) for kind in kinds for name in names
    ]
    assert {row["split"] for row in rows[:-6]} == {"val"}
    assert {row["split"] for row in rows[-6:]} == {"test"}
    assert [row["value"] for row in rows[:6]] == ["0.30000000000000004", "0.25", "", "0.75", "0.5", ""]


def test_what_a_run_has_not_made_has_no_rows(scores: RunScores, tmp_path: Path) -> None:
    rows = rows_of(replace(scores, pseudo_masks=None, segmenter=None), tmp_path)
    assert {row["maps"] for row in rows} == {"network", "averaged"}
    assert rows_of(RunScores(reason="no masks"), tmp_path) == []
    assert (tmp_path / "scores.csv").read_text() == "split,maps,background_score,score,value\n"


def test_rows_hold_every_digit_and_nothing_where_a_score_is_not_defined() -> None:
    rows = dict(label_rows(LabelScores(0.1 + 0.2, 4 / 6, None, 1.0, {"background": 0.75, "cat, red": None})))
    assert list(rows) == ["mean_iou", "precision", "recall", "pixel_accuracy", "iou of background", "iou of cat, red"]
    assert (rows["recall"], rows["iou of cat, red"], float(rows["precision"])) == ("", "", 4 / 6)
    assert float(rows["mean_iou"]) == 0.1 + 0.2
