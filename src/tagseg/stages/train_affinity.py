"""Stage 3: seeds, then the affinity network that learns from them; leaves ``3_affinity/``."""

from typing import Any

import torch
from torch import Tensor

from tagseg.artifacts.checkpoint import save_checkpoint
from tagseg.assemble.networks import (
    build_affinity_learner,
    build_affinity_network,
    build_transform,
    load_weights,
    loop_settings,
)
from tagseg.data.augment import normalize_image
from tagseg.data.datasets import EpochSampler, TrainingLoader, TrainingSet
from tagseg.data.images import read_image
from tagseg.models.affinity import AffinityNetwork, predict_displacement
from tagseg.stages.context import RunContext
from tagseg.stages.loaders import epoch_sampler, training_loader
from tagseg.stages.seeds import SeedFolder, write_seeds
from tagseg.stages.superpixels import compute_superpixels
from tagseg.stages.train_classifier import WEIGHTS_NAME as CLASSIFIER_NAME
from tagseg.training.affinity import affinity_gradients
from tagseg.training.loop import Session, resume, train
from tagseg.training.seed import seed_everything

WEIGHTS_NAME = "affinity.safetensors"
MEAN_IMAGES = 200
"""Images, evenly spaced, over which the mean displacement is taken; two numbers need no more."""


def run(context: RunContext) -> dict[str, Any]:
    """Make the seeds that are missing, then train the affinity network or go on training it."""
    fabric, recipe = context.fabric, context.recipe
    folder = context.folder.output("train_affinity")
    compute_superpixels(context)
    seeds = write_seeds(context)
    seed_everything(recipe.seed)
    trained = context.folder.output("train_classifier") / CLASSIFIER_NAME
    learner = build_affinity_learner(recipe, trained=trained)
    network = learner.networks["affinity"]
    assert isinstance(network, AffinityNetwork)
    step, warning = resume(learner, folder)
    if warning:
        context.progress.warn(warning)
    learner = learner.set_up(fabric)
    loader = _loader(context, network, seeds)
    sampler = loader.batch_sampler
    assert isinstance(sampler, EpochSampler)
    settings = loop_settings(recipe.affinity)
    images = settings.epochs * sampler.steps_per_epoch * sampler.batch_size
    with context.progress.task("Training the affinity network", total=images, done=step * sampler.batch_size) as task:
        session = Session(folder, step, settings.epochs, task, validate=lambda epoch: {})
        take_gradients = affinity_gradients(fabric, learner.networks["affinity"], radius=recipe.affinity.radius)
        train(fabric, learner, take_gradients, loader, settings=settings, session=session)
    network.mean_displacement.copy_(_mean_displacement(context, network))
    if fabric.is_global_zero:
        state = {"steps": settings.epochs * sampler.steps_per_epoch}
        save_checkpoint(folder / WEIGHTS_NAME, tensors={"affinity": network.state_dict()}, state=state)
    fabric.barrier()
    return {"images": len(context.train)}


def load_affinity_network(context: RunContext) -> AffinityNetwork:
    """Return the trained affinity network of the run, on its device, for inference.

    Raises:
        ArtifactError: when the file is missing, corrupt or of another network.
    """
    path = context.folder.output("train_affinity") / WEIGHTS_NAME
    network = build_affinity_network(context.recipe, trained=None, pretrained=False)
    load_weights(network, path, group="affinity", title="affinity network")
    return network.to(context.fabric.device).eval()


def _loader(context: RunContext, network: AffinityNetwork, seeds: SeedFolder) -> TrainingLoader:
    """Return this process's batches of crops and their seeds."""
    recipe, values = context.recipe, context.recipe.affinity
    transform = build_transform(values, network.backbone)
    sampler = epoch_sampler(context, len(context.train), section="affinity")
    dataset = TrainingSet(context.train, transform, seed=recipe.seed, labels=seeds)
    return training_loader(context, dataset, sampler)


def _mean_displacement(context: RunContext, network: AffinityNetwork) -> Tensor:
    """Return the mean (dy, dx) of the displacement field over training images, each image counting once.

    Source: IRN subtracts it at test, over all training images; here over :data:`MEAN_IMAGES` of them.
    """
    fabric, records = context.fabric, context.train.records
    chosen = records[:: max(1, len(records) // MEAN_IMAGES)][:MEAN_IMAGES]
    network.mean_displacement.zero_()
    total = torch.zeros(2, device=fabric.device)
    with context.progress.task("Measuring the mean displacement", total=len(chosen)) as task:
        for record in chosen[fabric.global_rank :: fabric.world_size]:
            pixels = normalize_image(
                read_image(record.image_path), mean=network.backbone.mean, std=network.backbone.std
            )
            total += predict_displacement(network, pixels[None].to(fabric.device)).mean(dim=(0, 2, 3))
            task.advance(fabric.world_size)
    return torch.as_tensor(fabric.all_reduce(total, reduce_op="sum")) / len(chosen)
