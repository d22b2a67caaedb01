"""Data sets with COCO's instance annotations.

The annotation file is walked once, one element at a time; of each annotation only its place in the file is kept, and a
mask reads its own annotations again when asked. So a hundred thousand masks cost two numbers an annotation.

Axis legend: H height, W width.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from tagseg.classes import BACKGROUND
from tagseg.data.coco_listing import CocoId, CocoListing, ListedImage, category_names, list_file
from tagseg.data.coco_shapes import IncompleteMaskError, ShapeError, Size, has_shape, run_lengths_of, shown
from tagseg.data.json_elements import Span
from tagseg.data.names import choose_classes, composed, is_background, same_named_file, unique_image_ids
from tagseg.data.problems import Problem, ProblemKind, report_problem
from tagseg.data.split_readers import SplitReaders
from tagseg.errors import DataError
from tagseg.system.quiet import quiet_decoders
from tagseg.types import ImageRecord, LabelMap, Split

_Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CocoLayout:
    """A data set with COCO's annotations, a folder and a JSON file for each split.

    Args:
        train_images: folder of the images to learn from.
        train_annotations: their JSON file.
        eval_images: folder of the images to score, or None.
        eval_annotations: their JSON file, or None; without both, nothing is scored.
        classes: category names to learn, in label order, or None for all; every other category is background.

    The classes of a run are those of ``train_annotations``; ``eval_annotations`` is read by their names, whatever its
    ids are.
    """

    train_images: Path
    train_annotations: Path
    eval_images: Path | None = None
    eval_annotations: Path | None = None
    classes: Sequence[str] | None = None

    def readers(self) -> SplitReaders:
        """Return what reads the images to learn from and, where they are named, those to score."""
        train = partial(read_coco, self.train_images, self.train_annotations, classes=self.classes, split_name="train")
        if self.eval_images is None or self.eval_annotations is None:
            return SplitReaders(train)
        return SplitReaders(train, partial(self._read_eval, self.eval_images, self.eval_annotations))

    def _read_eval(self, images: Path, annotations: Path, *, problems: list[Problem] | None = None) -> Split:
        """Return the images to score, with the class table of those to learn from."""
        same = annotations == self.train_annotations
        known = None if same else category_names(self.train_annotations)
        return read_coco(images, annotations, classes=self.classes, known=known, split_name="eval", problems=problems)


@dataclass(frozen=True, slots=True)
class CocoMask:
    """The semantic mask of one image, painted from its polygons and run lengths when asked.

    Where objects overlap the one with fewer pixels is on top, of equal ones the later in the file. A crowd region is
    painted like an object: it shows the class. Pixels of classes outside the class table are background, and such an
    object hides what is below it.

    Args:
        annotations: COCO's JSON file.
        coco_image_id: the image's id in it.
        size: (height, width) that the file gives, in pixels.
        spans: where the image's annotations are in the file, in bytes.
        label_ids: label id by category id; shared by all masks of a data set.
    """

    annotations: Path
    coco_image_id: CocoId
    size: Size
    spans: tuple[Span, ...]
    label_ids: Mapping[CocoId, int] = field(repr=False, hash=False)

    def read(self) -> LabelMap:
        """Return the (H, W) uint8 label ids.

        Raises:
            IncompleteMaskError: when an annotated object of the image has no shape.
            DataError: when the file changed since it was listed, or holds a shape that cannot be drawn.
        """
        shapes: list[tuple[int, int, Any]] = []
        shapeless: list[str] = []
        for annotation, span in zip(self._read_annotations(), self.spans, strict=True):
            if not has_shape(annotation.get("segmentation")):
                shapeless.append(_name(annotation, span))
            else:
                run_lengths = self._run_lengths(annotation, span)
                label = self.label_ids.get(annotation["category_id"], BACKGROUND)
                shapes.append((int(coco_mask.area(run_lengths)), label, run_lengths))
        if shapeless:
            raise IncompleteMaskError(
                f"annotations of image {shown(self.coco_image_id)} in {self.annotations} should all have polygons or "
                f"run lengths, got {len(shapeless)} of {len(self.spans)} without, the first {shapeless[0]}",
                help="draw these objects, or leave the image out of the scores",
            )
        labels = np.zeros(self.size, np.uint8)
        for _, label, run_lengths in sorted(shapes, key=lambda shape: -shape[0]):
            with quiet_decoders:
                labels[coco_mask.decode(run_lengths).astype(bool)] = label
        return labels

    def _read_annotations(self) -> Iterator[_Json]:
        try:
            with self.annotations.open("rb") as file:
                for start, end in self.spans:
                    file.seek(start)
                    annotation = json.loads(file.read(end - start))
                    if annotation["image_id"] != self.coco_image_id:
                        raise ValueError
                    yield annotation
        except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
            message = f"{self.annotations} must stay as it is while it is in use, got a changed file"
            raise DataError(message, help="run the command again") from error

    def _run_lengths(self, annotation: _Json, span: Span) -> Any:  # noqa: ANN401 - pycocotools' own record
        try:
            return run_lengths_of(annotation["segmentation"], self.size)
        except ShapeError as error:
            raise DataError(
                f"{_name(annotation, span)} of {self.annotations} must be polygons or run lengths of the image's size, "
                f"got {error}",
                help="correct or remove it",
            ) from error


def read_coco(
    images: Path,
    annotations: Path,
    *,
    classes: Sequence[str] | None = None,
    known: Sequence[str] | None = None,
    split_name: str = "all",
    problems: list[Problem] | None = None,
) -> Split:
    """Return the images of a COCO instance file with the categories that are annotated in them as tags.

    Every annotation counts for the tags, crowd regions included. An image without any is kept: it shows none of the
    classes. The id of an image is its ``file_name`` without ending.

    Args:
        images: folder that the ``file_name`` of the images starts from.
        annotations: JSON file with ``images``, ``annotations`` and ``categories``.
        classes: category names to learn, in label order, or None for all in the order of their ids; every other
            category is background.
        known: category names of the file to learn from, when this is another one: they take the place of the file's
            own categories, of which those of other names are background.
        split_name: the split's name, printed with scores.
        problems: where to collect what is wrong with single images and annotations, which are then left out; None
            raises at the first.

    Returns:
        The split, sorted by image id; its masks hold places in the annotation file and no pixels.

    Raises:
        DataError: when the file is no such JSON, and for single images and annotations without ``problems``.

    >>> import tempfile
    >>> content = {
    ...     "images": [{"id": 7, "file_name": "a.jpg", "height": 2, "width": 3}],
    ...     "categories": [{"id": 18, "name": "dog"}],
    ...     "annotations": [{"image_id": 7, "category_id": 18, "segmentation": [[1, 0, 3, 0, 3, 1, 1, 1]]}],
    ... }
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a.jpg").write_bytes(b"...")
    ...     _ = Path(folder, "instances.json").write_text(json.dumps(content))
    ...     (record,) = read_coco(Path(folder), Path(folder, "instances.json")).records
    ...     record.tags, record.mask.read().tolist()
    ((1,), [[0, 1, 1], [0, 0, 0]])
    """
    listing = list_file(annotations, problems)
    own = tuple(listing.categories.values())
    source = f"the categories of {annotations if known is None else 'the file to learn from'}"
    table = choose_classes(own if known is None else known, classes, source=source)
    if known is not None:
        _compare_classes(annotations, own, known, classes=classes, problems=problems)
    label_ids = {key: table.label_id(name) for key, name in listing.categories.items() if name in table.names}
    present = _usable_images(images, annotations, listing, problems)
    ids = unique_image_ids([PurePosixPath(image.file_name) for image in present])
    records = []
    for image_id, image in sorted(zip(ids, present, strict=True), key=lambda pair: pair[0]):
        key = image.image_id
        categories = listing.categories_of.get(key, set())
        tags = tuple(sorted({label_ids[category] for category in categories if category in label_ids}))
        mask = CocoMask(annotations, key, image.size, tuple(listing.spans.get(key, ())), label_ids)
        records.append(ImageRecord(image_id, images / image.file_name, tags, mask))
    return Split(split_name, table, tuple(records))


def _compare_classes(
    path: Path,
    own: Sequence[str],
    known: Sequence[str],
    *,
    classes: Sequence[str] | None,
    problems: list[Problem] | None,
) -> None:
    """Report where the categories of a file to score differ from the classes of the run."""
    learned = [name for name in known if not is_background(name)] if classes is None else list(map(composed, classes))
    more = [name for name in own if name not in known and not is_background(name)]
    missing = [name for name in learned if name not in own]
    if missing and (more or len(missing) == len(learned)):
        # Probably one class under two names; its pixels would be scored as background.
        found = f"{_quoted(more) or 'none of them'} and no {_quoted(missing)}"
        message = f"{path} must name its categories like the file to learn from, got {found}"
        help = "give a class one name in both files, or list the missing ones here too"
        report_problem(Problem(ProblemKind.OTHER_CLASSES, path, message, help), problems)
        return
    for name in missing:
        message = f"{path} should list all classes of the run, got no '{name}'"
        help = "list it; until then no image of the file is taken to show it"
        report_problem(Problem(ProblemKind.ABSENT_CLASS, path, message, help), problems)
    for name in more if classes is None else ():  # named classes say that all others are background
        message = f"{path} should list the classes to learn only, got '{name}'"
        help = "learn the class too; until then its objects are scored as background"
        report_problem(Problem(ProblemKind.UNLEARNED_CLASS, path, message, help), problems)


def _quoted(names: Sequence[str]) -> str:
    text = ", ".join(f"'{name}'" for name in names[:5])
    return f"{text} and {len(names) - 5} more" if len(names) > 5 else text


def _usable_images(
    folder: Path, annotations: Path, listing: CocoListing, problems: list[Problem] | None
) -> list[ListedImage]:
    """Return the listed images whose file exists."""
    usable = []
    for image in listing.images.values():
        path = same_named_file(folder, image.file_name)
        if path is not None:
            usable.append(replace(image, file_name=path.relative_to(folder).as_posix()))
            continue
        path = folder / image.file_name
        message = f"image {path} of {annotations} must exist, got no such file"
        help = "correct the folder of images, or remove it from the list"
        report_problem(Problem(ProblemKind.MISSING_IMAGE, path, message, help), problems)
    return usable


def _name(annotation: _Json, span: Span) -> str:
    return f"annotation {shown(annotation['id'])}" if "id" in annotation else f"the annotation at byte {span[0]}"
