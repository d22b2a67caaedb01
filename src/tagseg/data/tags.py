"""Image-level tags from a file: a table, JSON, or what an annotation tool exports."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeGuard

from tagseg.classes import is_text, nearest_name_help
from tagseg.data.names import composed, is_background
from tagseg.data.problems import Problem, ProblemKind, report_problem
from tagseg.data.tag_cells import Row, is_missing
from tagseg.data.tag_formats.cvat_tags import cvat_rows
from tagseg.data.tag_formats.fiftyone_tags import fiftyone_rows, is_fiftyone
from tagseg.data.tag_formats.label_studio_tags import is_label_studio, label_studio_rows, short_entry
from tagseg.data.tag_formats.metadata_lines import metadata_rows
from tagseg.data.tag_table import csv_rows
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
    ``nan``, and a name of background say that the image shows none of the classes. Files of annotation tools are found
    by what they hold, see ``data/tag_formats``.

    Args:
        path: file that ends in ``.csv``, ``.json``, ``.jsonl`` or ``.xml``; text is UTF-8, UTF-16 or Windows-1252
            (``data/text_files.py``).
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
    known = None if classes is None else tuple(composed(name) for name in classes)
    rows = _rows(path, known, problems)
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


def _rows(path: Path, known: Sequence[str] | None, problems: list[Problem] | None) -> Iterable[Row]:
    """Return the good rows of a file, by the kind of file that it is."""
    ending = path.suffix.lower()
    if ending == ".xml" and path.is_file():
        return cvat_rows(path, problems)
    text = _read_text(path, problems)
    if ending == ".jsonl":
        return metadata_rows(path, text, problems)
    return _json_rows(path, text, problems) if ending == ".json" else csv_rows(path, text, known, problems)


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
    content, plain = _parsed(path, text)
    if isinstance(plain, dict) and is_fiftyone(plain):
        return fiftyone_rows(path, plain, problems)
    if isinstance(plain, list) and is_label_studio(plain):
        return label_studio_rows(path, plain, problems)
    if isinstance(content, _Pairs):
        items = [(f"image '{image}'", image, names) for image, names in content]
    elif isinstance(plain, list):
        images = [_image_and_names(entry if isinstance(entry, dict) else {}) for entry in plain]
        items = [(f"entry {number}", *found) for number, found in enumerate(images, start=1)]
    else:
        raise DataError(
            f"{path} must hold an object or a list, got {text.strip()[:20]}", help='write {"a.jpg": ["cat"]}'
        )
    return _own_rows(path, items, problems)


def _image_and_names(entry: dict[str, object]) -> tuple[object, object]:
    return short_entry(entry) if "annotator" in entry else (entry.get("image"), entry.get("tags"))


def _own_rows(path: Path, items: Iterable[tuple[str, object, object]], problems: list[Problem] | None) -> Iterator[Row]:
    for place, image, names in items:
        if isinstance(image, str) and image and _is_list_of_names(names):
            yield place, image, tuple(name.strip() for name in names)
        else:
            message = f"{path} at {place} must hold an image name and a list of tag names, got something else"
            help = 'write {"image": "a.jpg", "tags": ["cat"]}'
            report_problem(Problem(ProblemKind.BAD_TAGS, path, message, help), problems)


def _parsed(path: Path, text: str) -> tuple[object, object]:
    """Return the content of a file, with objects as :class:`_Pairs`, and the same with objects of Python."""
    try:
        # A plain dict would silently keep the last of two equal names.
        content = json.loads(text, object_pairs_hook=_Pairs)
        return content, _plain(content)
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


class _Pairs(list[tuple[str, object]]):
    """The members of a JSON object in order, repeated names included."""


def _plain(value: object) -> object:
    """Return a value of a JSON file with objects of Python."""
    if isinstance(value, _Pairs):
        return {name: _plain(member) for name, member in value}
    return [_plain(item) for item in value] if isinstance(value, list) else value


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
