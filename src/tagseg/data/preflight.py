"""One look at everything in a data set before hours are spent on it."""

import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tagseg.classes import VOID
from tagseg.data.coco_shapes import IncompleteMaskError
from tagseg.data.image_formats import ENDINGS_BY_FORMAT
from tagseg.data.images import content_fingerprint, read_header, read_image
from tagseg.data.mask_formats.found_masks import ToolMask
from tagseg.data.mask_images import MaskLabelError, PaletteMask
from tagseg.data.problems import Problem, ProblemKind
from tagseg.errors import DataError
from tagseg.progress import Progress, SilentProgress
from tagseg.types import ImageRecord, Split

TINY_SIDE_PX = 32
"""A network of stride 16 sees two cells along such a side."""

HUGE_PIXELS = 50_000_000
"""From here on one decoded image takes 150 MB and its float copy 600 MB."""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """Everything that is wrong with a split.

    Args:
        split_name: the split's name.
        num_images: number of its records.
        images_by_class: number of images tagged with each class; empty where no tags are read.
        problems: what was found, the readers' problems first.
    """

    split_name: str
    num_images: int
    images_by_class: dict[str, int]
    problems: tuple[Problem, ...]

    @property
    def is_clean(self) -> bool:
        """True when there is no error; warnings are allowed."""
        return not any(problem.kind.is_error for problem in self.problems)

    def by_kind(self) -> dict[ProblemKind, tuple[Problem, ...]]:
        """Return the problems by kind, errors first, kinds in the order of :class:`ProblemKind`."""
        found: dict[ProblemKind, list[Problem]] = {}
        for problem in self.problems:
            found.setdefault(problem.kind, []).append(problem)
        order = sorted(found, key=lambda kind: (not kind.is_error, list(ProblemKind).index(kind)))
        return {kind: tuple(found[kind]) for kind in order}

    def to_dict(self) -> dict[str, object]:
        """Return the report as values that JSON can hold."""
        return {
            "split": self.split_name,
            "num_images": self.num_images,
            "images_by_class": dict(self.images_by_class),
            "is_clean": self.is_clean,
            "problems": [
                {
                    "kind": kind.value,
                    "severity": "error" if kind.is_error else "warning",
                    "count": len(problems),
                    "paths": [str(problem.path) for problem in problems if problem.path is not None],
                    "messages": [f"{problem.problem}; {problem.help}" for problem in problems],
                }
                for kind, problems in self.by_kind().items()
            ],
        }


def check_split(
    split: Split,
    *,
    reader_problems: Sequence[Problem] = (),
    progress: Progress | None = None,
    num_threads: int | None = None,
    huge_pixels: int = HUGE_PIXELS,
) -> CheckReport:
    """Decode every image and mask of a split once and report everything that is wrong.

    Args:
        split: what a reader returned.
        reader_problems: what the reader collected; put first into the report.
        progress: moves on after each image; None shows nothing.
        num_threads: images looked at side by side, from 1; None is the number of processors.
        huge_pixels: an image with more is worth a warning.

    Returns:
        The report; it does not depend on the number of threads.

    >>> from tagseg.classes import ClassTable
    >>> from tagseg.types import ImageRecord
    >>> from pathlib import Path
    >>> records = (ImageRecord("a", Path("no/such/a.jpg"), tags=(1,)),)
    >>> report = check_split(Split("train", ClassTable(("cat", "dog")), records))
    >>> [(kind.value, len(problems)) for kind, problems in report.by_kind().items()]
    [('missing image', 1), ('class without images', 1)]
    """
    problems = list(reader_problems)
    first_with: dict[str, ImageRecord] = {}
    task_of = (progress or SilentProgress()).task
    num_threads = num_threads or os.cpu_count() or 1
    with ThreadPoolExecutor(num_threads) as pool, task_of("Checking images", total=len(split)) as task:
        findings = pool.map(lambda record: _check_record(record, split, huge_pixels), split.records)
        for record, (found, fingerprint) in zip(split.records, findings, strict=True):
            problems += found
            twin = first_with.setdefault(fingerprint, record) if fingerprint else record
            if twin is not record:
                message = (
                    f"image {record.image_path} should differ from the others, got the content of {twin.image_path}"
                )
                problems.append(_about(record, ProblemKind.DUPLICATE_IMAGE, message, "remove one of the two"))
            task.advance()
    images_by_class = _images_by_class(split) if split.has_tags else {}
    problems += [_empty_class(name, split.name) for name, count in images_by_class.items() if count == 0]
    return CheckReport(split.name, len(split), images_by_class, tuple(problems))


RARELY_ABSENT = 0.9
"""A class that a larger share of the images show has too few without it: where 92 to 97 of 100 photographs show a
person, its masks have 15 to 23 % IoU (``docs/lab_notes.md``)."""

ENOUGH_ABSENT = 50
"""So many images without a class are enough, whatever their share."""


def never_absent(split: Split) -> list[Problem]:
    """Return a warning for each class that all or nearly all images of a split to learn from show.

    A classifier tells such a class by anything that all images share, so that its maps say nothing: data of one class
    without images that lack it, and images that show all classes.

    >>> from tagseg.classes import ClassTable
    >>> from pathlib import Path
    >>> records = tuple(ImageRecord(name, Path(name), tags=(1,)) for name in "ab")
    >>> [problem.problem for problem in never_absent(Split("all", ClassTable(("cat",)), records))]
    ["class 'cat' should be absent from some images of all, got it in each of 2"]
    """
    if not split.has_tags or not split.records:
        return []
    number, problems = len(split), []
    for name, count in _images_by_class(split).items():
        if count <= RARELY_ABSENT * number or number - count >= ENOUGH_ABSENT:
            continue
        some, shown = ("some", f"each of {number}") if count == number else ("more", f"{count} of {number}")
        message = f"class '{name}' should be absent from {some} images of {split.name}, got it in {shown}"
        others = "nothing else tells it" if count == number else "too little else tells it"
        advice = f"add images that do not show it, with empty tags or of another class: {others} from its scene"
        problems.append(Problem(ProblemKind.NEVER_ABSENT, None, message, advice))
    return problems


def shared_ids(train: Split, scored: Split) -> list[Problem]:
    """Return an error for each id that names one image of the training split and another one of those to score.

    Maps and masks of a run are stored under the ids of its images, so one would take the place of the other.

    >>> from tagseg.classes import ClassTable
    >>> from pathlib import Path
    >>> splits = [Split(name, ClassTable(("cat",)), (ImageRecord("a", Path(name, "a.jpg"), tags=()),)) for name in "xy"]
    >>> [problem.problem for problem in shared_ids(*splits)]
    ["image id 'a' must name one image, got x/a.jpg in x and y/a.jpg in y"]
    """
    paths = {record.image_id: record.image_path for record in train.records}
    return [
        Problem(
            ProblemKind.SHARED_ID,
            record.image_path,
            f"image id '{record.image_id}' must name one image, got {paths[record.image_id]} in {train.name} and "
            f"{record.image_path} in {scored.name}",
            "rename one of the two, or move it into another sub-folder",
            record.image_id,
        )
        for record in scored.records
        if not _is_same_file(paths.get(record.image_id, record.image_path), record.image_path)
    ]


def _is_same_file(one: Path, other: Path) -> bool:
    return one == other or (one.exists() and other.exists() and one.samefile(other))


def _check_record(record: ImageRecord, split: Split, huge_pixels: int) -> tuple[list[Problem], str]:
    """Return the problems of one image and its mask, and its content's fingerprint or an empty string."""
    problems: list[Problem] = []
    if split.has_tags and not record.tags:
        message = f"image {record.image_path} should show a class, got no tag"
        help = "tag it, or leave it as an image that shows none of the classes"
        problems.append(_about(record, ProblemKind.UNTAGGED_IMAGE, message, help))
    try:
        size = read_image(record.image_path).shape[:2]
        problems += _check_header(record, size, huge_pixels)
        fingerprint = content_fingerprint(record.image_path)
    except DataError as error:
        kind = ProblemKind.UNREADABLE_IMAGE if record.image_path.exists() else ProblemKind.MISSING_IMAGE
        return [*problems, _about(record, kind, error.problem, error.help)], ""
    if record.mask is not None:
        problems += _check_mask(record, size, split)
    elif split.has_masks:
        message = f"image {record.image_path} should have a mask as others do, got none"
        problems.append(
            _about(record, ProblemKind.MISSING_MASK, message, "add it, or leave the image out of the scores")
        )
    return problems, fingerprint


def _check_header(record: ImageRecord, size: tuple[int, ...], huge_pixels: int) -> list[Problem]:
    """Return what is odd about the format and the size of a readable image."""
    problems: list[Problem] = []
    path, (height, width) = record.image_path, size
    stored = read_header(path).format
    endings = ENDINGS_BY_FORMAT.get(stored, ENDINGS_BY_FORMAT["JPEG"])
    if path.suffix.lower() not in endings:
        message = f"image {path} should end in {' or '.join(endings)}, got a {stored} file"
        problems.append(_about(record, ProblemKind.WRONG_ENDING, message, "rename it; it is read by its content"))
    if min(height, width) < TINY_SIDE_PX:
        message = f"image {path} should have sides of {TINY_SIDE_PX} px or more, got {height} x {width}"
        problems.append(_about(record, ProblemKind.TINY_IMAGE, message, "remove it if it is a thumbnail"))
    if height * width > huge_pixels:
        message = f"image {path} should have {huge_pixels:,} pixels or fewer, got {height} x {width}"
        problems.append(_about(record, ProblemKind.HUGE_IMAGE, message, "make it smaller to save time and memory"))
    return problems


def _check_mask(record: ImageRecord, size: tuple[int, ...], split: Split) -> list[Problem]:
    """Return what is wrong with the mask of a readable image."""
    classes = split.classes
    if record.mask is None:
        return []
    try:
        labels = record.mask.read()
    except DataError as error:
        return [_about_mask(record, _kind_of(error), error.problem, error.help)]
    problems: list[Problem] = []
    if labels.shape != size:
        found = f"{labels.shape[0]} x {labels.shape[1]} for an upright image of {size[0]} x {size[1]}"
        message = f"mask of {record.image_path} must have the image's size, got {found}"
        problems.append(_about_mask(record, ProblemKind.MASK_SIZE, message, "draw it on the upright image"))
    present = set(np.flatnonzero(np.bincount(labels.ravel(), minlength=256)).tolist()) - {0, VOID}
    beyond = sorted(label for label in present if label > classes.num_classes)
    if beyond:
        message = f"mask of {record.image_path} must hold labels 0 to {classes.num_classes} or {VOID}, got {beyond}"
        problems.append(_about_mask(record, ProblemKind.MASK_LABELS, message, "name the missing classes"))
    untagged = [classes.name(label) for label in sorted(present - set(record.tags) - set(beyond))]
    if untagged and split.has_tags:
        message = f"mask of {record.image_path} should show tagged classes only, got {', '.join(untagged)}"
        problems.append(
            _about_mask(record, ProblemKind.UNTAGGED_MASK_CLASS, message, "add the tag or correct the mask")
        )
    return problems


def _kind_of(error: DataError) -> ProblemKind:
    """Return the kind of problem of a mask that cannot be read."""
    if isinstance(error, IncompleteMaskError):
        return ProblemKind.INCOMPLETE_MASK
    return ProblemKind.MASK_LABELS if isinstance(error, MaskLabelError) else ProblemKind.UNREADABLE_MASK


def _images_by_class(split: Split) -> dict[str, int]:
    """Return the number of images tagged with each class."""
    count = Counter(tag for record in split.records for tag in record.tags)
    return {name: count[label_id] for label_id, name in enumerate(split.classes.names, start=1)}


def _empty_class(name: str, split_name: str) -> Problem:
    message = f"class '{name}' should have images in {split_name}, got none"
    return Problem(ProblemKind.EMPTY_CLASS, None, message, "tag some, or leave the class out of data.classes")


def _about(record: ImageRecord, kind: ProblemKind, message: str, help: str) -> Problem:
    return Problem(kind, record.image_path, message, help, record.image_id)


def _about_mask(record: ImageRecord, kind: ProblemKind, message: str, help: str) -> Problem:
    path = record.mask.path if isinstance(record.mask, PaletteMask | ToolMask) else record.image_path
    return Problem(kind, path, message, help, record.image_id)
