"""A walk over the lists of a large JSON file that holds one element at a time and knows its place in the file."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tagseg.errors import DataError
from tagseg.system.near_paths import near_path_help

Span = tuple[int, int]
"""First byte and byte after the last of one element in its file."""

_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()
_BYTE_ORDER_MARK = "\xef\xbb\xbf"


def list_elements(path: Path) -> Iterator[tuple[str, Any, Span]]:
    """Yield the elements of every list that is a member of the file's one object.

    The file is held as text of one byte a character; its elements are decoded one by one, so that the memory is the
    file's size and not that of a million Python objects. ``json.loads`` of the bytes of a span gives the element again.

    Args:
        path: JSON file, UTF-8.

    Yields:
        Name of the list, element, place of the element.

    Raises:
        DataError: when the file cannot be read or is not one JSON object.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.json")
    ...     _ = path.write_text('{"year": 1, "images": [{"id": 7}, {"id": 8}]}')
    ...     list(list_elements(path))
    [('images', {'id': 7}, (23, 32)), ('images', {'id': 8}, (34, 43))]
    """
    try:
        # Latin-1 maps each byte to one character: places in the text are places in the file.
        text = path.read_bytes().decode("latin-1")
    except FileNotFoundError as error:
        raise DataError(
            f"annotations {path} must exist, got no such file", help=near_path_help(path, "correct the path")
        ) from error
    except OSError as error:
        raise DataError(
            f"annotations {path} must be readable, got {error.strerror}", help="correct the path"
        ) from error
    try:
        yield from _members(text)
    except (_MistakeError, IndexError) as error:
        found, at = error.args if isinstance(error, _MistakeError) else ("a mistake", len(text))
        line = text.count("\n", 0, at) + 1
        message = f"annotations {path} must be one JSON object, got {found} at line {line}"
        raise DataError(message, help="restore the file or name another") from error


class _MistakeError(Exception):
    """What is wrong with the text, and where."""


def _members(text: str) -> Iterator[tuple[str, Any, Span]]:
    """Walk the members of the object; running over the end of the text raises IndexError."""
    at = _expect(text, len(_BYTE_ORDER_MARK) if text.startswith(_BYTE_ORDER_MARK) else 0, "{")
    while text[at] != "}":
        name, at = _decode(text, at)
        at = _expect(text, at, ":")
        if text[at] == "[":
            at = _skip(text, at + 1)
            while text[at] != "]":
                element, end = _decode(text, at)
                yield name, element, (at, end)
                at = _after_item(text, end, "]")
            at = _after_item(text, at + 1, "}")
        else:
            _, at = _decode(text, at)
            at = _after_item(text, at, "}")


def _decode(text: str, at: int) -> tuple[Any, int]:
    """Return the value that starts at a place, and the place after it."""
    try:
        value, end = _DECODER.raw_decode(text, at)
        if not text[at:end].isascii():
            value = json.loads(text[at:end].encode("latin-1"))
        return value, end
    except json.JSONDecodeError as error:
        raise _MistakeError("a mistake", error.pos) from error
    except UnicodeDecodeError as error:
        raise _MistakeError("text that is not UTF-8", at) from error
    except RecursionError as error:
        raise _MistakeError("a value nested too deep", at) from error
    except ValueError as error:  # Python converts no number of more than 4,300 digits
        raise _MistakeError("a number of too many digits", at) from error


def _skip(text: str, at: int) -> int:
    """Return the place of the next character that is not white space."""
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _expect(text: str, at: int, mark: str) -> int:
    """Return the place after white space, the mark, and white space."""
    at = _skip(text, at)
    if text[at] != mark:
        raise _MistakeError("a mistake", at)
    return _skip(text, at + 1)


def _after_item(text: str, at: int, closing: str) -> int:
    """Return the place of the next item, or of the closing mark when there is none."""
    at = _skip(text, at)
    if text[at] == closing:
        return at
    at = _expect(text, at, ",")
    if text[at] == closing:
        raise _MistakeError("a mistake", at)
    return at
