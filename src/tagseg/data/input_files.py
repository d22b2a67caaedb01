"""Photographs named on a command line: files, folders, patterns, lists; each with a name for what is made of it."""

import glob
import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tagseg.data.image_files import IMAGE_ENDINGS
from tagseg.errors import DataError

STDIN = "-"


@dataclass(frozen=True, slots=True)
class InputImage:
    """One photograph.

    Args:
        name: what is made of it is called so: its path below the folder that was named, without ending and with ``/``.
        path: the file; whether it is there and an image is found out when it is read.
    """

    name: str
    path: Path

    @property
    def file_name(self) -> str:
        """The name with the photograph's own ending, as annotation tools know it."""
        return self.name if self.name.endswith(self.path.suffix) else f"{self.name}{self.path.suffix}"


def find_inputs(words: Sequence[str], *, lines: Iterable[str] = (), without: Collection[Path] = ()) -> list[InputImage]:
    r"""Return the photographs that words name, each file once, in order of the words, a folder's sorted.

    Two photographs of one name keep their endings in it (``a.jpg``, ``a.png``); when that does not tell them apart,
    they get the names of their folders in front.

    Args:
        words: files; folders, with all folders below them; patterns with ``*``, ``?``, ``[...]`` and ``**``; ``-`` for
            ``lines``.
        lines: paths of files, one a line; empty lines are left out.
        without: absolute paths of files that are no photographs.

    Raises:
        DataError: when a folder or a pattern holds no image, or nothing is named.

    >>> [(image.name, str(image.path)) for image in find_inputs(["-"], lines=["a/b.jpg\n", "c.png"])]
    [('b', 'a/b.jpg'), ('c', 'c.png')]
    """
    found: dict[Path, PurePosixPath] = {}
    seen = set(without)
    for word in words:
        for path, base in _expand(word, lines):
            if (whole := absolute(path)) in seen:
                continue
            seen.add(whole)
            inside = path.relative_to(base) if base in path.parents else Path(path.name)
            found[path] = PurePosixPath(path.name if ".." in inside.parts else inside.as_posix())
    if not found:
        raise DataError("predict needs at least one image, got none", help="name files, folders or patterns")
    return [InputImage(name, path) for path, name in _unique_names(found).items()]


def absolute(path: Path) -> Path:
    """Return a path from the root, without ``..``; links are not followed."""
    return Path(os.path.abspath(path))  # noqa: PTH100 (Path's leaves '..' in it)


def _expand(word: str, lines: Iterable[str]) -> Iterator[tuple[Path, Path]]:
    """Yield the files that a word names, each with the folder that its name is told from."""
    if word == STDIN:
        for line in lines:
            if line.strip():
                path = Path(line.strip())
                yield path, path.parent
        return
    path = Path(word)
    if path.is_dir():
        inside = sorted(_images_below(path))
        if not inside:
            endings = ", ".join(sorted(IMAGE_ENDINGS))
            raise DataError(f"folder {path} must hold images, got none", help=f"put files there that end in {endings}")
        yield from ((image, path) for image in inside)
    elif not path.exists() and glob.has_magic(word):
        matched = sorted(Path(name) for name in glob.glob(word, recursive=True))  # noqa: PTH207 (Path's takes no absolute ones)
        images = [match for match in matched if match.is_file() and match.suffix.lower() in IMAGE_ENDINGS]
        if not images:
            raise DataError(f"pattern '{word}' must match images, got none", help="put it in quotes, or name a folder")
        base = Path(os.path.commonpath([match.parent for match in images]))
        yield from ((image, base) for image in images)
    else:
        yield path, path.parent


def _images_below(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if Path(name).suffix.lower() in IMAGE_ENDINGS and not name.startswith("."):
                yield Path(parent, name)


def _unique_names(found: dict[Path, PurePosixPath]) -> dict[Path, str]:
    """Return a name for each file: without ending where that is enough, with it, or with folders in front."""
    names = {path: inside.with_suffix("").as_posix() for path, inside in found.items()}
    names = _rename_repeated(names, {path: inside.as_posix() for path, inside in found.items()})
    # Without the root: a name with it would lead out of every folder.
    whole = {path: "/".join(absolute(path).parts[1:]) for path in found}
    return _rename_repeated(names, whole)


def _rename_repeated(names: dict[Path, str], longer: dict[Path, str]) -> dict[Path, str]:
    counts = Counter(name.casefold() for name in names.values())  # some file systems take A.png for a.png
    return {path: longer[path] if counts[name.casefold()] > 1 else name for path, name in names.items()}
