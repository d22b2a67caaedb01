"""From a TOML file, a preset and ``--set`` to a checked recipe, with every mistake named at once."""

import json
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tagseg.classes import nearest_name_help
from tagseg.errors import RecipeError
from tagseg.recipe.presets import PRESETS
from tagseg.recipe.schema import Recipe


def load_recipe(path: str | Path, overrides: list[str] | None = None) -> Recipe:
    """Read a TOML recipe and check all of it.

    Args:
        path: the TOML file.
        overrides: ``section.key=value`` settings; a value is TOML, and a word that is no TOML is a string.

    Returns:
        The typed recipe, preset and overrides applied.

    Raises:
        RecipeError: for a missing or unreadable file, and for all wrong keys and values at once.
    """
    path = Path(path)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecipeError(f"recipe {path} is a file that exists, got none", help="check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise RecipeError(f"recipe {path} is a TOML file, got: {error}", help="correct that line") from None
    return make_recipe(values, overrides or [], source=str(path))


def make_recipe(values: dict[str, Any], overrides: list[str] | None = None, *, source: str = "recipe") -> Recipe:
    """Build a recipe from nested values as TOML gives them.

    Raises:
        RecipeError: naming every wrong key and value of ``source`` at once.

    >>> mine = make_recipe({"name": "mine", "data": {"format": "folder", "root": "photos"}}, ["training.epochs=5"])
    >>> mine.training.epochs
    5
    """
    values = json.loads(json.dumps(values, default=str))
    for setting in overrides or []:
        _apply(values, setting)
    preset = PRESETS.get(str(values.get("preset", "corrected")), {})
    for section, defaults in preset.items():
        given = values.get(section, {})
        values[section] = {**defaults, **given} if isinstance(given, dict) else given
    try:
        return Recipe.model_validate_json(json.dumps(values))
    except ValidationError as error:
        problems = [_sentence(item) for item in error.errors()]
        count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
        raise RecipeError(
            f"{source} has {count}: {'; '.join(problems)}", help="correct the recipe or the --set that names it"
        ) from None


def to_toml(recipe: Recipe) -> str:
    """Write a recipe as TOML that :func:`load_recipe` reads back to the same values; what is None is left out.

    >>> recipe = make_recipe({"name": "mine", "data": {"format": "folder", "root": "photos"}})
    >>> make_recipe(tomllib.loads(to_toml(recipe))) == recipe
    True
    """
    values = recipe.model_dump(mode="json", exclude_none=True)
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items() if not isinstance(value, dict)]
    for section, entries in values.items():
        if isinstance(entries, dict):
            # A JSON string, number, boolean or flat list is also TOML.
            lines += ["", f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in entries.items())]
    return "\n".join(lines) + "\n"


def flat_values(recipe: Recipe) -> dict[str, Any]:
    """Return all values of a recipe by ``section.key``, as JSON has them."""
    flat = {}
    for key, value in recipe.model_dump(mode="json").items():
        flat |= {f"{key}.{name}": item for name, item in value.items()} if isinstance(value, dict) else {key: value}
    return flat


def _apply(values: dict[str, Any], setting: str) -> None:
    """Set one dotted key from ``key=value``."""
    key, equals, text = setting.partition("=")
    if not equals or not key.strip():
        raise RecipeError(f"--set takes key=value, got '{setting}'", help="write for example --set training.epochs=5")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *sections, last = key.strip().split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise RecipeError(f"--set {key} names a section, got the value '{section}'", help="check the key's path")
    values[last] = value


def _sentence(item: ErrorDetails) -> str:
    """Turn one pydantic error into ``key rule, got value``."""
    place = [str(part) for part in item["loc"]]
    key = ".".join(place)
    if item["type"] == "extra_forbidden":
        return f"{key} is no key of a recipe ({nearest_name_help(place[-1], _known_keys(place[:-1]))})"
    if item["type"] == "missing":
        return f"{key} is required"
    rule = item["msg"].removeprefix("Value error, ")
    if item["type"] == "value_error":
        return f"{key} {rule}" if key else rule
    return f"{key}: {rule[0].lower() + rule[1:]}, got {json.dumps(item['input'], default=str)}"


def _known_keys(place: list[str]) -> list[str]:
    """Return the keys that the section at ``place`` has."""
    section: Any = Recipe
    for part in place:
        section = section.model_fields[part].annotation
    return list(section.model_fields)
