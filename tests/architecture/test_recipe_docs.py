"""The table of recipe keys in docs/pipeline.md is the schema: every key, type and default, and nothing else."""

import json
import re
import types
import typing
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from tagseg.recipe.schema import Recipe, kinds_of_section

PAGE = Path(__file__).resolve().parents[2] / "docs" / "pipeline.md"
WORDS = {str: "word", int: "whole number", float: "number", bool: "true, false", Path: "path"}


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


def schema_rows(model: type[BaseModel] = Recipe, prefix: str = "") -> list[tuple[str, str, str]]:
    """Return (key, type, default) of every value of the schema, sections in their order."""
    rows = []
    for name, field in model.model_fields.items():
        if not prefix and kinds_of_section(name)[0]:
            rows += rows_of_kinds(name)
        elif isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            rows += schema_rows(field.annotation, f"{prefix}{name}.")
        else:
            kind = type_text(field.annotation) + bounds_text(field)
            rows.append((f"`{prefix}{name}`", kind, default_text(field)))
    return rows


def rows_of_kinds(section: str) -> list[tuple[str, str, str]]:
    """Return one row for every key of a section of several kinds; a kind with another default is named with it."""
    types_of: dict[str, dict[str, None]] = {}
    defaults_of: dict[str, dict[str, str]] = {}
    for kind, model in kinds_of_section(section)[1].items():
        for key, type_of_kind, default in schema_rows(model, f"{section}."):
            types_of.setdefault(key, {})[type_of_kind] = None
            defaults_of.setdefault(key, {})[kind] = default
    rows = []
    for key, defaults in defaults_of.items():
        first = next(iter(defaults.values()))
        others = [f"`{kind}`: {default}" for kind, default in defaults.items() if default != first]
        rows.append((key, ", ".join(types_of[key]), "; ".join([first, *others])))
    return rows


def owners(section: str, key: str) -> list[str]:
    """Return the kinds of a section that have a key, or none when all have it."""
    kinds = kinds_of_section(section)[1]
    found = [kind for kind, model in kinds.items() if key in model.model_fields]
    return found if len(found) < len(kinds) else []


def page_rows() -> list[tuple[str, ...]]:
    """Return the cells of the table's rows, without those of its head."""
    _, _, section = PAGE.read_text(encoding="utf-8").partition("## All recipe keys\n")
    lines = [line for line in section.split("\n## ")[0].splitlines() if re.match(r"\| `", line)]
    return [tuple(cell.strip() for cell in line.strip("| ").split(" | ")) for line in lines]


def test_every_key_of_the_schema_is_in_the_table_and_no_other() -> None:
    assert [row[0] for row in page_rows()] == [key for key, _, _ in schema_rows()]


def test_types_and_defaults_are_those_of_the_schema() -> None:
    assert [row[1:3] for row in page_rows()] == [(kind, default) for _, kind, default in schema_rows()]


def test_every_key_has_a_meaning() -> None:
    assert [row[0] for row in page_rows() if len(row) != 4 or len(row[3].split()) < 2] == []


def test_a_key_that_not_every_layout_has_names_those_that_have_it() -> None:
    named = {key.strip("`"): re.match(r"((?:`\w+`, )*`\w+`): ", meaning) for key, _, _, meaning in page_rows()}
    keys = [key for key in named if key.startswith("data.")]
    expected = {key: ", ".join(f"`{kind}`" for kind in owners("data", key.removeprefix("data."))) for key in keys}
    assert {key: found[1] if (found := named[key]) else "" for key in keys} == expected


def test_the_walk_sees_nested_keys_and_writes_types_and_bounds() -> None:
    rows = {key: (kind, default) for key, kind, default in schema_rows()}
    assert rows["`name`"] == ("word", "required")
    assert rows["`suppression.delta`"] == ("number, above 0, at most 1", "`0.55`")
    assert rows["`training.long_side_px`"] == ("list of 2 whole numbers", "`[320, 640]`")
    assert rows["`prediction.max_side_px`"] == ("whole number, at least 32, or auto", '`"auto"`')
    assert rows["`data.format`"] == ("voc, coco, folder, synthetic", "required")
    assert rows["`data.root`"] == ("path", "required; `synthetic`: none")
    assert rows["`data.tags`"] == ("path", "none")
    assert rows["`engine.threads`"] == ("whole number, at least 1", "none")
    assert rows["`classifier.output_stride`"] == ("8, 16, 32", "`16`")
