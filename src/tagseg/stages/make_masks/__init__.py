"""Stage 4: pseudo masks from the maps; leaves ``4_masks/``."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from tagseg.artifacts.background_cut import BackgroundCut, read_background_cut, write_background_cut
from tagseg.artifacts.cam_file import read_cam, write_cam
from tagseg.artifacts.map_medians import read_map_medians
from tagseg.artifacts.mask_file import read_mask, write_confidence, write_mask
from tagseg.assemble.maps import chosen_records, read_mask_maps, read_unrefined_maps
from tagseg.assemble.networks import build_frozen_backbone
from tagseg.assemble.refinements import build_refinements
from tagseg.cams.batches import Batch
from tagseg.cams.flatness import flat_classes
from tagseg.data.seen_files import read_photograph
from tagseg.errors import ModelError
from tagseg.ops.spacing import evenly_spaced
from tagseg.refine.background import otsu_background
from tagseg.refine.certain_cells import image_cells, promised_background
from tagseg.refine.mask_checks import mask_warnings, measure_coverage
from tagseg.refine.pseudo_mask import PseudoMask, confidence_mask, label_scores
from tagseg.refine.refinement import Refinement, Refiner, refine_in_order
from tagseg.stages.context import StageContext
from tagseg.stages.make_masks.objects import make_instances
from tagseg.stages.work import compute_superpixels, convolutions_for, count_gone, do_missing, do_missing_batches
from tagseg.types import Image, ImageRecord

OTSU_IMAGES = 500
"""Most images, evenly spaced, whose scores Otsu's threshold is found in."""

FEATURE_IMAGES = 250
"""Most images, evenly spaced, that the frozen network looks at."""

LEAST_IMAGES = 100
"""With fewer, features say too little of what lies between: 50 lose up to 1.5 points of mIoU, 25 up to 4.1."""


def run(context: StageContext) -> dict[str, Any]:
    """Refine the maps where the recipe says so, settle the background score, cut the masks and refine them."""
    recipe, records = context.recipe, _records(context)
    if recipe.cams.uses_regions or recipe.masks.uses_regions:
        compute_superpixels(context)
    if recipe.masks.before_cut:
        _refine_maps(context, records)
    background_score, rule = settle_background(context, records)
    _write_masks(context, records, background_score=background_score)
    if recipe.masks.instances:
        make_instances(context, records, background_score=background_score)
    found_score = background_score if rule != "fixed" else None
    checked = _check_masks(context, records, found_score=found_score) if context.fabric.is_global_zero else {}
    settled = {"background_score": background_score, "background_rule": rule}
    return {"images": len(records), **settled, **checked}


def count_missing(context: StageContext) -> int:
    """Count the files of the stage that are not there."""
    return count_gone(path for record in _records(context) for path in _outputs(context, record))


def _outputs(context: StageContext, record: ImageRecord) -> list[Path]:
    """Return the files that the recipe asks for, of one image."""
    refined = [context.folder.refined_cam(record)] if context.recipe.masks.before_cut else []
    return [*refined, *_cut_files(context, record)]


def _cut_files(context: StageContext, record: ImageRecord) -> list[Path]:
    """Return the files of one image that depend on the background score."""
    layout, masks = context.folder, context.recipe.masks
    asked = [(masks.soft_scores, layout.soft_scores), (masks.instances, layout.instances)]
    return [layout.pseudo_mask(record), layout.confidence(record), *(path(record) for wanted, path in asked if wanted)]


def _records(context: StageContext) -> tuple[ImageRecord, ...]:
    return chosen_records(context.recipe.masks.splits, context.train, context.evaluation)


def _refine_maps(context: StageContext, records: tuple[ImageRecord, ...]) -> None:
    """Write the refined maps of all images that have none yet; each process takes its share of the batches."""
    fabric, recipe, layout = context.fabric, context.recipe, context.folder
    steps = _refinements(context, recipe.masks.before_cut)

    def work(batch: Batch, images: list[Image]) -> Callable[[], None]:
        with fabric.autocast():
            prepared = [step.prepare(images, batch) for step in steps]

        def refine() -> None:
            for record, image, *refiners in zip(batch, images, *prepared, strict=True):
                maps = read_unrefined_maps(layout, record, recipe, regions=context.regions)
                refined = refine_in_order(image, torch.from_numpy(maps.cam).to(fabric.device), refiners)
                write_cam(layout.refined_cam(record), refined.cpu().numpy(), maps.label_ids, dtype=recipe.cams.dtype)

        return refine

    do_missing_batches(
        context,
        "Refining the maps",
        records=records,
        batch_size=recipe.cams.batch_size,
        output=layout.refined_cam,
        work=work,
    )


def settle_background(context: StageContext, records: Sequence[ImageRecord]) -> BackgroundCut:
    """Return the background score, and the rule that found it; ``fixed`` where it is the recipe's. The log says which.

    One process finds it for all. It is kept: an interrupted stage goes on with the score of the masks that are there.

    Raises:
        ArtifactError: when the score that was kept cannot be read.
    """
    values, kept = context.recipe.masks, context.folder.background_cut
    cut = BackgroundCut(values.background_score, "fixed")
    if values.background_rule != "fixed" and context.fabric.is_global_zero:
        if kept.exists():
            cut = read_background_cut(kept)
            context.progress.note(f"background score {cut.score:.3f} ({cut.rule}), as it was found before")
        else:
            for record in records:  # cut by an earlier version, which kept no score
                for path in _cut_files(context, record):
                    path.unlink(missing_ok=True)
            cut = _found(context, [record for record in records if record.tags])
            write_background_cut(kept, cut)
            context.folder.seals.note([kept])
    return context.fabric.broadcast(cut)


def _found(context: StageContext, tagged: Sequence[ImageRecord]) -> BackgroundCut:
    values, progress, layout = context.recipe.masks, context.progress, context.folder
    chosen = evenly_spaced(tagged, OTSU_IMAGES)
    otsu = otsu_background(read_mask_maps(layout, record, context.recipe, regions=context.regions) for record in chosen)
    if otsu is None:
        fixed = values.background_score
        progress.warn(
            "the maps have fewer than two different scores above 0: the background score is masks.background_score, "
            f"{fixed}"
        )
        return BackgroundCut(fixed, "fixed")
    named, why = f"background score {otsu:.3f} (Otsu's threshold on the maps of {len(chosen)} images", ""
    if values.background_rule == "auto":
        promised, why = _promised(context, tagged, otsu=otsu)
        if promised is not None:
            progress.note(f"background score {promised:.3f} (auto: frozen features promise the best masks there)")
            return BackgroundCut(promised, "auto")
    progress.note(f"{named}{why})")
    # To the last digit: rounded, it could fall below the step of the stored maps that it names.
    return BackgroundCut(otsu, "otsu")


def _promised(context: StageContext, tagged: Sequence[ImageRecord], *, otsu: float) -> tuple[float | None, str]:
    """Return the score that frozen features ask for; where they tell too little, None and why."""
    if len(tagged) < LEAST_IMAGES:
        return None, f"; auto asks features of {LEAST_IMAGES} images"
    try:
        backbone = build_frozen_backbone(context.recipe, context.folder, device=context.fabric.device)
    except ModelError as error:  # the rule helps, and no run ends for it
        context.progress.warn(f"the background score is found without frozen features: {error}")
        return None, "; frozen features cannot be had"
    looked_at = evenly_spaced(tagged, FEATURE_IMAGES)
    cells = []
    title = "Choosing the background score"
    with context.progress.task(title, total=len(looked_at)) as task, convolutions_for(looked_at):
        for record in looked_at:
            maps = read_mask_maps(context.folder, record, context.recipe, regions=context.regions)
            with context.fabric.autocast():
                cells.append(image_cells(backbone, read_photograph(record), maps, otsu=otsu))
            task.advance()
    too_little = "; frozen features say too little: objects are small, classes rare, or features blind to them"
    return promised_background(cells, otsu=otsu), too_little


def _write_masks(context: StageContext, records: tuple[ImageRecord, ...], *, background_score: float) -> None:
    """Write the pseudo masks of all images that have none yet; each process takes its share."""
    values, classes, layout, fabric = context.recipe.masks, context.train.classes, context.folder, context.fabric
    steps = _refinements(context, values.after_cut)

    def work(record: ImageRecord) -> Callable[[], None]:
        refiners, image = [], None
        if steps:
            image = read_photograph(record)
            with fabric.autocast():
                refiners = [refiner for step in steps for refiner in step.prepare([image], [record])]
        return partial(make, record, image, refiners)

    def make(record: ImageRecord, image: Image | None, refiners: Sequence[Refiner]) -> None:
        maps = read_mask_maps(layout, record, context.recipe, regions=context.regions)
        cut = scores = label_scores(torch.from_numpy(maps.cam).to(fabric.device), background_score)
        if image is not None:
            scores = refine_in_order(image, scores, refiners)
        mask = PseudoMask.from_scores(scores, maps.label_ids, trusted=cut)
        write_mask(layout.pseudo_mask(record), mask.labels, classes)
        if values.soft_scores:
            soft = scores[1:].clamp(0, 1).cpu().numpy()
            write_cam(layout.soft_scores(record), soft, maps.label_ids, dtype=context.recipe.cams.dtype)
        trusted = confidence_mask(mask.labels, mask.margin, keep_fraction=values.keep_fraction)
        write_confidence(layout.confidence(record), trusted)

    kinds = [layout.pseudo_mask, layout.confidence, *([layout.soft_scores] if values.soft_scores else [])]
    do_missing(
        context,
        "Making pseudo masks",
        records=records,
        outputs=lambda record: [path(record) for path in kinds],
        work=work,
    )


def _check_masks(
    context: StageContext, records: tuple[ImageRecord, ...], *, found_score: float | None
) -> dict[str, Any]:
    """Warn of what the masks show to be wrong; return the pictures that are nearly all object, and the warnings."""
    train, tagged = context.train, [record for record in records if record.tags]
    coverages = []
    with context.progress.task("Checking pseudo masks", total=len(tagged)) as task:
        for record in tagged:
            labels = read_mask(context.folder.pseudo_mask(record))
            maps = read_cam(context.folder.cam(record)).cam
            coverages.append(measure_coverage(record.image_id, record.tags, labels, maps))
            task.advance()
    lowers = context.recipe.cams.flat_maps == "lower"
    lowered = flat_classes(read_map_medians(context.folder.map_medians), train.classes) if lowers else {}
    counts = Counter(label for record in train.records for label in record.tags)
    warnings = mask_warnings(coverages, train.classes, training_images=counts, found_score=found_score, lowered=lowered)
    for text in warnings:
        context.progress.warn(text)
    return {"floods": [each.image_id for each in coverages if each.floods], "mask_warnings": warnings}


def _refinements(context: StageContext, names: Sequence[str]) -> tuple[Refinement, ...]:
    """Return steps of the recipe's refinement, in order, on the device of the run."""
    device = context.fabric.device
    return build_refinements(context.recipe, names, layout=context.folder, regions=context.regions, device=device)
