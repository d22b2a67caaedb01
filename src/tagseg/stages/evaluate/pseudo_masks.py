"""Scores of what stages 3 and 4 made: the sure seeds, and the pseudo masks."""

from typing import Any

import numpy as np

from tagseg.artifacts.mask_file import read_confidence, read_mask
from tagseg.assemble.maps import chosen_records, read_mask_maps
from tagseg.classes import VOID
from tagseg.evaluation.confusion import ConfusionMatrix
from tagseg.evaluation.scores import compute_scores
from tagseg.evaluation.threshold import BackgroundSweep, best
from tagseg.stages.context import StageContext
from tagseg.types import ImageRecord, LabelMap


def score_sure_seeds(context: StageContext) -> dict[str, Any] | None:
    """Score the seeds that the affinity network learned from, where they are labelled.

    Returns:
        ``coverage``, the share of pixels (void ones apart) that have a seed, and the scores over those pixels; None
        without seeds or without ground truth for them.
    """
    split, layout = context.evaluation, context.folder
    trained = {record.image_id for record in context.train.records}
    records = [record for record in split.records if record.mask and record.image_id in trained] if split else []
    records = [record for record in records if layout.seeds(record).exists()]
    if split is None or not records or "train_affinity" not in context.stages:
        return None
    counted = _Counted(split.classes.num_labels)
    with context.progress.task("Scoring sure seeds", total=len(records)) as task:
        for record in records:
            labels = read_mask(layout.seeds(record))
            counted.add(labels, _truth(record), where=labels != VOID, name=record.image_id)
            task.advance()
    return {"images": len(records), **counted.to_dict(split.classes.label_names)}


def score_pseudo_masks(
    context: StageContext, *, background_score: float
) -> tuple[dict[str, Any], BackgroundSweep] | None:
    """Score the pseudo masks, whole and where they are trusted, and sweep the background score over their maps.

    The sweep is of the maps that the masks are cut from, before ``crf``, ``superpixels`` and ``pixel_adaptive``.

    Args:
        context: the run.
        background_score: with which the masks were cut.

    Returns:
        The scores and the sweep, or None when no image with ground truth has a pseudo mask.
    """
    split, recipe, layout = context.evaluation, context.recipe, context.folder
    made = {record.image_id for record in chosen_records(recipe.masks.splits, context.train, split)}
    records = [record for record in split.records if record.mask and record.image_id in made] if split else []
    if split is None or not records:
        return None
    whole, trusted = _Counted(split.classes.num_labels), _Counted(split.classes.num_labels)
    sweep = BackgroundSweep(split.classes.label_names, recipe.evaluation.background_scores)
    with context.progress.task("Scoring pseudo masks", total=len(records)) as task:
        for record in records:
            labels, truth = read_mask(layout.pseudo_mask(record)), _truth(record)
            whole.add(labels, truth, where=np.ones_like(truth, bool), name=record.image_id)
            trusted.add(labels, truth, where=read_confidence(layout.confidence(record)), name=record.image_id)
            sweep.update(read_mask_maps(layout, record, recipe, regions=context.regions), truth, name=record.image_id)
            task.advance()
    names, points = split.classes.label_names, sweep.points()
    scores = {
        "images": len(records),
        "refine": list(recipe.masks.refine),
        "background_rule": recipe.masks.background_rule,
        "background_score": background_score,
        "masks": whole.to_dict(names),
        "confident": trusted.to_dict(names),
        "best": best(points).to_dict(),
        "sweep": [point.to_dict() for point in points],
    }
    return scores, sweep


class _Counted:
    """A confusion matrix over chosen pixels, and how many were chosen."""

    def __init__(self, num_labels: int) -> None:
        self.matrix = ConfusionMatrix(num_labels)
        self.chosen = self.pixels = 0

    def add(self, labels: LabelMap, truth: LabelMap, *, where: np.ndarray, name: str) -> None:
        """Count an image's pixels in ``where``; void ones of the truth never count."""
        known = truth != VOID
        self.pixels += int(known.sum())
        self.chosen += int((known & where).sum())
        self.matrix.update(np.where(where, labels, 0).astype(np.uint8), np.where(where, truth, VOID), name=name)

    def to_dict(self, label_names: tuple[str, ...]) -> dict[str, Any]:
        """Return the share of pixels that count, their scores, and the matrix behind these."""
        scores = compute_scores(self.matrix, label_names).to_dict()
        coverage = self.chosen / max(1, self.pixels)
        return {"coverage": coverage, **scores, "confusion": self.matrix.counts.tolist()}


def _truth(record: ImageRecord) -> LabelMap:
    assert record.mask is not None
    return record.mask.read()
