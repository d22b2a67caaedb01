"""One run per folder: a lock that the operating system drops when its process dies, even by ``kill -9``."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from tagseg.errors import ArtifactError

# Each system has one of the two at most; named Any, since their stubs are empty on the other systems.
_posix: Any = None
_windows: Any = None
with suppress(ImportError):
    import fcntl as _posix
with suppress(ImportError):
    import msvcrt as _windows

_FAR = 2**30
"""Place of the byte that Windows locks: nobody may read a locked one, and people read the process id in front."""

_held: set[Path] = set()
"""Locks of this process: POSIX record locks do not exclude their own process, this set does."""


@contextmanager
def folder_lock(path: Path) -> Iterator[int | None]:
    """Hold the lock file ``path`` while the block runs.

    A POSIX record lock belongs to one process and, unlike ``flock``, is not inherited by forked data workers: when the
    holder is killed the lock is free at once, however long its workers linger. Windows locks a byte in the same way.
    A system with neither gets a second file next to ``path``, which a killed holder leaves for people to delete.

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
    _refuse_own(path)
    with _open(path) as file:
        former, marker = _take_or_refuse(file, path)
        _held.add(key)
        try:
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
            yield former
            file.truncate(0)
        finally:
            _held.discard(key)
            if marker is not None:
                marker.unlink(missing_ok=True)


def require_free(path: Path) -> None:
    """Look whether another process holds a lock file, before slow work whose end would be to find out.

    Nothing is written, and the lock may be taken a moment later: :func:`folder_lock` decides.

    Args:
        path: the lock file, which need not exist.

    Raises:
        ArtifactError: when another run holds it, or this process does.
    """
    _refuse_own(path)
    if not path.exists():
        return
    with _open(path) as file:
        _, marker = _take_or_refuse(file, path)
        if marker is not None:
            marker.unlink(missing_ok=True)


def _refuse_own(path: Path) -> None:
    """Refuse a lock that this process holds: opening the file again would drop it at its close."""
    if path.absolute() in _held:
        raise _busy(path, os.getpid())


def _take_or_refuse(file: TextIO, path: Path) -> tuple[int | None, Path | None]:
    """Take the lock of an open file; return the process that is named in it, and what :func:`_take` returns."""
    file.seek(0)
    named = _process_id(file.read())
    try:
        return named, _take(file, path)
    except OSError as error:
        raise _busy(path, named) from error


def _take(file: TextIO, path: Path) -> Path | None:
    """Take the lock of an open file until it is closed, or raise :class:`OSError` when another process has it.

    Returns:
        A file that has to be deleted at the end, where the system has no locks.
    """
    if _posix is not None:
        _posix.lockf(file, _posix.LOCK_EX | _posix.LOCK_NB)
    elif _windows is not None:
        os.lseek(file.fileno(), _FAR, os.SEEK_SET)  # the byte need not be there
        _windows.locking(file.fileno(), _windows.LK_NBLCK, 1)
        os.lseek(file.fileno(), 0, os.SEEK_SET)
    else:
        marker = _marker(path)
        marker.open("x").close()
        return marker
    return None


def _marker(path: Path) -> Path:
    return path.with_name(f"{path.name}.held")


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
    left = "" if _posix or _windows else f"; when no run is at work there, delete {_marker(path)}"
    return ArtifactError(
        f"run folder {path.parent} takes one run at a time, got a second while process {holder or '(unknown)'} runs",
        help=f"wait for it to end, stop it, or choose another --out{left}",
    )
