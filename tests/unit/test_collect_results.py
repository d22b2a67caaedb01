import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "collect_results.py"


def write_run(folder: Path, *, name: str, seed: int, mean_iou: float | None) -> None:
    folder.mkdir(parents=True)
    best = {"background_score": 0.3, "mean_iou": mean_iou, "precision": 0.5, "recall": 0.25}
    scores: dict[str, Any] = {"split": "train", "images": 10, "seeds": {"network": {"best": best}}}
    if mean_iou is None:
        scores = {"seeds": None, "reason": "no masks"}
    (folder / "scores.json").write_text(json.dumps(scores))
    manifest = {"recipe": {"name": name}, "seed": seed, "environment": {"commit": "0123456789abcdef"}}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_runs_that_differ_in_their_seed_are_one_row(tmp_path: Path) -> None:
    write_run(tmp_path / "a", name="demo", seed=1, mean_iou=0.5)
    write_run(tmp_path / "b" / "c", name="demo", seed=0, mean_iou=0.54)
    write_run(tmp_path / "d", name="plain", seed=0, mean_iou=0.4)
    write_run(tmp_path / "e", name="unscored", seed=0, mean_iou=None)
    script = runpy.run_path(str(SCRIPT))
    rows = script["result_rows"](script["finished_runs"](tmp_path))
    assert rows == [
        ["demo", "train (10)", "network", "0, 1", "0.30", "52.0 ± 2.8", "50.0", "25.0", "0123456789"],
        ["plain", "train (10)", "network", "0", "0.30", "40.0", "50.0", "25.0", "0123456789"],
    ]


def test_the_page_is_written_and_an_empty_folder_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "results.md"
    command = [sys.executable, str(SCRIPT), str(tmp_path / "runs"), "--out", str(page)]
    refused = subprocess.run(command, capture_output=True, text=True)
    assert refused.returncode == 2 and "no scored run below" in refused.stderr and not page.exists()
    write_run(tmp_path / "runs" / "a", name="demo", seed=1, mean_iou=0.5)
    subprocess.run(command, check=True, capture_output=True)
    assert page.read_text().endswith("| demo | train (10) | network | 1 | 0.30 | 50.0 | 50.0 | 25.0 | 0123456789 |\n")
