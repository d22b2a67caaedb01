"""What a run made of its photographs, for annotation tools and other trainers: ``tagseg export --what``."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from tagseg.artifacts.label_formats.coco_objects import coco_objects
from tagseg.artifacts.label_formats.cvat_archive import cvat_archive
from tagseg.artifacts.label_formats.hugging_face_folder import hugging_face_folder
from tagseg.artifacts.label_formats.id_pictures import id_pictures
from tagseg.artifacts.label_formats.label_studio import label_studio_tasks
from tagseg.artifacts.label_formats.labelled_image import About, LabelFormat, LabelledImage
from tagseg.artifacts.label_formats.labelme_files import labelme_files
from tagseg.artifacts.label_formats.voc_folder import voc_folder
from tagseg.artifacts.label_formats.yolo_folder import yolo_masks, yolo_polygons
from tagseg.artifacts.mask_file import read_confidence, read_mask
from tagseg.artifacts.run_folder import RunFolder
from tagseg.assemble.maps import chosen_records
from tagseg.classes import BACKGROUND, VOID, ClassTable, nearest_name_help
from tagseg.data.images import image_size
from tagseg.errors import ArtifactError, RecipeError
from tagseg.evaluation.confusion import ConfusionMatrix
from tagseg.evaluation.scores import compute_scores
from tagseg.ops.part_rings import part_rings, rings_mask
from tagseg.ops.parts import connected_parts, merge_small_parts
from tagseg.progress import Progress
from tagseg.results.image_results import of_image_size
from tagseg.results.open_run import read_run_recipe, readable_splits
from tagseg.system.own_version import own_version
from tagseg.types import ImageRecord, LabelMap
from tagseg.use.export_folder import export_folder

WHAT = ("masks", "predictions")

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
}
LABEL_FORMATS: Mapping[str, LabelFormat] = {**POLYGONS, **PIXELS}
"""Formats by name: those of polygons, and those that hold every pixel as it is."""

MIN_AREA_PX, TOLERANCE_PX = 50, 1.5
"""Defaults, the first of formats whose objects people see one by one, the second of polygons."""

_OBJECT_BY_OBJECT = frozenset({*POLYGONS, "label-studio", "cvat"})

LOCAL_FILES = "/data/local-files/?d="
"""What Label Studio serves the files of its own machine under."""

_MOST_PX = 100.0


@dataclass(frozen=True, slots=True)
class LabelChoice:
    """What is exported, and how.

    Args:
        what: ``masks``, the pseudo masks of the images that the run learned from, or ``predictions``, what its
            segmenter says of the images to test on.
        format: a name of :data:`LABEL_FORMATS`.
        min_area_px: smaller connected parts join what is around them; None for 50 in polygons, Label Studio and CVAT,
            and for 0 elsewhere.
        tolerance_px: how far polygons may be from the border between pixels; None for 1.5, 0 for all corners.
        ignore_doubtful: whether pixels that the confidence mask does not trust become void, 255.
        images_at: what Label Studio finds photographs under; None for :data:`LOCAL_FILES`.
        redo: whether an earlier export may be replaced.

    Raises:
        RecipeError: for an unknown name, a number out of range, or a setting that the format does not have.
    """

    what: str
    format: str
    min_area_px: int | None = None
    tolerance_px: float | None = None
    ignore_doubtful: bool = False
    images_at: str | None = None
    redo: bool = False

    def __post_init__(self) -> None:
        for option, value, names in (("--what", self.what, WHAT), ("--format", self.format, tuple(LABEL_FORMATS))):
            if value not in names:
                raise RecipeError(f"{option} '{value}' is unknown", help=nearest_name_help(value, names))
        if self.min_area_px is not None and self.min_area_px < 0:
            raise RecipeError(f"--min-area is 0 or more, got {self.min_area_px}", help="take 50, or 0 for every part")
        if self.tolerance_px is not None:
            self._check_tolerance(self.tolerance_px)
        if self.ignore_doubtful and self.what != "masks":
            raise RecipeError(
                "--ignore-doubtful goes with --what masks, got predictions",
                help="leave it out: predictions have no confidence mask",
            )
        if self.images_at is not None and not self.format.startswith("label-studio"):
            raise RecipeError(
                f"--images-at goes with formats of Label Studio, got {self.format}", help="leave --images-at out"
            )

    @property
    def settled_area_px(self) -> int:
        """The least area that is in force."""
        default = MIN_AREA_PX if self.format in _OBJECT_BY_OBJECT else 0
        return default if self.min_area_px is None else self.min_area_px

    @property
    def settled_tolerance_px(self) -> float:
        """The tolerance that is in force."""
        return TOLERANCE_PX if self.tolerance_px is None else self.tolerance_px

    def _check_tolerance(self, tolerance_px: float) -> None:
        if self.format not in POLYGONS:
            raise RecipeError(
                f"--simplify goes with formats of polygons ({', '.join(POLYGONS)}), got {self.format}",
                help="leave --simplify out: this format holds every pixel",
            )
        if not (math.isfinite(tolerance_px) and 0 <= tolerance_px <= _MOST_PX):
            raise RecipeError(
                f"--simplify lies in [0, {_MOST_PX:g}] px, got {tolerance_px:g}", help="take 1.5, or 0 for all corners"
            )


@dataclass(slots=True)
class LabelExport:
    """What an export holds, and what it lost.

    Args:
        images: photographs.
        objects: connected parts.
        corners: of polygons.
        mean_iou: of what the format holds with the labels of the run, None where no pixel was changed.
    """

    images: int = 0
    objects: int = 0
    corners: int = 0
    mean_iou: float | None = None


def export_labels(source: Path, out: Path, *, choice: LabelChoice, progress: Progress) -> LabelExport:
    """Write masks or predictions of a run for another program; the folder appears when all is written.

    Args:
        source: a run folder.
        out: the new folder; missing parents are made.
        choice: what is written.
        progress: reports what happens.

    Raises:
        ArtifactError: when the run has none, a file of it is damaged, or the folder holds something else.
        DataError: when the data set or a photograph cannot be read.
    """
    folder = RunFolder(source)
    recipe = read_run_recipe(source)
    splits = readable_splits(folder, recipe)
    classes = splits.train.classes
    if choice.what == "masks":
        records = chosen_records(recipe.masks.splits, splits.train, splits.evaluation)
    else:
        records = splits.segmenter_test.records if splits.segmenter_test else ()
    _require_labels(folder, records, choice.what)
    split = "train" if choice.what == "masks" else "test"
    images_at = LOCAL_FILES if choice.images_at is None else choice.images_at
    about = About(recipe.name, f"tagseg {own_version()}", split, images_at)
    found, matrix = LabelExport(), ConfusionMatrix(classes.num_labels)
    with export_folder(out, redo=choice.redo) as (made, note), progress.task("Exporting", total=len(records)) as task:
        with LABEL_FORMATS[choice.format](made, classes, about) as add:
            for record in records:
                labels, trusted = _read_labels(folder, record, choice)
                image = _prepare(record, labels, trusted, choice)
                add(image)
                _count(found, matrix, image, labels)
                task.advance()
        if choice.format in POLYGONS or choice.settled_area_px > 1:
            found.mean_iou = compute_scores(matrix, classes.label_names).mean_iou
        note(_described(source, choice, found, classes))
    return found


def _require_labels(folder: RunFolder, records: Sequence[ImageRecord], what: str) -> None:
    if any(_label_path(folder, record, what).exists() for record in records):
        return
    help = {
        "masks": "let 'tagseg run' come to the end of its stage make_masks",
        "predictions": "let 'tagseg run' come to its end with images to test on, or label photographs with "
        "'tagseg predict'",
    }
    raise ArtifactError(f"export of {what} takes a run that has them, got {folder.root} without any", help=help[what])


def _label_path(folder: RunFolder, record: ImageRecord, what: str) -> Path:
    return folder.pseudo_mask(record) if what == "masks" else folder.prediction(record)


def _read_labels(folder: RunFolder, record: ImageRecord, choice: LabelChoice) -> tuple[LabelMap, np.ndarray | None]:
    """Return the labels of a photograph, and which are to be trusted where the run says that."""
    size = image_size(record.image_path)
    path = _label_path(folder, record, choice.what)
    labels = of_image_size(read_mask(path), size, path=path)
    if choice.what != "masks":
        return labels, None
    path = folder.confidence(record)
    trusted = of_image_size(read_confidence(path), size, path=path)
    return (np.where(trusted, labels, np.uint8(VOID)) if choice.ignore_doubtful else labels), trusted


def _prepare(record: ImageRecord, labels: LabelMap, trusted: np.ndarray | None, choice: LabelChoice) -> LabelledImage:
    """Find the objects of a photograph, their polygons where the format has them, and how sure they are."""
    clean = merge_small_parts(labels, min_area_px=choice.settled_area_px)
    parts = connected_parts(clean)
    rings = part_rings(parts.ids, tolerance_px=choice.settled_tolerance_px) if choice.format in POLYGONS else []
    scores: tuple[float, ...] = ()
    if trusted is not None and parts.label_ids:
        sums = np.bincount(parts.ids.ravel(), weights=trusted.ravel())
        scores = tuple((sums / np.bincount(parts.ids.ravel()))[1:].tolist())
    return LabelledImage(record.image_id, record.image_path, clean, parts, rings, scores)


def _count(found: LabelExport, matrix: ConfusionMatrix, image: LabelledImage, labels: LabelMap) -> None:
    """Add a photograph to the summary at the end: polygons are drawn again and compared with the labels."""
    found.images += 1
    found.objects += len(image.parts.label_ids)
    found.corners += sum(len(ring) for rings in image.rings for ring in rings)
    held = np.where(image.labels == VOID, np.uint8(BACKGROUND), image.labels)
    if image.rings:
        held = np.zeros_like(image.labels)
        for label_id, rings in zip(image.parts.label_ids, image.rings, strict=True):
            held[rings_mask(rings, size=image.size)] = label_id
    matrix.update(held, labels, name=image.name)


def _described(source: Path, choice: LabelChoice, found: LabelExport, classes: ClassTable) -> dict[str, object]:
    """Return what ``export.json`` says of the export."""
    polygons = choice.format in POLYGONS
    return {
        "tagseg": own_version(),
        "run": source.resolve().name,
        "what": choice.what,
        "format": choice.format,
        "min_area_px": choice.settled_area_px,
        "simplify_px": choice.settled_tolerance_px if polygons else None,
        "ignore_doubtful": choice.ignore_doubtful,
        "labels": list(classes.label_names),
        "images": found.images,
        "objects": found.objects,
        "corners": found.corners if polygons else None,
        "mean_iou": found.mean_iou,
    }
