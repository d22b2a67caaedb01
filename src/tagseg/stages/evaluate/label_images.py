"""Scores of the label images that the stages left: sure seeds, pseudo masks, and predictions."""

import numpy as np

from tagseg.artifacts.mask_file import read_confidence, read_mask
from tagseg.artifacts.run_scores import (
    BackgroundRule,
    Confusion,
    CorrectionScores,
    LabelScores,
    MaskScores,
    PartScores,
    ScoredCut,
    SegmenterScores,
    SureSeedScores,
)
from tagseg.assemble.maps import chosen_records, read_mask_maps
from tagseg.classes import VOID
from tagseg.data.seen_files import read_truth
from tagseg.evaluation.confusion import ConfusionMatrix
from tagseg.evaluation.scores import Scores, compute_scores
from tagseg.evaluation.threshold import BackgroundSweep, ThresholdPoint, best
from tagseg.stages.context import StageContext
from tagseg.types import LabelMap, Split


def score_sure_seeds(context: StageContext) -> SureSeedScores | None:
    """Score the seeds that the affinity network learned from, where they are labelled.

    Returns:
        The scores, or None without seeds or without ground truth for them.
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
            counted.add(labels, read_truth(record), where=labels != VOID, name=record.image_id)
            task.advance()
    return SureSeedScores(len(records), counted.scores(split.classes.label_names))


def score_pseudo_masks(context: StageContext, *, background_score: float, rule: BackgroundRule) -> MaskScores | None:
    """Score the pseudo masks, whole and where they are trusted, and sweep the background score over their maps.

    The sweep is of the maps that the masks are cut from, before ``crf``, ``superpixels`` and ``pixel_adaptive``.

    Args:
        context: the run.
        background_score: with which the masks were cut, in [0, 1].
        rule: that found it.

    Returns:
        The scores, or None when no image with ground truth has a pseudo mask.
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
            labels, truth = read_mask(layout.pseudo_mask(record)), read_truth(record)
            whole.add(labels, truth, where=np.ones_like(truth, bool), name=record.image_id)
            trusted.add(labels, truth, where=read_confidence(layout.confidence(record)), name=record.image_id)
            sweep.update(read_mask_maps(layout, record, recipe, regions=context.regions), truth, name=record.image_id)
            task.advance()
    names, points = split.classes.label_names, sweep.points()
    return MaskScores(
        images=len(records),
        refine=tuple(recipe.masks.refine),
        background_rule=rule,
        background_score=background_score,
        masks=whole.scores(names),
        confident=trusted.scores(names),
        best=scored_cut(best(points)),
        sweep=tuple(scored_cut(point) for point in points),
    )


def score_segmenter(context: StageContext) -> SegmenterScores | None:
    """Score the predictions of the segmentation network on the images to test on.

    Returns:
        The scores with what they are of, or None when there is no network, or no image to test on has ground truth.
    """
    recipe, split = context.recipe, context.test
    records = [record for record in split.records if record.mask] if split else []
    if split is None or not records or "predict" not in context.stages:
        return None
    matrix = ConfusionMatrix(split.classes.num_labels)
    with context.progress.task("Scoring the segmenter", total=len(records)) as task:
        for record in records:
            matrix.update(read_mask(context.folder.prediction(record)), read_truth(record), name=record.image_id)
            task.advance()
    return SegmenterScores(
        split=split.name,
        images=len(records),
        classes=split.classes.label_names,
        labels=recipe.segmenter.labels,
        strategy=recipe.segmenter.strategy,
        architecture=recipe.segmenter.architecture,
        corrected=len(context.corrected),
        learned_from_them=_shares_images(context.train, split),
        scores=_label_scores(compute_scores(matrix, split.classes.label_names)),
        confusion=counts_of(matrix),
    )


def score_corrections(context: StageContext) -> CorrectionScores | None:
    """Score the pseudo masks that a person corrected, with the corrections as the truth.

    Returns:
        The scores, or None without corrections.
    """
    classes, layout = context.train.classes, context.folder
    if not context.corrected:
        return None
    counted = _Counted(classes.num_labels)
    with context.progress.task("Comparing with corrections", total=len(context.corrected)) as task:
        for record in context.corrected:
            labels, corrected = read_mask(layout.pseudo_mask(record)), read_truth(record)
            counted.add(labels, corrected, where=np.ones_like(corrected, bool), name=record.image_id)
            task.advance()
    found, kept = counted.scores(classes.label_names), int(np.trace(counted.matrix.counts))
    return CorrectionScores(
        images=len(context.corrected),
        changed=(counted.pixels - kept) / max(1, counted.pixels),
        scores=found.scores,
        confusion=found.confusion,
    )


def scored_cut(point: ThresholdPoint) -> ScoredCut:
    """Return a point of a sweep as it is stored."""
    return ScoredCut(point.background_score, _label_scores(point.scores))


def counts_of(matrix: ConfusionMatrix) -> Confusion:
    """Return a confusion matrix as it is stored."""
    return tuple(tuple(row) for row in matrix.counts.tolist())


def _label_scores(scores: Scores) -> LabelScores:
    return LabelScores(**scores.to_dict())


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

    def scores(self, label_names: tuple[str, ...]) -> PartScores:
        """Return the share of pixels that count, their scores, and the matrix behind these."""
        coverage = self.chosen / max(1, self.pixels)
        return PartScores(coverage, _label_scores(compute_scores(self.matrix, label_names)), counts_of(self.matrix))


def _shares_images(train: Split, test: Split) -> bool:
    """Return whether an image to test on is one that the network learned from."""
    learned = {record.image_path for record in train.records}
    return any(record.image_path in learned for record in test.records)
