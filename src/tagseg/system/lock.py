"""One run per folder: a lock that the operating system drops when its process dies, even by ``kill -9``."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from tagseg.errors import ArtifactError

_held: set[Path] = set()
"""Locks of this process: POSIX record locks do not exclude their own process, this set does."""


@contextmanager
def folder_lock(path: Path) -> Iterator[int | None]:
    """Hold the lock file ``path`` while the block runs.

    A POSIX record lock belongs to one process and, unlike ``flock``, is not inherited by forked data workers: when the
    holder is killed the lock is free at once, however long its workers linger.

    Args:
        path: the lock file; it holds the process id of its holder for people and stays, empty, afterwards.

    Yields:
        The process id of a former holder that died without releasing, else None.

    Raises:
        ArtifactError: when another run holds it, this process already does, or the folder cannot be written.

    >>> import tempfile
    >>> with folder_lock(Path(tempfile.mkdtemp()) / ".lock") as died:
    ...     print(died)
    None
    """
    key = path.absolute()
    if key in _held:  # opening the file again would drop our own lock at its close
        raise _busy(path, os.getpid())
    with _open(path) as file:
        file.seek(0)
        former = _process_id(file.read())
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise _busy(path, former) from error
        _held.add(key)
        try:
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
            yield former
            file.truncate(0)
        finally:
            _held.discard(key)


def _open(path: Path) -> TextIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a+")
    except OSError as error:
        raise ArtifactError(
            f"run folder {path.parent} must be a folder that can be written, got '{error.strerror}'",
            help="choose another --out, or correct its permissions",
        ) from error


def _process_id(text: str) -> int | None:
    return int(text) if text.strip().isdigit() else None


def _busy(path: Path, holder: int | None) -> ArtifactError:
    return ArtifactError(
        f"run folder {path.parent} takes one run at a time, got a second while process {holder or '(unknown)'} runs",
        help="wait for it to end, stop it, or choose another --out",
    )
