"""From a TOML file, a preset and ``--set`` to a checked recipe, with every mistake named at once."""

import json
import re
import tomllib
from datetime import date, time
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tagseg.classes import is_text
from tagseg.data.text_files import decode_unicode
from tagseg.errors import RecipeError
from tagseg.recipe.mistakes import sentences
from tagseg.recipe.packaged import help_where_missing, recipe_path
from tagseg.recipe.presets import PRESETS
from tagseg.recipe.renamed import with_new_names
from tagseg.recipe.schema import Recipe, key_of, kinds_of_section
from tagseg.recipe.section import Section
from tagseg.system.home import with_home

_DEEPEST, _SHOWN = 20, 40  # tables in each other, of which a recipe has one; characters of a key in a message
_MOST_DOTS = 200  # in one key
_TOO_DEEP = "lists or tables that lie too deep in each other"


def load_recipe(path: str | Path, overrides: list[str] | None = None) -> Recipe:
    """Read a TOML recipe and check all of it.

    Args:
        path: the name of a packaged recipe, or a TOML file, see :func:`tagseg.recipe.packaged.recipe_path`.
        overrides: ``section.key=value`` settings; a value is TOML, and a word that is not TOML is a string.

    Returns:
        The typed recipe, preset and overrides applied.

    Raises:
        RecipeError: for a missing or unreadable file, and for all wrong keys and values at once.
    """
    return make_recipe(_read(recipe_path(path)), overrides or [], source=str(path))


def parse_recipe(text: str, *, source: str) -> Recipe:
    r"""Build a recipe from TOML.

    Args:
        text: the TOML.
        source: what it is called in an error.

    Raises:
        RecipeError: for a mistake in the TOML, and for all wrong keys and values at once.

    >>> parse_recipe('name = "mine"\ndata = {format = "folder", root = "photos"}', source="mine").name
    'mine'
    """
    try:
        return make_recipe(_parse(text), source=source)
    except ValueError as error:
        raise RecipeError(f"recipe {source} is TOML, got: {error}", help="correct that line") from None


def load_run_recipe(path: str | Path, overrides: list[str] | None = None) -> Recipe:
    """Read the recipe that a run folder keeps, which an older version of tagseg may have written.

    Renamed keys get their names of now, and keys of another kind of their section are left out: tagseg 0.1 wrote those
    of all data layouts, and read those of one.

    Args:
        path: the run folder's ``recipe.toml``.
        overrides: as for :func:`load_recipe`.

    Raises:
        RecipeError: as :func:`load_recipe`.
    """
    values = with_new_names(_read(Path(path)))
    for name, entries in values.items():
        tag, kinds = kinds_of_section(name)
        own = kinds.get(str(entries.get(tag))) if isinstance(entries, dict) else None
        if own:
            others = {key for kind in kinds.values() for key in kind.model_fields} - set(own.model_fields)
            values[name] = {key: value for key, value in entries.items() if key not in others}
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
    _require_text(values, source=source)
    recipe = _checked(values, source=source)
    given = {key_of(setting) for setting in overrides or []}
    # Who names the epochs of a training means them.
    given |= {key.replace(".epochs", f".{limit}_steps") for key in given for limit in ("least", "most")}
    small_set = recipe.small_set.without(given)
    if not small_set.set or not small_set.below:
        return recipe.model_copy(update={"small_set": small_set})
    small_values = json.loads(json.dumps(values))
    for setting in small_set.set:
        _apply(small_values, setting, giver=f"small_set.set of {source}")
    _checked(small_values, source=f"with small_set.set (set it to [] to do without), {source}")
    return recipe.model_copy(update={"small_set": small_set})


def _require_text(values: dict[str, Any], *, source: str) -> None:
    """Raise for keys and values with bytes of a command line that are not text: no recipe could keep them."""
    waiting: list[tuple[str, Any]] = [("", values)]
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [(f"{place}.{key}".lstrip("."), each) for key, each in value.items()]
        elif isinstance(value, list):
            waiting += [(place, each) for each in value]
        for text in (place, value):
            if isinstance(text, str) and not is_text(text):
                raise RecipeError(f"{source} holds text, got {text!r} at {place!r}", help="give it a name in UTF-8")


def _checked(values: dict[str, Any], *, source: str) -> Recipe:
    """Return the recipe of nested values, those of its preset below them."""
    values = dict(values)
    preset = PRESETS.get(str(values.get("preset", "corrected")), {})
    for section, defaults in preset.items():
        given = values.get(section, {})
        values[section] = {**defaults, **given} if isinstance(given, dict) else given
    values = _without_none(values)
    try:
        return Recipe.model_validate_json(json.dumps(values))
    except ValidationError as error:
        problems = sentences(error)
        count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
        raise RecipeError(
            f"{source} has {count}: {'; '.join(problems)}", help="correct the recipe or the --set that names it"
        ) from None


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    """Leave numbers out that are the word ``none``, where they may be left out: TOML has no word of its own for it."""
    numbers = {
        section: field.annotation.optional_numbers()
        for section, field in Recipe.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
    }
    return {
        section: {key: value for key, value in entries.items() if value != "none" or key not in numbers[section]}
        if section in numbers and isinstance(entries, dict)
        else entries
        for section, entries in values.items()
    }


def to_toml(recipe: Recipe) -> str:
    """Write a recipe as TOML that :func:`load_recipe` reads back to the same values; what is None is left out.

    >>> recipe = make_recipe({"name": "mine", "data": {"format": "folder", "root": "photos"}})
    >>> make_recipe(tomllib.loads(to_toml(recipe))) == recipe
    True
    """
    values = recipe.model_dump(mode="json", exclude_none=True)
    lines = [f"{key} = {toml_value(value)}" for key, value in values.items() if not isinstance(value, dict)]
    for section, entries in values.items():
        if isinstance(entries, dict):
            lines += ["", f"[{section}]", *(f"{key} = {toml_value(value)}" for key, value in entries.items())]
    return "\n".join(lines) + "\n"


def toml_value(value: Any) -> str:  # noqa: ANN401 (anything flat that JSON holds)
    r"""Return a string, number, boolean or flat list as TOML has it.

    JSON escapes a letter beyond 16 bits as two halves, which TOML refuses, and keeps the delete character, which TOML
    has escaped.

    >>> print(toml_value("a\\b\x7f"), toml_value([1.5, True]))
    "a\\b\u007f" [1.5, true]
    """
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def flat_values(recipe: Recipe) -> dict[str, Any]:
    """Return all values of a recipe by ``section.key``, as JSON has them."""
    flat = {}
    for key, value in recipe.model_dump(mode="json").items():
        flat |= {f"{key}.{name}": item for name, item in value.items()} if isinstance(value, dict) else {key: value}
    return flat


def _read(path: Path) -> dict[str, Any]:
    """Return the values of a TOML file."""
    try:
        return _parse(decode_unicode(Path(with_home(str(path))).read_bytes()))
    except FileNotFoundError:
        raise RecipeError(f"recipe {path} must exist, got no such file", help=help_where_missing(path)) from None
    except (ValueError, OSError) as error:  # a mistake in TOML and bytes that are not text are ValueErrors, too
        raise RecipeError(f"recipe {path} is a TOML file, got: {error}", help="correct that line") from None


def _parse(text: str) -> dict[str, Any]:
    """Return the values of TOML.

    Raises:
        ValueError: for a mistake, a number of thousands of digits, and lists in lists without end.
    """
    # tomllib takes minutes of a processor for a key of tens of thousands of names.
    words = re.split(r"[\n,=\[\]{}]", text.replace(" ", "").replace("\t", ""))
    if any(word.count(".") > _MOST_DOTS for word in words):
        raise ValueError(_TOO_DEEP)
    try:
        values = tomllib.loads(text.replace("\r\n", "\n"))
    except tomllib.TOMLDecodeError:
        raise
    except ValueError:
        raise ValueError("a number of too many digits") from None
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    inside: list[Any] = [values]
    for _ in range(_DEEPEST):  # tables in tables are read without end, and written nowhere
        members = [each.values() if isinstance(each, dict) else each for each in inside]
        inside = [each for group in members for each in group if isinstance(each, dict | list)]
    if inside:
        raise ValueError(_TOO_DEEP)
    return values


def _apply(values: dict[str, Any], setting: str, *, giver: str = "--set") -> None:
    """Set one dotted key from ``key=value``."""
    key, equals, text = setting.partition("=")
    if not equals or not key.strip():
        example = "training.epochs=5" if giver != "--set" else "--set training.epochs=5"
        raise RecipeError(f"{giver} takes key=value, got '{setting}'", help=f"write for example {example}")
    try:
        parsed = _parse(f"value = {text}")
        value = parsed["value"] if list(parsed) == ["value"] else text
    except ValueError:
        value = text
    if isinstance(value, date | time):  # no key is a date: 2024-01-31 is a name
        value = text.strip()
    *sections, last = key.strip().split(".")
    if len(sections) > _DEEPEST:
        raise RecipeError(
            f"{giver} names a section and a key, got {len(sections) + 1} names that begin with '{key[:_SHOWN]}'",
            help="check the key's path",
        )
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise RecipeError(f"{giver} {key} names a section, got the value '{section}'", help="check the key's path")
    values[last] = value
