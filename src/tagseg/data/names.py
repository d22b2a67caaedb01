"""Names of images inside a data set, names of classes in a text file, and the choice of some of the classes."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from tagseg.classes import ClassTable, nearest_name_help
from tagseg.errors import DataError


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


def read_class_names(path: Path) -> tuple[str, ...]:
    r"""Return the class names of a text file, one a line; the name on line ``i`` (from 1) has mask id ``i``.

    Args:
        path: ``classes.txt``, UTF-8; empty lines at the end are ignored.

    Returns:
        The names in order, without background.

    Raises:
        DataError: when the file is no UTF-8 text or names are empty, repeated or too many.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "classes.txt").write_text("cat\ntraffic light\n")
    ...     read_class_names(Path(folder, "classes.txt"))
    ('cat', 'traffic light')
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} must be UTF-8 text with a class name a line, got {_reason(error)}", help=_WRITE
        ) from error
    try:
        return ClassTable(tuple(line.strip() for line in text.rstrip().splitlines())).names
    except DataError as error:
        raise DataError(f"{path}: {error.problem}", help=error.help) from error


def choose_classes(known: Sequence[str], classes: Sequence[str] | None, *, source: str) -> ClassTable:
    """Return the classes to learn: all known ones, or the asked ones in the asked order.

    Args:
        known: every class name of the data set.
        classes: names to keep, or None for all.
        source: where the known names come from, for the message.

    Returns:
        The class table; known names outside it are background.

    Raises:
        DataError: when an asked name is not known.

    >>> choose_classes(("cat", "cow", "dog"), ("dog", "cat"), source="tags.csv").names
    ('dog', 'cat')
    """
    for name in classes or ():
        if name not in known:
            raise DataError(
                f"class '{name}' must be one of {source}, got another name", help=nearest_name_help(name, known)
            )
    return ClassTable(tuple(known if classes is None else classes))


_WRITE = "write it again as plain UTF-8 text"


def _reason(error: Exception) -> str:
    return "no such file" if isinstance(error, FileNotFoundError) else "something else"
