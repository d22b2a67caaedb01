"""Image-level tags from a CSV or JSON file."""

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeGuard

from tagseg.classes import nearest_name_help
from tagseg.data.problems import Problem, ProblemKind, report_problem
from tagseg.errors import DataError

_LISTS = re.compile(r"[;|,]")


def read_tags(
    path: Path, classes: Sequence[str] | None = None, *, problems: list[Problem] | None = None
) -> dict[str, tuple[str, ...]]:
    r"""Return the tag names of each image that a file lists.

    A CSV file has a header with the columns ``image`` and ``tags``. Tags are separated by ``;``, ``|`` or, inside
    quotes, commas; a file that uses none of them separates by spaces. A JSON file holds ``{"a.jpg": ["cat"]}`` or
    ``[{"image": "a.jpg", "tags": ["cat"]}]``. An empty list of tags says that the image shows none of the classes.

    Args:
        path: file that ends in ``.csv`` or ``.json``, UTF-8.
        classes: every name that may occur, or None to accept any.
        problems: where to collect bad rows, repeated images and unknown tags, which are then left out; None raises.

    Returns:
        Tag names by image, as written there, in the order of the file; a name occurs once.

    Raises:
        DataError: when the file is unreadable or has no such columns, and for the first bad row without ``problems``.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "tags.csv")
    ...     _ = path.write_text("image,tags\na.jpg,cat dog\nb.jpg,\n")
    ...     read_tags(path)
    {'a.jpg': ('cat', 'dog'), 'b.jpg': ()}
    """
    text = _read_text(path)
    rows = (
        _json_rows(path, text, problems) if path.suffix.lower() == ".json" else _csv_rows(path, text, classes, problems)
    )
    tags: dict[str, tuple[str, ...]] = {}
    first_place: dict[str, str] = {}
    for place, image, names in rows:
        if image in tags:
            message = f"{path} names an image once, got '{image}' at {first_place[image]} and at {place}"
            _report(path, ProblemKind.REPEATED_IMAGE, message, "join both into one row", problems)
            continue
        first_place[image] = place
        for name in names:
            if classes is not None and name not in classes:
                message = f"{path} at {place} must hold known tags, got '{name}'"
                _report(path, ProblemKind.UNKNOWN_TAG, message, nearest_name_help(name, classes), problems)
        tags[image] = tuple(dict.fromkeys(name for name in names if classes is None or name in classes))
    return tags


_Row = tuple[str, str, tuple[str, ...]]
"""Place in the file, image, tag names."""


def _csv_rows(path: Path, text: str, classes: Sequence[str] | None, problems: list[Problem] | None) -> Iterable[_Row]:
    cells = list(_csv_cells(path, text, problems))
    # Decided for the whole file: in a file with 'cat;traffic light' the cell 'traffic light' is one name.
    has_lists = any(_LISTS.search(cell) for _, _, cell in cells)
    for place, image, cell in cells:
        is_one_name = classes is not None and cell in classes
        names = [cell] if is_one_name else _LISTS.split(cell) if has_lists else cell.split()
        yield place, image, tuple(name.strip() for name in names if name.strip())


def _csv_cells(path: Path, text: str, problems: list[Problem] | None) -> Iterable[tuple[str, str, str]]:
    """Yield place, image and the undivided cell of tags of each good row."""
    header = text.partition("\n")[0].strip()
    delimiter = next((mark for mark in ",;\t" if mark in header), ",")
    # Strict, since an open quotation mark would otherwise swallow the rest of the file without a word.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        columns = [name.strip().lower() for name in next(reader, [])]
        if "image" not in columns or "tags" not in columns:
            found = f"'{header[:60]}'" if header else "an empty line"
            raise DataError(
                f"{path} must start with the header 'image,tags', got {found}", help="write that line first"
            )
        for values in reader:
            if not any(value.strip() for value in values):
                continue
            found = _cell_problem(values, columns)
            if found is None:
                image, tags = (values[columns.index(name)].strip() for name in ("image", "tags"))
                yield f"line {reader.line_num}", image, tags
            else:
                message = f"{path} at line {reader.line_num} must hold {len(columns)} values, got {found}"
                help = "write 'name.jpg,cat;dog', with quotes around a name or tags that hold a comma"
                _report(path, ProblemKind.BAD_TAGS, message, help, problems)
    except csv.Error as error:
        message = f"{path} must close every quotation mark, got an open one before line {reader.line_num + 1}"
        raise DataError(message, help="mend the quotes") from error


def _cell_problem(values: list[str], columns: list[str]) -> str | None:
    """Return what is wrong with the values of one row, or None."""
    if len(values) != len(columns):
        return str(len(values))
    return None if values[columns.index("image")].strip() else "no image name"


def _json_rows(path: Path, text: str, problems: list[Problem] | None) -> Iterable[_Row]:
    try:
        # A plain dict would silently keep the last of two equal names.
        content = json.loads(text, object_pairs_hook=_Pairs)
    except ValueError as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else 1
        raise DataError(f"{path} must be JSON, got a mistake at line {line}", help="mend that line") from error
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
            _report(path, ProblemKind.BAD_TAGS, message, 'write {"image": "a.jpg", "tags": ["cat"]}', problems)


class _Pairs(list[tuple[str, object]]):
    """The members of a JSON object in order, repeated names included."""


def _is_list_of_names(value: object) -> TypeGuard[list[str]]:
    if not isinstance(value, list) or isinstance(value, _Pairs):
        return False
    return all(isinstance(name, str) and name.strip() for name in value)


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise DataError(f"file of tags {path} must exist, got no such file", help="mend the path") from error
    except OSError as error:
        raise DataError(f"file of tags {path} must be readable, got {error.strerror}", help="mend the path") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        message = f"file of tags {path} must be UTF-8 text, got other bytes at line {line}"
        raise DataError(message, help="save it with the encoding UTF-8") from error


def _report(path: Path, kind: ProblemKind, message: str, help: str, problems: list[Problem] | None) -> None:
    report_problem(Problem(kind, path, message, help), problems)
