"""Score a folder of predictions against a folder of masks, whatever tool made them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tagseg.artifacts.run_scores import LabelScores
from tagseg.artifacts.scores_table import label_rows, table_text
from tagseg.classes import BACKGROUND, MAX_CLASSES, VOID, ClassTable
from tagseg.data.mask_images import MASK_ENDINGS, PaletteMask, mask_paths
from tagseg.data.names import composed
from tagseg.errors import ArtifactError, DataError
from tagseg.evaluation.confusion import ConfusionMatrix
from tagseg.evaluation.scores import compute_scores
from tagseg.progress import Progress, SilentProgress
from tagseg.system.atomic import atomic_write
from tagseg.types import LabelMap

_AS_STORED = tuple(range(256))  # every id of a file is a label id; the confusion matrix knows which ones there are


def evaluate_folders(
    predictions: Path,
    masks: Path,
    *,
    classes: tuple[str, ...] | None = None,
    allow_missing: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Score every prediction against the mask of the same path, both without their endings.

    Files are palette PNGs of ids, grey images of ids, or images in VOC's colours (also BMP, TIFF, GIF). Id 0 is
    background; 255 is void in a mask: it counts nowhere, whatever is predicted there. Predictions without a mask are
    left out. All scores are of one confusion matrix over all pairs, see :class:`tagseg.evaluation.scores.Scores`.

    Args:
        predictions: folder, nested or not.
        masks: folder of the ground truth; its name is the split's name.
        classes: names of the ids 1..C; None takes the ids up to the largest one found and names them ``label 1`` on.
        allow_missing: whether masks without a prediction are left out and counted; else they are an error.
        progress: told what happens; None is nobody.

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
    num_labels = MAX_CLASSES + 1 if classes is None else ClassTable(classes).num_labels
    truths = _files(masks, "masks")
    found = _files(predictions, "predictions")
    pairs = [name for name in truths if name in found]
    missing = [truths[name] for name in truths if name not in found]
    _require_pairs(predictions, masks, pairs=pairs, missing=missing, allow_missing=allow_missing)
    matrix = ConfusionMatrix(num_labels)
    with progress.task("Scoring predictions", total=len(pairs)) as task:
        for name in pairs:
            matrix.update(*_read_pair(found[name], truths[name]), name=name)
            task.advance()
    if classes is None:
        matrix, classes = _trim(matrix, masks)
    label_names = ClassTable(classes).label_names
    if missing:
        progress.warn(f"{len(missing)} of {len(truths)} masks have no prediction and are not scored")
    if len(found) > len(pairs):
        progress.note(f"{len(found) - len(pairs)} of {len(found)} predictions have no mask and are not scored")
    return {
        "split": masks.resolve().name,
        "images": len(pairs),
        "missing": len(missing),
        "classes": list(label_names),
        **compute_scores(matrix, label_names).to_dict(),
        "confusion": matrix.counts.tolist(),
    }


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
        text = f"{json.dumps(scores, indent=2, ensure_ascii=False, allow_nan=False)}\n"
    elif path.suffix.lower() == ".csv":
        names = ("mean_iou", "precision", "recall", "pixel_accuracy", "iou")
        text = table_text([("score", "value"), *label_rows(LabelScores(**{name: scores[name] for name in names}))])
    else:
        raise ArtifactError(f"scores {path} must be written to .json or .csv, got '{path.suffix}'", help="rename it")
    atomic_write(path, text.encode())


def _files(folder: Path, what: str) -> dict[str, Path]:
    """Return the image files of ids below a folder by their path without ending, its accents composed."""
    if not folder.is_dir():
        raise DataError(f"folder of {what} {folder} must exist, got no such folder", help="mend the path")
    files = mask_paths(folder)
    if not files:
        endings = ", ".join(MASK_ENDINGS)
        raise DataError(
            f"folder of {what} {folder} must hold images that end in {endings}, got none",
            help="name the folder that holds them, or save them as palette PNG",
        )
    return {composed(name): path for name, path in files.items()}


def _require_pairs(
    predictions: Path, masks: Path, *, pairs: list[str], missing: list[Path], allow_missing: bool
) -> None:
    """Check that there is something to compare, and every mask has its prediction unless that may be otherwise."""
    if not pairs:
        first = missing[0].relative_to(masks).as_posix()
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


def _read_pair(prediction: Path, mask: Path) -> tuple[LabelMap, LabelMap]:
    """Return the label maps of a prediction and of its mask."""
    labels, truth = PaletteMask(prediction, _AS_STORED).read(), PaletteMask(mask, _AS_STORED).read()
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
