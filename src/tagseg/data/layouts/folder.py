"""A user's own folder of images, with a file of tags or one sub-folder for each class."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from tagseg.data.folder_masks import masks_of, report_masks_as_class
from tagseg.data.folder_tags import (
    TABLE_ENDINGS,
    TAG_FILES,
    Place,
    find_tags_file,
    help_without_tags,
    report_empty_folders,
    tags_by_folder,
    tags_by_row,
)
from tagseg.data.id_names import NAME_FILES, listed_names
from tagseg.data.image_files import walk_folders
from tagseg.data.image_formats import IMAGE_ENDINGS, PICTURE_ENDINGS, other_format
from tagseg.data.mask_images import Meaning255, with_255_as
from tagseg.data.names import choose_classes, composed, unique_image_ids
from tagseg.data.problems import Problem, ProblemKind, report_problem
from tagseg.data.split_readers import SplitReaders
from tagseg.data.tags import read_tags
from tagseg.errors import DataError
from tagseg.system.near_paths import near_path_help
from tagseg.types import ImageRecord, MaskSource, Split

_OWN_FILES = frozenset({*TAG_FILES, "classes.txt", *NAME_FILES})


@dataclass(frozen=True, slots=True)
class FolderLayout:
    """A folder of one's own, scored on itself as far as it has masks, and another one to test on.

    Args:
        root: folder of the images to learn from.
        tags: file of tags, in the place of those in the folder, see :func:`tagseg.data.tags.read_tags`.
        masks: folder of masks, ``root/masks`` by default.
        classes: names to learn, in label order, or None for all; every other class is background.
        test_root: folder of images to test on, which need no tags, or None.
        test_masks: folder of their masks, ``test_root/masks`` by default.
        mask_255: what 255 is in masks that hold 0 and 255 only, see :class:`tagseg.data.mask_images.PaletteMask`.
    """

    root: Path
    tags: Path | None = None
    masks: Path | None = None
    classes: Sequence[str] | None = None
    test_root: Path | None = None
    test_masks: Path | None = None
    mask_255: Meaning255 | None = None

    def readers(self) -> SplitReaders:
        """Return what reads the images to learn from and, where they are named, those to test on."""
        test = partial(self._read_test, self.test_root) if self.test_root is not None else None
        return SplitReaders(self._read_train, test=test, scores_itself=True)

    def _read_train(self, *, problems: list[Problem] | None = None) -> Split:
        split = read_folder(self.root, tags=self.tags, masks=self.masks, classes=self.classes, problems=problems)
        return with_255_as(split, self.mask_255)

    def _read_test(self, root: Path, *, problems: list[Problem] | None = None) -> Split:
        """Return the images to test on, with the class table of those to learn from."""
        names = self._read_train(problems=[]).classes.names
        known = listed_classes(self.root) or names
        split = read_untagged_folder(
            root, masks=self.test_masks, known=known, classes=names, split_name="test", problems=problems
        )
        return with_255_as(split, self.mask_255)


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

    Images lie below ``root/images`` when there is such a folder, else below ``root``; hidden files, and folders that
    systems make such as ``@eaDir``, are left out. Tags come from the given file, else from ``root/tags.csv``,
    ``root/tags.json`` or ``root/_classes.csv``, else from the file that an annotation tool exported into the root
    (``data/tag_formats``), else the first sub-folder on the way to an image is its one tag. A file
    of tags names an image by its path below the images or below the root, or by the bare name, with or without ending,
    as long as only one image fits; it has a row for every image. Names match in whichever form their accents are.

    All classes of the data set are the lines of ``root/classes.txt``; without it they are ``classes``, or the tags that
    occur, sorted. Line ``i`` (from 1) has id ``i`` in the masks. An image's mask is ``masks/<path of the image>.png``
    with or without the image's ending inside the name; ``masks`` defaults to ``root/masks``.

    Two images that differ in the ending only, such as ``a.jpg`` and ``a.png``, keep it in their ids.

    Args:
        root: folder of the data set.
        tags: see :func:`tagseg.data.tags.read_tags`.
        masks: folder of masks, which must exist when it is given.
        classes: names to learn, in label order, or None for all; every other class of ``classes.txt`` is background.
        split_name: the split's name, printed with scores.
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
    tags_file = find_tags_file(root, tags)
    images, masks, paths = _images_and_masks(root, masks, problems, tags=tags_file)
    known = listed_classes(root, problems)
    place = Place(root, images, tags_file or root / TAG_FILES[0])
    if tags_file is None:
        report_empty_folders(images, masks, paths, problems)
        report_masks_as_class(images, paths, problems)
        names_by_image = tags_by_folder(place, paths, known, problems)
    else:
        rows = read_tags(tags_file, known or classes, problems=problems)
        names_by_image = tags_by_row(place, paths, rows, problems)
    found = sorted({name for names in names_by_image.values() for name in names})
    if known is None:
        known = tuple(map(composed, classes)) if classes is not None and tags_file is not None else tuple(found)
    if not known:
        for problem in problems or ():
            if problem.kind is ProblemKind.BAD_TAGS:  # there are tags, and none of them can be read
                raise DataError(problem.problem, help=problem.help)
        help = help_without_tags(root, "write tags.csv, or a sub-folder for each class")
        raise DataError(f"data set {root} must have tags, got none", help=help)
    table = choose_classes(known, classes, source=f"the classes of {root}")
    labels = {
        path: tuple(sorted({table.label_id(name) for name in names if name in table.names}))
        for path, names in names_by_image.items()
    }
    mask_of = masks_of(
        masks, _names(images, paths), known=known, classes=table, is_chosen=classes is not None, problems=problems
    )
    return Split(split_name, table, _records(images, paths, labels, mask_of))


def read_untagged_folder(
    root: Path,
    *,
    masks: Path | None = None,
    known: Sequence[str],
    classes: Sequence[str],
    split_name: str,
    problems: list[Problem] | None = None,
) -> Split:
    """Return the images of a folder without their tags, such as those that a segmentation network is tested on.

    Args:
        root: folder of the images, laid out as for :func:`read_folder`.
        masks: folder of masks, ``root/masks`` by default.
        known: all classes that the masks tell apart, in the order of their ids, unless ``root/classes.txt`` says so.
        classes: those of them that are labels, in label order; every other one is background.
        split_name: the split's name, printed with scores.
        problems: as for :func:`read_folder`.

    Returns:
        The split, sorted by image id; no image has a tag.

    Raises:
        DataError: when there are no images.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a.jpg").write_bytes(b"...")
    ...     split = read_untagged_folder(Path(folder), known=("cat",), classes=("cat",), split_name="test")
    >>> [(record.image_id, record.tags) for record in split.records]
    [('a', ())]
    """
    images, masks, paths = _images_and_masks(root, masks, problems)
    known = listed_classes(root, problems) or known
    table = choose_classes(tuple(known), classes, source=f"the classes of {root}")
    mask_of = masks_of(masks, _names(images, paths), known=known, classes=table, is_chosen=True, problems=problems)
    records = _records(images, paths, dict.fromkeys(paths, ()), mask_of)
    return Split(split_name, table, records, has_tags=False)


def _images_and_masks(
    root: Path, masks: Path | None, problems: list[Problem] | None, *, tags: Path | None = None
) -> tuple[Path, Path, Sequence[Path]]:
    """Return the folder of the images, that of the masks, and the images."""
    for folder in (root, *([masks] if masks is not None else [])):
        if not (folder.is_dir() or (folder == masks and folder.is_file())):
            help = near_path_help(folder, "correct the path in the recipe's data", wanted=os.path.isdir)
            raise DataError(f"folder {folder} must exist, got no such folder", help=help)
    masks = root / "masks" if masks is None else masks
    images = root / "images" if (root / "images").is_dir() else root
    paths = sorted(_find_images(images, masks, problems, tags=tags))
    if not paths:
        other = next(_pictures(images, masks), None)
        if other is not None:
            help = other_format(other).help
            raise DataError(f"folder {images} must hold images, got only others, such as {other}", help=help)
        endings = ", ".join(sorted(IMAGE_ENDINGS))
        raise DataError(f"folder {images} must hold images, got none", help=f"put files there that end in {endings}")
    return images, masks, paths


def listed_classes(root: Path, problems: list[Problem] | None = None) -> tuple[str, ...] | None:
    """Return the lines of ``root/classes.txt``, else the names of ids that an export left there, None without both."""
    return listed_names(root, above=True, problems=problems)


def _names(images: Path, paths: Sequence[Path]) -> dict[Path, str]:
    return {path: path.relative_to(images).as_posix() for path in paths}


def _records(
    images: Path,
    paths: Sequence[Path],
    labels: Mapping[Path, tuple[int, ...]],
    mask_of: Mapping[Path, MaskSource],
) -> tuple[ImageRecord, ...]:
    """Return a record for every image of which the labels are known, with its mask."""
    ids = unique_image_ids([PurePosixPath(path.relative_to(images).as_posix()) for path in paths])
    named = sorted(zip(ids, paths, strict=True))
    return tuple(ImageRecord(each, path, labels[path], mask_of.get(path)) for each, path in named if path in labels)


def _find_images(
    folder: Path, masks: Path, problems: list[Problem] | None, *, tags: Path | None = None
) -> Iterator[Path]:
    """Yield the image files below a folder; links to folders are followed, once each."""
    for here, folders, files in walk_folders(folder, seen=[masks]):
        for name in folders:
            if Path(name).suffix.lower() in IMAGE_ENDINGS:
                message = f"image {here / name} must be a file, got a folder"
                problem = Problem(ProblemKind.IMAGE_NAMED_FOLDER, here / name, message, "rename or remove the folder")
                report_problem(problem, problems)
        for name in sorted(files):
            if Path(name).suffix.lower() in IMAGE_ENDINGS and not name.startswith("."):
                yield here / name
            elif Path(name).suffix.lower() in PICTURE_ENDINGS and not name.startswith("."):
                error = other_format(here / name)
                report_problem(Problem(ProblemKind.OTHER_FORMAT, here / name, error.problem, error.help), problems)
            elif name not in _OWN_FILES and not name.startswith(".") and not _is_same(here / name, tags):
                message = f"file {here / name} is left out, since an image ends in {', '.join(sorted(IMAGE_ENDINGS))}"
                is_table = Path(name).suffix.lower() in TABLE_ENDINGS
                help = "name it in data.tags if it holds the tags" if is_table else "convert it if it is an image"
                report_problem(Problem(ProblemKind.UNUSED_FILE, here / name, message, help), problems)


def _is_same(path: Path, other: Path | None) -> bool:
    """Return whether two paths name one file."""
    return other is not None and path.name == other.name and path.resolve() == other.resolve()


def _pictures(folder: Path, masks: Path) -> Iterator[Path]:
    """Yield the pictures below a folder that are of formats that are not read."""
    for here, _, files in walk_folders(folder, seen=[masks]):
        yield from (here / name for name in sorted(files) if Path(name).suffix.lower() in PICTURE_ENDINGS)
