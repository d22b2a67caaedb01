"""The README links the documents, and what is measured has its place in it."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"


def test_the_documents_are_linked() -> None:
    assert "](docs/index.md)" in README.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["demo-output", "results"])
def test_what_is_measured_has_its_place(name: str) -> None:
    text = README.read_text(encoding="utf-8")
    assert text.count(f"<!-- {name} -->\n") == text.count(f"<!-- /{name} -->\n") == 1
    assert text.index(f"<!-- {name} -->") < text.index(f"<!-- /{name} -->")
