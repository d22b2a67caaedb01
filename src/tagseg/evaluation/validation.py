"""Figures for the curves after every epoch: they inform and decide nothing.

Axes: C classes.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from tagseg.artifacts.cam_file import CamFile
from tagseg.classes import ClassTable
from tagseg.data.datasets import tag_vector
from tagseg.data.seen_files import read_truth
from tagseg.evaluation.confusion import ConfusionMatrix
from tagseg.evaluation.scores import compute_scores
from tagseg.evaluation.tag_precision import mean_average_precision, tag_average_precision
from tagseg.evaluation.threshold import BackgroundSweep, best
from tagseg.types import ImageRecord, LabelMap


def validate_tags_and_seeds(
    records: Sequence[ImageRecord],
    classes: ClassTable,
    *,
    look: Callable[[ImageRecord], tuple[Float32[ndarray, " C"], CamFile]],
    background_scores: Sequence[float],
) -> dict[str, float]:
    """Score what a tag classifier says of some images.

    Args:
        records: the images; those without ground truth count for their tags alone.
        classes: of the tags.
        look: returns the tag logits of an image, and the maps of its tags.
        background_scores: that the seeds are cut with, each in [0, 1].

    Returns:
        ``val_tag_map`` (mean average precision of the tags) and, where masks exist, ``val_seed_miou`` (the best of the
        sweep over background scores), each in 0..1. Empty when no image is to be looked at.
    """
    if not records:
        return {}
    sweep = BackgroundSweep(classes.label_names, background_scores)
    scores, truth = [], []
    for record in records:
        tag_logits, maps = look(record)
        scores.append(tag_logits)
        truth.append(tag_vector(record.tags, num_classes=classes.num_classes).numpy())
        if record.mask is not None:
            sweep.update(maps, read_truth(record), name=record.image_id)
    figures = {"val_tag_map": mean_average_precision(tag_average_precision(np.stack(scores), np.stack(truth)))}
    if any(record.mask is not None for record in records):
        figures["val_seed_miou"] = best(sweep.points()).scores.mean_iou
    return {name: value for name, value in figures.items() if np.isfinite(value)}


def validate_labels(
    records: Sequence[ImageRecord], classes: ClassTable, *, label: Callable[[ImageRecord], LabelMap]
) -> dict[str, float]:
    """Score the labels that a segmentation network gives to some images.

    Args:
        records: the images; those without ground truth are left out.
        classes: of the labels.
        label: returns the (H, W) label ids of an image.

    Returns:
        ``val_miou`` in 0..1, or nothing when no image has ground truth.
    """
    matrix = ConfusionMatrix(classes.num_labels)
    for record in records:
        if record.mask is not None:
            matrix.update(label(record), read_truth(record), name=record.image_id)
    score = compute_scores(matrix, classes.label_names).mean_iou
    return {"val_miou": score} if np.isfinite(score) else {}
