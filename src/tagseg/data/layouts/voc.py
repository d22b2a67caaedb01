"""Data sets in the layout of PASCAL VOC."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tagseg.classes import VOC_CLASSES, nearest_name_help
from tagseg.data.folder_tags import no_row_fits
from tagseg.data.mask_images import Meaning255, PaletteMask, label_ids, mask_paths, with_255_as
from tagseg.data.names import choose_classes, composed, is_background, is_inside, read_class_names, same_named_file
from tagseg.data.problems import Problem, ProblemKind, report_problem
from tagseg.data.split_readers import SplitReader, SplitReaders
from tagseg.data.tags import read_tags
from tagseg.data.text_files import read_names
from tagseg.data.xml_files import XmlError, parse_xml
from tagseg.errors import DataError
from tagseg.types import ImageRecord, Split

_IMAGE_ENDINGS = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True, slots=True)
class VocLayout:
    """A data set in VOC layout, whose splits are lists of ``ImageSets/Segmentation``.

    Args:
        root: folder of the data set.
        train_split: list to learn from.
        eval_split: list on which seeds and pseudo masks are scored, or None.
        test_split: list on which the segmentation network is scored, or None.
        classes: names to learn, in label order, or None for all; every other class is background.
        tags: CSV or JSON file of tags, in the place of those in the data set.
        mask_255: what 255 is in masks that hold 0 and 255 only, see :class:`tagseg.data.mask_images.PaletteMask`.
    """

    root: Path
    train_split: str
    eval_split: str | None = None
    test_split: str | None = None
    classes: Sequence[str] | None = None
    tags: Path | None = None
    mask_255: Meaning255 | None = None

    def readers(self) -> SplitReaders:
        """Return what reads the three lists; one that is both to learn from and to score is read once."""

        def reader(split: str) -> SplitReader:
            return partial(self._read, split)

        train = reader(self.train_split)
        test = reader(self.test_split) if self.test_split else None
        if self.eval_split == self.train_split:
            return SplitReaders(train, evaluation=train, test=test)
        return SplitReaders(train, evaluation=reader(self.eval_split) if self.eval_split else None, test=test)

    def _read(self, split: str, *, problems: list[Problem] | None = None) -> Split:
        found = read_voc(self.root, split=split, classes=self.classes, tags_file=self.tags, problems=problems)
        return with_255_as(found, self.mask_255)


def read_voc(
    root: Path,
    *,
    split: str,
    classes: Sequence[str] | None = None,
    tags_file: Path | None = None,
    problems: list[Problem] | None = None,
) -> Split:
    r"""Return the images of one list of a data set in VOC layout.

    ``ImageSets/Segmentation/<split>.txt`` lists ids, one a line; where a line holds paths instead, such as
    ``/JPEGImages/<id>.jpg /SegmentationClassAug/<id>.png``, the id is that of the first. Images are ``JPEGImages/<id>``
    with the ending jpg, jpeg or png. Tags come from ``tags_file``, else from ``Annotations/<id>.xml``, else from
    ``image_tags.csv``; an object that its XML calls difficult counts, since it is in the picture. Masks are
    ``SegmentationClass/<id>.png``, else ``SegmentationClassAug/<id>.png``, else none. The ids in the masks are VOC's
    20, or the lines of ``classes.txt`` when the root has one.

    Args:
        root: folder of the data set.
        split: name of the list, such as ``train_aug``.
        classes: names to learn, in label order, or None for all; every other class is background.
        tags_file: CSV or JSON file of tags, see :func:`tagseg.data.tags.read_tags`.
        problems: where to collect what is wrong with single images, which are then left out; None raises at the first.

    Returns:
        The split, sorted by image id.

    Raises:
        DataError: when the list or the tags as a whole cannot be read, and for single images without ``problems``.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("JPEGImages", "ImageSets/Segmentation"):
    ...         Path(folder, name).mkdir(parents=True)
    ...     _ = Path(folder, "JPEGImages/2007_1.jpg").write_bytes(b"...")
    ...     _ = Path(folder, "ImageSets/Segmentation/train.txt").write_text("2007_1")
    ...     _ = Path(folder, "image_tags.csv").write_text("image,tags\n2007_1,dog cow\n")
    ...     split = read_voc(Path(folder), split="train", classes=["cat", "dog"])
    >>> [(record.image_id, record.tags) for record in split.records]
    [('2007_1', (2,))]
    """
    listed = root / "classes.txt"
    known = read_class_names(listed, problems=problems) if listed.is_file() else tuple(VOC_CLASSES)
    table = choose_classes(known, classes, source=f"the classes of {root}")
    ids = _read_list(root / "ImageSets" / "Segmentation" / f"{split}.txt", problems)
    images = _image_paths(root / "JPEGImages")
    augmented, own = (root / name for name in ("SegmentationClassAug", "SegmentationClass"))
    found_masks = mask_paths(augmented, problems=problems) | mask_paths(own, problems=problems)
    masks = {composed(name): path for name, path in found_masks.items()}
    file_tags = _read_tags_file(root, tags_file, known, ids=ids, problems=problems)
    to_label = label_ids(known, table)
    records = []
    for image_id in sorted(ids):
        path = images.get(image_id)
        if path is None:
            path = root / "JPEGImages" / f"{image_id}.jpg"
            message = f"image {path} of the list {split} must exist, got no such file"
            help = "restore it or remove its line from the list"
            report_problem(Problem(ProblemKind.MISSING_IMAGE, path, message, help), problems)
            continue
        names = _tags_of(root, image_id, file_tags, known=known, problems=problems)
        if names is None:
            continue
        tags = tuple(sorted(table.label_id(name) for name in names if name in table.names))
        mask = PaletteMask(masks[image_id], to_label) if image_id in masks else None
        records.append(ImageRecord(image_id, path, tags, mask))
    return Split(split, table, tuple(records))


def _read_list(path: Path, problems: list[Problem] | None) -> list[str]:
    """Return the different ids of a list file."""
    try:
        lines = composed(read_names(path, problems)).splitlines()
    except FileNotFoundError as error:
        lists = sorted(file.stem for file in path.parent.glob("*.txt"))
        help = nearest_name_help(path.stem, lists) if lists else "correct the path of the data set"
        raise DataError(f"list {path} must exist, got no such file", help=help) from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"list {path} must be UTF-8 text, got something else", help="write it again") from error
    first_line: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        token = line.split()[0] if line.split() else ""
        image_id = Path(token).stem if "/" in token else token
        if not token:
            continue
        if image_id in first_line:
            message = (
                f"{path} names an image once, got '{image_id}' at line {first_line[image_id]} and at line {number}"
            )
            problem = Problem(ProblemKind.REPEATED_IMAGE, path, message, "remove one of the lines")
            report_problem(problem, problems)
        elif not is_inside(image_id):
            message = f"{path} at line {number} must hold an image id, got '{image_id}'"
            report_problem(Problem(ProblemKind.MISSING_IMAGE, path, message, "correct the line"), problems)
        else:
            first_line[image_id] = number
    if not first_line:
        raise DataError(f"list {path} must name images, got none", help="write one image id a line")
    return list(first_line)


def _image_paths(folder: Path) -> dict[str, Path]:
    """Return the images of a folder by id; one look at the folder instead of three at the disk for each image."""
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in _IMAGE_ENDINGS)
    return {composed(path.stem): path for path in reversed(paths)}


def _read_tags_file(
    root: Path, tags_file: Path | None, known: Sequence[str], *, ids: Sequence[str], problems: list[Problem] | None
) -> Mapping[str, tuple[str, ...]] | None:
    """Return tags by image id from a file, or None when the XML files hold them."""
    if tags_file is None:
        if (root / "Annotations").is_dir():
            return None
        tags_file = root / "image_tags.csv"
        if not tags_file.is_file():
            message = f"data set {root} must hold Annotations or image_tags.csv, got neither"
            raise DataError(message, help="name a CSV or JSON file of tags in the recipe's data.tags")
    tags = read_tags(tags_file, known, problems=problems)
    rows = {composed(_without_image_ending(image)): names for image, names in tags.items()}
    if len(rows) > 1 and rows.keys().isdisjoint(ids):
        raise no_row_fits(tags_file, list(tags), ids)
    return rows


def _without_image_ending(name: str) -> str:
    return name.rpartition(".")[0] if name.lower().endswith(_IMAGE_ENDINGS) else name


def _tags_of(
    root: Path,
    image_id: str,
    file_tags: Mapping[str, tuple[str, ...]] | None,
    *,
    known: Sequence[str],
    problems: list[Problem] | None,
) -> Sequence[str] | None:
    """Return the class names of one image, or None when a problem was collected instead."""
    if file_tags is not None:
        if image_id in file_tags:
            return file_tags[image_id]
        message, help = (
            f"image '{image_id}' must have a row of tags, got none",
            "add the row, with empty tags if none fit",
        )
        report_problem(Problem(ProblemKind.NO_TAGS_KNOWN, root, message, help), problems)
        return None
    annotations, name = root / "Annotations", f"{image_id}.xml"
    path = same_named_file(annotations, name) or annotations / name
    try:
        tree = parse_xml(path)
    except XmlError as error:
        problem = f"annotation {path} must be XML, got {error}"
        report_problem(Problem(ProblemKind.BAD_ANNOTATION, path, problem, error.help), problems)
        return None
    if tree.tag != "annotation":  # a page that says "not found" names no objects, which would be no tag
        problem = f"annotation {path} must be an <annotation>, got <{tree.tag[:60]}>"
        report_problem(Problem(ProblemKind.BAD_ANNOTATION, path, problem, "restore the file"), problems)
        return None
    names = {composed((item.findtext("name") or "").strip()) for item in tree.iter("object")}
    for name in sorted(names - set(known)):
        if not is_background(name):
            message = f"annotation {path} must hold known classes, got '{name}'"
            report_problem(Problem(ProblemKind.UNKNOWN_TAG, path, message, nearest_name_help(name, known)), problems)
    return sorted(names & set(known))
