"""Stage 5: the segmentation network, taught by pseudo masks or by ground truth; leaves ``5_segmenter/``."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch

from tagseg.artifacts.segmenter_file import DESCRIPTION_NAME, WEIGHTS_NAME, save_segmenter
from tagseg.assemble.networks import loop_settings
from tagseg.assemble.segmenter import (
    build_segmenter_learner,
    build_segmenter_transform,
    segmenter_step,
)
from tagseg.data.augment import normalize_image
from tagseg.data.datasets import TrainingLoader, TrainingSet
from tagseg.data.seen_files import read_photograph
from tagseg.evaluation.validation import validate_labels
from tagseg.models.segmentation_network import SegmentationNetwork
from tagseg.ops.spacing import evenly_spaced
from tagseg.prediction.matched_background import match_background
from tagseg.prediction.segment import segment
from tagseg.stages.context import StageContext
from tagseg.stages.train_network import NetworkTraining, training_loader
from tagseg.stages.train_segmenter.labels import LabelledSplit, balanced_weights, choose_labels
from tagseg.stages.work import convolutions_for, count_gone
from tagseg.types import Image, ImageRecord, LabelMap

MATCHED_IMAGES = 100
"""Training images, evenly spaced, on which ``segmenter.match_background`` compares the share of objects."""


def run(context: StageContext) -> dict[str, Any]:
    """Train the segmentation network, or go on training it."""
    fabric, recipe = context.fabric, context.recipe
    labelled = choose_labels(context)
    build = partial(build_segmenter_learner, recipe, num_labels=context.train.classes.num_labels)
    training = NetworkTraining(context, context.folder.segmenter, build)
    network, settings = training.network, loop_settings(recipe.segmenter)
    weights = balanced_weights(labelled).to(fabric.device) if recipe.segmenter.balance else None
    figures = training.run(
        "Training the segmenter",
        segmenter_step(recipe, fabric, training.learner, class_weights=weights),
        _loader(context, network, labelled),
        settings=settings,
        until_epoch=settings.epochs,
        validate=lambda epoch: _validate(context, network),
    )
    figures = figures or _validate(context, network)  # no step was left to take
    if fabric.is_global_zero:
        if recipe.segmenter.match_background:
            figures = {**figures, "background_offset": _match_background(context, network, labelled)}
        notes = {"labels": recipe.segmenter.labels, "strategy": recipe.segmenter.strategy, "seed": recipe.seed}
        notes |= _corrected(labelled)
        save_segmenter(context.folder.segmenter, network, context.train.classes, prediction={}, notes=notes)
        context.folder.seals.note(_files(context))
    fabric.barrier()
    taught = {"images": len(labelled.split), "steps": training.step, "labels": recipe.segmenter.labels}
    # Of two networks or a teacher the term on the other pixels joins later, and rises.
    loss = "loss_sure" if recipe.segmenter.strategy in ("cotrain", "consistency") else "loss"
    return {**taught, **_corrected(labelled), **figures, **training.loss_warnings(loss, section="segmenter")}


def _corrected(labelled: LabelledSplit) -> dict[str, int]:
    """Return the note of how many masks a person corrected; none when nobody did."""
    return {"corrected": len(labelled.corrected)} if labelled.corrected else {}


def count_missing(context: StageContext) -> int:
    """Return how many files of the trained network are gone."""
    return count_gone(_files(context))


def _files(context: StageContext) -> list[Path]:
    return [context.folder.segmenter / name for name in (WEIGHTS_NAME, DESCRIPTION_NAME)]


def _loader(context: StageContext, network: SegmentationNetwork, labelled: LabelledSplit) -> TrainingLoader:
    """Return this process's batches of crops with their labels."""
    recipe = context.recipe
    dataset = TrainingSet(
        labelled.split,
        build_segmenter_transform(recipe, network),
        seed=recipe.seed,
        labels=labelled.labels,
        confidence=labelled.confidence,
        corrected=labelled.corrected,
    )
    return training_loader(context, dataset, section="segmenter")


def _match_background(context: StageContext, network: SegmentationNetwork, labelled: LabelledSplit) -> float:
    """Match the background to the masks of some training images; return what was added to its logit."""
    records = evenly_spaced(labelled.split.records, MATCHED_IMAGES)
    with context.progress.task("Comparing with the masks", total=len(records)) as task:

        def masks() -> Iterator[tuple[Image, LabelMap]]:
            for record in records:
                yield read_photograph(record), labelled.labels.read(record)
                task.advance()

        side = context.recipe.segmenter.long_side_px[1]
        match = match_background(network, context.train.classes, masks(), max_side_px=side)
    shares = f"objects cover {match.reached_share:.1%} of the pictures, {match.object_share:.1%} in the masks"
    context.progress.note(f"background logit {match.offset:+.2f}: {shares}")
    return match.offset


def _validate(context: StageContext, network: SegmentationNetwork) -> dict[str, float]:
    """Score the network on some images of the evaluation split, at one scale: for information, it decides nothing."""
    split, fabric = context.evaluation, context.fabric
    known = tuple(record for record in split.records if record.mask) if split else ()
    records = evenly_spaced(known, context.recipe.segmenter.validation_images)
    if split is None or not records or not fabric.is_global_zero:
        return {}

    def label(record: ImageRecord) -> LabelMap:
        image = normalize_image(read_photograph(record), mean=network.mean, std=network.std)
        return segment(network, image[None].to(fabric.device))[0].argmax(0).to(torch.uint8).cpu().numpy()

    with convolutions_for(records):
        return validate_labels(records, split.classes, label=label)
