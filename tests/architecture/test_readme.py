"""The README links every page, and what is measured has its place in it."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"


def test_every_page_of_the_documentation_is_linked() -> None:
    text = README.read_text(encoding="utf-8")
    pages = [path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md")]
    assert [page for page in pages if f"]({page})" not in text] == []


@pytest.mark.parametrize("name", ["demo-output", "results"])
def test_what_is_measured_has_its_place(name: str) -> None:
    text = README.read_text(encoding="utf-8")
    assert text.count(f"<!-- {name} -->\n") == text.count(f"<!-- /{name} -->\n") == 1
    assert text.index(f"<!-- {name} -->") < text.index(f"<!-- /{name} -->")
