"""Files that appear whole or not at all: written under a temporary name, synced, then renamed."""

import errno
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from tagseg.errors import ArtifactError

PART_SUFFIX = ".part"
"""Ending of a temporary name; a file with it is never complete and may be deleted when no run is active."""

_umask = os.umask(0)
os.umask(_umask)
_MODE = 0o666 & ~_umask
"""Of a file that is made by ``open``."""


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Lend a temporary path next to ``path``; when the block ends well, what was written there becomes ``path``.

    The data reaches the disk before the rename and the rename before the return, so that neither ``kill -9`` nor a
    power cut leaves half a file under the final name. A block that raises leaves the old file as it was.

    Args:
        path: the final file; missing parent folders are made.

    Yields:
        A path in the same folder, hidden, ending in ``.part``.

    Raises:
        ArtifactError: when the operating system refuses (disk full, no permission, a folder in the way).

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "a.txt"
    >>> with atomic_path(target) as temporary:
    ...     _ = temporary.write_text("whole")
    >>> target.read_text(), [file.name for file in target.parent.iterdir()]
    ('whole', ['a.txt'])
    """
    # Cut, since names of files end at 255 bytes.
    temporary = path.with_name(f".{path.name[:40]}.{secrets.token_hex(4)}{PART_SUFFIX}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.chmod(_MODE)  # some writers keep what they write from all others
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise refused(path, error) from error
    finally:
        with suppress(OSError):  # already renamed, or its folder never was one
            temporary.unlink()


def atomic_write(path: Path, content: bytes | Callable[[BinaryIO], object]) -> None:
    """Write a file that appears whole or not at all.

    Args:
        path: the final file; missing parent folders are made.
        content: the bytes, or a function that writes them to the binary file that it is given.

    Raises:
        ArtifactError: when the operating system refuses (disk full, no permission, a folder in the way).

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "deep" / "a.bin"
    >>> atomic_write(target, b"abc")
    >>> atomic_write(target, lambda file: file.write(b"new"))
    >>> target.read_bytes()
    b'new'
    """
    with atomic_path(path) as temporary, temporary.open("xb") as file:
        if isinstance(content, bytes):
            file.write(content)
        else:
            content(file)


def append(path: Path, content: bytes) -> None:
    """Add bytes to the end of a file in one go; a kill may leave their first part.

    Args:
        path: the file; missing parent folders are made.
        content: what is added.

    Raises:
        ArtifactError: when the operating system refuses.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "a.txt"
    >>> append(target, b"a")
    >>> append(target, b"b")
    >>> target.read_bytes()
    b'ab'
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab", buffering=0) as file:
            if file.write(content) != len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as error:
        raise refused(path, error) from error


def refused(path: Path, error: OSError) -> ArtifactError:
    """Return what to say when the operating system does not let a file or folder be written."""
    few_files = error.errno in (errno.EMFILE, errno.ENFILE)
    return ArtifactError(
        f"{path} could not be written, got '{error.strerror or error}'",
        help="let a process have more open files (ulimit -n 1024), then run the same command again"
        if few_files
        else "free disk space or correct the folder's permissions, then run the same command again",
    )


_LEFTOVER = re.compile(r"\..*\.[0-9a-f]{8}" + re.escape(PART_SUFFIX), re.DOTALL)


def remove_leftovers(folder: Path) -> int:
    """Delete the temporary files that killed processes left below ``folder`` and return how many there were.

    Call it only while no other process writes there.

    Raises:
        ArtifactError: when one cannot be deleted.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / ".a.txt.0123abcd.part").write_text("ha")
    >>> remove_leftovers(folder), remove_leftovers(folder)
    (1, 0)
    """
    leftovers = [path for path in sorted(folder.rglob(f".*{PART_SUFFIX}")) if _LEFTOVER.fullmatch(path.name)]
    leftovers = [path for path in leftovers if path.is_symlink() or not path.is_dir()]  # we leave no folders
    for leftover in leftovers:
        try:
            leftover.unlink(missing_ok=True)
        except OSError as error:
            raise ArtifactError(
                f"{leftover}, which a killed run left, could not be deleted, got '{error.strerror or error}'",
                help="delete it, or correct the permissions of its folder, then run the same command again",
            ) from error
    return len(leftovers)


def _sync(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk."""
    # Windows flushes only what is open for writing, and opens no folder: its names reach the disk by themselves.
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
