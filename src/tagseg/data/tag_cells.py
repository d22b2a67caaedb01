"""One cell of a table of tags, as people and programs write it, into tag names."""

import ast
import json
import re
from collections.abc import Collection

Row = tuple[str, str, tuple[str, ...]]
"""Place in a file of tags, image, tag names."""

IMAGE_COLUMNS = ("image", "filename", "file_name", "file", "image_name", "image_path", "image_id", "path", "img")
TAG_COLUMNS = ("tags", "tag", "labels", "label", "classes", "class", "categories", "category", "choices", "choice")
"""Names of the column of images and of that of tags, the likeliest first."""

LISTS = re.compile(r"[;|,]")
_BRACKETS = {"[": "]", "(": ")", "{": "}"}
_QUOTED = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
_QUOTED_LIST = re.compile(rf"\s*(?:(?:{_QUOTED})[\s,]*)+")
_MISSING = frozenset({"", "nan", "none", "null", "<na>", "n/a", "na", "#n/a"})
"""What programs write where nothing is; read as no tag, unless a class is called so."""


def is_list(cell: str) -> bool:
    """Return whether a cell is a list of its own kind, in brackets, which pandas, numpy and annotation tools write.

    A round bracket counts only around quotes: ``(young) dog`` is a name. One that was cut short, with a bracket and a
    quote at its beginning, is a list too, and none that can be read.

    >>> [is_list(cell) for cell in ("['dog', 'cat']", '{"choices": ["dog"]}', "[]", "(young)", "dog;cat", "['dog', 'c")]
    [True, True, True, False, False, True]
    """
    if not cell or cell[0] not in _BRACKETS:
        return False
    if _BRACKETS[cell[0]] != cell[-1]:
        return cell[1:].lstrip()[:1] in ("'", '"')
    return cell[0] != "(" or "'" in cell or '"' in cell


def listed_names(cell: str) -> list[str] | None:
    """Return the names of a cell for which :func:`is_list` holds, or None when it holds something else.

    >>> listed_names("['dog', 'cat']"), listed_names('{"choices": ["dog"]}'), listed_names("['dog' 'cat']")
    (['dog', 'cat'], ['dog'], ['dog', 'cat'])
    >>> listed_names("[dog, cat]"), listed_names("[]"), listed_names('[{"x": 3}]')
    (['dog', 'cat'], [], None)
    """
    for parse in (json.loads, _written_list, ast.literal_eval):
        try:
            return _names_in(parse(cell))
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
    return None


def split_cell(cell: str, *, has_lists: bool, known: Collection[str] | None) -> list[str]:
    """Return the names of a cell that is not a list in brackets.

    Args:
        cell: without blanks around it.
        has_lists: whether any cell of the file separates by ``;``, ``|`` or commas; else blanks separate.
        known: the class names, or None: a cell that is one of them is one name.
    """
    names = [cell] if known is not None and cell in known else LISTS.split(cell) if has_lists else cell.split()
    return [_without_quotes(name.strip()) for name in names if name.strip()]


def is_missing(name: str) -> bool:
    """Return whether a name is what a program writes for a value that is not there.

    >>> is_missing("nan"), is_missing("<NA>"), is_missing("dog")
    (True, True, False)
    """
    return name.strip().lower() in _MISSING


def _written_list(cell: str) -> list[str]:
    """Return the items of a list of quoted names, or of bare ones; numpy puts blanks between quoted names."""
    inside = cell[1:-1].strip()
    if _QUOTED_LIST.fullmatch(inside):
        return [ast.literal_eval(found) for found in re.findall(_QUOTED, inside)]
    if any(mark in inside for mark in "'\"[](){}:"):
        raise ValueError
    return [name.strip() for name in inside.split(",") if name.strip()]


def _names_in(value: object) -> list[str]:
    """Return the names of a list, or of Label Studio's ``{"choices": [...]}``."""
    if isinstance(value, dict):
        if list(value) != ["choices"]:
            raise TypeError
        value = value["choices"]
        value = [value] if isinstance(value, str) else value
    if not isinstance(value, list | tuple | set):
        raise TypeError
    names: list[str] = []
    for item in value:
        if isinstance(item, dict):
            names += _names_in(item)
        elif isinstance(item, str):
            names.append(item)
        elif item is not None and item == item:  # NaN, which differs from itself, is nothing, and so is None
            raise TypeError
    return names


def _without_quotes(name: str) -> str:
    return name[1:-1].strip() if len(name) > 2 and name[0] == name[-1] == "'" else name
