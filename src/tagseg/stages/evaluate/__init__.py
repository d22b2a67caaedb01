"""Stage 7: scores of what the other stages made; leaves ``scores.json`` and ``scores.csv``."""

import csv
import io
import json
from dataclasses import dataclass
from typing import Any

from tagseg.artifacts.scores_file import AVERAGED, MASK_MAPS, NETWORK, SCORES_FORMAT, write_scores
from tagseg.assemble.maps import chosen_records, read_maps
from tagseg.evaluation.activation_share import ActivationCount
from tagseg.evaluation.threshold import BackgroundSweep, best
from tagseg.stages.context import StageContext
from tagseg.stages.evaluate.pseudo_masks import score_pseudo_masks, score_sure_seeds
from tagseg.stages.evaluate.segmenter import score_segmenter
from tagseg.system.atomic import atomic_write
from tagseg.types import ImageRecord

Row = tuple[str, str, float | str, str, str]
"""Split, maps, background score (empty for the segmentation network), name of a score, value."""


@dataclass(frozen=True, slots=True)
class SeedCounts:
    """What one pass over the maps of one kind counts.

    Args:
        sweep: the confusion of the seeds at every background score.
        activation: where the activation lies.
    """

    sweep: BackgroundSweep
    activation: ActivationCount


def run(context: StageContext) -> dict[str, Any]:
    """Score seeds and pseudo masks on the evaluation split and the segmentation network on the images to test on.

    Without ground truth there is nothing to score, and ``scores.json`` says so.
    """
    if not context.fabric.is_global_zero:
        return {}
    reason = _why_unscored(context)
    scores, rows, found = ({"seeds": None, "reason": reason}, [], {"scored": 0}) if reason else _score_weak(context)
    tested = score_segmenter(context)
    if tested is not None:
        matrix_scores, tested_rows = tested
        rows += tested_rows
        found |= {"segmenter": matrix_scores["mean_iou"]}
    scores["segmenter"] = tested[0] if tested else None
    _write(context, scores, rows)
    if reason and not tested:
        context.progress.note(f"nothing is scored: {reason}")
    return found


def why_outdated(context: StageContext) -> str:
    """Return why a finished evaluation is to be done again, or an empty string."""
    try:
        content = json.loads(context.folder.scores_path.read_text(encoding="utf-8"))
        found = content.get("format", 1)
    except (OSError, ValueError, AttributeError):
        return f"{context.folder.scores_path.name} cannot be read"
    return "" if found == SCORES_FORMAT else f"its scores have format {found}, and now {SCORES_FORMAT} with more in it"


def _why_unscored(context: StageContext) -> str:
    """Return why there are no seeds to score, or an empty string."""
    split = context.evaluation
    if "make_masks" not in context.stages:
        return "the segmenter learns from ground truth: there are no seeds"
    if split is None or not split.has_masks:
        return "the data set has no masks to compare with"
    if not scored_records(context):
        return f"cams.splits made no maps of the images with masks of split '{split.name}'"
    return ""


def _score_weak(context: StageContext) -> tuple[dict[str, Any], list[Row], dict[str, Any]]:
    """Score seeds and pseudo masks; return ``scores.json``, the rows of ``scores.csv``, and a few figures."""
    split = context.evaluation
    assert split is not None
    kinds = [NETWORK, AVERAGED] if context.recipe.cams.average_over_regions else [NETWORK]
    counted = {kind: count_seeds(context, averaged=kind == AVERAGED) for kind in kinds}
    seeds = {kind: _seed_scores(context, counts) for kind, counts in counted.items()}
    swept = {kind: counts.sweep for kind, counts in counted.items()}
    settled = context.folder.stage_status("make_masks").details["background_score"]
    masks = score_pseudo_masks(context, background_score=settled)
    images = len(scored_records(context))
    scores = {
        "split": split.name,
        "images": images,
        "classes": list(split.classes.label_names),
        "seeds": seeds,
        "sure_seeds": score_sure_seeds(context),
        "pseudo_masks": masks[0] if masks else None,
    }
    rows = _rows(split.name, {**swept, MASK_MAPS: masks[1]} if masks else swept)
    found = {kind: seeds[kind]["best"]["mean_iou"] for kind in kinds}
    pseudo = {"pseudo_masks": masks[0]["masks"]["mean_iou"]} if masks else {}
    return scores, rows, {"scored": images, "best": found, **pseudo}


def scored_records(context: StageContext) -> list[ImageRecord]:
    """Return the images of the split to score that have ground truth and maps."""
    split = context.evaluation
    made = {record.image_id for record in chosen_records(context.recipe.cams.splits, context.train, split)}
    return [record for record in split.records if record.mask and record.image_id in made] if split else []


def count_seeds(context: StageContext, *, averaged: bool) -> SeedCounts:
    """Count seeds and activation at every background score of the recipe, in one pass over the images."""
    split = context.evaluation
    assert split is not None
    regions = context.regions if averaged else None
    names, background_scores = split.classes.label_names, context.recipe.evaluation.background_scores
    counts = SeedCounts(BackgroundSweep(names, background_scores), ActivationCount(names, background_scores))
    title = "Scoring averaged seeds" if averaged else "Scoring seeds"
    records = scored_records(context)
    with context.progress.task(title, total=len(records)) as task:
        for record in records:
            assert record.mask is not None
            maps, truth = read_maps(context.folder, record, regions=regions), record.mask.read()
            counts.sweep.update(maps, truth, name=record.image_id)
            counts.activation.update(maps, truth, name=record.image_id)
            task.advance()
    return counts


def _seed_scores(context: StageContext, counts: SeedCounts) -> dict[str, Any]:
    """Return the whole sweep, its best point with all that is counted there, and the point nearest to the recipe's."""
    points = counts.sweep.points()
    wanted = context.recipe.evaluation.background_score
    at_recipe = min(points, key=lambda point: abs(point.background_score - wanted))
    at_best = best(points)
    return {
        "best": at_best.to_dict(),
        "at_recipe": at_recipe.to_dict(),
        "sweep": [point.to_dict() for point in points],
        "activation": counts.activation.point(at_best.background_score).to_dict(),
        "confusion": counts.sweep.confusion(at_best.background_score).counts.tolist(),
    }


def _rows(split: str, swept: dict[str, BackgroundSweep]) -> list[Row]:
    """Return every score of every sweep as a row."""
    return [
        (split, kind, point.background_score, name, value)
        for kind, sweep in swept.items()
        for point in sweep.points()
        for name, value in point.scores.csv_rows()[1:]
    ]


def _write(context: StageContext, scores: dict[str, Any], rows: list[Row]) -> None:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("split", "maps", "background_score", "score", "value"))
    writer.writerows(rows)
    atomic_write(context.folder.scores_table_path, buffer.getvalue().encode())
    write_scores(context.folder.scores_path, scores)
