"""Stage 2: class activation maps of the tagged classes at image resolution; leaves ``2_cams/<image id>.npz``."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tagseg.artifacts.cam_file import CamFile, read_cam, write_cam
from tagseg.artifacts.checkpoint import load_checkpoint
from tagseg.cams.extract import average_over_regions, extract_cams, shape_batches
from tagseg.data.augment import normalize_image
from tagseg.data.datasets import tag_vector
from tagseg.data.images import image_size, read_image
from tagseg.errors import ArtifactError
from tagseg.models.classifier import TagClassifier
from tagseg.recipe import Recipe
from tagseg.stages.build import build_classifier, superpixel_cache
from tagseg.stages.context import RunContext
from tagseg.stages.train_classifier import WEIGHTS_NAME, compute_superpixels
from tagseg.types import Image, ImageRecord, Split

LOOKAHEAD = 2
"""Batches read ahead of the one in the network."""


def run(context: RunContext) -> dict[str, Any]:
    """Extract the maps of the recipe's splits, or those that are still missing; each process takes its share."""
    compute_superpixels(context)
    fabric, recipe = context.fabric, context.recipe
    records = cam_records(recipe, context.train, context.evaluation)
    folder = context.folder.output("extract_cams")
    weights = context.folder.output("train_classifier") / WEIGHTS_NAME
    classifier = load_classifier(recipe, weights, context.train).to(fabric.device)
    sizes = [image_size(record.image_path) for record in records]
    # Whole batches are taken or left: a processor may round differently in batches of another length.
    batches = [tuple(records[i] for i in batch) for batch in shape_batches(sizes, batch_size=recipe.cams.batch_size)]
    missing = [batch for batch in batches if not all(cam_path(folder, record).exists() for record in batch)]
    fabric.barrier()  # every process has looked before any of them writes
    done = len(records) - sum(len(batch) for batch in missing)
    with context.progress.task("Extracting CAMs", total=len(records), done=done) as task:
        for batch, images in _read_ahead(missing[fabric.global_rank :: fabric.world_size]):
            with fabric.autocast():
                cams = _cams(classifier, batch, images, recipe=recipe)
            for record, cam in zip(batch, cams, strict=True):
                write_cam(cam_path(folder, record), cam, record.tags, dtype=recipe.cams.dtype)
            task.advance(len(batch) * fabric.world_size)
    fabric.barrier()
    return {"images": len(records)}


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


def _cams(
    classifier: TagClassifier, batch: tuple[ImageRecord, ...], images: list[Image], *, recipe: Recipe
) -> list[NDArray[np.float32]]:
    """Return the maps of a batch of images of one size."""
    backbone, device = classifier.backbone, classifier.head.weight.device
    pixels = torch.stack([normalize_image(image, mean=backbone.mean, std=backbone.std) for image in images])
    num_classes = classifier.head.out_channels
    tags = torch.stack([tag_vector(record.tags, num_classes=num_classes) for record in batch])
    cams = extract_cams(classifier, pixels.to(device), tags, scales=recipe.cams.scales, flip=recipe.cams.flip)
    return [cam.cpu().numpy() for cam in cams]


def _read_ahead(batches: list[tuple[ImageRecord, ...]]) -> Iterator[tuple[tuple[ImageRecord, ...], list[Image]]]:
    """Yield batches with their images, reading the next ones while the network works on this one."""
    with ThreadPoolExecutor(1) as pool:
        pending: list[Future[list[Image]]] = []
        for position, batch in enumerate(batches):
            while len(pending) < LOOKAHEAD + 1 and position + len(pending) < len(batches):
                pending.append(pool.submit(_read_batch, batches[position + len(pending)]))
            yield batch, pending.pop(0).result()


def _read_batch(batch: tuple[ImageRecord, ...]) -> list[Image]:
    return [read_image(record.image_path) for record in batch]
