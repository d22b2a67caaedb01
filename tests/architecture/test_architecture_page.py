"""docs/architecture.md shows the code of now: its tree, its picture, its rooms."""

import re
from types import ModuleType

import pytest
from kit.architecture import load_script


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script()


def test_the_tree_is_that_of_the_code(script: ModuleType) -> None:
    text = script.PAGE.read_text(encoding="utf-8")
    assert text == script.page(text), "run make docs-architecture"


def test_every_file_is_in_the_tree_with_a_phrase(script: ModuleType) -> None:
    lines = list(script.tree_lines())
    assert len(lines) == len(list(script.SOURCE.rglob("*.py"))) - 1  # the root's own has no line
    assert [line for line in lines if len(line.split(maxsplit=1)) != 2] == []


def test_the_picture_is_that_of_the_code(script: ModuleType) -> None:
    assert script.PICTURE.read_text(encoding="utf-8") == script.picture(), "run make docs-architecture"


def test_every_room_has_its_row(script: ModuleType) -> None:
    rooms = {room for layer in script.LAYERS for room in layer}
    there = {path.stem for path in script.SOURCE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert rooms == there - {"__init__"}
    rows = re.findall(r"^\| (`.*?) \|", script.PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == rooms


def test_data_flows_one_way(script: ModuleType) -> None:
    homes, order = script.artifact_homes(), list(script.STAGES)
    used = script.stage_artifacts()
    assert used["extract_cams"] == {"classifier_weights", "cam", "map_medians"}
    assert {name for name, stage in homes.items() if name not in used[stage]} == set()  # each stage leaves its own
    later = [(stage, name) for stage in used for name in used[stage] if order.index(homes[name]) > order.index(stage)]
    assert later == []
