"""Photographs named on a command line: files, folders, patterns, lists; each with a name for what is made of it."""

import glob
import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tagseg.data.image_files import walk_folders
from tagseg.data.image_formats import IMAGE_ENDINGS, PICTURE_ENDINGS, other_format
from tagseg.errors import DataError
from tagseg.system.home import with_home

STDIN = "-"

_LONGEST_PATH, _DEEPEST_PATH = 4096, 256  # characters, folders
_ROOT = "root"  # what "/" is called, which is not a photograph

_MASKS = "masks"  # inside a data set, the folder of its masks


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


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file or a folder inside a named one that gives no photographs.

    Args:
        path: of it.
        reason: why, a sentence without a full stop.
        is_failure: whether it was asked for and cannot be used; False for what was not meant.
    """

    path: Path
    reason: str
    is_failure: bool


def find_inputs(
    words: Sequence[str],
    *,
    lines: Iterable[str] = (),
    without: Collection[Path] = (),
    left_out: list[LeftOut] | None = None,
) -> list[InputImage]:
    r"""Return the photographs that words name, each file once, in order of the words, a folder's sorted.

    Links to folders are followed, once each. Hidden files, folders that systems make, and the folder ``masks`` of a
    named folder are left out; named itself, that is a folder as any other.

    Two photographs of one name keep their endings in it (``a.jpg``, ``a.png``); when that does not tell them apart,
    they get the names of their folders in front.

    Args:
        words: files; folders, with all folders below them; patterns with ``*``, ``?``, ``[...]`` and ``**``; ``-`` for
            ``lines``.
        lines: paths of files, one a line; empty lines are left out.
        without: absolute paths of files that are not photographs.
        left_out: where to collect pictures of formats that are not read, folders that cannot be opened, and masks.

    Raises:
        DataError: when a folder or a pattern holds no image, or nothing is named.

    >>> [(image.name, str(image.path)) for image in find_inputs(["-"], lines=["a/b.jpg\n", "c.png"])]
    [('b', 'a/b.jpg'), ('c', 'c.png')]
    """
    found: dict[Path, PurePosixPath] = {}
    seen = {*without, *(path.resolve() for path in without)}
    others: list[LeftOut] = []
    for word in words:
        for path, base in _expand(word, lines, others):
            if (whole := absolute(path)) in seen or (without and path.resolve() in seen):
                continue
            seen.add(whole)
            inside = path.relative_to(base) if base in path.parents else Path(path.name)
            is_outside = ".." in inside.parts or not inside.name
            found[path] = PurePosixPath((absolute(path).name or _ROOT) if is_outside else inside.as_posix())
    if left_out is not None:
        left_out += dict.fromkeys(others)
    if not found:
        raise DataError("predict needs at least one image, got none", help="name files, folders or patterns")
    return [InputImage(name, path) for path, name in _unique_names(found).items()]


def absolute(path: Path) -> Path:
    """Return a path from the root, without ``..``; links are not followed."""
    return Path(os.path.abspath(path))  # noqa: PTH100 (Path's leaves '..' in it)


def _expand(word: str, lines: Iterable[str], left_out: list[LeftOut]) -> Iterator[tuple[Path, Path]]:
    """Yield the files that a word names, each with the folder that its name is told from."""
    if word == STDIN:
        for line in lines:
            if line.strip():
                path = expand_home(line.strip())
                yield path, path.parent
        return
    path = expand_home(word)
    if os.path.isdir(path):  # noqa: PTH112 (Path's raises for a name that is too long)
        inside = sorted(_images_below(path, left_out))
        if not inside:
            raise _no_images(
                f"folder {path} must hold images", [other for other in left_out if path in other.path.parents]
            )
        yield from ((image, path) for image in inside)
    elif _is_pattern(word) and not os.path.exists(path):  # noqa: PTH110 (the same)
        matched = sorted(Path(name) for name in glob.glob(str(path), recursive=True))  # noqa: PTH207 (Path's takes no absolute ones)
        files = [match for match in matched if match.is_file()]
        if not files:  # a pattern that names folders means what is in them
            found = (image for match in matched if match.is_dir() for image in sorted(_images_below(match, left_out)))
            files = list(dict.fromkeys(found))
        others = [_of_no_format(match) for match in files if match.suffix.lower() in PICTURE_ENDINGS]
        images = [match for match in files if match.suffix.lower() in IMAGE_ENDINGS]
        if not images:
            raise _no_images(f"pattern '{word}' must match images", others)
        left_out += others
        base = Path(os.path.commonpath([match.parent for match in images]))
        yield from ((image, base) for image in images)
    else:
        yield path, path.parent


def _is_pattern(word: str) -> bool:
    """Return whether a word is a pattern; one that is longer or deeper than any path takes a processor for minutes."""
    return glob.has_magic(word) and len(word) <= _LONGEST_PATH and word.count("/") <= _DEEPEST_PATH


def expand_home(word: str) -> Path:
    """Return a path with the home folder in the place of ``~`` at its beginning, unless a file is called so.

    >>> expand_home("photos/~1.jpg").as_posix()
    'photos/~1.jpg'
    """
    return Path(word if os.path.lexists(word) else with_home(word))


def _no_images(rule: str, left_out: Sequence[LeftOut]) -> DataError:
    """Return the error for a folder or a pattern without a photograph, with what is there instead."""
    endings = f"put files there that end in {', '.join(sorted(IMAGE_ENDINGS))}"
    masks = [other.path for other in left_out if not other.is_failure]
    pictures = [other.path for other in left_out if other.is_failure]
    if masks:
        return DataError(f"{rule}, got {masks[0]} only", help=f"name {masks[0]} itself if these are photographs")
    if pictures:
        return DataError(f"{rule}, got only others, such as {pictures[0]}", help=other_format(pictures[0]).help)
    if rule.startswith("pattern"):
        return DataError(f"{rule}, got none", help="put it in quotes, or name a folder")
    return DataError(f"{rule}, got none", help=endings)


def _images_below(folder: Path, left_out: list[LeftOut]) -> Iterator[Path]:
    """Yield the images below a folder; links to folders are followed, once each."""

    def note(error: OSError) -> None:
        place = Path(error.filename)
        left_out.append(LeftOut(place, f"folder {place} must be readable, got '{error.strerror}'", is_failure=True))

    for here, folders, files in walk_folders(folder, onerror=note):
        if here == folder and _MASKS in folders:
            masks = here / _MASKS
            folders.remove(_MASKS)
            if any(True for _ in _images_below(masks, [])):
                reason = f"{masks} holds the masks of a data set, name it itself to label what lies there"
                left_out.append(LeftOut(masks, reason, is_failure=False))
        for name in files:
            ending = Path(name).suffix.lower()
            if ending in IMAGE_ENDINGS and not name.startswith("."):
                yield here / name
            elif ending in PICTURE_ENDINGS and not name.startswith("."):
                left_out.append(_of_no_format(here / name))
            elif (here / name).is_symlink() and not os.path.exists(here / name):  # noqa: PTH110 (Path's raises for a loop)
                reason = f"link {here / name} must lead somewhere, got {os.readlink(here / name)}, which does not exist"  # noqa: PTH115
                left_out.append(LeftOut(here / name, reason, is_failure=True))


def _of_no_format(path: Path) -> LeftOut:
    error = other_format(path)
    return LeftOut(path, f"{error.problem}; {error.help}", is_failure=True)


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
