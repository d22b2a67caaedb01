"""The whole script on a tiny budget: a pack, a box of time, rows, a second call that has nothing left to do."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kit.voc_folder import write_voc_folder

SCRIPT = Path(__file__).resolve().parents[3] / "benchmarks" / "on_gpu.py"
UNITS = ["agreement", "speed", "photographs", "maps", "whole"]


def on_gpu(*words: object, code: int = 0) -> str:
    """Run the script and return all that it printed."""
    done = subprocess.run([sys.executable, str(SCRIPT), *map(str, words)], capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pack")
    on_gpu("pack", write_voc_folder(folder / "voc", count=18), folder / "pack")
    return folder / "pack"


@pytest.fixture(scope="module")
def box(pack: Path) -> tuple[list[object], str, dict[str, Any]]:
    """The words of a call that reached all units, what it printed, and its file."""
    rows = pack.parent / "rows.json"
    words = ["run", pack, "--json", rows, "--out", pack.parent / "out", "--device", "cpu", "--tiny"]
    return words, on_gpu(*words, "--minutes", 4), json.loads(rows.read_text())


def test_every_unit_leaves_a_row(box: tuple[list[object], str, dict[str, Any]]) -> None:
    _, _, content = box
    assert [row["name"].partition("-")[0] for row in content["rows"]] == UNITS
    assert [row["error"] for row in content["rows"]] == [""] * len(UNITS)
    for row in content["rows"]:
        assert row["device"] == content["machine"]["name"] and row["minutes"] >= 0
        assert row["data"] == {"images": 18, "side_px": 500, "quality": 85}
        assert "classifier.backbone=test_resnet" in row["overrides"]
    assert content["machine"]["device"] == "cpu" and content["machine"]["tiny"]
    assert "/" not in "".join(row["recipe"] for row in content["rows"])


def test_rows_hold_what_was_measured(box: tuple[list[object], str, dict[str, Any]]) -> None:
    _, _, content = box
    agreement, speed, photographs, maps, whole = (row["scores"] for row in content["rows"])
    assert agreement["photographs"] == 8
    # The same processor twice; a folded copy of the network predicts both times.
    assert agreement["largest_difference_of_maps"] == 0
    assert agreement["equal_mask_pixels"] == agreement["equal_segmenter_pixels"] == 1
    assert {part: found["images_per_s"] > 0 for part, found in speed["32-true"].items()} == {
        "classifier_step": True,
        "extraction": True,
        "segmenter_step": True,
    }
    assert photographs["run"]["images"] == 12 and 0 <= photographs["run"]["best_of_sweep"][1] <= 1
    assert set(maps) == {"run", "plain"} and set(maps["plain"]["seeds"]) == {"network"}
    assert set(whole) == {"run", "full"} and whole["full"]["segmenter"]["labels"] == "truth"
    peaks = content["rows"][-1]["peak_mib"]
    assert set(peaks) == {"process", "gpu"} and peaks["gpu"] == 0


def test_no_place_of_the_machine_is_in_the_file(box: tuple[list[object], str, dict[str, Any]], pack: Path) -> None:
    assert str(pack.parent) not in json.dumps(box[2])


def test_what_the_pack_lacks_is_not_reached(box: tuple[list[object], str, dict[str, Any]]) -> None:
    _, printed, content = box
    (left,) = content["not_reached"]
    assert (left["name"], left["why"]) == ("tiles-test_resnet-0", "the pack has no tiles")
    assert "not reached: tiles-test_resnet-0 (the pack has no tiles)\n" in printed and left["command"] in printed


def test_a_second_call_skips_what_has_a_row(box: tuple[list[object], str, dict[str, Any]], pack: Path) -> None:
    words, _, before = box
    (pack.parent / "rows.json").unlink()  # as where the folder for results is emptied between two calls
    printed = on_gpu(*words, "--minutes", 4)
    assert [line for line in printed.splitlines() if "skipped (it has a row)" in line] == [
        f"{row['name']}: skipped (it has a row)" for row in before["rows"]
    ]
    assert json.loads((pack.parent / "rows.json").read_text())["rows"] == before["rows"]


def test_a_unit_without_its_weights_is_not_reached(pack: Path, tmp_path: Path) -> None:
    places = ["--json", tmp_path / "rows.json", "--out", tmp_path / "out"]
    printed = on_gpu("run", pack, *places, "--only", "speed-mobilenetv2_100")
    assert "not reached: speed-mobilenetv2_100 (the pack has no mobilenetv2_100_imagenet.safetensors)" in printed


def test_the_box_ends_whatever_is_at_work(pack: Path, tmp_path: Path) -> None:
    words = ["run", pack, "--json", tmp_path / "rows.json", "--out", tmp_path / "out", "--device", "cpu", "--tiny"]
    printed = on_gpu(*words, "--minutes", 0.01)  # less than it takes to load torch
    content = json.loads((tmp_path / "rows.json").read_text())
    assert content["rows"] == []
    assert [left["why"] for left in content["not_reached"]] == ["no time"] * 5 + ["the pack has no tiles"]
    assert f"not reached: maps-test_resnet-0 (no time)\n  {content['not_reached'][3]['command']}" in printed


def test_what_cannot_begin_is_said_in_a_sentence(pack: Path, tmp_path: Path) -> None:
    words = ["--json", tmp_path / "rows.json", "--out", tmp_path / "out"]
    gone = on_gpu("run", tmp_path, *words, code=2)
    assert f"error: {tmp_path / 'pack.json'} must exist, got no such file" in gone
    strange = on_gpu("run", pack, *words, "--only", "mapps", code=2)
    assert "error: there is no unit 'mapps', there are agreement-mobilenetv2_100, " in strange
    (tmp_path / "rows.json").write_text("[]")
    assert "must hold rows of on_gpu.py, got another file" in on_gpu("run", pack, *words, code=2)
