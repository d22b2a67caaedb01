"""Names of the ids in masks, as they lie beside these: ``classes.txt``, ``labels.json``, ``id2label.json``."""

import json
from pathlib import Path

from tagseg.classes import MAX_CLASSES, VOID, is_text
from tagseg.data.names import composed, is_background, read_class_names
from tagseg.data.problems import Problem
from tagseg.errors import DataError

CLASS_LIST, NAME_FILES = "classes.txt", ("labels.json", "id2label.json")


def listed_names(folder: Path, *, above: bool = False, problems: list[Problem] | None = None) -> tuple[str, ...] | None:
    """Return the names of the ids 1, 2 and so on that a file of a folder lists, None where none does.

    Args:
        folder: of the masks, or of the data set.
        above: whether ``id2label.json`` may lie in the folder above, as in an export for Hugging Face.
        problems: gets a note of Windows-1252.

    Raises:
        DataError: when ``classes.txt`` cannot be read, or a file names one class twice.
    """
    if (folder / CLASS_LIST).is_file():
        return read_class_names(folder / CLASS_LIST, problems=problems)
    paths = [folder / name for name in NAME_FILES] + ([folder.parent / NAME_FILES[1]] if above else [])
    return next((names for path in paths if (names := names_by_id(path)) is not None), None)


def names_by_id(path: Path) -> tuple[str, ...] | None:
    """Return the names in a JSON object of ids, None of a file that is missing or something else.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "labels.json")
    ...     _ = path.write_text('{"0": "background", "1": "cat", "255": "void"}')
    ...     names_by_id(path)
    ('cat',)
    """
    try:
        content = json.loads(path.read_bytes()) if path.is_file() else None
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or not all(
        isinstance(name, str) and name.strip() and is_text(name) for name in content.values()
    ):
        return None
    names = {key: composed(name.strip()) for key, name in content.items() if key != str(VOID)}
    numbers = [str(number) for number in range(len(names))]
    if not names or set(names) != set(numbers) or not is_background(names["0"]):
        return None
    found = tuple(names[number] for number in numbers[1:])
    if len(found) > MAX_CLASSES or len(set(found)) < len(found):
        message = f"{path} must name at most {MAX_CLASSES} classes, each once, got {len(found)} names"
        raise DataError(message, help="correct the names of the ids")
    return found
