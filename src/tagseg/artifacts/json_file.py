"""JSON of people and programs read strictly: one kind of error for everything that can be wrong with it."""

import json
import math
from pathlib import Path
from typing import Any

Json = Any
"""A value as ``json`` reads it."""

MOST = 2**63 - 1
"""More than is counted here, in bytes and nanoseconds too; a whole number of JSON may have hundreds of digits."""


def read_json(path: Path) -> Json:
    """Read a JSON file of UTF-8 text whose numbers are finite.

    Raises:
        ValueError: when it cannot be read, or is no such JSON. The caller knows what the file is called, and says so.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.json"
    >>> _ = path.write_text('{"step": 7}')
    >>> read_json(path)
    {'step': 7}
    """
    try:
        return parse_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"a file that cannot be read: {error.strerror or error}") from error


def parse_json(text: str, *, finite: bool = True) -> Json:
    """Return what a JSON text says.

    Args:
        text: the JSON.
        finite: whether numbers must be.

    Raises:
        ValueError: when it is no such JSON.

    >>> parse_json("[1, 2.5]")
    [1, 2.5]
    """
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite) if finite else json.loads(text)
    except RecursionError as error:
        raise ValueError("lists inside lists without end") from error


def json_bytes(value: Json) -> bytes:
    r"""Return JSON as people read it, in UTF-8, with a line break at its end.

    Bytes in the name of a file that are not text become escapes, which JSON has for them, and read back as they were.

    Raises:
        ValueError: when a number is not finite.

    >>> json_bytes({"name": "gr\u00f6\udcff"})
    b'{\n  "name": "gr\xc3\xb6\\udcff"\n}\n'
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode("utf-8", "backslashreplace")


def text_of(value: Json) -> str:
    """Return a value that must be text.

    Raises:
        ValueError: when it is something else.

    >>> text_of("cat")
    'cat'
    """
    if not isinstance(value, str):
        raise ValueError(f"text is expected, got {type(value).__name__}")
    return value


def count_of(value: Json) -> int:
    """Return a value that must be a whole number, 0 or more.

    Raises:
        ValueError: when it is something else.

    >>> count_of(3)
    3
    """
    if type(value) is not int or not 0 <= value <= MOST:  # True is an int in Python, and no count
        raise ValueError("a count is expected")
    return value


def share_of(value: Json) -> float:
    """Return a value that must be a number in [0, 1].

    Raises:
        ValueError: when it is something else.

    >>> share_of(1)
    1.0
    """
    if type(value) not in (int, float) or not 0 <= value <= 1:
        raise ValueError("a number in [0, 1] is expected")
    return float(value)


def flag_of(value: Json) -> bool:
    """Return a value that must be true or false.

    Raises:
        ValueError: when it is something else.

    >>> flag_of(True)
    True
    """
    if not isinstance(value, bool):
        raise ValueError(f"true or false is expected, got {type(value).__name__}")
    return value


def list_of(value: Json) -> list[Json]:
    """Return a value that must be a list.

    Raises:
        ValueError: when it is something else.

    >>> list_of([1])
    [1]
    """
    if not isinstance(value, list):
        raise ValueError(f"a list is expected, got {type(value).__name__}")
    return value


def mapping_of(value: Json) -> dict[str, Json]:
    """Return a value that must be an object: values by name.

    Raises:
        ValueError: when it is something else.

    >>> mapping_of({"a": 1})
    {'a': 1}
    """
    if not isinstance(value, dict):
        raise ValueError(f"values by name are expected, got {type(value).__name__}")
    return value


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"a finite number is expected, got {text[:20]}")
    return value


def _refuse(name: str) -> float:
    raise ValueError(f"a finite number is expected, got {name}")
