"""Stage 7: scores of what the other stages made; leaves ``scores.json`` and ``scores.csv``."""

from dataclasses import dataclass, replace
from typing import Any

from tagseg.artifacts.run_scores import (
    SCORES_FORMAT,
    ActivationCut,
    ActivationScores,
    RunScores,
    SeedScores,
)
from tagseg.artifacts.scores_file import read_scores, write_scores
from tagseg.artifacts.scores_table import write_scores_table
from tagseg.assemble.maps import chosen_records, read_maps
from tagseg.data.seen_files import read_truth
from tagseg.errors import ArtifactError
from tagseg.evaluation.activation_share import ActivationCount, ActivationPoint, ActivationShares
from tagseg.evaluation.threshold import BackgroundSweep, best
from tagseg.stages.context import StageContext
from tagseg.stages.evaluate.label_images import (
    counts_of,
    score_corrections,
    score_pseudo_masks,
    score_segmenter,
    score_sure_seeds,
    scored_cut,
)
from tagseg.stages.work import count_gone
from tagseg.types import ImageRecord

STAGE = "evaluate"

WARNINGS = ("loss_warnings", "mask_warnings")
"""What stages warn of in their details."""


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
    scores = RunScores(reason=reason) if reason else _score_weak(context)
    details = [context.folder.stage_status(name).details for name in context.stages]
    corrections = score_corrections(context) if "make_masks" in context.stages else None
    warnings = tuple(text for each in details for key in WARNINGS for text in each.get(key, ()))
    scores = replace(scores, segmenter=score_segmenter(context), corrections=corrections, warnings=warnings)
    write_scores_table(context.folder.scores_table_path, scores)
    write_scores(context.folder.scores_path, scores)
    if reason and scores.segmenter is None:
        context.progress.note(f"nothing is scored: {reason}")
    return {**_told(scores), "made_of": context.folder.made_of(STAGE)}


def count_missing(context: StageContext) -> int:
    """Return how many files of the stage are gone, besides its output."""
    return count_gone([context.folder.scores_table_path])


def why_outdated(context: StageContext) -> str:
    """Return why a finished evaluation is to be done again, or an empty string."""
    try:
        scores = read_scores(context.folder.scores_path)
    except ArtifactError:
        scores = None
    if scores is None:
        return f"{context.folder.scores_path.name} cannot be read"
    if scores.format != SCORES_FORMAT:
        return f"its scores have format {scores.format}, and now {SCORES_FORMAT} with more in it"
    return context.folder.why_outdated(STAGE)


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


def _score_weak(context: StageContext) -> RunScores:
    """Score seeds and pseudo masks."""
    split = context.evaluation
    assert split is not None
    details = context.folder.stage_status("make_masks").details
    # An older run does not say which rule found the score.
    rule = details.get("background_rule", "otsu" if context.recipe.masks.background_rule == "auto" else "fixed")
    return RunScores(
        split=split.name,
        images=len(scored_records(context)),
        classes=split.classes.label_names,
        seeds={kind: _seed_scores(context, count_seeds(context, kind)) for kind in context.recipe.cams.kinds},
        pseudo_masks=score_pseudo_masks(context, background_score=details["background_score"], rule=rule),
        sure_seeds=score_sure_seeds(context),
    )


def _told(scores: RunScores) -> dict[str, Any]:
    """Return the few figures that the manifest keeps."""
    told: dict[str, Any] = {"scored": scores.images}
    if scores.seeds:
        told["best"] = {kind: seeds.best.scores.mean_iou for kind, seeds in scores.seeds.items()}
    if scores.pseudo_masks:
        told["pseudo_masks"] = scores.pseudo_masks.masks.scores.mean_iou
    if scores.segmenter:
        told["segmenter"] = scores.segmenter.scores.mean_iou
    return told


def scored_records(context: StageContext) -> list[ImageRecord]:
    """Return the images of the split to score that have ground truth and maps."""
    split = context.evaluation
    made = {record.image_id for record in chosen_records(context.recipe.cams.splits, context.train, split)}
    return [record for record in split.records if record.mask and record.image_id in made] if split else []


def count_seeds(context: StageContext, kind: str) -> SeedCounts:
    """Count seeds and activation at every background score of the recipe, in one pass over the images."""
    split = context.evaluation
    assert split is not None
    names, background_scores = split.classes.label_names, context.recipe.evaluation.background_scores
    counts = SeedCounts(BackgroundSweep(names, background_scores), ActivationCount(names, background_scores))
    records = scored_records(context)
    with context.progress.task(f"Scoring seeds ({kind})", total=len(records)) as task:
        for record in records:
            maps, truth = read_maps(context.folder, record, kind=kind, regions=context.regions), read_truth(record)
            counts.sweep.update(maps, truth, name=record.image_id)
            counts.activation.update(maps, truth, name=record.image_id)
            task.advance()
    return counts


def _seed_scores(context: StageContext, counts: SeedCounts) -> SeedScores:
    """Return the whole sweep, its best point with all that is counted there, and the point nearest to the recipe's."""
    points = counts.sweep.points()
    wanted = context.recipe.evaluation.background_score
    at_recipe = min(points, key=lambda point: abs(point.background_score - wanted))
    at_best = best(points)
    return SeedScores(
        best=scored_cut(at_best),
        at_recipe=scored_cut(at_recipe),
        sweep=tuple(scored_cut(point) for point in points),
        activation=_activation(counts.activation.point(at_best.background_score)),
        confusion=counts_of(counts.sweep.confusion(at_best.background_score)),
    )


def _activation(point: ActivationPoint) -> ActivationCut:
    def stored(shares: ActivationShares) -> ActivationScores:
        return ActivationScores(**shares.to_dict())

    classes = {name: stored(shares) for name, shares in point.classes.items()}
    return ActivationCut(point.background_score, stored(point.overall), classes)
