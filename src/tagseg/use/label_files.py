"""Label maps in the formats of annotation tools and trainers: which there are, how they are cleaned, what they cost."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from tagseg.artifacts.label_formats.coco_objects import coco_objects
from tagseg.artifacts.label_formats.cvat_archive import MOST_OBJECTS, cvat_archive
from tagseg.artifacts.label_formats.hugging_face_folder import hugging_face_folder
from tagseg.artifacts.label_formats.id_pictures import id_pictures
from tagseg.artifacts.label_formats.label_studio import label_studio_tasks
from tagseg.artifacts.label_formats.labelled_image import About, AddImage, LabelFormat, LabelledImage
from tagseg.artifacts.label_formats.labelme_files import labelme_files
from tagseg.artifacts.label_formats.voc_folder import voc_folder
from tagseg.artifacts.label_formats.voc_server import voc_server_archive
from tagseg.artifacts.label_formats.yolo_folder import yolo_masks, yolo_polygons
from tagseg.classes import BACKGROUND, VOID, ClassTable, nearest_name_help
from tagseg.errors import RecipeError
from tagseg.evaluation.confusion import ConfusionMatrix
from tagseg.evaluation.scores import compute_scores
from tagseg.ops.object_parts import parts_of_objects
from tagseg.ops.part_rings import part_rings, rings_mask
from tagseg.ops.parts import connected_parts, merge_small_parts
from tagseg.system.own_version import own_version
from tagseg.types import LabelMap

POLYGONS: Mapping[str, LabelFormat] = {
    "coco": partial(coco_objects, shape="polygons"),
    "yolo": yolo_polygons,
    "label-studio-polygons": partial(label_studio_tasks, brush=False),
    "labelme": labelme_files,
}
PIXELS: Mapping[str, LabelFormat] = {
    "coco-rle": partial(coco_objects, shape="rle"),
    "coco-rle-plain": partial(coco_objects, shape="plain_rle"),
    "voc": voc_folder,
    "ids": id_pictures,
    "yolo-masks": yolo_masks,
    "label-studio": partial(label_studio_tasks, brush=True),
    "cvat": cvat_archive,
    "huggingface": hugging_face_folder,
    "voc-server": partial(voc_server_archive, competition="comp6"),
    "voc-server-comp5": partial(voc_server_archive, competition="comp5"),
}
LABEL_FORMATS: Mapping[str, LabelFormat] = {**POLYGONS, **PIXELS}
"""Formats by name: those of polygons, and those that hold every pixel as it is."""

WITH_PHOTOGRAPHS = frozenset({"yolo", "yolo-masks", "labelme", "huggingface"})
"""Formats whose writers copy the photographs next to their labels."""

OF_PREDICTIONS = frozenset({"voc-server", "voc-server-comp5"})
"""Formats of a test server: of predictions alone, and of VOC's classes."""

MIN_AREA_PX, TOLERANCE_PX = 50, 2.0
"""Defaults, the first of formats whose objects people see one by one, the second of polygons."""

_OBJECT_BY_OBJECT = frozenset({*POLYGONS, "label-studio", "cvat"})

LOCAL_FILES = "/data/local-files/?d="
"""What Label Studio serves the files of its own machine under."""

_MOST_PX = 100.0


@dataclass(frozen=True, slots=True)
class FormatChoice:
    """One format, and how labels are cleaned for it.

    Args:
        format: a name of :data:`LABEL_FORMATS`.
        min_area_px: smaller connected parts join what is around them; None for 50 in polygons, Label Studio and CVAT,
            and for 0 elsewhere.
        tolerance_px: how far polygons may be from the border between pixels; None for 2, 0 for all corners.
        images_at: what Label Studio finds photographs under; None for :data:`LOCAL_FILES`.

    Raises:
        RecipeError: for an unknown name, a number out of range, or a setting that the format does not have.
    """

    format: str
    min_area_px: int | None = None
    tolerance_px: float | None = None
    images_at: str | None = None

    def __post_init__(self) -> None:
        if self.format not in LABEL_FORMATS:
            raise RecipeError(
                f"--format '{self.format}' is unknown", help=nearest_name_help(self.format, tuple(LABEL_FORMATS))
            )
        if self.min_area_px is not None and self.min_area_px < 0:
            raise RecipeError(f"--min-area is 0 or more, got {self.min_area_px}", help="take 50, or 0 for every part")
        if self.tolerance_px is not None:
            self._check_tolerance(self.tolerance_px)
        if self.images_at is not None and not self.has_addresses:
            raise RecipeError(
                f"--images-at goes with formats of Label Studio, got {self.format}", help="leave --images-at out"
            )

    @property
    def has_polygons(self) -> bool:
        """Whether the format draws borders instead of holding pixels."""
        return self.format in POLYGONS

    @property
    def has_addresses(self) -> bool:
        """Whether the format says where a photograph is served."""
        return self.format.startswith("label-studio")

    @property
    def settled_area_px(self) -> int:
        """The least area that is in force."""
        default = MIN_AREA_PX if self.format in _OBJECT_BY_OBJECT else 0
        return default if self.min_area_px is None else self.min_area_px

    @property
    def settled_tolerance_px(self) -> float:
        """The tolerance that is in force."""
        return TOLERANCE_PX if self.tolerance_px is None else self.tolerance_px

    def described(self) -> dict[str, object]:
        """Return what is in force, as JSON values."""
        return {
            "format": self.format,
            "min_area_px": self.settled_area_px,
            "simplify_px": self.settled_tolerance_px if self.has_polygons else None,
        }

    def _check_tolerance(self, tolerance_px: float) -> None:
        if not self.has_polygons:
            raise RecipeError(
                f"--simplify goes with formats of polygons ({', '.join(POLYGONS)}), got {self.format}",
                help="leave --simplify out: this format holds every pixel",
            )
        if not (math.isfinite(tolerance_px) and 0 <= tolerance_px <= _MOST_PX):
            raise RecipeError(
                f"--simplify lies in [0, {_MOST_PX:g}] px, got {tolerance_px:g}",
                help=f"take {TOLERANCE_PX:g}, or 0 for all corners",
            )


@dataclass(slots=True)
class LabelExport:
    """What the files of a format hold, and what was lost on the way.

    Args:
        images: photographs.
        objects: connected parts.
        corners: of polygons.
        mean_iou: of what the format holds with the labels, None where no pixel was changed.
        crowded: photographs with more objects than the format tells apart, and how many each has.
    """

    images: int = 0
    objects: int = 0
    corners: int = 0
    mean_iou: float | None = None
    crowded: dict[str, int] = field(default_factory=dict)

    def described(self, choice: FormatChoice) -> dict[str, object]:
        """Return the same as JSON values."""
        corners = self.corners if choice.has_polygons else None
        return {"images": self.images, "objects": self.objects, "corners": corners, "mean_iou": self.mean_iou}

    def said(self, choice: FormatChoice, *, what: str) -> list[str]:
        """Return what the format lost of the labels, and what the user should look at, a line each.

        Args:
            choice: the format.
            what: the labels are of, such as ``masks of the run``.

        >>> LabelExport(images=1).said(FormatChoice("voc"), what="masks")
        ['agreement with the masks: no pixel was changed']
        """
        lines = []
        if self.corners:
            lines.append(f"polygons: {self.corners:,} corners, within {choice.settled_tolerance_px:g} px of the masks")
        if choice.settled_area_px > 1:
            lines.append(f"parts below {choice.settled_area_px} px joined what is around them")
        agreement = "no pixel was changed" if self.mean_iou is None else f"{100 * self.mean_iou:.2f} % mean IoU"
        lines.append(f"agreement with the {what}: {agreement}")
        if self.crowded:
            worst = max(self.crowded, key=lambda name: self.crowded[name])
            lines.append(
                f"warning: CVAT tells {MOST_OBJECTS} objects of a photograph apart, got more in {len(self.crowded)} of "
                f"{self.images} photographs, such as {self.crowded[worst]} in {worst}: the smallest of a class are one "
                "object there; a larger --min-area leaves fewer"
            )
        return lines


class LabelFiles:
    """Adds photographs to the files of a format and counts what the format holds.

    Args:
        add: of the format's writer.
        classes: names of the labels.
        choice: the format.
        found: what is counted.
    """

    def __init__(self, add: AddImage, classes: ClassTable, choice: FormatChoice, found: LabelExport) -> None:
        self._write, self._choice, self._found = add, choice, found
        self.matrix = ConfusionMatrix(classes.num_labels)

    def add(
        self,
        name: str,
        photograph: Path,
        labels: LabelMap,
        *,
        trusted: np.ndarray | None = None,
        objects: Sequence[tuple[int, np.ndarray]] = (),
    ) -> None:
        """Clean the labels of a photograph, write and count them.

        Args:
            name: its path in the data set without the ending, with ``/``.
            photograph: its file.
            labels: (H, W) label ids, 255 where nothing is said.
            trusted: (H, W) which pixels are to be trusted, where that is known: the share is the score of an object.
            objects: label and (H, W) pixels of each, where they are known; else a connected part is an object.
        """
        clean = merge_small_parts(labels, min_area_px=self._choice.settled_area_px)
        parts = parts_of_objects(connected_parts(clean), objects, min_area_px=self._choice.settled_area_px)
        tolerance_px = self._choice.settled_tolerance_px
        rings = part_rings(parts.ids, tolerance_px=tolerance_px) if self._choice.has_polygons else []
        scores: tuple[float, ...] = ()
        if trusted is not None and parts.label_ids:
            sums = np.bincount(parts.ids.ravel(), weights=trusted.ravel())[1:]
            scores = tuple((sums / np.bincount(parts.ids.ravel())[1:]).tolist())
        image = LabelledImage(name, photograph, clean, parts, rings, scores)
        self._write(image)
        self._count(image, labels)

    def _count(self, image: LabelledImage, labels: LabelMap) -> None:
        """Count a photograph; its polygons are drawn again and compared with the labels."""
        found, num_objects = self._found, len(image.parts.label_ids)
        found.images += 1
        found.objects += num_objects
        found.corners += sum(len(ring) for rings in image.rings for ring in rings)
        if self._choice.format == "cvat" and num_objects > MOST_OBJECTS:
            found.crowded[image.name] = num_objects
        held = np.where(image.labels == VOID, np.uint8(BACKGROUND), image.labels)
        if image.rings:
            held = np.zeros_like(image.labels)
            for label_id, rings in zip(image.parts.label_ids, image.rings, strict=True):
                held[rings_mask(rings, size=image.size)] = label_id
        self.matrix.update(held, labels, name=image.name)


@contextmanager
def label_files(
    folder: Path, choice: FormatChoice, classes: ClassTable, *, title: str, split: str, corrected: int = 0
) -> Iterator[tuple[LabelFiles, LabelExport]]:
    """Lend what adds photographs to the files of a format, and the counts, which are whole when the block has ended.

    Args:
        folder: an empty one.
        choice: the format.
        classes: names of the labels.
        title: the name of the run.
        split: see :class:`~tagseg.artifacts.label_formats.labelled_image.About`.
        corrected: how many of the masks a person corrected.

    Raises:
        ArtifactError: when the format cannot hold a name of a class.
    """
    images_at = LOCAL_FILES if choice.images_at is None else choice.images_at
    about = About(title, f"tagseg {own_version()}", split, images_at, corrected)
    found = LabelExport()
    with LABEL_FORMATS[choice.format](folder, classes, about) as add:
        files = LabelFiles(add, classes, choice, found)
        yield files, found
    if found.images and (choice.has_polygons or choice.settled_area_px > 1):
        found.mean_iou = compute_scores(files.matrix, classes.label_names).mean_iou
