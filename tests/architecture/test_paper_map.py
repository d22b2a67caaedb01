"""docs/paper_map.md leads from each part of the paper to code and tests that exist."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "paper_map.md"
NUM_DEFECTS = 16


def rows() -> list[list[str]]:
    """Return the cells of every row of every table of the page, without heads and rulers."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    tables = [line for line in lines if line.startswith("| ") and not line.startswith("| ---")]
    heads = {lines[number - 1] for number, line in enumerate(lines) if line.startswith("| ---")}
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in tables if line not in heads]


def references(text: str) -> list[tuple[str, str]]:
    """Return (file, name) of every `file.py:name` in a text."""
    return re.findall(r"`([\w/]+\.py):(\w+)`", text)


@cache
def definitions(path: Path) -> frozenset[str]:
    """Return the functions and classes at the top of a file, none when there is no such file."""
    if not path.is_file():
        return frozenset()
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return frozenset(node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef))


def folder_of(file: str) -> Path:
    return ROOT / "tests" if Path(file).name.startswith("test_") else ROOT / "src" / "tagseg"


@pytest.mark.parametrize(("file", "name"), sorted(set(references(PAGE.read_text(encoding="utf-8")))))
def test_what_the_page_names_exists(file: str, name: str) -> None:
    assert name in definitions(folder_of(file) / file)


def test_every_part_has_a_function_and_a_test() -> None:
    parts = [row for row in rows() if not row[0].isdigit()]
    assert len(parts) > 30
    for row in parts:
        assert [folder_of(file).name for file, _ in references(row[1])] == ["tagseg"], row[0]
        assert {folder_of(file).name for file, _ in references(row[2])} == {"tests"}, row[0]


def test_every_defect_has_a_test_or_says_that_its_stage_is_missing() -> None:
    defects = [row for row in rows() if row[0].isdigit()]
    assert [int(row[0]) for row in defects] == list(range(1, NUM_DEFECTS + 1))
    for row in defects:
        assert references(row[3]) or (row[3] == "-" and row[2].endswith("yet")), row[1]


def test_a_name_that_does_not_exist_would_be_seen() -> None:
    assert "no_such_function" not in definitions(ROOT / "src" / "tagseg" / "ops" / "regions.py")
    assert "region_mean" in definitions(ROOT / "src" / "tagseg" / "ops" / "regions.py")
    assert references("see `ops/regions.py:region_mean`") == [("ops/regions.py", "region_mean")]
