"""Scores of what stages 5 and 6 made: the segmentation network on the images to test on."""

from typing import Any

from tagseg.artifacts.mask_file import read_mask
from tagseg.evaluation.confusion import ConfusionMatrix
from tagseg.evaluation.scores import compute_scores
from tagseg.stages.context import StageContext
from tagseg.types import Split


def score_segmenter(context: StageContext) -> tuple[dict[str, Any], list[tuple[str, str, str, str, str]]] | None:
    """Score the predictions of the segmentation network against ground truth.

    Returns:
        The scores with what they are of, and their rows for ``scores.csv``; None when there is no network, or no image
        to test on has ground truth.
    """
    recipe, split = context.recipe, context.test
    records = [record for record in split.records if record.mask] if split else []
    if split is None or not records or "predict" not in context.stages:
        return None
    matrix = ConfusionMatrix(split.classes.num_labels)
    with context.progress.task("Scoring the segmenter", total=len(records)) as task:
        for record in records:
            assert record.mask is not None
            matrix.update(read_mask(context.folder.prediction(record)), record.mask.read(), name=record.image_id)
            task.advance()
    scores = compute_scores(matrix, split.classes.label_names)
    about = {
        "split": split.name,
        "images": len(records),
        "classes": list(split.classes.label_names),
        "labels": recipe.segmenter.labels,
        "strategy": recipe.segmenter.strategy,
        "architecture": recipe.segmenter.architecture,
        "learned_from_them": _shares_images(context.train, split),
    }
    rows = [(split.name, "segmenter", "", name, value) for name, value in scores.csv_rows()[1:]]
    return {**about, **scores.to_dict(), "confusion": matrix.counts.tolist()}, rows


def _shares_images(train: Split, test: Split) -> bool:
    """Return whether an image to test on is one that the network learned from."""
    learned = {record.image_path for record in train.records}
    return any(record.image_path in learned for record in test.records)
