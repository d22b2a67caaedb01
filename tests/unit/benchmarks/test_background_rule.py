"""What the table of background rules measures: on a small run, Otsu's row is what the pipeline found and scored."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from kit.small_run import NUM_IMAGES, run, small_recipe

from tagseg.artifacts.scores_file import read_scores
from tagseg.data.drawn_pictures import write_dataset

sys.path.append(str(Path(__file__).resolve().parents[3] / "benchmarks"))

from background_rule import keep, main, table


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose masks are the cut maps."""
    root = tmp_path_factory.mktemp("rules")
    write_dataset(root / "photos", num_images=NUM_IMAGES, size=(64, 64), seed=3)
    run(small_recipe(root / "photos", root / "regions", "masks.refine=[]"), root / "run")
    return root / "run"


def test_otsus_row_has_the_score_and_the_masks_of_the_run(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows.json"
    for _ in range(2):  # the second look replaces the rows of the first
        main([str(finished), "--json", str(out)])
    rows = {row["maps"]: row for row in json.loads(out.read_text())}
    assert len(rows) == len(json.loads(out.read_text())) and {"network", "masks"} <= set(rows)
    scores = read_scores(finished / "scores.json")
    assert scores is not None and scores.pseudo_masks is not None
    made, own = scores.pseudo_masks, rows["masks"]
    assert own["otsu"] == [
        pytest.approx(made.background_score, abs=1e-9),
        pytest.approx(made.masks.scores.mean_iou, abs=1e-6),
    ]
    assert scores.seeds["network"].best.scores.mean_iou is not None
    for row in rows.values():
        assert (row["looked_at"], row["images"]) == (NUM_IMAGES, NUM_IMAGES)
    assert own["scored"] == scores.images


def test_rows_of_other_maps_stay_and_a_rule_without_a_score_is_named(tmp_path: Path) -> None:
    row: dict[str, Any] = {
        "run": "run",
        "set": [],
        "recipe": "demo",
        "backbone": "test_resnet",
        "seed": 0,
        "maps": "masks",
        "looked_at": 9,
    }
    row |= {"otsu": [0.4, 0.70], "best": [0.35, 0.72]}
    walked = {**row, "maps": "network", "features": [0.36, 0.719]}
    keep(tmp_path / "rows.json", [row, walked])
    keep(tmp_path / "rows.json", [{**row, "otsu": [0.3, 0.71]}])
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert table(rows).splitlines()[2:] == [
        "| demo | network | 9 | 72.0 at 0.35 | 0.40: 2.0 less | 0.36: 0.1 less |",
        "| demo | masks | 9 | 72.0 at 0.35 | 0.30: 1.0 less | says nothing |",
    ]


def test_neither_a_run_nor_a_table_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([])
    assert "name a run folder, or a file of rows with --table" in capsys.readouterr().err
