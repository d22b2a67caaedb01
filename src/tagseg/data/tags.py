"""Image-level tags from a CSV or JSON file."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeGuard

from tagseg.classes import is_text, nearest_name_help
from tagseg.data.names import composed, is_background
from tagseg.data.problems import Problem, ProblemKind, report_problem
from tagseg.data.tag_cells import is_missing
from tagseg.data.tag_table import Row, csv_rows
from tagseg.data.text_files import read_names
from tagseg.errors import DataError
from tagseg.system.near_paths import near_path_help


def read_tags(
    path: Path, classes: Sequence[str] | None = None, *, problems: list[Problem] | None = None
) -> dict[str, tuple[str, ...]]:
    r"""Return the tag names of each image that a file lists.

    A CSV file has a header with the columns ``image`` and ``tags``, or names near to these such as ``filename`` and
    ``labels``; or a column for the image and one for each class, with 1 where it is shown and 0 where not. Tags are
    separated by ``;``, ``|`` or, inside quotes, commas; a file that uses none of these separates by spaces. A list in
    brackets, as pandas writes it, and Label Studio's ``{"choices": [...]}`` are lists of names. A JSON file holds
    ``{"a.jpg": ["cat"]}`` or ``[{"image": "a.jpg", "tags": ["cat"]}]``. An empty list of tags, a missing value such as
    ``nan``, and a name of background say that the image shows none of the classes.

    Args:
        path: file that ends in ``.csv`` or ``.json``: UTF-8, UTF-16 or Windows-1252 (``data/text_files.py``).
        classes: every name that may occur, or None to accept any that is spelt in one way.
        problems: where to collect bad rows, repeated images and unknown tags, which are then left out; None raises.

    Returns:
        Tag names by image in the order of the file; a name occurs once, with composed accents.

    Raises:
        DataError: when the file is unreadable or has no such columns, and for the first bad row without ``problems``.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "tags.csv")
    ...     _ = path.write_text("image,tags\na.jpg,cat dog\nb.jpg,\n")
    ...     read_tags(path)
    {'a.jpg': ('cat', 'dog'), 'b.jpg': ()}
    """
    text = _read_text(path, problems)
    known = None if classes is None else tuple(composed(name) for name in classes)
    is_json = path.suffix.lower() == ".json"
    rows = _json_rows(path, text, problems) if is_json else csv_rows(path, text, known, problems)
    spellings = _Spellings(path, known, problems)
    tags: dict[str, tuple[str, ...]] = {}
    first_place: dict[str, str] = {}
    for place, image, names in rows:
        if image in tags:
            message = f"{path} names an image once, got '{image}' at {first_place[image]} and at {place}"
            report_problem(Problem(ProblemKind.REPEATED_IMAGE, path, message, "join both into one row"), problems)
            continue
        first_place[image] = place
        found = [spellings.known_name(name, place) for name in names]
        tags[image] = tuple(dict.fromkeys(name for name in found if name is not None))
    return tags


class _Spellings:
    """How the tags of a file are spelt, and which of them are classes."""

    def __init__(self, path: Path, known: Sequence[str] | None, problems: list[Problem] | None) -> None:
        self._path = path
        self._known = known
        self._problems = problems
        self._first: dict[str, str] = {}

    def known_name(self, name: str, place: str) -> str | None:
        """Return the class that a tag names, None when it names none."""
        name = composed(name)
        if self._known is not None and name in self._known:
            return name
        if is_missing(name) or is_background(name):
            return None
        if self._known is not None:
            message = f"{self._path} at {place} must hold known tags, got '{name}'"
            help = nearest_name_help(name, self._known)
            report_problem(Problem(ProblemKind.UNKNOWN_TAG, self._path, message, help), self._problems)
            return None
        first = self._first.setdefault(name.lower(), name)
        if first != name:
            message = f"{self._path} at {place} must spell a class as before, got '{name}' after '{first}'"
            help = f"write '{first}' everywhere, or one line for each class in classes.txt"
            report_problem(Problem(ProblemKind.TWO_SPELLINGS, self._path, message, help), self._problems)
        return first


def _json_rows(path: Path, text: str, problems: list[Problem] | None) -> Iterable[Row]:
    try:
        # A plain dict would silently keep the last of two equal names.
        content = json.loads(text, object_pairs_hook=_Pairs)
    except ValueError as error:
        if not isinstance(error, json.JSONDecodeError):
            message = f"{path} must be JSON with image and tag names, got a number of too many digits"
            raise DataError(message, help="remove it") from error
        raise DataError(
            f"{path} must be JSON, got a mistake at line {error.lineno}", help="correct that line"
        ) from error
    except RecursionError as error:
        raise DataError(
            f"{path} must hold image names and lists of tag names, got lists that lie too deep in each other",
            help='write {"a.jpg": ["cat"]}',
        ) from error
    items: list[tuple[str, object, object]]
    if isinstance(content, _Pairs):
        items = [(f"image '{image}'", image, names) for image, names in content]
    elif isinstance(content, list):
        entries = [dict(entry) if isinstance(entry, _Pairs) else {} for entry in content]
        items = [(f"entry {i}", entry.get("image"), entry.get("tags")) for i, entry in enumerate(entries, start=1)]
    else:
        raise DataError(
            f"{path} must hold an object or a list, got {text.strip()[:20]}", help='write {"a.jpg": ["cat"]}'
        )
    for place, image, names in items:
        if isinstance(image, str) and image and _is_list_of_names(names):
            yield place, image, tuple(name.strip() for name in names)
        else:
            message = f"{path} at {place} must hold an image name and a list of tag names, got something else"
            help = 'write {"image": "a.jpg", "tags": ["cat"]}'
            report_problem(Problem(ProblemKind.BAD_TAGS, path, message, help), problems)


class _Pairs(list[tuple[str, object]]):
    """The members of a JSON object in order, repeated names included."""


def _is_list_of_names(value: object) -> TypeGuard[list[str]]:
    if not isinstance(value, list) or isinstance(value, _Pairs):
        return False
    return all(isinstance(name, str) and name.strip() and is_text(name) for name in value)


def _read_text(path: Path, problems: list[Problem] | None) -> str:
    try:
        return read_names(path, problems)
    except FileNotFoundError as error:
        raise DataError(
            f"file of tags {path} must exist, got no such file", help=near_path_help(path, "correct the path")
        ) from error
    except OSError as error:
        raise DataError(
            f"file of tags {path} must be readable, got {error.strerror}", help="correct the path"
        ) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        message = f"file of tags {path} must be UTF-8 text, got other bytes at line {line}"
        raise DataError(message, help="save it with the encoding UTF-8") from error
