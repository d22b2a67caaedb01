"""The target of self-modulation in stage 1: measured once at the end of the warm-up, kept in the stage's folder."""

import shutil
from collections.abc import Callable
from functools import partial

from tagseg.artifacts.region_scores import RegionScores, read_region_scores, write_region_scores
from tagseg.assemble.networks import build_region_affinity, crf_settings
from tagseg.cams.batches import Batch, batch_cams
from tagseg.cams.map_method import MapMethod
from tagseg.cams.region_means import ReadMaps, measure_region_scores
from tagseg.data.seen_files import read_photograph, read_regions
from tagseg.errors import ArtifactError
from tagseg.models.mode import evaluation_mode
from tagseg.recipe import Recipe
from tagseg.refine.crf import CrfRefiner
from tagseg.refine.region_targets import draw_region_scores, halved, otsu_midpoint
from tagseg.stages.context import StageContext
from tagseg.stages.work import do_missing, do_missing_batches
from tagseg.types import Image, ImageRecord


def is_measured(recipe: Recipe) -> bool:
    """Return whether the warm-up sets a target."""
    return recipe.self_modulation.enabled and recipe.self_modulation.target == "warmup"


def settle_region_scores(context: StageContext, method: MapMethod, *, may_measure: bool) -> RegionScores:
    """Return the target: a score of every tagged class in every superpixel of every training image.

    It is the mean of the maps of whole images, at ``self_modulation.target_scales`` and their flips (so a crop that
    misses an object learns of it), or of the maps of ``self_modulation.target_run``, after the steps of
    ``self_modulation.target_refine``. It is measured once, each process its share, and goes on after an interruption;
    afterwards one file is read.

    Args:
        context: the run.
        method: of the classifier as it is at the end of the warm-up.
        may_measure: False when training is past that point, where only the file can say what the target was.

    Raises:
        ArtifactError: when the file is damaged, or missing and it is too late to measure, or the earlier run does not
            fit.
    """
    path = context.folder.region_scores
    if not context.fabric.broadcast(path.exists()):
        if not may_measure:
            raise ArtifactError(
                f"{path} must exist once the warm-up is over, got no such file",
                help="delete the folder of the stage to train again",
            )
        _make_target(context, method)
    _forget_parts(context)
    scores = read_region_scores(path)
    for record in context.train.records:
        if record.image_id not in scores or len(scores[record.image_id]) != len(record.tags):
            raise ArtifactError(
                f"{path} must hold scores of every image and tag of the run, got others for {record.image_id}",
                help="delete the folder of the stage to train again",
            )
    return scores


def remove_other_target(context: StageContext) -> None:
    """Remove a target of which nothing says that it is of this training, before the warm-up ends.

    The seal of a target ends with the training that it was measured for: a training that begins anew after that, or
    beside the files of another run, measures its own.
    """
    folder, path = context.folder, context.folder.region_scores
    if context.fabric.is_global_zero and path.is_file():
        is_sealed = not folder.seals.unsealed([path]) and not folder.seals.changed(path)
        if not is_sealed:
            path.unlink()
    context.fabric.barrier()


def settle_midpoint(context: StageContext, scores: RegionScores) -> float:
    """Return the score at which the target's contrast step is half way: the recipe's, or Otsu's threshold."""
    midpoint = context.recipe.self_modulation.midpoint
    if midpoint != "auto":
        return midpoint
    found = otsu_midpoint(scores.values())
    context.progress.note(f"midpoint of self-modulation {found:.3f} (auto: Otsu's threshold on the target)")
    return found


def _make_target(context: StageContext, method: MapMethod) -> None:
    """Measure the target and bring it into one file; until then every image has a file of its own."""
    folder = context.folder
    step = _measure(context, method)
    if "crf" in context.recipe.self_modulation.refines_target:
        step = _draw(context, step)
    if context.fabric.is_global_zero:
        write_region_scores(folder.region_scores, _read_parts(context, step))
        folder.seals.note([folder.region_scores])
    context.fabric.barrier()


def _forget_parts(context: StageContext) -> None:
    """Remove the files of single images once all are in one file; a kill may have come between."""
    folder = context.folder
    if context.fabric.is_global_zero and folder.target_parts.exists():
        shutil.rmtree(folder.target_parts)
        folder.seals.forget(folder.target_parts)


def _read_parts(context: StageContext, step: str) -> RegionScores:
    scores: RegionScores = {}
    for record in context.train.records:
        scores |= read_region_scores(context.folder.target_part(step, record))
    return scores


def _measure(context: StageContext, method: MapMethod) -> str:
    recipe, values, step = context.recipe, context.recipe.self_modulation, "measured"
    spreads = "region_affinity" in values.refines_target
    affinity = build_region_affinity(recipe, context.folder, device=context.fabric.device) if spreads else None
    measure = partial(measure_region_scores, _maps(context, method), affinity=affinity)

    def work(batch: Batch, images: list[Image]) -> None:
        with context.fabric.autocast():
            scores = measure(batch, images, context.regions.read)
        for record in batch:
            write_region_scores(context.folder.target_part(step, record), {record.image_id: scores[record.image_id]})

    with evaluation_mode(method.classifier):  # once, not for every batch
        do_missing_batches(
            context,
            "Measuring the target of self-modulation",
            records=context.train.records,
            batch_size=values.target_batch_size,
            output=partial(context.folder.target_part, step),
            work=work,
        )
    if context.earlier is not None:
        context.earlier.require_unchanged()
    return step


def _maps(context: StageContext, method: MapMethod) -> ReadMaps:
    """Return what gives the maps of the target: the network as it is now, or an earlier run."""
    values = context.recipe.self_modulation
    if (earlier := context.earlier) is None:
        return partial(batch_cams, method, scales=values.target_scales, flip=True)
    earlier.require_unchanged()
    return lambda batch, images: [earlier.maps(record) for record in batch]


def _draw(context: StageContext, before: str) -> str:
    """Draw the target of every image to its edges by the dense CRF."""
    step, folder = "drawn", context.folder
    draw = partial(
        draw_region_scores,
        background_score=settle_midpoint(context, _read_parts(context, before)),
        crf=CrfRefiner(halved(crf_settings(context.recipe)), certainty=context.recipe.crf.certainty),
        device=context.fabric.device,
    )

    def work(record: ImageRecord) -> Callable[[], None]:
        return partial(draw_one, record)

    def draw_one(record: ImageRecord) -> None:
        (scores,) = read_region_scores(folder.target_part(before, record)).values()
        drawn = draw(scores, read_photograph(record), read_regions(record, context.regions.read))
        write_region_scores(folder.target_part(step, record), {record.image_id: drawn})

    do_missing(
        context,
        "Drawing the target of self-modulation",
        records=context.train.records,
        outputs=lambda record: [folder.target_part(step, record)],
        work=work,
    )
    return step
