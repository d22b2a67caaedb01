"""Tags from ``metadata.jsonl`` of Hugging Face's image folders: a line of JSON for each image.

Source: huggingface.co/docs/datasets, "Create an image dataset": ``file_name``, and other columns of any name.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from tagseg.classes import is_text
from tagseg.data.problems import Problem, ProblemKind, report_problem
from tagseg.data.tag_cells import TAG_COLUMNS, Row
from tagseg.data.tag_formats.photograph_keys import photograph_of
from tagseg.errors import DataError


def metadata_rows(path: Path, text: str, problems: list[Problem] | None) -> Iterator[Row]:
    """Yield the lines of a file; one whose label is null shows none of the classes.

    Args:
        path: of the file, for messages.
        text: its content.
        problems: where to collect lines that cannot be used, which are then left out; None raises.

    Raises:
        DataError: when no line has a column of tags, and for bad lines without ``problems``.
    """
    lines = [(number, _entry(line)) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    found = {key.lower(): key for _, entry in lines if entry is not None for key in entry}
    column = next((found[name] for name in TAG_COLUMNS if name in found), None)
    if column is None:
        shown = ", ".join(found.values()) or "none"
        raise DataError(
            f"{path} must have a column of tags such as 'label' or 'labels', got {shown[:60]}",
            help='write {"file_name": "a.jpg", "labels": ["cat"]}, a line an image',
        )
    for number, entry in lines:
        image = photograph_of(entry)
        value = entry.get(column) if entry is not None else None
        names = _names(value)
        if image is not None and names is not None:
            yield f"line {number}", image, names
            continue
        what = "JSON with a file_name" if image is None else f"names of tags in '{column}'"
        shown = "something else" if image is None else json.dumps(value)[:60]
        help = "write names in the place of numbers" if _has_numbers(value) and image else "correct that line"
        message = f"{path} at line {number} must hold {what}, got {shown}"
        report_problem(Problem(ProblemKind.BAD_TAGS, path, message, help), problems)


def _entry(line: str) -> Mapping[str, object] | None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, Mapping) else None


def _names(value: object) -> tuple[str, ...] | None:
    """Return the names of a column: a name, a list of names, or null for none."""
    items = [] if value is None else value if isinstance(value, list) else [value]
    names = [item.strip() for item in items if isinstance(item, str) and is_text(item) and item.strip()]
    return tuple(names) if len(names) == len(items) else None


def _has_numbers(value: object) -> bool:
    return any(type(item) is int for item in (value if isinstance(value, list) else [value]))
