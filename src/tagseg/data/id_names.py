"""Which class each id of a mask file stands for: a JSON object of names by id, or ``classes.txt``.

Files lie beside masks (``classes.txt``, ``labels.json``, ``id2label.json``), or are named by whoever scores masks of
another numbering.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from tagseg.classes import BACKGROUND, MAX_CLASSES, VOID, is_text, nearest_name_help
from tagseg.data.names import composed, is_background, read_class_names
from tagseg.data.problems import Problem
from tagseg.data.text_files import decode_unicode
from tagseg.errors import DataError

CLASS_LIST, NAME_FILES = "classes.txt", ("labels.json", "id2label.json")

BACKGROUND_NAME, VOID_NAME = "background", "void"

NO_LABEL = -1
"""In a table of label ids: an id that stands for nothing."""

_EXAMPLE = 'write {"0": "background", "7": "cat", "255": "void"}, as labels.json of an export has it'


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
    """Return the names of ids without a gap from background on, None of a file that is missing or something else.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "labels.json")
    ...     _ = path.write_text('{"0": "background", "1": "cat", "255": "void"}')
    ...     names_by_id(path)
    ('cat',)
    """
    try:
        named = read_id_names(path) if path.is_file() else {}
    except DataError:
        return None
    found = tuple(name for number, name in named.items() if number not in (BACKGROUND, VOID))
    if set(named) - {VOID} != set(range(1 + len(found))) or not is_background(named[BACKGROUND]):
        return None
    if len(found) > MAX_CLASSES or len(set(found)) < len(found):
        message = f"{path} must name at most {MAX_CLASSES} classes, each once, got {len(found)} names"
        raise DataError(message, help="correct the names of the ids")
    return found


def read_id_names(path: Path) -> dict[int, str]:
    """Return the names of the ids of mask files, ascending by id.

    Raises:
        DataError: when the file cannot be read or is no object of names by id, each id in 0..255.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "labels.json"
    >>> _ = path.write_text('{"7": "cat", "0": "background"}')
    >>> read_id_names(path)
    {0: 'background', 7: 'cat'}
    """
    names: dict[int, str] = {}
    for key, name in _read_pairs(path):
        if not (key.isascii() and key.isdigit() and int(key) <= VOID):
            raise _unusable(path, f"the id '{key[:20]}'")
        if int(key) in names:
            raise _unusable(path, f"the id {int(key)} twice")
        if not isinstance(name, str) or not name.strip() or not is_text(name):
            raise _unusable(path, f"no name of the id {int(key)}")
        names[int(key)] = composed(name.strip())
    if not names:
        raise _unusable(path, "no ids")
    return dict(sorted(names.items()))


def class_names(names: Mapping[int, str]) -> tuple[str, ...]:
    """Return the classes among the names of ids, each once, in the order of their ids.

    >>> class_names({0: "background", 7: "cat", 8: "cat", 9: "dog", 255: "void"})
    ('cat', 'dog')
    """
    return tuple(dict.fromkeys(name for name in names.values() if name not in (BACKGROUND_NAME, VOID_NAME)))


def label_table(names: Mapping[int, str], classes: tuple[str, ...]) -> tuple[int, ...]:
    """Return the label id of each id 0..255 in a file.

    0 is background and 255 is void unless they are named. A name that is no class is background.

    Args:
        names: of the ids.
        classes: of the labels 1, 2, and so on.

    Returns:
        256 label ids, -1 for an id without a name.

    >>> label_table({7: "cat", 8: "road"}, ("dog", "cat"))[:9]
    (0, -1, -1, -1, -1, -1, -1, 2, 0)
    """
    labels = {BACKGROUND_NAME: BACKGROUND, VOID_NAME: VOID, **{name: at for at, name in enumerate(classes, start=1)}}
    known = {BACKGROUND: BACKGROUND_NAME, VOID: VOID_NAME, **names}
    return tuple(labels.get(known[number], BACKGROUND) if number in known else NO_LABEL for number in range(256))


def require_named(path: Path, names: Mapping[int, str], wanted: Iterable[str]) -> None:
    """Require ids for some classes.

    Raises:
        DataError: with the nearest name when one has no id.
    """
    for name in wanted:
        if name not in names.values():
            raise DataError(
                f"file of ids {path} must name every class to score, got none for '{name}'",
                help=nearest_name_help(name, class_names(names)),
            )


def _read_pairs(path: Path) -> tuple[tuple[str, object], ...]:
    """Return keys and values of the object of a JSON file; a dictionary would keep the last of equal keys only."""
    try:
        content = json.loads(decode_unicode(path.read_bytes()), object_pairs_hook=tuple)
    except OSError as error:
        raise _unusable(path, f"a file that cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise _unusable(path, "a file that is no JSON") from error
    if not isinstance(content, tuple):
        raise _unusable(path, "another JSON value")
    return content


def _unusable(path: Path, found: str) -> DataError:
    return DataError(f"file of ids {path} must be a JSON object of names by id 0 to {VOID}, got {found}", help=_EXAMPLE)
