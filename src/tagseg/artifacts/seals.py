"""Seals of what the stages of a run left: they tell what another run, a person or a disk put in the place of a file."""

import json
import zlib
from collections.abc import Iterable
from pathlib import Path

from tagseg.artifacts.json_file import count_of, list_of, parse_json, text_of
from tagseg.errors import ArtifactError
from tagseg.system.atomic import append

Seal = tuple[int, int, int]
"""Size in bytes, time of change in ns, and CRC-32 of the content."""


class Seals:
    """A journal of seals: a line for each file when it is made, and for each folder whose files are to be made anew.

    Lines are appended, so that a kill loses the last one at most: a file without a seal is taken as it is. The last
    line of a file counts. Several processes may append at once.

    Args:
        root: folder of the run; files are named by their path in it.
        path: of the journal.

    >>> import tempfile
    >>> root = Path(tempfile.mkdtemp())
    >>> seals = Seals(root, root / ".seals")
    >>> made = root / "cams" / "a.npz"
    >>> made.parent.mkdir()
    >>> _ = made.write_text("maps")
    >>> seals.note([made])
    >>> seals.changed(root / "cams")
    []
    >>> _ = made.write_text("mops")
    >>> [path.name for path in seals.changed(root / "cams")]
    ['a.npz']
    """

    def __init__(self, root: Path, path: Path) -> None:
        self.root = root
        self.path = path

    def note(self, made: Iterable[Path]) -> None:
        """Seal files as they are now.

        Raises:
            ArtifactError: when one cannot be read, or the journal cannot be written.
        """
        self._append([[self._name(path), *_seal(path)] for path in made])

    def forget(self, folder: Path) -> None:
        """Forget the seals of a file, or of a folder, that is made anew.

        Raises:
            ArtifactError: when the journal cannot be written.
        """
        if self.path.exists():
            self._append([[self._name(folder)]])

    def unsealed(self, paths: Iterable[Path]) -> list[Path]:
        """Return those of some files that have no seal."""
        sealed = self._read()
        return [path for path in paths if self._name(path) not in sealed]

    def changed(self, folder: Path) -> list[Path]:
        """Return the files of a folder, or the one file, that are there with another content than was sealed.

        Only those of another size or time are read: a folder that was copied costs one reading.
        """
        name = self._name(folder)
        sealed = {each: seal for each, seal in self._read().items() if _is_below(each, name)}
        return [self.root / each for each, seal in sealed.items() if self._is_other(each, seal)]

    def _is_other(self, name: str, seal: Seal) -> bool:
        path = self.root / name
        if not path.exists():
            return False
        if not path.is_file():
            return True
        found = path.stat()
        size, time_ns, content = seal
        if (found.st_size, found.st_mtime_ns) == (size, time_ns):
            return False
        return found.st_size != size or _crc(path) != content

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def _append(self, lines: list[list[str | int]]) -> None:
        # Each line begins anew: what was cut short before it spoils no other. JSON, since names may hold line ends.
        append(self.path, "".join(f"\n{json.dumps(line)}" for line in lines).encode() + b"\n")

    def _read(self) -> dict[str, Seal]:
        try:
            lines = self.path.read_bytes().split(b"\n")
        except OSError:  # a run of version 0.1, or a journal that was deleted to keep what was changed by hand
            return {}
        sealed: dict[str, Seal] = {}
        for line in filter(None, lines):
            try:
                name, *seal = list_of(parse_json(line.decode()))
                if seal:
                    size, time_ns, content = map(count_of, seal)
                    sealed[text_of(name)] = (size, time_ns, content)
                else:
                    sealed = {each: kept for each, kept in sealed.items() if not _is_below(each, text_of(name))}
            except ValueError:  # cut short
                continue
        return sealed


def _is_below(name: str, folder: str) -> bool:
    return name == folder or name.startswith(f"{folder}/")


def _seal(path: Path) -> Seal:
    content = _crc(path)
    found = path.stat()
    return found.st_size, found.st_mtime_ns, content


def _crc(path: Path) -> int:
    try:
        return zlib.crc32(path.read_bytes())
    except OSError as error:
        raise ArtifactError(
            f"{path} must be readable, got '{error.strerror or error}'", help="correct the file's permissions"
        ) from error
