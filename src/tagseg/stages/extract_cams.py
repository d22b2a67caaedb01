"""Stage 2: class activation maps of the tagged classes at image resolution; leaves ``2_cams/<image id>.npz``."""

from pathlib import Path
from typing import Any

import torch

from tagseg.artifacts.cam_file import CamFile, read_cam, write_cam
from tagseg.assemble.networks import build_classifier, load_weights, superpixel_cache
from tagseg.cams.batches import Batch, batch_cams
from tagseg.cams.extract import average_over_regions
from tagseg.models.classifier import TagClassifier
from tagseg.recipe import Recipe
from tagseg.stages.context import RunContext
from tagseg.stages.superpixels import compute_superpixels
from tagseg.stages.train_classifier import WEIGHTS_NAME
from tagseg.stages.work import chosen_records, do_missing_batches
from tagseg.types import Image, ImageRecord, Split


def run(context: RunContext) -> dict[str, Any]:
    """Extract the maps of the recipe's splits, or those that are still missing; each process takes its share."""
    compute_superpixels(context)
    fabric, recipe = context.fabric, context.recipe
    records = cam_records(recipe, context.train, context.evaluation)
    folder = context.folder.output("extract_cams")
    weights = context.folder.output("train_classifier") / WEIGHTS_NAME
    classifier = load_classifier(recipe, weights, context.train).to(fabric.device)

    def work(batch: Batch, images: list[Image]) -> None:
        with fabric.autocast():
            cams = batch_cams(classifier, batch, images, scales=recipe.cams.scales, flip=recipe.cams.flip)
        for record, cam in zip(batch, cams, strict=True):
            write_cam(cam_path(folder, record), cam, record.tags, dtype=recipe.cams.dtype)

    do_missing_batches(
        context,
        "Extracting CAMs",
        records=records,
        batch_size=recipe.cams.batch_size,
        output=lambda record: cam_path(folder, record),
        work=work,
    )
    return {"images": len(records)}


def count_missing(context: RunContext) -> int:
    """Count the images whose maps are not there."""
    folder = context.folder.output("extract_cams")
    records = cam_records(context.recipe, context.train, context.evaluation)
    return sum(not cam_path(folder, record).exists() for record in records)


def cam_records(recipe: Recipe, train: Split, evaluation: Split | None) -> tuple[ImageRecord, ...]:
    """Return the images whose maps the recipe asks for, each once, by id."""
    return chosen_records(recipe.cams.splits, train, evaluation)


def cam_path(folder: Path, record: ImageRecord) -> Path:
    """Return where the maps of an image are; sub-folders are those of its id."""
    return folder / f"{record.image_id}.npz"


def read_seed_maps(folder: Path, record: ImageRecord, recipe: Recipe, *, averaged: bool) -> CamFile:
    """Read an image's maps as the network gave them, or averaged over its regions.

    Stage 2 keeps the network's own maps; averaging costs a few milliseconds and is done by whoever reads them, so that
    both can be scored.
    """
    stored = read_cam(cam_path(folder, record))
    if not averaged or not len(stored.cam):
        return stored
    regions = torch.from_numpy(superpixel_cache(recipe).read(record.image_path)).long()
    cams = average_over_regions(torch.from_numpy(stored.cam), regions)
    return CamFile(cams.numpy(), stored.label_ids)


def load_classifier(recipe: Recipe, weights: Path, split: Split) -> TagClassifier:
    """Build the recipe's classifier with trained weights.

    Raises:
        ArtifactError: when the file is missing, corrupt or of another network.
    """
    classifier = build_classifier(recipe, num_classes=split.classes.num_classes, pretrained=False)
    load_weights(classifier, weights, group="classifier", title="classifier")
    return classifier.eval()
