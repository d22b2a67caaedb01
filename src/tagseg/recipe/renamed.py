"""Recipe keys that have another name than in an older version."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

RENAMED: Mapping[str, str] = {}
"""By the name of before that of now, both with their section, such as ``"training.rate": "training.lr"``."""


def with_new_names(values: Mapping[str, Any], *, renamed: Mapping[str, str] = RENAMED) -> dict[str, Any]:
    """Return a recipe's nested values with the names of now.

    >>> with_new_names({"name": "x", "training": {"rate": 0.1}}, renamed={"training.rate": "training.lr"})
    {'name': 'x', 'training': {'lr': 0.1}}
    """
    named = deepcopy(dict(values))
    for old, new in renamed.items():
        (section, _, key), (new_section, _, new_key) = old.partition("."), new.partition(".")
        found = named.get(section)
        if isinstance(found, dict) and key in found:
            named.setdefault(new_section, {})[new_key] = found.pop(key)
    return named
