"""Stage 3: seeds, then the affinity network that learns from them; leaves ``3_affinity/``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from tagseg.artifacts.checkpoint import save_checkpoint
from tagseg.artifacts.layout import RunLayout
from tagseg.artifacts.mask_file import read_mask, write_mask
from tagseg.assemble.maps import read_seed_maps
from tagseg.assemble.networks import build_affinity_learner, build_transform, crf_settings, loop_settings
from tagseg.data.augment import normalize_image
from tagseg.data.datasets import TrainingLoader, TrainingSet
from tagseg.data.seen_files import read_photograph, read_truth
from tagseg.errors import ArtifactError
from tagseg.losses.affinity import BOUNDARY_GUESS
from tagseg.models.affinity import AffinityNetwork, predict_displacement
from tagseg.ops.spacing import evenly_spaced
from tagseg.progress import Progress
from tagseg.refine.dense_crf import DenseCrf
from tagseg.refine.seeds import seed_labels
from tagseg.stages.context import StageContext
from tagseg.stages.train_network import NetworkTraining, training_loader
from tagseg.stages.work import compute_superpixels, convolutions_for, count_gone, do_missing
from tagseg.training.affinity_step import AffinityStep
from tagseg.types import ImageRecord, LabelMap

MEAN_IMAGES = 200
"""Images, evenly spaced, over which the mean displacement is taken; two numbers need no more."""


def run(context: StageContext) -> dict[str, Any]:
    """Make the seeds that are missing, then train the affinity network or go on training it."""
    fabric, recipe = context.fabric, context.recipe
    if recipe.cams.uses_regions:
        compute_superpixels(context)
    write_seeds(context)
    build = partial(build_affinity_learner, recipe, trained=context.folder.classifier_weights)
    training = NetworkTraining(context, context.folder.output("train_affinity"), build)
    network, settings = training.network, loop_settings(recipe.affinity)
    training.run(
        "Training the affinity network",
        AffinityStep(fabric, training.learner.networks["affinity"], radius=recipe.affinity.radius),
        _loader(context, network),
        settings=settings,
        until_epoch=settings.epochs,
        validate=lambda epoch: {},
    )
    network.mean_displacement.copy_(
        mean_displacement(network, context.train.records, fabric=fabric, progress=context.progress)
    )
    if fabric.is_global_zero:
        state = {"steps": training.step}
        save_checkpoint(context.folder.affinity_weights, tensors={"affinity": network.state_dict()}, state=state)
        context.folder.seals.note([context.folder.affinity_weights])
    fabric.barrier()
    corrected = _corrected(context)
    # Most of the whole loss is that of the displacement, which only object masks are made with.
    warnings = training.loss_warnings("loss_boundary", section="affinity", guess=BOUNDARY_GUESS)
    return {
        "images": len(context.train),
        "steps": training.step,
        **({"corrected": len(corrected)} if corrected else {}),
        **warnings,
    }


def _corrected(context: StageContext) -> Mapping[str, ImageRecord]:
    """Return, by ``image_id``, the images whose correction teaches the network in the place of seeds."""
    return {record.image_id: record for record in context.corrected if context.recipe.affinity.corrections}


def count_missing(context: StageContext) -> int:
    """Return how many files of the stage are gone."""
    layout = context.folder
    return count_gone([layout.affinity_weights, *(layout.seeds(record) for record in context.train.records)])


@dataclass(frozen=True, slots=True)
class Seeds:
    """The seeds of a run, as the labels that the affinity network learns from, and corrections in the place of some.

    Args:
        layout: of the run folder.
        corrected: by ``image_id``, images with their correction as their mask.
    """

    layout: RunLayout
    corrected: Mapping[str, ImageRecord] = field(default_factory=dict)

    def read(self, record: ImageRecord) -> LabelMap:
        """Return the correction of an image where there is one, else its seeds, 255 where nothing is sure.

        Raises:
            ArtifactError: when the file is missing or damaged.
        """
        corrected = self.corrected.get(record.image_id)
        return read_truth(corrected) if corrected is not None else read_mask(self.layout.seeds(record))


def write_seeds(context: StageContext) -> None:
    """Write the seeds of all training images that have none yet; each process takes its share."""
    layout = context.folder

    def make(record: ImageRecord) -> None:
        write_mask(layout.seeds(record), make_seeds(context, record), context.train.classes)

    def work(record: ImageRecord) -> Callable[[], None]:
        return partial(make, record)

    records = context.train.records
    do_missing(context, "Making seeds", records=records, outputs=lambda record: [layout.seeds(record)], work=work)


def make_seeds(context: StageContext, record: ImageRecord) -> LabelMap:
    """Cut one image's seeds from its maps, through the dense CRF where the recipe says so."""
    recipe = context.recipe
    maps = read_seed_maps(context.folder, record, recipe, regions=context.regions)
    image = read_photograph(record)
    if maps.size != image.shape[:2]:
        raise ArtifactError(
            f"maps of {record.image_path} have the image's size {image.shape[:2]}, got {maps.size}",
            help="the image changed since they were made: run the stage extract-cams again with --redo",
        )
    crf = None
    if recipe.seeds.crf and maps.label_ids:
        crf = DenseCrf(image, settings=crf_settings(recipe), device=context.fabric.device)
    return seed_labels(
        maps.cam,
        maps.label_ids,
        foreground_score=recipe.seeds.foreground_score,
        background_score=recipe.seeds.background_score,
        crf=crf,
        certainty=recipe.crf.certainty,
    )


def _loader(context: StageContext, network: AffinityNetwork) -> TrainingLoader:
    """Return this process's batches of crops and their seeds."""
    recipe = context.recipe
    transform = build_transform(recipe.affinity, network.backbone)
    dataset = TrainingSet(context.train, transform, seed=recipe.seed, labels=Seeds(context.folder, _corrected(context)))
    return training_loader(context, dataset, section="affinity")


def mean_displacement(
    network: AffinityNetwork, records: Sequence[ImageRecord], *, fabric: Fabric, progress: Progress
) -> Tensor:
    """Return the mean (dy, dx) of the displacement field over training images, each image counting once.

    Source: IRN subtracts it at test, over all training images; here over :data:`MEAN_IMAGES` of them.

    Args:
        network: is left with a ``mean_displacement`` of 0.
        records: the training images, at least one.
        fabric: each of its processes looks at its share of the images.
        progress: moves on after every image.

    Returns:
        (2,) in cells.
    """
    chosen = evenly_spaced(records, MEAN_IMAGES)
    network.mean_displacement.zero_()
    total = torch.zeros(2, device=fabric.device)
    with progress.task("Measuring the mean displacement", total=len(chosen)) as task, convolutions_for(chosen):
        for record in chosen[fabric.global_rank :: fabric.world_size]:
            pixels = normalize_image(read_photograph(record), mean=network.backbone.mean, std=network.backbone.std)
            total += predict_displacement(network, pixels[None].to(fabric.device)).mean(dim=(0, 2, 3))
            task.advance(fabric.world_size)
    return torch.as_tensor(fabric.all_reduce(total, reduce_op="sum")) / len(chosen)
