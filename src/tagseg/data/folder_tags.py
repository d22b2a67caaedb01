"""Which tags the images of a folder have: by a file of tags, or by the sub-folder that they lie in."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tagseg.classes import is_text
from tagseg.data.image_files import is_own_folder
from tagseg.data.image_formats import IMAGE_ENDINGS, PICTURE_ENDINGS, other_format
from tagseg.data.names import composed, composed_path, is_background, same_named_file
from tagseg.data.problems import Problem, ProblemKind, report_problem
from tagseg.data.tag_formats.known_files import tool_files
from tagseg.data.tool_names import name_spellings, uploaded_name
from tagseg.errors import DataError

TAG_FILES = ("tags.csv", "tags.json", "_classes.csv")
"""Names of the file of tags inside a data set; the last is Roboflow's, which is read where there is no other."""

TABLE_ENDINGS = frozenset({".csv", ".tsv", ".json", ".jsonl", ".xml"})
"""Of files that may hold tags under another name."""

_TO_LEARN = frozenset({"train", "training", "trainval"})
_TO_TEST = frozenset({"val", "valid", "validation", "test", "testing", "dev"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where the images of a folder are.

    Args:
        root: folder of the data set.
        images: folder of its images.
        tags_file: names their tags; ``tags.csv``, which need not exist, where sub-folders do.
        next_move: when the file is of other images.
    """

    root: Path
    images: Path
    tags_file: Path
    next_move: str = "correct data.root or data.tags"


def find_tags_file(root: Path, tags: Path | None) -> Path | None:
    """Return the file of tags: the one named, else one of :data:`TAG_FILES`, else the one that a tool exported.

    Returns:
        None when sub-folders are the tags.

    Raises:
        DataError: when the folder holds several.
    """
    if tags is not None:
        return tags
    files = [root / name for name in TAG_FILES if (root / name).is_file()]
    if len(files) > 1 and files[1].name != TAG_FILES[-1]:
        message = f"folder {root} must hold one file of tags, got tags.csv and tags.json"
        raise DataError(message, help="remove one, or name one in the recipe's data.tags")
    if files:
        return files[0]
    exports = tool_files(root)
    if len(exports) > 1:
        message = f"folder {root} must hold one file of tags, got {exports[0].name} and {exports[1].name}"
        raise DataError(message, help=f"remove one, or name one in the recipe's data.tags, such as {exports[0]}")
    return exports[0] if exports else None


def help_without_tags(root: Path, otherwise: str) -> str:
    """Return the help clause for a data set without a file of tags: a table that may be one, or another clause."""
    tables = sorted(path for path in root.iterdir() if path.suffix.lower() in TABLE_ENDINGS and path.name[0] != ".")
    others = [path for path in tables if path.name not in TAG_FILES]
    if not others:
        return otherwise
    if (ending := others[0].suffix.lower()) in (".jsonl", ".xml"):
        return f"set data.tags={others[0]}, if it holds the tags; else {otherwise}"
    name = "tags.json" if ending == ".json" else "tags.csv"
    return f"rename {others[0]} to {name}, or set data.tags={others[0]}, if it holds the tags; else {otherwise}"


def report_empty_folders(images: Path, masks: Path, paths: Sequence[Path], problems: list[Problem] | None) -> None:
    """Report folders that look like those of classes and hold no image."""
    filled = {path.relative_to(images).parts[0] for path in paths}
    for folder in sorted(images.iterdir()):
        is_other = folder.suffix.lower() in IMAGE_ENDINGS or folder.resolve() == masks.resolve()
        if folder.is_dir() and folder.name not in filled and is_own_folder(folder.name) and not is_other:
            message = f"folder {folder} should hold images of its class, got none"
            problem = Problem(ProblemKind.EMPTY_CLASS, folder, message, "put images there, or remove the folder")
            report_problem(problem, problems)


def tags_by_folder(
    place: Place, paths: Sequence[Path], known: Sequence[str] | None, problems: list[Problem] | None
) -> dict[Path, tuple[str, ...]]:
    """Return the name of the first sub-folder as the one tag of each image; ``background`` is none.

    Args:
        place: of the data set; there is no file of tags.
        paths: the images.
        known: the lines of ``classes.txt``, or None.
        problems: where to collect images that lie in no such folder; None raises.

    Raises:
        DataError: when the sub-folders are splits of a data set, such as train and val.
    """
    images = place.images
    _refuse_splits(images, paths, known)
    without_folder = "move it into a sub-folder, or write tags.csv"
    if any(path.parent == images for path in paths):
        without_folder = help_without_tags(place.root, without_folder)
    tags: dict[Path, tuple[str, ...]] = {}
    for path in paths:
        parts = path.relative_to(images).parts
        name = composed(parts[0])
        if len(parts) == 1:
            message = f"image {path} must lie in the folder of its class, got {images} itself"
            report_problem(Problem(ProblemKind.NO_TAGS_KNOWN, path, message, without_folder), problems)
        elif is_background(name):
            tags[path] = ()
        elif not is_text(name):
            message = f"folder {images / parts[0]} must have a name in UTF-8, got {parts[0]!r}"
            report_problem(Problem(ProblemKind.UNKNOWN_TAG, path, message, "rename it"), problems)
        elif known is not None and name not in known:
            message = f"folder {images / parts[0]} must be named like a class of classes.txt, got '{parts[0]}'"
            problem = Problem(ProblemKind.UNKNOWN_TAG, path, message, "rename it or add the name to classes.txt")
            report_problem(problem, problems)
        else:
            tags[path] = (name,)
    return tags


def split_folders(root: Path) -> tuple[Path, Path | None] | None:
    """Return the folders to learn from and to test on of a data set that has nothing else, such as YOLO's.

    Returns:
        None of another data set, and of one whose only folder may be that of a class ``train``.
    """
    folders = sorted(path for path in root.iterdir() if path.is_dir() and is_own_folder(path.name))
    learn, test = ([path for path in folders if path.name.lower() in words] for words in (_TO_LEARN, _TO_TEST))
    has_images = any(path.suffix.lower() in IMAGE_ENDINGS for path in root.iterdir() if path.is_file())
    if has_images or not learn or len(learn) + len(test) < len(folders):
        return None
    inside = list(learn[0].iterdir())
    is_set = any(path.is_dir() and is_own_folder(path.name) for path in inside) or find_tags_file(learn[0], None)
    return (learn[0], test[0] if test else None) if is_set else None


def _refuse_splits(images: Path, paths: Sequence[Path], known: Sequence[str] | None) -> None:
    """Refuse folders of images to learn from and to test on where folders of classes are expected."""
    inside = [path.relative_to(images).parts for path in paths]
    found = {parts[0] for parts in inside if len(parts) > 1} - set(known or ())
    learn, test = ([name for name in sorted(found) if name.lower() in words] for words in (_TO_LEARN, _TO_TEST))
    # 'train' is a class of VOC, too: alone it is a split only where all images lie in folders inside it.
    alone = len(found) == 1 and all(len(parts) > 2 for parts in inside)
    if (learn and test) or (alone and (learn or test)):
        root = images / (learn or test)[0]
        help = f"set data.root={root}"
        help += f" and data.test_root={images / test[0]}" if learn and test else ""
        raise DataError(
            f"folder {images} must hold a folder for each class, got the splits {', '.join([*learn, *test])}",
            help=f"{help}, or write tags.csv",
        )


def tags_by_row(
    place: Place, paths: Sequence[Path], rows: Mapping[str, tuple[str, ...]], problems: list[Problem] | None
) -> dict[Path, tuple[str, ...]]:
    """Return the tags of each image that exactly one row of the file names.

    Raises:
        DataError: when none of several rows names an image, and for single rows and images without ``problems``.
    """
    candidates = _spellings(place, paths)
    if len(rows) > 1 and not any(_matches(candidates, image) for image in rows):
        names = [path.relative_to(place.images).as_posix() for path in paths]
        raise no_row_fits(place.tags_file, list(rows), names, next_move=place.next_move)
    tags: dict[Path, tuple[str, ...]] = {}
    for image, names in rows.items():
        matches = _matches(candidates, image)
        path = matches[0] if matches else place.images / image
        kind, message, help = None, "", ""
        if not matches and (unread := _picture_of(place, image)) is not None:
            error, kind = other_format(unread), ProblemKind.UNREADABLE_IMAGE
            path, message, help = unread, error.problem, error.help
        elif not matches:
            kind, help = ProblemKind.MISSING_IMAGE, "restore the file, correct the name or remove the row"
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


def _picture_of(place: Place, image: str) -> Path | None:
    """Return the file of a row when it is a picture of a format that is not read."""
    endings = [""] if PurePosixPath(image).suffix.lower() in PICTURE_ENDINGS else sorted(PICTURE_ENDINGS)
    names = (f"{image}{form}" for ending in endings for form in dict.fromkeys((ending, ending.upper())))
    found = (same_named_file(folder, name) for name in names for folder in (place.images, place.root))
    return next((path for path in found if path is not None), None)


def no_row_fits(
    tags_file: Path, rows: Sequence[str], images: Sequence[str], *, next_move: str = "correct data.root or data.tags"
) -> DataError:
    """Return the error for a file of tags that names none of the images, with two names of each and what parts them.

    Args:
        tags_file: names tags of images.
        rows: the images that it names, at least one.
        images: the images that there are, at least one.
        next_move: when the file is of other images.
    """
    stems = {PurePosixPath(composed(name)).stem.lower() for name in images}
    found, there = (" and ".join(f"'{name}'" for name in names[:2]) for names in (rows, images))
    return DataError(
        f"{tags_file} must name images that are there, such as {there}, got only others, such as {found}",
        help=_way_to_fit(rows, stems) or f"write the names of the files, or {next_move}",
    )


def _way_to_fit(rows: Sequence[str], stems: Set[str]) -> str | None:
    """Return what brings the names of rows to those of images, whose names without ending are ``stems``, if known."""
    tails = [PurePosixPath(composed_path(row).partition("?")[0]).stem.lower() for row in rows[:1000]]
    zeros = {stem.lstrip("0") for stem in stems if stem.isdigit()}
    if any(tail.isdigit() and tail.lstrip("0") in zeros and tail not in stems for tail in tails):
        return "write the numbers with their zeros: a spreadsheet takes them away from cells that are not text"
    if any("://" in row for row in rows[:1000]):
        return "write the names of the files in the place of web addresses"
    if any(tail.partition("-")[2] in stems for tail in tails):
        return "take away what the annotation tool put before the names at the upload, up to the first '-'"
    if any(tail in stems for tail in tails):
        return "write the paths below the folder of the images, or the names alone"
    return None


def _matches(candidates: Mapping[str, list[Path]], image: str) -> list[Path]:
    """Return the images that the name in a row may mean, by the fullest spelling that means any."""
    return next((candidates[name] for name in name_spellings(image) if name in candidates), [])


def _spellings(place: Place, paths: Sequence[Path]) -> dict[str, list[Path]]:
    """Return the images that each accepted spelling may mean; a fuller spelling wins over a shorter one."""
    spellings: dict[str, list[Path]] = {}
    for spell in (
        lambda path: path.relative_to(place.images).as_posix(),
        lambda path: path.relative_to(place.root).as_posix(),
        lambda path: path.relative_to(place.images).with_suffix("").as_posix(),
        lambda path: path.name,
        lambda path: path.stem,
        lambda path: uploaded_name(path.name),
    ):
        level: dict[str, list[Path]] = {}
        for path in paths:
            level.setdefault(composed_path(spell(path)), []).append(path)
        spellings = level | spellings
    return spellings
