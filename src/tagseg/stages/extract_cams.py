"""Stage 2: class activation maps of the tagged classes at image resolution; leaves ``2_cams/<image id>.npz``."""

from pathlib import Path
from typing import Any

import torch

from tagseg.artifacts.cam_file import CamFile, read_cam, write_cam
from tagseg.artifacts.checkpoint import load_checkpoint
from tagseg.cams.extract import average_over_regions
from tagseg.errors import ArtifactError
from tagseg.models.classifier import TagClassifier
from tagseg.recipe import Recipe
from tagseg.stages.build import build_classifier, superpixel_cache
from tagseg.stages.cam_batches import batch_cams, batches_by_shape, read_ahead
from tagseg.stages.context import RunContext
from tagseg.stages.superpixels import compute_superpixels
from tagseg.stages.train_classifier import WEIGHTS_NAME
from tagseg.types import ImageRecord, Split


def run(context: RunContext) -> dict[str, Any]:
    """Extract the maps of the recipe's splits, or those that are still missing; each process takes its share."""
    compute_superpixels(context)
    fabric, recipe = context.fabric, context.recipe
    records = cam_records(recipe, context.train, context.evaluation)
    folder = context.folder.output("extract_cams")
    weights = context.folder.output("train_classifier") / WEIGHTS_NAME
    classifier = load_classifier(recipe, weights, context.train).to(fabric.device)
    # Whole batches are taken or left: a processor may round differently in batches of another length.
    batches = batches_by_shape(records, batch_size=recipe.cams.batch_size)
    missing = [batch for batch in batches if not all(cam_path(folder, record).exists() for record in batch)]
    fabric.barrier()  # every process has looked before any of them writes
    done = len(records) - sum(len(batch) for batch in missing)
    with context.progress.task("Extracting CAMs", total=len(records), done=done) as task:
        for batch, images in read_ahead(missing[fabric.global_rank :: fabric.world_size]):
            with fabric.autocast():
                cams = batch_cams(classifier, batch, images, scales=recipe.cams.scales, flip=recipe.cams.flip)
            for record, cam in zip(batch, cams, strict=True):
                write_cam(cam_path(folder, record), cam, record.tags, dtype=recipe.cams.dtype)
            task.advance(len(batch) * fabric.world_size)
    fabric.barrier()
    return {"images": len(records)}


def count_missing(context: RunContext) -> int:
    """Count the images whose maps are not there."""
    folder = context.folder.output("extract_cams")
    records = cam_records(context.recipe, context.train, context.evaluation)
    return sum(not cam_path(folder, record).exists() for record in records)


def cam_records(recipe: Recipe, train: Split, evaluation: Split | None) -> tuple[ImageRecord, ...]:
    """Return the images whose maps the recipe asks for, each once, by id."""
    splits = {"train": train, "eval": evaluation}
    chosen = [splits[name] for name in recipe.cams.splits]
    records = {record.image_id: record for split in chosen if split for record in split.records}
    return tuple(records[image_id] for image_id in sorted(records))


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
    checkpoint = load_checkpoint(weights)
    classifier = build_classifier(recipe, num_classes=split.classes.num_classes, pretrained=False)
    try:
        classifier.load_state_dict(checkpoint.tensors["classifier"])
    except (KeyError, RuntimeError) as error:
        raise ArtifactError(
            f"{weights} fits the recipe's classifier, got another network",
            help="choose another --out, or train again",
        ) from error
    return classifier.eval()
