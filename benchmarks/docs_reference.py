"""Write the reference pages that the code knows best: every recipe key, and the command line.

    python benchmarks/docs_reference.py            # writes both
    python benchmarks/docs_reference.py --check    # fails when one is out of date

What a key means stands below it in ``src/tagseg/recipe``; what an option means is its help.
"""

import argparse
import ast
import json
import re
import sys
import types
import typing
from functools import cache
from pathlib import Path
from typing import Any, Literal

import typer.main
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from tagseg.cli.main import app
from tagseg.recipe.schema import Recipe, kinds_of_section

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "reference"
SOURCE = ROOT / "src" / "tagseg" / "recipe"
ABOUT_DATA = "The data set. `data.format` says which keys there are."
WORDS = {str: "word", int: "whole number", float: "number", bool: "true, false", Path: "path"}

RECIPE_HEAD = """\
# Recipe keys

<!-- Written by `make docs-reference` from src/tagseg/recipe; do not edit. -->

A recipe is a TOML file with one section for each part: `training.lr` is `lr` below `[training]`. Types are strict.
An unknown key is an error, and all mistakes are reported at once. Words, choices and paths stand in quotes. Relative
paths start at the working directory.

In a `--set` the value is TOML; a value that is not TOML is a word: `--set classifier.backbone=convnext_atto`.
A number whose default is none takes the word `none` as well: `--set training.most_steps=none` lifts a recipe's limit.
Values come from the preset, then from the file, then from `--set`; later ones win.
"""
COMMANDS_HEAD = """\
# Command line

<!-- Written by `make docs-reference` from the help of each command; do not edit. -->

Every command takes `--debug`, which shows the traceback of an error, and `--help`. `tagseg --version` prints the
version. [Errors](../errors.md) lists the exit codes.
"""


def type_text(annotation: Any) -> str:
    """Return how the page writes a type: ``None`` is left out, a choice is the list of its values."""
    if annotation in WORDS:
        return WORDS[annotation]
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:  # a type of its own range
        return type_text(arguments[0]) + bounds_text(arguments[1])
    if origin is Literal:
        return ", ".join(str(value) for value in arguments)
    if origin is tuple:
        count = "" if arguments[-1] is Ellipsis else f"{len(arguments)} "
        entry = type_text(arguments[0])
        return f"list of {count}{entry}s" if arguments[0] in WORDS else f"list of: {entry}"
    assert origin in (typing.Union, types.UnionType), annotation
    return ", or ".join(type_text(argument) for argument in arguments if argument is not types.NoneType)


def bounds_text(field: FieldInfo) -> str:
    """Return the range of a number, such as ``, above 0, at most 1``."""
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    found = [(words[name], getattr(item, name)) for item in field.metadata for name in words if hasattr(item, name)]
    return "".join(f", {word} {bound:g}" for word, bound in found)


def default_text(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return "none" if field.default is None else f"`{json.dumps(field.default)}`"


@cache
def meanings() -> dict[tuple[str, str], str]:
    """Return the text below each value of each section, by (class, value)."""
    found = {}
    for path in sorted(SOURCE.glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                for value, text in zip(node.body, node.body[1:], strict=False):
                    if isinstance(value, ast.AnnAssign) and isinstance(text, ast.Expr):
                        found[node.name, ast.unparse(value.target)] = " ".join(ast.literal_eval(text.value).split())
    return found


def meaning(model: type[BaseModel], key: str) -> str:
    """Return what a key means: the text in its class, else in a base; empty where there is none."""
    names = [base.__name__.partition("[")[0] for base in model.__mro__]
    return next((meanings()[name, key] for name in names if (name, key) in meanings()), "")


def section_models(section: str) -> dict[str, type[BaseModel]]:
    """Return the classes of a section by kind; a section of one kind has the kind ``""``."""
    kinds = kinds_of_section(section)[1]
    return dict(kinds) if kinds else {"": Recipe.model_fields[section].annotation}  # pyright: ignore


def section_names() -> list[str]:
    """Return the sections in their order."""
    fields = Recipe.model_fields.items()
    return [
        name
        for name, field in fields
        if kinds_of_section(name)[0] or (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel))
    ]


def meanings_of(owners: dict[str, type[BaseModel]], key: str, *, everyone: int) -> list[str]:
    """Return what a key means, once for each meaning, with the kinds that have it unless all ``everyone`` do."""
    kinds_by_text: dict[str, list[str]] = {}
    for kind, model in owners.items():
        kinds_by_text.setdefault(meaning(model, key), []).append(f"`{kind}`")
    shared = [kinds for kinds in kinds_by_text.values() if len(kinds) < everyone]
    return [f"{', '.join(kinds)}: {text}" if kinds in shared else text for text, kinds in kinds_by_text.items()]


def key_rows(models: dict[str, type[BaseModel]], prefix: str) -> list[tuple[str, str, str, str]]:
    """Return (key, type, default, meaning) of every value; what differs between kinds is named with the kind."""
    rows = []
    for key in dict.fromkeys(key for model in models.values() for key in model.model_fields):
        owners = {kind: model for kind, model in models.items() if key in model.model_fields}
        fields = {kind: model.model_fields[key] for kind, model in owners.items()}
        kinds = dict.fromkeys(type_text(field.annotation) + bounds_text(field) for field in fields.values())
        defaults = {kind: default_text(field) for kind, field in fields.items()}
        first = next(iter(defaults.values()))
        others = [f"`{kind}`: {default}" for kind, default in defaults.items() if default != first]
        said = " ".join(meanings_of(owners, key, everyone=len(models)))
        rows.append((f"`{prefix}{key}`", ", ".join(kinds), "; ".join([first, *others]), said))
    return rows


def top_rows() -> list[tuple[str, str, str, str]]:
    """Return the rows of the keys that lie in no section."""
    rows = []
    for name, field in Recipe.model_fields.items():
        if name not in section_names():
            kind = type_text(field.annotation) + bounds_text(field)
            rows.append((f"`{name}`", kind, default_text(field), meaning(Recipe, name)))
    return rows


def recipe_rows() -> list[tuple[str, str, str, str]]:
    """Return the rows of the whole page."""
    return [*top_rows(), *(row for name in section_names() for row in key_rows(section_models(name), f"{name}."))]


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def first_paragraph(model: type[BaseModel]) -> str:
    text = (model.__doc__ or "").strip().split("\n\n")[0]
    return re.sub(r":\w+:`[\w.]*?\.?(\w+)`", r"`\1`", " ".join(text.split()).replace("``", "`"))


def recipe_page() -> str:
    head = ("key", "type and range", "default", "meaning")
    parts = [RECIPE_HEAD, "## Top of the file\n", table(head, top_rows()) + "\n"]
    for name in section_names():
        models = section_models(name)
        about = (
            first_paragraph(models[""]) if "" in models else "The data set. `data.format` says which keys there are."
        )
        parts += [f"## {name}\n", about + "\n", table(head, key_rows(models, f"{name}.")) + "\n"]
    return "\n".join(parts)


def option_row(option: Any) -> tuple[str, str]:
    """Return the cells of an option: its names with the word for its value, and its help with the default."""
    names = ", ".join([*option.opts, *option.secondary_opts])
    value = "" if option.is_flag else f" {option.metavar or option.type.name.upper()}"
    default = option.default() if callable(option.default) else option.default
    shown = default not in (None, False, (), []) and not option.required and "[default" not in (option.help or "")
    said = [option.help or "", f"Default: `{default}`." if shown else "", "Required." if option.required else ""]
    return f"`{names}{value}`", " ".join(text for text in said if text)


def command_part(name: str, command: Any) -> str:
    """Return the part of one command: what it does, its words, an example."""
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
    words = [argument.metavar or argument.name.upper() for argument in arguments]
    usage = " ".join(["tagseg", name, *words, *(["[OPTIONS]"] if options else [])])
    rows = [(f"`{word}`", argument.help or "") for word, argument in zip(words, arguments, strict=True)]
    rows += [option_row(option) for option in options]
    example = (command.epilog or "").removeprefix("Example: ")
    about = " ".join((command.help or "").split())
    parts = [f"## tagseg {name}\n", about + "\n", f"```text\n{usage}\n```\n"]
    parts += [table(("word", "meaning"), rows) + "\n"] if rows else []
    parts += [f"```sh\n{example}\n```\n"] if example else []
    return "\n".join(parts)


def commands_page() -> str:
    group: Any = typer.main.get_command(app)
    return "\n".join([COMMANDS_HEAD, *(command_part(name, command) for name, command in group.commands.items())])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when something is out of date")
    asked = parser.parse_args()
    for name, text in {"recipe.md": recipe_page(), "command_line.md": commands_page()}.items():
        path = FOLDER / name
        if asked.check and (not path.exists() or path.read_text(encoding="utf-8") != text):
            sys.exit(f"{path.relative_to(ROOT)} is not that of the code: run make docs-reference")
        if not asked.check:
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
