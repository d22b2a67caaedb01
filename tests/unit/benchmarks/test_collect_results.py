import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "benchmarks" / "collect_results.py"


def collect(*words: object) -> None:
    """Run the script in this process, as `python collect_results.py WORDS` would."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(SCRIPT), *map(str, words)])
        runpy.run_path(str(SCRIPT), run_name="__main__")


def write_run(folder: Path, *, name: str, seed: int, mean_iou: float | None) -> None:
    folder.mkdir(parents=True)
    best = {"background_score": 0.3, "mean_iou": mean_iou, "precision": 0.5, "recall": 0.25}
    scores: dict[str, Any] = {"split": "train", "images": 10, "seeds": {"network": {"best": best}}}
    if mean_iou is None:
        scores = {"seeds": None, "reason": "no masks"}
    (folder / "scores.json").write_text(json.dumps(scores))
    manifest = {
        "recipe": {"name": name},
        "seed": seed,
        "environment": {"commit": "0123456789abcdef", "platform": "Linux"},
        "stages": {"train_classifier": {"details": {"time_s": 90.0, "threads": 1}}, "evaluate": {"details": {}}},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_runs_that_differ_in_their_seed_are_one_row(tmp_path: Path) -> None:
    write_run(tmp_path / "a", name="toy", seed=1, mean_iou=0.5)
    write_run(tmp_path / "b" / "c", name="toy", seed=0, mean_iou=0.54)
    write_run(tmp_path / "d", name="simple", seed=0, mean_iou=0.4)
    write_run(tmp_path / "e", name="unscored", seed=0, mean_iou=None)
    script = runpy.run_path(str(SCRIPT))
    rows = script["result_rows"](script["finished_runs"](tmp_path))
    assert rows == [
        ["simple", "train (10)", "network", "0", "0.30", "40.0", "50.0", "25.0", "2", "0123456789"],
        ["toy", "train (10)", "network", "0, 1", "0.30", "52.0 ± 2.8", "50.0", "25.0", "2", "0123456789"],
    ]


def test_the_page_is_written_and_an_empty_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "results.md"
    words = tmp_path / "runs", "--out", page
    with pytest.raises(SystemExit) as refused:
        collect(*words)
    assert refused.value.code == 2 and "no scored run below" in capsys.readouterr().err and not page.exists()
    write_run(tmp_path / "runs" / "a", name="toy", seed=1, mean_iou=0.5)
    collect(*words)
    text = page.read_text()
    assert "| toy | train (10) | network | 1 | 0.30 | 50.0 | 50.0 | 25.0 | 2 | 0123456789 |\n" in text
    assert "Linux, 1 CPU thread(s)" in text


def test_a_record_gives_the_same_page_as_the_run_folders(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "a", name="own", seed=1, mean_iou=0.5)
    pages = tmp_path / "one.md", tmp_path / "two.md"
    record = tmp_path / "record.json"
    collect(tmp_path / "runs", "--out", pages[0], "--record", record)
    collect(record, "--out", pages[1])
    assert pages[0].read_text() == pages[1].read_text()
    assert str(tmp_path) not in record.read_text()


def test_the_command_names_the_shipped_recipe_and_what_differs() -> None:
    from tagseg.recipe import load_recipe

    script = runpy.run_path(str(SCRIPT))
    recipe = load_recipe("demo", ["training.lr=0.5", "seed=3"])
    values = {**recipe.model_dump(mode="json"), "name": "demo-hot"}
    assert script["command"](values) == "tagseg run demo --set seed=SEED --set training.lr=0.5"


def masked(runs: list[dict[str, Any]], **changes: Any) -> list[dict[str, Any]]:
    masks = {"background_score": 0.5, "mean_iou": 0.64, "precision": 0.7, "recall": 0.8}
    return [{**run, "pseudo_masks": masks, "mask_minutes": 7.0, "commit": "new", **changes} for run in runs]


def test_masks_added_later_leave_the_seeds_their_receipt(tmp_path: Path) -> None:
    write_run(tmp_path / "a", name="toy", seed=0, mean_iou=0.5)
    script = runpy.run_path(str(SCRIPT))
    old = script["finished_runs"](tmp_path)
    once = script["merged"]([old, masked(old)])
    rows = script["result_rows"](script["merged"]([once, masked(old, commit="newer")]))
    assert script["merged"]([once]) == once
    assert rows == [
        ["toy", "train (10)", "network", "0", "0.30", "50.0", "50.0", "25.0", "2", "0123456789"],
        ["toy", "train (10)", "pseudo masks", "0", "0.50", "64.0", "70.0", "80.0", "7", "newer"],
    ]


def test_a_run_that_is_collected_again_counts_once(tmp_path: Path) -> None:
    """Its masks were listed for the seeds "0, 0", as if two runs had made them."""
    write_run(tmp_path / "a", name="toy", seed=0, mean_iou=0.5)
    script = runpy.run_path(str(SCRIPT))
    whole = masked(script["finished_runs"](tmp_path))
    rows = script["result_rows"](script["merged"]([whole, whole, masked(whole, commit="newer")]))
    assert [(row[2], row[3], row[9]) for row in rows] == [("network", "0", "new"), ("pseudo masks", "0", "newer")]


def test_a_later_part_of_a_run_replaces_that_part_alone(tmp_path: Path) -> None:
    write_run(tmp_path / "a", name="toy", seed=0, mean_iou=0.5)
    script = runpy.run_path(str(SCRIPT))
    scored = {"split": "val", "images": 4, "labels": "pseudo", "strategy": "all"}
    tested = {**scored, "mean_iou": 0.6, "precision": 0.7, "recall": 0.8}
    whole = masked(script["finished_runs"](tmp_path), segmenter=tested, commit="first")
    masks = masked(whole, segmenter=None, commit="masks")
    network = [{**run, "seeds": {}, "pseudo_masks": None, "commit": "network"} for run in whole]
    found = script["result_rows"](script["merged"]([whole, whole, masks, network, masks]))
    assert {(row[2].split()[0], row[3], row[9]) for row in found} == {
        ("network", "0", "first"),
        ("pseudo", "0", "masks"),
        ("segmenter", "0", "network"),
    }


def test_a_run_with_other_seeds_replaces_the_one_of_its_name_and_seed(tmp_path: Path) -> None:
    for folder, mean_iou in (("a", 0.5), ("b", 0.6)):
        write_run(tmp_path / folder / "run", name="toy", seed=0, mean_iou=mean_iou)
    script = runpy.run_path(str(SCRIPT))
    old, new = (script["finished_runs"](tmp_path / folder) for folder in ("a", "b"))
    assert [row[5] for row in script["result_rows"](script["merged"]([old, new]))] == ["60.0"]


def test_a_segmenter_has_a_row_of_its_split_and_an_upper_bound_needs_no_seeds(tmp_path: Path) -> None:
    tested = {"split": "val", "images": 4, "labels": "pseudo", "strategy": "all", "confusion": [[1]]}
    tested |= {"mean_iou": 0.6, "precision": 0.7, "recall": 0.8}
    write_run(tmp_path / "a", name="toy", seed=0, mean_iou=0.5)
    write_run(tmp_path / "b", name="toy-full", seed=0, mean_iou=None)
    for folder, labels in (("a", "pseudo"), ("b", "truth")):
        scores = json.loads((tmp_path / folder / "scores.json").read_text())
        (tmp_path / folder / "scores.json").write_text(
            json.dumps({**scores, "segmenter": {**tested, "labels": labels}})
        )
        manifest = json.loads((tmp_path / folder / "manifest.json").read_text())
        manifest["stages"]["train_segmenter"] = {"details": {"time_s": 240.0, "threads": 1}}
        (tmp_path / folder / "manifest.json").write_text(json.dumps(manifest))
    script = runpy.run_path(str(SCRIPT))
    runs = script["finished_runs"](tmp_path)
    assert "confusion" not in json.dumps(runs)
    rows = [row for row in script["result_rows"](runs) if row[2].startswith("segmenter")]
    assert rows == [
        ["toy", "val (4)", "segmenter (pseudo, all)", "0", "-", "60.0", "70.0", "80.0", "4", "0123456789"],
        ["toy-full", "val (4)", "segmenter (truth, all)", "0", "-", "60.0", "70.0", "80.0", "4", "0123456789"],
    ]


def test_no_command_says_where_files_lie_on_a_machine() -> None:
    script = runpy.run_path(str(SCRIPT))
    recipe = script["default_values"](script["RECIPES"] / "voc2012_animals.toml")
    recipe["classifier"]["weights"] = "/home/me/weights/mobilenetv2_100_imagenet.safetensors"
    assert script["command"](recipe) == "tagseg run voc2012_animals --set seed=SEED"
    recipe["classifier"]["weights"] = "/home/me/weights/others.safetensors"
    expected = "tagseg run voc2012_animals --set seed=SEED --set classifier.weights='others.safetensors'"
    assert script["command"](recipe) == expected


def test_classes_are_listed_with_their_mean_over_the_seeds_and_without_background() -> None:
    iou = {"background": 0.9, "cat": 0.5, "dog": None}
    runs = [
        {"name": "toy", "pseudo_masks": {"iou": iou}, "segmenter": None},
        {"name": "toy", "pseudo_masks": {"iou": {**iou, "cat": 0.7, "dog": 0.2}}},
        {"name": "other", "pseudo_masks": None, "segmenter": {"iou": {"background": 1.0, "crack": 0.25}}},
    ]
    class_tables = runpy.run_path(str(SCRIPT))["class_tables"]
    text = class_tables(runs)
    assert "| run | what | seeds | classes | background | cat | dog |" in text
    assert "| toy | pseudo masks | 2 | 40.0 | 90.0 | 60.0 | 20.0 |" in text
    assert "| other | segmenter | 1 | 25.0 | 100.0 | 25.0 |" in text
    assert class_tables([]) == ""
