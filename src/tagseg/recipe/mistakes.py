"""What is wrong with a recipe, in sentences."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tagseg.classes import nearest_name_help
from tagseg.recipe.renamed import RENAMED
from tagseg.recipe.schema import Recipe, kinds_of_section

_LONGEST_VALUE = 120  # characters of a value in a message


def sentences(error: ValidationError, *, renamed: Mapping[str, str] = RENAMED) -> list[str]:
    """Return a sentence ``key rule, got value`` for everything that pydantic finds wrong with a recipe.

    Args:
        error: what pydantic says.
        renamed: the names of keys of now by those of before.
    """
    return [_sentence(item, renamed) for item in error.errors()]


def _sentence(item: ErrorDetails, renamed: Mapping[str, str]) -> str:
    place = [str(part) for part in item["loc"]]
    tag, kinds = kinds_of_section(place[0]) if place else ("", {})
    # Behind a section of several kinds pydantic names the kind, which is not part of the key.
    kind = place.pop(1) if kinds and len(place) > 1 else ""
    key = ".".join(place)
    rule = item["msg"].removeprefix("Value error, ")
    match item["type"]:
        case "extra_forbidden" if key in renamed:
            return f"{key} is called {renamed[key]} now"
        case "extra_forbidden":
            owners = [name for name, section in kinds.items() if place[-1] in section.model_fields]
            if owners:
                return f"{key} belongs to {tag} {_either(owners)}, got {tag} '{kind}'"
            known = kinds[kind].model_fields if kind else _known_keys(place[:-1])
            return f"{key} is not a key of a recipe ({nearest_name_help(place[-1], known)})"
        case "missing":
            return f"{tag} '{kind}' needs {key}" if kind else f"{key} is required"
        case "union_tag_not_found":
            return f"{key}.{tag} is required: {_either(kinds)}"
        case "union_tag_invalid":
            return f"{key}.{tag}: input should be {_either(kinds)}, got {_text(item['input'][tag])}"
        case "value_error":
            return f"{key} {rule}" if key else rule
        case _:
            return f"{key}: {rule[0].lower() + rule[1:]}, got {_text(item['input'])}"


def _either(words: Iterable[str]) -> str:
    """Return words as a choice, such as ``'a', 'b' or 'c'``."""
    *others, last = (f"'{word}'" for word in words)
    return f"{', '.join(others)} or {last}" if others else last


def _text(value: Any) -> str:  # noqa: ANN401 (anything that TOML holds)
    text = json.dumps(value, default=str)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."


def _known_keys(place: list[str]) -> list[str]:
    """Return the keys that the section at ``place`` has."""
    section: Any = Recipe
    for part in place:
        section = section.model_fields[part].annotation
    return list(section.model_fields)
