"""Score a folder of predictions against a folder of masks, whatever tool made them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tagseg.artifacts.json_file import json_bytes
from tagseg.artifacts.run_scores import LabelScores
from tagseg.artifacts.scores_table import label_rows
from tagseg.artifacts.spreadsheet import write_table
from tagseg.classes import BACKGROUND, MAX_CLASSES, VOID, ClassTable
from tagseg.data.mask_images import (
    MASK_ENDINGS,
    Meaning255,
    PaletteMask,
    ambiguous_255,
    is_lossy,
    mask_paths,
    shows_only_255,
)
from tagseg.data.names import composed
from tagseg.errors import ArtifactError, DataError
from tagseg.evaluation.confusion import ConfusionMatrix
from tagseg.evaluation.scores import compute_scores
from tagseg.progress import Progress, SilentProgress
from tagseg.system.atomic import atomic_write
from tagseg.system.near_paths import near_path_help
from tagseg.types import LabelMap

_AS_STORED = tuple(range(256))  # every id of a file is a label id; the confusion matrix knows which ones there are


def evaluate_folders(
    predictions: Path,
    masks: Path,
    *,
    classes: tuple[str, ...] | None = None,
    allow_missing: bool = False,
    mask_255: Meaning255 | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Score every prediction against the mask of the same path, both without their endings.

    Files are palette PNGs of ids, grey images of ids, or images in VOC's colours (also BMP, TIFF, GIF, lossless WebP),
    or .npy arrays of ids. Id 0 is background; 255 is void in a mask: it counts nowhere, whatever is predicted there.
    Predictions without a mask are left out. All scores are of one confusion matrix over all pairs, see
    :class:`tagseg.evaluation.scores.Scores`.

    Args:
        predictions: folder, nested or not.
        masks: folder of the ground truth; its name is the split's name.
        classes: names of the ids 1..C; None takes the ids up to the largest one found and names them ``label 1`` on.
        allow_missing: whether masks without a prediction are left out and counted; else they are an error.
        mask_255: what 255 is: ``void``, or ``object``, the one class, in masks and predictions; None is void, but an
            error where a mask holds 0 and 255 only and no mask shows both a class and 255.
        progress: reports what happens; None is nobody.

    Returns:
        JSON values: ``split``, ``images`` (pairs), ``missing`` (masks without prediction), ``classes`` (background
        first), ``mean_iou``, ``precision``, ``recall``, ``pixel_accuracy``, ``iou`` by class, None where a score is not
        defined, and ``confusion``, the counts of pixels: rows are the truth, columns the prediction.

    Raises:
        DataError: when there is nothing to compare, a prediction is missing or of another size, or an id has no class.

    >>> import tempfile
    >>> from tagseg.artifacts.mask_file import write_mask
    >>> root = Path(tempfile.mkdtemp())
    >>> write_mask(root / "truth" / "photo.png", np.array([[0, 1, 255]], np.uint8), ClassTable(("cat",)))
    >>> write_mask(root / "found" / "photo.png", np.array([[1, 1, 0]], np.uint8), ClassTable(("cat",)))
    >>> scores = evaluate_folders(root / "found", root / "truth", classes=("cat",))
    >>> scores["split"], scores["mean_iou"], scores["confusion"]
    ('truth', 0.25, [[0, 1], [0, 1]])
    """
    progress = progress or SilentProgress()
    if mask_255 == "object":
        classes = _one_class(classes)
    num_labels = MAX_CLASSES + 1 if classes is None else ClassTable(classes).num_labels
    truths = _files(masks, "masks")
    found = _files(predictions, "predictions")
    pairs = [name for name in truths if name in found]
    missing = [path for name, path in truths.items() if name not in found and not is_lossy(path)]
    _require_pairs(predictions, masks, pairs=pairs, missing=missing, allow_missing=allow_missing)
    matrix, meant = ConfusionMatrix(num_labels), _Meant255(mask_255)
    with progress.task("Scoring predictions", total=len(pairs)) as task:
        for name in pairs:
            labels, truth = _read_pair(found[name], truths[name], mask_255)
            meant.look_at(truths[name], truth)
            matrix.update(labels, truth, name=name)
            task.advance()
    if classes is None:
        matrix, classes = _trim(matrix, masks)
    meant.require_clear()
    label_names = ClassTable(classes).label_names
    if missing:
        progress.warn(f"{len(missing)} of {len(truths)} masks have no prediction and are not scored")
    alone = sum(name not in truths and not is_lossy(path) for name, path in found.items())
    if alone:
        progress.note(f"{alone} of {alone + len(pairs)} predictions have no mask and are not scored")
    return {
        "split": masks.resolve().name,
        "images": len(pairs),
        "missing": len(missing),
        "classes": list(label_names),
        **compute_scores(matrix, label_names).to_dict(),
        "confusion": matrix.counts.tolist(),
    }


def meaning_of_255(word: str | None) -> Meaning255 | None:
    """Return what 255 is, by its word.

    Raises:
        DataError: when the word is another one.

    >>> meaning_of_255("object"), meaning_of_255(None)
    ('object', None)
    """
    if word in ("void", "object", None):
        return word
    raise DataError(f"the meaning of 255 must be 'void' or 'object', got '{word}'", help="give one of these")


def write_folder_scores(path: Path, scores: Mapping[str, Any]) -> None:
    """Write what :func:`evaluate_folders` returned, atomically.

    Args:
        path: a ``.json`` file gets all of it, a ``.csv`` file a row for each score.
        scores: what was returned.

    Raises:
        ArtifactError: when the path has another ending or cannot be written.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "scores.csv"
    >>> numbers = {"mean_iou": 0.5, "precision": None, "recall": 1.0, "pixel_accuracy": 0.5}
    >>> write_folder_scores(path, {**numbers, "iou": {"background": 0.5, "cat": None}})
    >>> path.read_text().splitlines()[1:5]
    ['mean_iou,0.5', 'precision,', 'recall,1.0', 'pixel_accuracy,0.5']
    """
    if path.suffix.lower() == ".json":
        atomic_write(path, json_bytes(scores))
    elif path.suffix.lower() == ".csv":
        names = ("mean_iou", "precision", "recall", "pixel_accuracy", "iou")
        rows = label_rows(LabelScores(**{name: scores[name] for name in names}))
        write_table(path, [("score", "value"), *rows])
    else:
        raise ArtifactError(f"scores {path} must be written to .json or .csv, got '{path.suffix}'", help="rename it")


def _files(folder: Path, what: str) -> dict[str, Path]:
    """Return the image files of ids below a folder by their path without ending, its accents composed."""
    if not folder.is_dir():
        raise DataError(
            f"folder of {what} {folder} must exist, got no such folder",
            help=near_path_help(folder, "correct the path", wanted=os.path.isdir),
        )
    files = mask_paths(folder)
    if all(map(is_lossy, files.values())):
        found = "JPEG files only, which are lossy" if files else "none"
        raise DataError(
            f"folder of {what} {folder} must hold files that end in {', '.join(MASK_ENDINGS)}, got {found}",
            help="name the folder that holds them, or save them as palette PNG",
        )
    return {composed(name): path for name, path in files.items()}


def _require_pairs(
    predictions: Path, masks: Path, *, pairs: list[str], missing: list[Path], allow_missing: bool
) -> None:
    """Check that there is something to compare, and every mask has its prediction unless that may be otherwise."""
    if not pairs:
        first = (missing or sorted(mask_paths(masks).values()))[0].relative_to(masks).as_posix()
        raise DataError(
            f"predictions in {predictions} must have the paths of the masks in {masks}, got none that fits, "
            f"such as one for {first}",
            help="name the two folders from which on the paths are equal",
        )
    if missing and not allow_missing:
        first = missing[0].relative_to(masks).as_posix()
        raise DataError(
            f"folder {predictions} must hold a prediction for each of {len(pairs) + len(missing)} masks, "
            f"got none for {len(missing)} of them, the first {first}",
            help="predict these images too, or allow missing ones to score the others only",
        )


class _Meant255:
    """Whether the masks of a folder say that 255 is void, and not the class."""

    def __init__(self, meaning: Meaning255 | None) -> None:
        self._is_clear = meaning is not None
        self._doubtful: tuple[Path, LabelMap] | None = None

    def look_at(self, path: Path, truth: LabelMap) -> None:
        """Look at the ids of one more mask."""
        if shows_only_255(truth):
            self._doubtful = self._doubtful or (path, truth)
        elif (truth == VOID).any():
            self._is_clear = True  # beside a class it is void

    def require_clear(self) -> None:
        """Raise when a mask holds 255 and no class, and no other mask tells what that is."""
        if self._doubtful and not self._is_clear:
            raise ambiguous_255(*self._doubtful)


def _one_class(classes: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the name of the one class that 255 is."""
    if classes is not None and len(classes) != 1:
        raise DataError(
            f"a mask in which 255 is the object has one class, got {len(classes)}",
            help="name one class, or save each under its own id",
        )
    return classes or ("label 1",)


def _read_pair(prediction: Path, mask: Path, mask_255: Meaning255 | None) -> tuple[LabelMap, LabelMap]:
    """Return the label maps of a prediction and of its mask."""
    table = (*range(VOID), 1) if mask_255 == "object" else _AS_STORED
    labels, truth = (PaletteMask(path, table, mask_255 or "void").read() for path in (prediction, mask))
    if labels.shape != truth.shape:
        raise DataError(
            f"prediction {prediction} must have the size of its mask {truth.shape}, got {labels.shape}",
            help="check that both belong to the same upright image",
        )
    unlabelled = int(((labels == VOID) & (truth != VOID)).sum())
    if unlabelled:
        raise DataError(
            f"prediction {prediction} must have a label wherever its mask has one, got {VOID} (void) in "
            f"{unlabelled:,} such pixels",
            help="fill them with a label, such as 0 for background",
        )
    return labels, truth


def _trim(matrix: ConfusionMatrix, masks: Path) -> tuple[ConfusionMatrix, tuple[str, ...]]:
    """Return the matrix of the labels up to the largest one that was found, and the names of its classes."""
    counts = matrix.counts
    largest = int(np.flatnonzero(counts.sum(axis=0) + counts.sum(axis=1)).max(initial=BACKGROUND))
    if largest == BACKGROUND:
        raise DataError(
            f"masks in {masks} and their predictions must show a class, got {BACKGROUND} and {VOID} (void) only",
            help="save classes as ids 1, 2, and so on, or name the classes",
        )
    trimmed = ConfusionMatrix(largest + 1)
    trimmed.counts += counts[: largest + 1, : largest + 1]
    return trimmed, tuple(f"label {label}" for label in range(1, largest + 1))
