"""Stage 1: train the tag classifier with the terms of SSC; leaves ``1_classifier/``."""

from pathlib import Path
from typing import Any

from lightning_fabric import Fabric

from tagseg.artifacts.checkpoint import save_checkpoint
from tagseg.data.augment import TrainTransform
from tagseg.data.datasets import EpochSampler, TrainingLoader, TrainingSet
from tagseg.models.classifier import TagClassifier
from tagseg.progress import Progress
from tagseg.recipe import Recipe
from tagseg.stages.build import (
    build_learner,
    build_objective,
    build_pyramid,
    engine_settings,
    loop_settings,
    needs_regions,
    superpixel_cache,
)
from tagseg.stages.context import RunContext
from tagseg.stages.validate import validate_classifier
from tagseg.training.engine import choose_accelerator, launch, thread_count
from tagseg.training.loop import Learner, resume, train_classifier
from tagseg.training.seed import seed_everything
from tagseg.types import Split

WEIGHTS_NAME = "classifier.safetensors"


def run(context: RunContext) -> dict[str, Any]:
    """Compute the superpixels that are missing, then train or go on training."""
    recipe = context.recipe
    folder = context.folder.output("train_classifier")
    compute_superpixels(context)
    settings = engine_settings(recipe)
    accelerator, reason = choose_accelerator(settings.accelerator)
    context.progress.note(f"training on {accelerator} ({reason}), {thread_count(settings)} thread(s) a process")
    figures = launch(settings, _train, recipe, folder, context.train, context.evaluation, context.progress)
    return {"images": len(context.train), "accelerator": accelerator, "threads": thread_count(settings), **figures}


def compute_superpixels(context: RunContext) -> None:
    """Fill the superpixel cache for all images of the run, when any stage needs them."""
    if not needs_regions(context.recipe):
        return
    splits = [split for split in (context.train, context.evaluation) if split]
    records = {record.image_path: record for split in splits for record in split.records}
    cache = superpixel_cache(context.recipe)
    cache.compute_missing(list(records.values()), workers=None, progress=context.progress)


def _train(
    fabric: Fabric, recipe: Recipe, folder: Path, split: Split, evaluation: Split | None, progress: Progress
) -> dict[str, float]:
    """Train in one process of the run; returns the last validation figures."""
    seed_everything(recipe.seed)
    learner = build_learner(recipe, num_classes=split.classes.num_classes)
    bare = learner.classifier
    assert isinstance(bare, TagClassifier)
    pyramid = build_pyramid(recipe, bare.backbone)
    start_step, warning = resume(learner, folder)
    learner = _set_up(fabric, learner)
    objective = build_objective(recipe, learner.decoder, pyramid.to(fabric.device) if pyramid else None)
    loader = _loader(recipe, split, bare, rank=fabric.global_rank, world_size=fabric.world_size)
    sampler = loader.batch_sampler
    assert isinstance(sampler, EpochSampler)
    if warning and fabric.is_global_zero:
        progress.warn(warning)
    last: dict[str, float] = {}

    def validate(epochs_done: int) -> dict[str, float]:
        if evaluation is None or not fabric.is_global_zero:
            return {}
        figures = validate_classifier(bare, evaluation, recipe=recipe, device=fabric.device)
        shown = ", ".join(f"{name.removeprefix('val_')} {100 * value:.1f} %" for name, value in figures.items())
        progress.note(f"epoch {epochs_done} of {recipe.training.epochs}: {shown}")
        last.update(figures)
        return figures

    total = sampler.steps_per_epoch * recipe.training.epochs
    with progress.task(
        "Training the classifier", total=total * sampler.batch_size, done=start_step * sampler.batch_size
    ) as task:
        train_classifier(
            fabric,
            learner,
            objective,
            loader,
            settings=loop_settings(recipe),
            folder=folder,
            start_step=start_step,
            task=task,
            validate=validate,
        )
    if fabric.is_global_zero:
        names = list(split.classes.names)
        save_checkpoint(
            folder / WEIGHTS_NAME, tensors={"classifier": bare.state_dict()}, state={"classes": names, "steps": total}
        )
    return last


def _set_up(fabric: Fabric, learner: Learner) -> Learner:
    """Hand networks and optimizers to Fabric, which moves and wraps them."""
    classifier, optimizer = fabric.setup(learner.classifier, learner.optimizer)
    if learner.decoder is None or learner.decoder_optimizer is None:
        return Learner(classifier, optimizer, None, None)
    decoder, decoder_optimizer = fabric.setup(learner.decoder, learner.decoder_optimizer)
    return Learner(classifier, optimizer, decoder, decoder_optimizer)


def _loader(recipe: Recipe, split: Split, classifier: TagClassifier, *, rank: int, world_size: int) -> TrainingLoader:
    training, backbone = recipe.training, classifier.backbone
    transform = TrainTransform(
        crop_size=training.crop_size_px,
        long_side_range=training.long_side_px,
        mean=backbone.mean,
        std=backbone.std,
        flip=training.flip,
    )
    regions = superpixel_cache(recipe) if recipe.self_modulation.enabled else None
    dataset = TrainingSet(split, transform, seed=recipe.seed, regions=regions)
    sampler = EpochSampler(
        len(split), batch_size=training.batch_size, seed=recipe.seed, rank=rank, world_size=world_size
    )
    return TrainingLoader(dataset, sampler, workers=recipe.engine.workers)
