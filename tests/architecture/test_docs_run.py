"""What the documents say works: recipes load, commands and code parse, keys and imports exist."""

import ast
import contextlib
import importlib
import itertools
import json
import re
import shlex
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
import typer.main

import tagseg
from benchmarks.docs_reference import recipe_rows
from tagseg.cli.main import app
from tagseg.recipe import load_recipe

ROOT = Path(__file__).resolve().parents[2]
RECIPES = sorted((ROOT / "src" / "tagseg" / "recipes").glob("*.toml"))
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
LANGUAGES = {"", "sh", "console", "python", "toml", "json", "text", "bibtex"}
DIRECTIVES = {"{toctree}", "{eval-rst}"}
MAX_EXAMPLE_LINES = 40


def fenced_blocks(text: str) -> list[tuple[str, str]]:
    """Return (language, content) of the fenced code blocks of a Markdown page."""
    return re.findall(r"^```([\w{}-]*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def page_id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@cache
def recipe_keys() -> frozenset[str]:
    """Return every key of a recipe, with its section."""
    return frozenset(key.strip("`") for key, _, _, _ in recipe_rows())


def keys_of(value: object) -> list[str]:
    """Return the keys of a section; a value at the top of a recipe has none."""
    return list(value) if isinstance(value, dict) else []


def commands(page: Path) -> list[str]:
    """Return the shell commands of a page: lines of sh blocks, and the lines after a prompt in console blocks."""
    found: list[str] = []
    for language, content in fenced_blocks(page.read_text(encoding="utf-8")):
        lines = content.replace("\\\n", " ").splitlines()
        if language in {"sh", "bash"}:
            found += [line.strip() for line in lines]
        elif language == "console":
            found += [line.strip()[2:] for line in lines if line.startswith("$ ")]
    return [line for line in found if line]


def parse_tagseg(command: str) -> None:
    """Parse a ``tagseg`` command line without running it; raise the usage error that it would end in."""
    words = [word for word in shlex.split(command, comments=True)[1:] if word != "--debug"]
    group: Any = typer.main.get_command(app)
    with contextlib.suppress(typer.Exit):  # --help
        context = group.make_context("tagseg", words)
        if words and not words[0].startswith("-"):
            _, subcommand, rest = group.resolve_command(context, words)
            subcommand.make_context(subcommand.name, rest, parent=context)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_loads(path: Path) -> None:
    assert load_recipe(path, []).name


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_opens_with_its_receipt(path: Path) -> None:
    """The comment at the top says the command, the hardware, the time that it takes, and the score to expect."""
    lines = path.read_text(encoding="utf-8").splitlines()
    header = [line.lstrip("# ") for line in itertools.takewhile(lambda line: line.startswith("#"), lines)]
    text = " ".join(" ".join(header).split())
    assert re.search(rf"tagseg run {path.stem} .*--out runs/", text)
    for fact in ("hardware|CPU|GPU", "time|minute|hour|images a second", "score|mIoU"):
        assert re.search(fact, text, flags=re.IGNORECASE), f"the header of {path.name} names no {fact}"


def test_the_recipes_of_the_design_are_there() -> None:
    wanted = {"demo", "voc2012", "voc2012_release", "coco2014", "folder", "voc2012_animals"}
    assert wanted <= {path.stem for path in RECIPES}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_short_and_says_what_it_shows(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_EXAMPLE_LINES
    assert ast.get_docstring(ast.parse(text)), f"{path.name} has no docstring"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_the_commands_of_a_page_parse(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    for command in commands(page):
        words = shlex.split(command, comments=True)
        if words[:1] == ["tagseg"]:
            parse_tagseg(command)
        elif words[:1] == ["make"]:
            goals = {word for word in words[1:] if "=" not in word}
            assert goals <= targets, f"{page.name}: {command}"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_the_code_of_a_page_parses(page: Path) -> None:
    for language, content in fenced_blocks(page.read_text(encoding="utf-8")):
        assert language in LANGUAGES | DIRECTIVES, f"blocks of '{language}' are looked at by no test"
        if language == "python":
            compile(content, page.name, "exec")
        elif language == "toml":
            values = tomllib.loads(content)
            settings = [f"{section}.{key}" for section, keys in values.items() for key in keys_of(keys)]
            assert [key for key in settings if key not in recipe_keys()] == []
        elif language == "json":
            json.loads(content)


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_the_settings_of_a_page_are_keys_of_a_recipe(page: Path) -> None:
    """What stands behind --set in a command, and what a page writes as `section.key=value`."""
    text = page.read_text(encoding="utf-8")
    sections = "|".join({key.partition(".")[0] for key in recipe_keys()})
    named = set(re.findall(rf"(?:--set[= ]'?|`)((?:{sections})\.\w+) ?=", text))
    assert [key for key in sorted(named) if key not in recipe_keys()] == []


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_what_the_python_of_a_page_imports_is_there(page: Path) -> None:
    for language, content in fenced_blocks(page.read_text(encoding="utf-8")):
        if language == "python":
            for node in ast.walk(ast.parse(content)):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tagseg"):
                    module = importlib.import_module(node.module or "")
                    assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []
                elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "tagseg":
                    assert hasattr(tagseg, node.attr)


def test_a_command_that_does_not_exist_would_be_seen() -> None:
    parse_tagseg("tagseg run demo --out runs/demo --set training.epochs=5  # a comment")
    for wrong in ("tagseg fly demo", "tagseg run demo --outt runs/demo"):
        with pytest.raises(Exception, match="No such"):
            parse_tagseg(wrong)
