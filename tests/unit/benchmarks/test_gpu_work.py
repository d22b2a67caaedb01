"""Units that fail, rows that are kept, and what a box does when its process breaks."""

import json
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from tagseg.errors import DataError, ModelError

sys.path.append(str(Path(__file__).resolve().parents[3] / "benchmarks"))

from gpu_rows import GOES_ON, Rows
from gpu_units import WEIGHTS, Unit, table
from gpu_work import work_through
from on_gpu import after_broken, left_to_do

MACHINE = {"device": "cpu", "name": "a processor", "commit": "abc", "engine": [], "tiny": False}
ABOUT = {"voc": {"images": 3}, "tiles": {"images": 2}, "weights": list(WEIGHTS.values())}
SEEDS = [unit for unit in table() if unit.name.startswith("whole-mobilenetv2_100")]


@pytest.fixture
def rows(tmp_path: Path) -> Rows:
    found = Rows.read(tmp_path / "rows.json", out=tmp_path / "out")
    found.of_machine(MACHINE)
    return found


def through(rows: Rows, do: Any) -> bool:
    return work_through(SEEDS, rows, do=do, about=ABOUT, at_work=rows.path.with_name("at_work"))


def test_a_unit_that_fails_leaves_its_sentence_and_stops_no_other(rows: Rows) -> None:
    def do(unit: Unit) -> tuple[dict[str, Any], float]:
        if unit.seed == 1:
            raise ModelError("weights fit, got others", help="name others")
        return {"found": unit.seed}, 1.0

    assert through(rows, do)
    on_disk = json.loads(rows.path.read_text())["rows"]
    assert [row["error"] for row in on_disk] == ["", "weights fit, got others; name others", ""]
    assert [row["scores"] for row in on_disk] == [{"found": 0}, {}, {"found": 2}]
    assert on_disk[0]["minutes"] == 1.0 and on_disk[1]["minutes"] is None
    assert not rows.path.with_name("at_work").exists()


def test_a_failed_unit_is_tried_again_and_a_done_one_is_not(rows: Rows) -> None:
    def do(unit: Unit) -> tuple[dict[str, Any], float]:
        if unit.seed == 1:
            raise ModelError("one", help="two")
        return {}, 1.0

    assert through(rows, do)
    asked = Namespace(json=rows.path, out=rows.copy.parent, device="auto")
    assert left_to_do(SEEDS, asked, about=ABOUT) == [SEEDS[1]]
    rows.add({**rows.rows[1], "error": ""})
    assert left_to_do(SEEDS, asked, about=ABOUT) == []
    assert left_to_do(SEEDS, asked, about={**ABOUT, "voc": {"images": 4}}) == SEEDS  # another pack


def test_rows_of_a_gpu_are_not_taken_for_those_of_a_cpu(rows: Rows) -> None:
    rows.of_machine({**MACHINE, "device": "cuda"})
    assert through(rows, lambda unit: ({}, 1.0))
    for device, left in (("auto", []), ("cpu", SEEDS)):
        asked = Namespace(json=rows.path, out=rows.copy.parent, device=device)
        assert left_to_do(SEEDS, asked, about=ABOUT) == left


def test_after_an_error_of_another_kind_another_process_goes_on(rows: Rows) -> None:
    def do(unit: Unit) -> tuple[dict[str, Any], float]:
        raise RuntimeError("CUDA error: out of luck\nand more")

    assert not through(rows, do)
    assert [row["error"] for row in rows.rows] == ["RuntimeError: CUDA error: out of luck"]
    asked = Namespace(json=rows.path, out=rows.copy.parent)
    at_work = rows.path.with_name("at_work").read_text()
    assert after_broken(SEEDS, at_work, asked, about=ABOUT, code=GOES_ON) == SEEDS[1:]
    assert Rows.read(rows.path, out=rows.copy.parent).rows == rows.rows


def test_rows_come_back_where_their_folder_was_emptied(rows: Rows) -> None:
    assert through(rows, lambda unit: ({}, 1.0))
    rows.path.unlink()
    assert Rows.read(rows.path, out=rows.copy.parent).rows == rows.rows
    assert Rows.read(rows.path.with_name("others.json"), out=rows.copy.parent).rows == []


def test_a_process_that_was_killed_is_the_error_of_its_unit(rows: Rows) -> None:
    assert (
        after_broken(SEEDS, SEEDS[1].name, Namespace(json=rows.path, out=rows.copy.parent), about=ABOUT, code=-9)
        == SEEDS[2:]
    )
    (row,) = Rows.read(rows.path, out=rows.copy.parent).rows
    assert (row["name"], row["error"]) == (SEEDS[1].name, "its process ended with exit code -9")


@pytest.mark.parametrize(("key", "value"), [("device", "cuda"), ("tiny", True)])
def test_a_file_has_rows_of_one_device_and_budget(rows: Rows, key: str, value: Any) -> None:
    rows.of_machine({**MACHINE, "name": "another processor"})
    assert through(rows, lambda unit: ({}, 1.0))
    with pytest.raises(DataError, match=f"rows of .* must all have {key} {json.dumps(value)}, got "):
        rows.of_machine({**MACHINE, key: value})


def test_cheap_units_come_first_and_names_are_unique() -> None:
    units = table()
    titles = list(dict.fromkeys(unit.title for unit in units))
    assert titles == ["agreement", "speed", "photographs", "maps", "whole", "tiles"]
    assert len({unit.name for unit in units}) == len(units) == 2 + 2 + 6 + 6 + 6 + 3
    assert [unit.backbone for unit in units if unit.title == "maps"] == [each for each in WEIGHTS for _ in range(3)]


def test_every_unit_is_a_recipe_that_can_be_read(tmp_path: Path) -> None:
    from tagseg.recipe import load_recipe

    for unit in [*table(), *table(tiny=True)]:
        recipe = load_recipe(unit.recipe, unit.settings(data=tmp_path, place=tmp_path))
        assert recipe.seed == unit.seed and recipe.classifier.backbone == unit.backbone
        assert "{" not in recipe.data.place
        assert bool(unit.lacks({"weights": []})) and not unit.lacks(ABOUT)
