"""Which tags the images of a folder have: by a file of tags, or by the sub-folder that they lie in."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tagseg.data.problems import Problem, ProblemKind, report_problem
from tagseg.errors import DataError


@dataclass(frozen=True, slots=True)
class Place:
    """Where the images of a folder are.

    Args:
        root: folder of the data set.
        images: folder of its images.
        tags_file: names their tags.
    """

    root: Path
    images: Path
    tags_file: Path


def find_tags_file(root: Path, tags: Path | None) -> Path | None:
    """Return the file of tags, or None when sub-folders are the tags."""
    if tags is not None:
        return tags
    files = [root / name for name in ("tags.csv", "tags.json") if (root / name).is_file()]
    if len(files) > 1:
        message = f"folder {root} must hold one file of tags, got tags.csv and tags.json"
        raise DataError(message, help="remove one, or name one in the recipe's data.tags")
    return files[0] if files else None


def tags_by_folder(
    images: Path, paths: Sequence[Path], known: Sequence[str] | None, problems: list[Problem] | None
) -> dict[Path, tuple[str, ...]]:
    """Return the name of the first sub-folder as the one tag of each image."""
    tags: dict[Path, tuple[str, ...]] = {}
    for path in paths:
        parts = path.relative_to(images).parts
        if len(parts) == 1:
            message = f"image {path} must lie in the folder of its class, got {images} itself"
            help = "move it into a sub-folder, or write tags.csv"
            report_problem(Problem(ProblemKind.NO_TAGS_KNOWN, path, message, help), problems)
        elif known is not None and parts[0] not in known:
            message = f"folder {images / parts[0]} must be named like a class of classes.txt, got '{parts[0]}'"
            problem = Problem(ProblemKind.UNKNOWN_TAG, path, message, "rename it or add the name to classes.txt")
            report_problem(problem, problems)
        else:
            tags[path] = (parts[0],)
    return tags


def tags_by_row(
    place: Place, paths: Sequence[Path], rows: Mapping[str, tuple[str, ...]], problems: list[Problem] | None
) -> dict[Path, tuple[str, ...]]:
    """Return the tags of each image that exactly one row of the file names."""
    candidates = _spellings(place, paths)
    tags: dict[Path, tuple[str, ...]] = {}
    for image, names in rows.items():
        matches = candidates.get(_normal(image), [])
        path = matches[0] if matches else place.images / image
        kind, message, help = None, "", ""
        if not matches:
            kind, help = ProblemKind.MISSING_IMAGE, "restore the file, mend the name or remove the row"
            message = f"image '{image}' of {place.tags_file} must exist below {place.images}, got no such file"
        elif len(matches) > 1:
            kind, help = ProblemKind.REPEATED_IMAGE, "write its whole path with the ending"
            message = f"image '{image}' of {place.tags_file} must be one file, got {len(matches)}"
        elif path in tags:
            kind, help = ProblemKind.REPEATED_IMAGE, "join both into one row"
            message = f"{place.tags_file} names an image once, got a second spelling '{image}' of {path}"
        if kind is None:
            tags[path] = names
        else:
            report_problem(Problem(kind, path, message, help), problems)
    for path in paths:
        if path not in tags:
            message = f"image {path} must have a row in {place.tags_file}, got none"
            help = "add the row, with empty tags if none fit"
            report_problem(Problem(ProblemKind.NO_TAGS_KNOWN, path, message, help), problems)
    return tags


def _spellings(place: Place, paths: Sequence[Path]) -> dict[str, list[Path]]:
    """Return the images that each accepted spelling may mean; a fuller spelling wins over a shorter one."""
    spellings: dict[str, list[Path]] = {}
    for spell in (
        lambda path: path.relative_to(place.images).as_posix(),
        lambda path: path.relative_to(place.root).as_posix(),
        lambda path: path.relative_to(place.images).with_suffix("").as_posix(),
        lambda path: path.name,
        lambda path: path.stem,
    ):
        level: dict[str, list[Path]] = {}
        for path in paths:
            level.setdefault(_normal(spell(path)), []).append(path)
        spellings = level | spellings
    return spellings


def _normal(name: str) -> str:
    """Return a name with forward slashes and composed accents, which file systems and editors spell differently."""
    return unicodedata.normalize("NFC", name.replace("\\", "/").removeprefix("./"))
