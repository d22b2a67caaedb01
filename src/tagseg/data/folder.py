"""A user's own folder of images, with a file of tags or one sub-folder for each class."""

import os
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tagseg.data.image_files import IMAGE_ENDINGS
from tagseg.data.masks import PaletteMask, label_ids, mask_paths
from tagseg.data.names import choose_classes, read_class_names, unique_image_ids
from tagseg.data.problems import Problem, ProblemKind, report_problem
from tagseg.data.tags import read_tags
from tagseg.errors import DataError
from tagseg.types import ImageRecord, Split

_OWN_FILES = frozenset({"tags.csv", "tags.json", "classes.txt"})


def read_folder(
    root: Path,
    *,
    tags: Path | None = None,
    masks: Path | None = None,
    classes: Sequence[str] | None = None,
    split_name: str = "all",
    problems: list[Problem] | None = None,
) -> Split:
    r"""Return the images of a folder, nested or not, under any file names.

    Images lie below ``root/images`` when there is such a folder, else below ``root``; hidden files are left out. Tags
    come from the given file, else from ``root/tags.csv`` or ``root/tags.json``, else the first sub-folder on the way to
    an image is its one tag. A file of tags names an image by its path below the images or below the root, or by the
    bare name, with or without ending, as long as only one image fits; it has a row for every image.

    All classes of the data set are the lines of ``root/classes.txt``; without it they are ``classes``, or the tags that
    occur, sorted. Line ``i`` (from 1) has id ``i`` in the masks. An image's mask is ``masks/<path of the image>.png``
    with or without the image's ending inside the name; ``masks`` defaults to ``root/masks``.

    Two images that differ in the ending only, such as ``a.jpg`` and ``a.png``, keep it in their ids.

    Args:
        root: folder of the data set.
        tags: CSV or JSON file, see :func:`tagseg.data.tags.read_tags`.
        masks: folder of masks, which must exist when it is given.
        classes: names to learn, in label order, or None for all; every other class of ``classes.txt`` is background.
        split_name: the split's name, printed beside scores.
        problems: where to collect what is wrong with single images, which are then left out; None raises at the first.

    Returns:
        The split, sorted by image id.

    Raises:
        DataError: when there are no images or no tags at all, and for single images without ``problems``.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "tags.csv").write_text("image,tags\na.jpg,cat\n")
    ...     _ = Path(folder, "a.jpg").write_bytes(b"...")
    ...     [record.tags for record in read_folder(Path(folder)).records]
    [(1,)]
    """
    for folder in (root, *([masks] if masks is not None else [])):
        if not folder.is_dir():
            raise DataError(
                f"folder {folder} must exist, got no such folder", help="mend the path in the recipe's data"
            )
    masks = root / "masks" if masks is None else masks
    images = root / "images" if (root / "images").is_dir() else root
    paths = sorted(_find_images(images, masks, problems))
    if not paths:
        endings = ", ".join(sorted(IMAGE_ENDINGS))
        raise DataError(f"folder {images} must hold images, got none", help=f"put files there that end in {endings}")
    listed = root / "classes.txt"
    known = read_class_names(listed) if listed.is_file() else None
    tags_file = _tags_file(root, tags)
    if tags_file is None:
        names_by_image = _tags_by_folder(images, paths, known, problems)
    else:
        rows = read_tags(tags_file, known or classes, problems=problems)
        names_by_image = _tags_by_row(_Place(root, images, tags_file), paths, rows, problems)
    found = sorted({name for names in names_by_image.values() for name in names})
    if known is None:
        known = tuple(classes) if classes is not None and tags_file is not None else tuple(found)
    if not known:
        raise DataError(
            f"data set {root} must have tags, got none", help="write tags.csv, or a sub-folder for each class"
        )
    table = choose_classes(known, classes, source="the data set's classes")
    mask_of = _Masks(masks, label_ids(known, table))
    ids = unique_image_ids([PurePosixPath(path.relative_to(images).as_posix()) for path in paths])
    records = []
    for image_id, path in sorted(zip(ids, paths, strict=True)):
        mask = mask_of.find(path.relative_to(images))
        if path in names_by_image:
            labels = {table.label_id(name) for name in names_by_image[path] if name in table.names}
            records.append(ImageRecord(image_id, path, tuple(sorted(labels)), mask))
    mask_of.report_unused(problems)
    return Split(split_name, table, tuple(records))


@dataclass(frozen=True, slots=True)
class _Place:
    root: Path
    images: Path
    tags_file: Path


def _find_images(folder: Path, masks: Path, problems: list[Problem] | None) -> Iterator[Path]:
    """Yield the image files below a folder; links to folders are followed, once each."""
    seen = {masks.resolve()}
    for parent, folders, files in os.walk(folder, followlinks=True):
        here = Path(parent)
        if here.resolve() in seen:
            folders.clear()
            continue
        seen.add(here.resolve())
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in folders:
            if Path(name).suffix.lower() in IMAGE_ENDINGS:
                message = f"image {here / name} must be a file, got a folder"
                problem = Problem(ProblemKind.IMAGE_NAMED_FOLDER, here / name, message, "rename or remove the folder")
                report_problem(problem, problems)
        for name in files:
            if Path(name).suffix.lower() in IMAGE_ENDINGS and not name.startswith("."):
                yield here / name
            elif name not in _OWN_FILES and not name.startswith("."):
                message = f"file {here / name} is left out, since an image ends in {', '.join(sorted(IMAGE_ENDINGS))}"
                problem = Problem(ProblemKind.UNUSED_FILE, here / name, message, "convert it if it is an image")
                report_problem(problem, problems)


def _tags_file(root: Path, tags: Path | None) -> Path | None:
    """Return the file of tags, or None when sub-folders are the tags."""
    if tags is not None:
        return tags
    files = [root / name for name in ("tags.csv", "tags.json") if (root / name).is_file()]
    if len(files) > 1:
        message = f"folder {root} must hold one file of tags, got tags.csv and tags.json"
        raise DataError(message, help="remove one, or name one in the recipe's data.tags")
    return files[0] if files else None


def _tags_by_folder(
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


def _tags_by_row(
    place: _Place, paths: Sequence[Path], rows: Mapping[str, tuple[str, ...]], problems: list[Problem] | None
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


def _spellings(place: _Place, paths: Sequence[Path]) -> dict[str, list[Path]]:
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


class _Masks:
    """The masks of a folder, and which of them no image has asked for."""

    def __init__(self, folder: Path, to_label: tuple[int, ...]) -> None:
        self._paths = mask_paths(folder)
        self._to_label = to_label
        self._unused = set(self._paths)

    def find(self, image: Path) -> PaletteMask | None:
        """Return the mask of a relative image path: ``a.jpg.png`` before ``a.png``."""
        for name in (image.as_posix(), image.with_suffix("").as_posix()):
            if name in self._paths:
                self._unused.discard(name)
                return PaletteMask(self._paths[name], self._to_label)
        return None

    def report_unused(self, problems: list[Problem] | None) -> None:
        """Report the masks that belong to no image."""
        for name in sorted(self._unused):
            path = self._paths[name]
            message = f"mask {path} must have the path of an image, got none that fits"
            problem = Problem(ProblemKind.UNUSED_MASK, path, message, "rename it like its image or remove it")
            report_problem(problem, problems)
