"""Names of files that are nearly the one that was asked for: what somebody meant who mistyped a path."""

import os
from collections.abc import Callable
from difflib import get_close_matches
from itertools import islice
from pathlib import Path

_MOST_NAMES = 5000
"""Names that are compared: a folder of a hundred thousand photographs would take seconds."""


def near_path_help(path: Path, otherwise: str, *, wanted: Callable[[Path], bool] = os.path.exists) -> str:
    """Return the help clause for a path that does not exist: the nearest one in its folder, or another clause.

    Args:
        path: that does not exist.
        otherwise: the clause where nothing near is there.
        wanted: whether a path is of the kind that was asked for, such as ``os.path.isdir``.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "photos.toml").write_text("")
    >>> near_path_help(folder / "photo.toml", "check the path").replace(str(folder), "FOLDER")
    "did you mean 'FOLDER/photos.toml'?"
    >>> near_path_help(folder / "zebra.toml", "check the path")
    'check the path'
    """
    try:
        with os.scandir(path.parent) as entries:
            names = sorted(entry.name for entry in islice(entries, _MOST_NAMES) if entry.name[0] != ".")
    except (OSError, ValueError):  # no such folder, or a name that no file can have
        return otherwise
    same = [name for name in names if name.lower() == path.name.lower()]
    near = [path.with_name(name) for name in (*same, *get_close_matches(path.name, names, n=5, cutoff=0.6))]
    found = next((each for each in near if wanted(each)), None)
    return f"did you mean '{found}'?" if found is not None else otherwise
