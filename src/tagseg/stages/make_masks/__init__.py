"""Stage 4: pseudo masks from the maps; leaves ``4_masks/``."""

from pathlib import Path
from typing import Any

import torch

from tagseg.artifacts.cam_file import CamFile, read_cam, write_cam
from tagseg.artifacts.layout import MaskFolder
from tagseg.artifacts.mask_file import write_confidence, write_mask
from tagseg.assemble.networks import crf_settings, superpixel_cache
from tagseg.cams.batches import Batch
from tagseg.data.augment import normalize_image
from tagseg.data.images import read_image
from tagseg.models.affinity import predict_boundary
from tagseg.recipe import Recipe
from tagseg.refine.background import otsu_background
from tagseg.refine.pseudo_mask import PseudoMask, confidence_mask, label_scores
from tagseg.refine.random_walk import walk_cam
from tagseg.refine.refiner import CrfRefiner, PixelAdaptive, Refiner, SuperpixelSnap, refine_in_order
from tagseg.stages.context import RunContext
from tagseg.stages.extract_cams import cam_path, read_seed_maps
from tagseg.stages.make_masks.objects import make_instances
from tagseg.stages.superpixels import compute_superpixels
from tagseg.stages.train_affinity import load_affinity_network
from tagseg.stages.work import chosen_records, do_missing, do_missing_batches
from tagseg.types import Image, ImageRecord, Split

RULE_IMAGES = 500
"""Most images, evenly spaced, that the automatic background score looks at."""


def run(context: RunContext) -> dict[str, Any]:
    """Walk the maps where the recipe says so, settle the background score, then cut and sharpen the masks."""
    compute_superpixels(context)
    recipe = context.recipe
    folder = MaskFolder(context.folder.output("make_masks"))
    records = mask_records(recipe, context.train, context.evaluation)
    if recipe.needs_affinity:
        _walk_maps(context, folder, records)
    background_score = _settle_background(context, records)
    _write_masks(context, folder, records, background_score=background_score)
    if recipe.masks.instances:
        make_instances(context, folder, records, background_score=background_score)
    return {"images": len(records), "background_score": background_score}


def count_missing(context: RunContext) -> int:
    """Count the files of the stage that are not there."""
    folder = MaskFolder(context.folder.output("make_masks"))
    records = mask_records(context.recipe, context.train, context.evaluation)
    return sum(not path.exists() for record in records for path in _outputs(context.recipe, folder, record))


def _outputs(recipe: Recipe, folder: MaskFolder, record: ImageRecord) -> list[Path]:
    """Return the files that the recipe asks for, of one image."""
    asked = [(recipe.needs_affinity, cam_path(folder.maps, record)), (recipe.masks.soft_scores, folder.scores(record))]
    asked.append((recipe.masks.instances, folder.instances(record)))
    return [folder.labels(record), folder.confidence(record), *(path for wanted, path in asked if wanted)]


def mask_records(recipe: Recipe, train: Split, evaluation: Split | None) -> tuple[ImageRecord, ...]:
    """Return the images whose pseudo masks the recipe asks for, each once, by id."""
    return chosen_records(recipe.masks.splits, train, evaluation)


def read_mask_maps(context: RunContext, record: ImageRecord) -> CamFile:
    """Read the maps that an image's pseudo mask is cut from: walked ones, or the seeds' where nothing walks."""
    if context.recipe.needs_affinity:
        return read_cam(cam_path(MaskFolder(context.folder.output("make_masks")).maps, record))
    averaged = context.recipe.masks_average
    return read_seed_maps(context.folder.output("extract_cams"), record, context.recipe, averaged=averaged)


def _walk_maps(context: RunContext, folder: MaskFolder, records: tuple[ImageRecord, ...]) -> None:
    """Write the walked maps of all images that have none yet; each process takes its share of the batches."""
    fabric, recipe = context.fabric, context.recipe
    network = load_affinity_network(context)
    seeds, backbone = context.folder.output("extract_cams"), network.backbone

    def work(batch: Batch, images: list[Image]) -> None:
        pixels = torch.stack([normalize_image(image, mean=backbone.mean, std=backbone.std) for image in images])
        with fabric.autocast():
            boundaries = predict_boundary(network, pixels.to(fabric.device))
        for record, boundary in zip(batch, boundaries, strict=True):
            maps = read_seed_maps(seeds, record, recipe, averaged=recipe.masks_average)
            walked = torch.from_numpy(maps.cam)
            if maps.label_ids:
                walked = walk_cam(
                    walked.to(boundary.device),
                    boundary,
                    radius=recipe.masks.walk_radius,
                    beta=recipe.masks.walk_beta,
                    doublings=recipe.masks.walk_doublings,
                )
            write_cam(cam_path(folder.maps, record), walked.cpu().numpy(), maps.label_ids, dtype=recipe.cams.dtype)

    do_missing_batches(
        context,
        "Walking the maps",
        records=records,
        batch_size=recipe.cams.batch_size,
        output=lambda record: cam_path(folder.maps, record),
        work=work,
    )


def _settle_background(context: RunContext, records: tuple[ImageRecord, ...]) -> float:
    """Return the recipe's background score, or the one that the rule finds without masks; the log says which."""
    values, progress = context.recipe.masks, context.progress
    if values.background_rule == "fixed":
        return values.background_score
    score = values.background_score
    if context.fabric.is_global_zero:
        tagged = [record for record in records if record.tags]
        chosen = tagged[:: max(1, -(-len(tagged) // RULE_IMAGES))]
        found = otsu_background(read_mask_maps(context, record) for record in chosen)
        if found is None:
            progress.warn(f"no map has two different scores: the background score is masks.background_score, {score}")
        else:
            score = found  # to the last digit: rounded, it could fall below the step of the stored maps that it names
            progress.note(f"background score {score:.3f} (auto: Otsu's threshold on the maps of {len(chosen)} images)")
    return context.fabric.broadcast(score)


def _write_masks(
    context: RunContext, folder: MaskFolder, records: tuple[ImageRecord, ...], *, background_score: float
) -> None:
    """Write the pseudo masks of all images that have none yet; each process takes its share."""
    values, classes = context.recipe.masks, context.train.classes

    def work(record: ImageRecord) -> None:
        maps = read_mask_maps(context, record)
        scores = label_scores(torch.from_numpy(maps.cam).to(context.fabric.device), background_score)
        steps = _refiners(context, record)
        if steps:
            scores = refine_in_order(read_image(record.image_path), scores, steps)
        mask = PseudoMask.from_scores(scores, maps.label_ids)
        write_mask(folder.labels(record), mask.labels, classes)
        if values.soft_scores:
            soft = scores[1:].clamp(0, 1).cpu().numpy()
            write_cam(folder.scores(record), soft, maps.label_ids, dtype=context.recipe.cams.dtype)
        trusted = confidence_mask(mask.labels, mask.margin, keep_fraction=values.keep_fraction)
        write_confidence(folder.confidence(record), trusted)

    kinds = [folder.labels, folder.confidence, *([folder.scores] if values.soft_scores else [])]
    do_missing(
        context,
        "Making pseudo masks",
        records=records,
        outputs=lambda record: [path(record) for path in kinds],
        work=work,
    )


def _refiners(context: RunContext, record: ImageRecord) -> list[Refiner]:
    """Return what the recipe does to an image's label scores after the walk, in order."""
    recipe, steps = context.recipe, []
    for name in recipe.masks.refine:
        if name == "crf":
            steps.append(CrfRefiner(crf_settings(recipe), certainty=recipe.crf.certainty))
        elif name == "superpixels":
            steps.append(SuperpixelSnap(superpixel_cache(recipe).read(record.image_path)))
        elif name == "pixel_adaptive":
            steps.append(PixelAdaptive())
    return steps
