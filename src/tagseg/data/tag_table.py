"""Rows of a CSV file of tags: a column of tags, or a column for each class with 0 and 1."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tagseg.data.names import composed
from tagseg.data.problems import Problem, ProblemKind, report_problem
from tagseg.data.tag_cells import (
    IMAGE_COLUMNS,
    LISTS,
    TAG_COLUMNS,
    Row,
    is_list,
    is_missing,
    listed_names,
    split_cell,
)
from tagseg.errors import DataError

_METADATA = "metadata.csv"  # Hugging Face's: a name may hold blanks, and stands alone in its cell
_YES_OR_NO = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}
_NO_CLASS = "unlabeled"  # Roboflow's column of images without any class
_DELIMITER = re.compile(r"sep=(.)\s*")  # Excel's first line

_INVISIBLE = "\u200b\u200e\u200f\u2060\ufeff"
"""What copying from a page or a document leaves around a name: marks of no width, which no reader sees."""


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where what stands.

    Args:
        names: of all columns.
        image: place of the images.
        tags: place of the tags, None when each class has a column.
    """

    names: tuple[str, ...]
    image: int
    tags: int | None

    def classes(self) -> Iterator[tuple[int, str]]:
        """Yield place and name of the columns of classes."""
        yield from ((place, name) for place, name in enumerate(self.names) if place != self.image and name)


def csv_rows(path: Path, text: str, known: Sequence[str] | None, problems: list[Problem] | None) -> Iterator[Row]:
    """Yield the good rows of a CSV file.

    Args:
        path: of the file, for messages.
        text: its content.
        known: the class names, or None.
        problems: where to collect bad rows, which are then left out; None raises.

    Raises:
        DataError: when the header does not fit or a quotation mark stays open, and for bad rows without ``problems``.
    """
    columns, rows = _table(path, text, problems)
    if columns.tags is None:
        yield from _rows_of_columns(path, columns, rows, problems)
        return
    # Decided for the whole file: in a file with 'cat;traffic light' the cell 'traffic light' is one name.
    cells = [(place, values[columns.image].strip(), values[columns.tags].strip()) for place, values in rows]
    has_lists = path.name == _METADATA or any(LISTS.search(cell) for _, _, cell in cells if not is_list(cell))
    for place, image, cell in cells:
        if is_missing(cell) and (known is None or cell not in known):
            yield place, image, ()
            continue
        names = listed_names(cell) if is_list(cell) else split_cell(cell, has_lists=has_lists, known=known)
        if names is None:
            message = f"{path} at {place} must hold tag names, got {cell[:60]}"
            help = 'write \'name.jpg,cat;dog\', or a list such as ["cat", "dog"]'
            report_problem(Problem(ProblemKind.BAD_TAGS, path, message, help), problems)
        else:
            yield place, image, tuple(name.strip().strip(_INVISIBLE).strip() for name in names)


def _table(path: Path, text: str, problems: list[Problem] | None) -> tuple[_Columns, list[tuple[str, list[str]]]]:
    """Return the columns, and place and values of each row that has as many and names an image."""
    delimiter, has_line = _delimiter(text)
    # Strict, since an open quotation mark would otherwise swallow the rest of the file without a word.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[tuple[str, list[str]]] = []
    try:
        if has_line:
            next(reader)
        names = tuple(composed(name.strip()) for name in next(reader, []))
        for values in reader:
            if not any(value.strip() for value in values):
                continue
            rows.append((f"line {reader.line_num}", values))
    except csv.Error as error:
        message = f"{path} must close every quotation mark, got an open one before line {reader.line_num + 1}"
        raise DataError(message, help="correct the quotes") from error
    columns = _columns(path, names, [values for _, values in rows])
    good = []
    for place, values in rows:
        found = _row_problem(values, columns)
        if found is None:
            good.append((place, values))
        else:
            message = f"{path} at {place} must hold {len(names)} values, got {found}"
            help = "write 'name.jpg,cat;dog', with quotes around a name or tags that hold a comma"
            report_problem(Problem(ProblemKind.BAD_TAGS, path, message, help), problems)
    return columns, good


def _row_problem(values: Sequence[str], columns: _Columns) -> str | None:
    """Return what is wrong with the values of one row, or None."""
    if len(values) != len(columns.names):
        return str(len(values))
    return None if values[columns.image].strip() else "no image name"


def _delimiter(text: str) -> tuple[str, bool]:
    """Return what separates the columns, and whether the first line says so and nothing else."""
    lines = text.splitlines()
    first = lines[0].strip() if lines else ""
    told = _DELIMITER.fullmatch(first)
    if told:
        return told[1], True
    for mark in ",;\t|":
        if len(names := first.lower().split(mark)) > 1 and _place(names, IMAGE_COLUMNS) is not None:
            return mark, False
    return ",", False


def _place(names: Iterable[str], wanted: Sequence[str]) -> int | None:
    """Return the place of the first wanted name that is there."""
    lower = [name.strip(' "').lower() for name in names]
    return next((lower.index(name) for name in wanted if name in lower), None)


def _columns(path: Path, names: tuple[str, ...], rows: Sequence[Sequence[str]]) -> _Columns:
    """Return which column is what, by the header and, where it names classes, by the values below it."""
    image, tags = _place(names, IMAGE_COLUMNS), _place(names, TAG_COLUMNS)
    if image is None or (tags is None and not _has_columns_of_classes(names, image, rows)):
        header = ",".join(names)
        found = f"'{header[:60]}'" if header else "an empty line"
        raise DataError(f"{path} must start with the header 'image,tags', got {found}", help="write that line first")
    used = [name for name in names if name] if tags is None else [names[image], names[tags]]
    twice = [name for name in used if [other.lower() for other in names].count(name.lower()) > 1]
    if twice:
        raise DataError(f"{path} must name each column once, got '{twice[0]}' twice", help="rename or remove one")
    return _Columns(names, image, tags)


def _has_columns_of_classes(names: Sequence[str], image: int, rows: Sequence[Sequence[str]]) -> bool:
    """Return whether the first row holds 0 or 1 in all columns with a name but that of the image."""
    first = rows[0] if rows else []
    classes = [place for place, name in enumerate(names) if name and place != image]
    return bool(classes) and all(place < len(first) and first[place].strip().lower() in _YES_OR_NO for place in classes)


def _rows_of_columns(
    path: Path, columns: _Columns, rows: Iterable[tuple[str, list[str]]], problems: list[Problem] | None
) -> Iterator[Row]:
    """Yield the rows of a table with a column for each class."""
    for place, values in rows:
        wrong = [
            (name, values[index])
            for index, name in columns.classes()
            if values[index].strip().lower() not in _YES_OR_NO
        ]
        if wrong:
            name, value = wrong[0]
            message = f"{path} at {place} must hold 0 or 1 in the column '{name}', got '{value.strip()[:60]}'"
            report_problem(Problem(ProblemKind.BAD_TAGS, path, message, "write 1 where it shows the class"), problems)
            continue
        names = [name for index, name in columns.classes() if _YES_OR_NO[values[index].strip().lower()]]
        yield place, values[columns.image].strip(), tuple(name for name in names if name.lower() != _NO_CLASS)
