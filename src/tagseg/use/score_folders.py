"""Score a folder of predictions against a folder of masks, whatever tool made them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tagseg.artifacts.json_file import json_bytes
from tagseg.artifacts.run_scores import LabelScores
from tagseg.artifacts.scores_table import label_rows
from tagseg.artifacts.spreadsheet import write_table
from tagseg.classes import BACKGROUND, MAX_CLASSES, VOID, ClassTable
from tagseg.data.mask_images import Meaning255, is_lossy, mask_paths
from tagseg.errors import ArtifactError, DataError
from tagseg.evaluation.confusion import ConfusionMatrix, joint_counts
from tagseg.evaluation.image_sums import ImageSums
from tagseg.evaluation.scores import compute_scores
from tagseg.progress import Progress, SilentProgress
from tagseg.system.atomic import atomic_write
from tagseg.use.mask_folders import FolderReading, Meant255, find_masks, read_pair, settle_numbering


def evaluate_folders(
    predictions: Path,
    masks: Path,
    *,
    classes: tuple[str, ...] | None = None,
    reading: FolderReading | None = None,
    by_image: ImageSums | None = None,
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
            With files of ids, see :func:`tagseg.use.mask_folders.settle_numbering`.
        reading: how files are paired, and what their ids stand for.
        by_image: is given the sums of each image.
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
    reading = reading or FolderReading()
    numbering = settle_numbering(reading, classes, progress=progress)
    classes = numbering.classes
    num_labels = MAX_CLASSES + 1 if classes is None else ClassTable(classes).num_labels
    truths, found = _files(predictions, masks, reading)
    pairs = [name for name in truths if name in found]
    missing = [path for name, path in truths.items() if name not in found and not is_lossy(path)]
    _require_pairs(predictions, masks, pairs=pairs, missing=missing, allow_missing=reading.allow_missing)
    matrix = ConfusionMatrix(num_labels)
    meant = Meant255(is_clear=reading.mask_255 is not None or numbering.says_255)
    with progress.task("Scoring predictions", total=len(pairs)) as task:
        for name in pairs:
            labels, truth = read_pair(found[name], truths[name], numbering)
            meant.look_at(truths[name], truth)
            counts = joint_counts(truth, labels, num_labels=num_labels, name=name)
            matrix.counts += counts
            if by_image is not None:
                by_image.add(name, counts)
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
    require_json_or_csv(path)
    if path.suffix.lower() == ".json":
        atomic_write(path, json_bytes(scores))
    else:
        names = ("mean_iou", "precision", "recall", "pixel_accuracy", "iou")
        rows = label_rows(LabelScores(**{name: scores[name] for name in names}))
        write_table(path, [("score", "value"), *rows])


def require_json_or_csv(path: Path) -> None:
    """Raise :class:`ArtifactError` when the path of scores has another ending."""
    if path.suffix.lower() not in (".json", ".csv"):
        raise ArtifactError(f"scores {path} must be written to .json or .csv, got '{path.suffix}'", help="rename it")


def _files(predictions: Path, masks: Path, reading: FolderReading) -> tuple[dict[str, Path], dict[str, Path]]:
    """Return the files of masks and of predictions by what they are paired by."""
    ending = reading.stem_suffix
    truths = find_masks(masks, "masks", stem_suffix=ending)
    found = find_masks(predictions, "predictions", stem_suffix=ending)
    if ending and not any(path.stem.endswith(ending) for path in (*truths.values(), *found.values())):
        raise DataError(
            f"names of files in {predictions} or {masks} must end in '{ending}', got none such as "
            f"{next(iter(found.values())).name}",
            help="correct the suffix, or leave it out",
        )
    return truths, found


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
