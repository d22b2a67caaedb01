"""The target of self-modulation in stage 1: measured once at the end of the warm-up, kept in the stage's folder."""

from functools import partial

from tagseg.artifacts.region_scores import RegionScores, read_region_scores, write_region_scores
from tagseg.assemble.networks import build_region_affinity, crf_settings
from tagseg.cams.batches import batches_by_shape, read_ahead
from tagseg.cams.map_method import MapMethod
from tagseg.cams.region_means import measure_region_scores
from tagseg.data.seen_files import read_photograph, read_regions
from tagseg.errors import ArtifactError
from tagseg.recipe import Recipe
from tagseg.refine.crf import CrfRefiner
from tagseg.refine.region_targets import draw_region_scores, halved, otsu_midpoint
from tagseg.stages.context import StageContext


def is_measured(recipe: Recipe) -> bool:
    """Return whether the warm-up sets a target."""
    return recipe.self_modulation.enabled and recipe.self_modulation.target == "warmup"


def settle_region_scores(context: StageContext, method: MapMethod, *, may_measure: bool) -> RegionScores:
    """Return the target: a score of every tagged class in every superpixel of every training image.

    It is the mean of the maps of whole images, at ``self_modulation.target_scales`` and their flips (so a crop that
    misses an object says so), after the steps of ``self_modulation.target_refine``. The first process measures,
    once: afterwards the file is read.

    Args:
        context: the run.
        method: of the classifier as it is at the end of the warm-up.
        may_measure: False when training is past that point, where only the file can say what the target was.

    Raises:
        ArtifactError: when the file is damaged, or missing and it is too late to measure.
    """
    path = context.folder.region_scores
    if context.fabric.is_global_zero and not path.exists():
        if not may_measure:
            raise ArtifactError(
                f"{path} must exist once the warm-up is over, got no such file",
                help="delete the folder of the stage to train again",
            )
        scores = _measure(context, method)
        if "crf" in context.recipe.self_modulation.refines_target:
            scores = _draw(context, scores)
        write_region_scores(path, scores)
        context.folder.seals.note([path])
    context.fabric.barrier()
    scores = read_region_scores(path)
    for record in context.train.records:
        if record.image_id not in scores or len(scores[record.image_id]) != len(record.tags):
            raise ArtifactError(
                f"{path} must hold scores of every image and tag of the run, got others for {record.image_id}",
                help="delete the folder of the stage to train again",
            )
    return scores


def settle_midpoint(context: StageContext, scores: RegionScores) -> float:
    """Return the score at which the target's contrast step is half way: the recipe's, or Otsu's threshold."""
    midpoint = context.recipe.self_modulation.midpoint
    if midpoint != "auto":
        return midpoint
    found = otsu_midpoint(scores.values())
    context.progress.note(f"midpoint of self-modulation {found:.3f} (auto: Otsu's threshold on the target)")
    return found


def _measure(context: StageContext, method: MapMethod) -> RegionScores:
    recipe, values = context.recipe, context.recipe.self_modulation
    batches = batches_by_shape(context.train.records, batch_size=values.target_batch_size)
    spreads = "region_affinity" in values.refines_target
    device = context.fabric.device
    affinity = build_region_affinity(recipe, context.folder, device=device) if spreads else None
    title = "Measuring the target of self-modulation"
    with context.progress.task(title, total=len(context.train)) as task, context.fabric.autocast():
        return measure_region_scores(
            method,
            read_ahead(batches),
            context.regions.read,
            scales=values.target_scales,
            affinity=affinity,
            advance=task.advance,
        )


def _draw(context: StageContext, scores: RegionScores) -> RegionScores:
    """Draw the target of every image to its edges by the dense CRF."""
    settings = halved(crf_settings(context.recipe))
    draw = partial(
        draw_region_scores,
        background_score=settle_midpoint(context, scores),
        crf=CrfRefiner(settings, certainty=context.recipe.crf.certainty),
        device=context.fabric.device,
    )
    drawn: RegionScores = {}
    with context.progress.task("Drawing the target of self-modulation", total=len(context.train)) as task:
        for record in context.train.records:
            image, regions = read_photograph(record), read_regions(record, context.regions.read)
            drawn[record.image_id] = draw(scores[record.image_id], image, regions)
            task.advance(1)
    return drawn
