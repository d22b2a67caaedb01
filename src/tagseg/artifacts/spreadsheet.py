"""Text for CSV files that spreadsheets open: what begins like a formula stays text."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from tagseg.system.atomic import atomic_write

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What spreadsheets take for the beginning of a formula (full-width signs too), or pass over before it."""

_MARK = "'"


def as_cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: ``'`` goes in front of what looks like one.

    It goes in front of a ``'`` too, so that :func:`from_cell` knows: whoever reads the file takes one away.

    >>> as_cell("=1+1"), as_cell("'tis"), as_cell("cat")
    ("'=1+1", "''tis", 'cat')
    """
    return f"{_MARK}{text}" if text.lstrip(" ").startswith((*_FORMULA, _MARK)) else text


def from_cell(cell: str) -> str:
    """Return the text of what :func:`as_cell` returned.

    >>> from_cell("'=1+1"), from_cell("cat")
    ('=1+1', 'cat')
    """
    return cell.removeprefix(_MARK)


def table_text(rows: Iterable[Sequence[int | float | str]]) -> str:
    r"""Return rows as a table of values with commas between; no text in them is a formula of a spreadsheet.

    >>> table_text([("score", "value"), ("mean_iou", "0.5")])
    'score,value\nmean_iou,0.5\n'
    """
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(
        [as_cell(value) if isinstance(value, str) else value for value in row] for row in rows
    )
    return buffer.getvalue()


def write_table(path: Path, rows: Iterable[Sequence[int | float | str]]) -> None:
    """Write the rows of :func:`table_text`, the names of the columns first; the file appears whole.

    File names may hold bytes that are not text, which UTF-8 cannot hold either: they are written as escapes.
    """
    atomic_write(path, table_text(rows).encode("utf-8", "backslashreplace"))
