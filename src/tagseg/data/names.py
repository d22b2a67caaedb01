"""Names of images inside a data set, names of classes in a text file, and the choice of some of the classes.

A letter with an accent is one character or two, as the program that wrote it likes: names are compared in one form.
"""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from tagseg.classes import ClassTable, nearest_name_help
from tagseg.data.problems import Problem
from tagseg.data.text_files import read_names
from tagseg.errors import DataError

_BACKGROUND_NAMES = frozenset({"background", "_background_", "__background__", "__ignore__"})


def composed(name: str) -> str:
    """Return a name with composed accents (Unicode's form NFC), which file systems and editors spell differently.

    >>> composed("cafe\N{COMBINING ACUTE ACCENT}") == "caf\N{LATIN SMALL LETTER E WITH ACUTE}"
    True
    """
    return unicodedata.normalize("NFC", name)


def composed_path(name: str) -> str:
    r"""Return a relative path in the form in which paths are compared: composed, with forward slashes.

    >>> composed_path(".\\a\\b.jpg")
    'a/b.jpg'
    """
    return composed(name.replace("\\", "/").removeprefix("./"))


def same_named_file(folder: Path, name: str) -> Path | None:
    """Return the file of a relative path in whichever form of its accents there is one, None where there is none."""
    forms = (folder / form for form in (name, composed(name), unicodedata.normalize("NFD", name)))
    return next((path for path in forms if os.path.exists(path)), None)  # noqa: PTH110 (Path's raises for a name that is too long)


def is_background(name: str) -> bool:
    """Return whether a name stands for no class: ``background``, and what labelme calls so.

    >>> is_background("_background_"), is_background("Background"), is_background("cat")
    (True, True, False)
    """
    return name.lower() in _BACKGROUND_NAMES


def other_case(names: Iterable[str]) -> tuple[str, str] | None:
    """Return the first two names that differ in upper and lower case only, or None.

    >>> other_case(["cat", "Dog", "dog"])
    ('Dog', 'dog')
    """
    seen: dict[str, str] = {}
    for name in names:
        first = seen.setdefault(name.lower(), name)
        if first != name:
            return first, name
    return None


def unique_image_ids(paths: Sequence[PurePosixPath]) -> list[str]:
    """Return an id for each relative path: the path without its ending, or with it where two would be equal.

    Args:
        paths: different relative paths.

    Returns:
        As many different ids, in the same order.

    >>> unique_image_ids([PurePosixPath("x/a.b.jpg"), PurePosixPath("c.jpg"), PurePosixPath("c.png")])
    ['x/a.b', 'c.jpg', 'c.png']
    """
    ids = [str(path.with_suffix("")) for path in paths]
    while True:  # each round lengthens at least one id, and full paths differ, so this ends
        count = Counter(ids)
        longer = [str(path) if count[image_id] > 1 else image_id for image_id, path in zip(ids, paths, strict=True)]
        if longer == ids:
            return ids
        ids = longer


def is_inside(relative: str) -> bool:
    """Return whether a relative path stays below its root; ids become file names, so nothing may climb out.

    >>> is_inside("a/b.jpg"), is_inside("../b.jpg"), is_inside("/b.jpg"), is_inside("")
    (True, False, False, False)
    """
    path = PurePosixPath(relative.replace("\\", "/"))
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts


def read_class_names(path: Path, *, problems: list[Problem] | None = None) -> tuple[str, ...]:
    r"""Return the class names of a text file, one a line; the name on line ``i`` (from 1) has mask id ``i``.

    A file that starts with ``background``, or with labelme's ``__ignore__`` and ``_background_``, counts from there:
    what follows has the ids 1, 2 and so on.

    Args:
        path: ``classes.txt``, UTF-8, UTF-16 or Windows-1252; empty lines at the end are ignored.
        problems: gets a note of Windows-1252.

    Returns:
        The names in order, without background, their accents composed.

    Raises:
        DataError: when the file is not text, or names are empty, repeated, too many or background inside the list.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "classes.txt").write_text("cat\ntraffic light\n")
    ...     read_class_names(Path(folder, "classes.txt"))
    ('cat', 'traffic light')
    """
    try:
        text = read_names(path, problems)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} must be UTF-8 text with a class name a line, got {_reason(error)}", help=_WRITE
        ) from error
    lines = [composed(line.strip()) for line in text.rstrip().splitlines()]
    names = _without_background(path, lines)
    try:
        return ClassTable(names).names
    except DataError as error:
        raise DataError(f"{path}: {error.problem}", help=error.help) from error


def _without_background(path: Path, lines: Sequence[str]) -> tuple[str, ...]:
    """Return the lines behind those that stand for background, which has id 0."""
    numbered = re.fullmatch(r"\d+\W+(\w+)", lines[0]) if lines else None
    if numbered and is_background(numbered[1]):
        raise DataError(
            f"{path} must hold a class name a line, got an id before it: '{lines[0]}'",
            help="take the ids away: the line says which id a class has",
        )
    ignored = lines[:1] == ["__ignore__"]  # labelme's first line, of id -1
    begin = 1 if ignored else 0
    if ignored and not (len(lines) > 1 and is_background(lines[1])):
        found = f"'{lines[1]}'" if len(lines) > 1 else "the end"
        raise DataError(
            f"{path} must hold _background_ behind __ignore__, got {found}", help="write it there, as labelme does"
        )
    begin += 1 if len(lines) > begin and is_background(lines[begin]) else 0
    inside = [number for number, name in enumerate(lines[begin:], start=begin + 1) if is_background(name)]
    if inside:
        message = (
            f"{path} must name classes, with background in the first line or nowhere, got '{lines[inside[0] - 1]}'"
        )
        raise DataError(f"{message} at line {inside[0]}", help="remove that line and correct the ids behind it")
    return tuple(lines[begin:])


def choose_classes(known: Sequence[str], classes: Sequence[str] | None, *, source: str) -> ClassTable:
    """Return the classes to learn: all known ones but background, or the asked ones in the asked order.

    Args:
        known: every class name of the data set.
        classes: names to keep, or None for all.
        source: where the known names come from, for the message.

    Returns:
        The class table; known names outside it are background.

    Raises:
        DataError: when an asked name is not known or background, no known one is a class, or two differ in case only.

    >>> choose_classes(("cat", "cow", "dog"), ("dog", "cat"), source="tags.csv").names
    ('dog', 'cat')
    """
    twins = other_case(known)
    if twins:
        raise DataError(
            f"{source} must differ in more than upper and lower case, got '{twins[0]}' and '{twins[1]}'",
            help=f"spell the class one way, '{twins[0]}' or '{twins[1]}', everywhere",
        )
    objects = tuple(composed(name) for name in known if not is_background(name))
    if not objects:
        raise DataError(
            f"{source} must name an object, got {'background only' if known else 'none'}",
            help="name what is to be learned",
        )
    known = objects
    asked = known if classes is None else tuple(composed(name) for name in classes)
    for name in asked:
        if is_background(name):
            raise DataError(
                f"a class to learn is none of the names of background, got '{name}'", help="leave it out: it has id 0"
            )
        if name not in known:
            raise DataError(
                f"class '{name}' must be one of {source}, got another name", help=nearest_name_help(name, known)
            )
    return ClassTable(asked)


_WRITE = "write it again as plain UTF-8 text"


def _reason(error: Exception) -> str:
    return "no such file" if isinstance(error, FileNotFoundError) else "something else"
