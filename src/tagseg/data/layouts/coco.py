"""Data sets with COCO's instance annotations.

The annotation file is walked once, one element at a time; of each annotation only its place in the file is kept, and a
mask reads its own annotations again when asked. So a hundred thousand masks cost two numbers an annotation.

Axis legend: H height, W width.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, cast

import numpy as np
from pycocotools import mask as coco_mask

from tagseg.classes import BACKGROUND, ClassTable
from tagseg.data.json_elements import Span, list_elements
from tagseg.data.names import choose_classes, composed, is_inside, same_named_file, unique_image_ids
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
    """

    train_images: Path
    train_annotations: Path
    eval_images: Path | None = None
    eval_annotations: Path | None = None
    classes: Sequence[str] | None = None

    def readers(self) -> SplitReaders:
        """Return what reads the images to learn from and, where they are named, those to score."""
        read = partial(read_coco, classes=self.classes)
        train = partial(read, self.train_images, self.train_annotations, split_name="train")
        if self.eval_images is None or self.eval_annotations is None:
            return SplitReaders(train)
        return SplitReaders(train, partial(read, self.eval_images, self.eval_annotations, split_name="eval"))


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
    coco_image_id: int
    size: tuple[int, int]
    spans: tuple[Span, ...]
    label_ids: Mapping[int, int] = field(repr=False, hash=False)

    def read(self) -> LabelMap:
        """Return the (H, W) uint8 label ids.

        Raises:
            DataError: when the file changed since it was listed, or holds a shape that cannot be drawn.
        """
        shapes: list[tuple[int, int, Any]] = []
        for annotation in self._read_annotations():
            run_lengths = _run_lengths(annotation, self.size, self.annotations)
            if run_lengths is not None:
                label = self.label_ids.get(annotation["category_id"], BACKGROUND)
                shapes.append((int(coco_mask.area(run_lengths)), label, run_lengths))
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
        except (OSError, ValueError, LookupError, TypeError) as error:
            message = f"{self.annotations} must stay as it is while it is in use, got a changed file"
            raise DataError(message, help="run the command again") from error


def read_coco(
    images: Path,
    annotations: Path,
    *,
    classes: Sequence[str] | None = None,
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
        split_name: the split's name, printed beside scores.
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
    listing = _list_file(annotations, problems)
    table = choose_classes(tuple(listing.categories.values()), classes, source="the file's categories")
    label_ids = _label_ids(listing.categories, table)
    present = _usable_images(images, annotations, listing, problems)
    ids = unique_image_ids([PurePosixPath(image["file_name"]) for image in present])
    records = []
    for image_id, image in sorted(zip(ids, present, strict=True), key=lambda pair: pair[0]):
        key = image["id"]
        categories = listing.categories_of.get(key, set())
        tags = tuple(sorted(label_ids[category] for category in categories if category in label_ids))
        spans = tuple(listing.spans.get(key, ()))
        mask = CocoMask(annotations, key, (int(image["height"]), int(image["width"])), spans, label_ids)
        records.append(ImageRecord(image_id, images / image["file_name"], tags, mask))
    return Split(split_name, table, tuple(records))


@dataclass(slots=True)
class _Listing:
    """What one walk over the file keeps."""

    categories: dict[int, str] = field(default_factory=dict)
    images: dict[int, _Json] = field(default_factory=dict)
    categories_of: dict[int, set[int]] = field(default_factory=dict)
    spans: dict[int, list[Span]] = field(default_factory=dict)


def _list_file(path: Path, problems: list[Problem] | None) -> _Listing:
    """Walk the file once and check that its parts refer to each other."""
    listing = _Listing()
    for section, element, span in list_elements(path):
        found = _add(listing, section, element, span)
        if found:
            problem = f"{path} must hold usable {section}, got {found}"
            report_problem(Problem(ProblemKind.BAD_ANNOTATION, path, problem, "mend or remove the element"), problems)
    if not listing.categories or not listing.images:
        missing = "images" if listing.categories else "categories"
        raise DataError(
            f"{path} must hold images and categories, got no {missing}", help="name an instances file of COCO"
        )
    listing.categories = dict(sorted(listing.categories.items()))
    # References are checked after the walk: nothing fixes the order of the sections in the file.
    for key in [key for key in listing.spans if key not in listing.images]:
        problem = f"annotation of {path} must belong to a listed image, got image id {key}"
        report_problem(Problem(ProblemKind.BAD_ANNOTATION, path, problem, "list the image or remove it"), problems)
    for category in sorted(set().union(*listing.categories_of.values()) - set(listing.categories), key=str):
        problem = f"annotation of {path} must belong to a listed category, got category id {category}"
        report_problem(Problem(ProblemKind.UNKNOWN_TAG, path, problem, "list the category or remove it"), problems)
    return listing


def _add(listing: _Listing, section: str, element: Any, span: Span) -> str | None:  # noqa: ANN401 - anything may stand in the file
    """Add one element to the listing; return what is wrong with it, or None."""
    try:
        if section == "categories":
            key, name = int(element["id"]), composed(str(element["name"]))
            if key in listing.categories or name in listing.categories.values():
                return f"a second category {key} '{name}'"
            listing.categories[key] = name
        elif section == "images":
            image = {name: element[name] for name in ("id", "file_name", "height", "width")}
            if image["id"] in listing.images:
                return f"a second image with id {image['id']}"
            if not is_inside(image["file_name"]):
                return f"the file_name '{image['file_name']}' outside the folder of images"
            if min(int(image["height"]), int(image["width"])) < 1:
                return f"an image of {image['height']} x {image['width']} pixels"
            listing.images[image["id"]] = image
        elif section == "annotations":
            key, category = element["image_id"], element["category_id"]
            listing.categories_of.setdefault(key, set()).add(category)
            listing.spans.setdefault(key, []).append(span)
    except (LookupError, TypeError, ValueError, AttributeError):
        return f"an element without the values that it needs at byte {span[0]}"
    return None


def _usable_images(folder: Path, annotations: Path, listing: _Listing, problems: list[Problem] | None) -> list[_Json]:
    """Return the listed images whose file exists."""
    usable = []
    for image in listing.images.values():
        path = same_named_file(folder, image["file_name"])
        if path is not None:
            image["file_name"] = path.relative_to(folder).as_posix()
            usable.append(image)
            continue
        path = folder / image["file_name"]
        message = f"image {path} of {annotations} must exist, got no such file"
        help = "mend the folder of images, or remove it from the list"
        report_problem(Problem(ProblemKind.MISSING_IMAGE, path, message, help), problems)
    return usable


def _label_ids(categories: Mapping[int, str], table: ClassTable) -> dict[int, int]:
    """Return the label id of each category id that is in the class table."""
    return {key: table.label_id(name) for key, name in categories.items() if name in table.names}


def _run_lengths(annotation: _Json, size: tuple[int, int], path: Path) -> Any:  # noqa: ANN401 - pycocotools' own record
    """Return pycocotools' run lengths of one annotation, or None when it has no shape."""
    height, width = size
    shape = annotation.get("segmentation")
    try:
        if isinstance(shape, list):
            # pycocotools takes four numbers for a box, and fewer than three points have no inside.
            polygons = [polygon for polygon in shape if len(polygon) >= 6]
            return coco_mask.merge(coco_mask.frPyObjects(polygons, height, width)) if polygons else None
        if not shape:
            return None
        if list(shape["size"]) != [height, width]:
            raise ValueError
        return shape if isinstance(shape["counts"], str) else coco_mask.frPyObjects(cast(Any, shape), height, width)
    except Exception as error:  # pycocotools raises almost anything
        found = f"annotation {annotation.get('id')} of {path} must be polygons or run lengths of the image's size"
        raise DataError(f"{found}, got another shape", help="mend or remove it") from error
