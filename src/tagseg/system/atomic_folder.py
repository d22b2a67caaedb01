"""A folder that appears whole or not at all: written under a hidden name next to its place, then renamed."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tagseg.system.atomic import PART_SUFFIX, refused
from tagseg.system.lock import folder_lock

_LOCK = ".writing"


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Lend an empty folder; when the block ends well, it takes the place of ``path`` and of all that is in there.

    A block that raises leaves ``path`` as it was. What a killed process left is taken over and emptied; while another
    process is at work for the same ``path``, this one is refused.

    Args:
        path: the final folder; missing parents are made.

    Yields:
        A hidden folder next to it.

    Raises:
        ArtifactError: when another process writes the same folder, or the operating system refuses.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "made"
    >>> with atomic_folder(target) as folder:
    ...     _ = (folder / "a.txt").write_text("whole")
    >>> [file.name for file in target.iterdir()], [each.name for each in target.parent.iterdir()]
    (['a.txt'], ['made'])
    """
    path = path.absolute()
    temporary = path.with_name(f".{path.name[:40]}{PART_SUFFIX}")
    try:
        with folder_lock(temporary / _LOCK):
            _empty(temporary)
            try:
                yield temporary
            except BaseException:
                _empty(temporary)
                raise
        (temporary / _LOCK).unlink(missing_ok=True)
        _replace(path, temporary)
    except OSError as error:
        raise refused(path, error) from error
    finally:
        if temporary.is_dir() and not [each for each in temporary.iterdir() if each.name != _LOCK]:
            with suppress(OSError):
                shutil.rmtree(temporary)


def _empty(folder: Path) -> None:
    """Remove all but the lock."""
    for each in folder.iterdir():
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each)
        elif each.name != _LOCK:
            each.unlink()


def _replace(path: Path, by: Path) -> None:
    if not path.exists():
        by.rename(path)
        return
    old = path.with_name(f".{path.name[:40]}.old{PART_SUFFIX}")
    if old.exists():  # of a process that was killed here
        shutil.rmtree(old)
    path.rename(old)
    try:
        by.rename(path)
    except OSError:
        old.rename(path)
        raise
    shutil.rmtree(old)
