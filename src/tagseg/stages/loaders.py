"""Batches to learn from, for this process of a run: what the training stages share."""

from typing import Literal

from tagseg.data.datasets import EpochSampler, TrainingLoader, TrainingSet
from tagseg.stages.context import StageContext


def epoch_sampler(
    context: StageContext, num_images: int, *, section: Literal["training", "affinity", "segmenter"]
) -> EpochSampler:
    """Return the order of the images, for this process, in batches of the size that a section of the recipe says."""
    return EpochSampler(
        num_images,
        batch_size=getattr(context.recipe, section).batch_size,
        setting=f"{section}.batch_size",
        seed=context.recipe.seed,
        rank=context.fabric.global_rank,
        world_size=context.fabric.world_size,
    )


def training_loader(context: StageContext, dataset: TrainingSet, sampler: EpochSampler) -> TrainingLoader:
    """Return this process's batches, read by the run's workers."""
    on_gpu = context.fabric.device.type == "cuda"
    return TrainingLoader(dataset, sampler, workers=context.workers, pin_memory=on_gpu)
