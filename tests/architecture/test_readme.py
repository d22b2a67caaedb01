"""The README's tree is the tree: every source file with a phrase, every file named is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
LINE = re.compile(r"^( *)(\S+) {2,}(\S.*)$")


def tree(text: str) -> dict[str, str]:
    """Return path and phrase of every line of the tree: two spaces a level, folders end in a slash."""
    section = text.partition("## The tree\n")[2]
    (block,) = re.findall(r"^```\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)
    found: dict[str, str] = {}
    parents: list[str] = []
    for line in block.splitlines():
        match = LINE.match(line)
        indent, name, phrase = match.groups() if match else (re.match(" *", line)[0], line.strip(), "")
        parents = parents[: len(indent) // 2]
        found["".join(parents) + name] = phrase
        if name.endswith("/"):
            parents.append(name)
    return found


def test_every_source_file_is_in_the_tree() -> None:
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "src" / "tagseg").rglob("*.py")}
    packages = {path.rpartition("/")[0] + "/" for path in files if path.endswith("/__init__.py")}
    modules = {path for path in files if not path.endswith("/__init__.py")} | {"src/tagseg/__init__.py"}
    assert sorted((modules | packages) - set(tree(README.read_text(encoding="utf-8")))) == []


def test_everything_in_the_tree_exists() -> None:
    names = tree(README.read_text(encoding="utf-8"))
    assert [name for name in names if not (ROOT / name).exists() or (ROOT / name).is_dir() != name.endswith("/")] == []


def test_every_recipe_is_in_the_tree() -> None:
    recipes = {path.relative_to(ROOT).as_posix() for path in (ROOT / "recipes").glob("*.toml")}
    assert sorted(recipes - set(tree(README.read_text(encoding="utf-8")))) == []


def test_every_file_has_a_phrase() -> None:
    names = tree(README.read_text(encoding="utf-8"))
    silent = [name for name, phrase in names.items() if not phrase]
    assert set(silent) <= {"src/tagseg/", "src/tagseg/cams/"}  # one file each level down says it


def test_every_page_of_the_documentation_is_linked() -> None:
    text = README.read_text(encoding="utf-8")
    pages = [path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md")]
    assert [page for page in pages if f"]({page})" not in text] == []


@pytest.mark.parametrize("name", ["demo-output", "results"])
def test_what_is_measured_has_its_place(name: str) -> None:
    text = README.read_text(encoding="utf-8")
    assert text.count(f"<!-- {name} -->\n") == text.count(f"<!-- /{name} -->\n") == 1
    assert text.index(f"<!-- {name} -->") < text.index(f"<!-- /{name} -->")


def test_the_tree_is_read_with_its_levels() -> None:
    text = "## The tree\n\n```\na/   one\n  b/\n    c.py   two three\n  d.py  four\n```\n"
    assert tree(text) == {"a/": "one", "a/b/": "", "a/b/c.py": "two three", "a/d.py": "four"}
