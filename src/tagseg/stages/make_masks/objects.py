"""Last part of stage 4, where the recipe asks for it: one mask for each object that displacement tells apart."""

import torch

from tagseg.artifacts.instance_file import write_instances
from tagseg.artifacts.layout import MaskFolder
from tagseg.data.augment import normalize_image
from tagseg.data.images import read_image
from tagseg.models.affinity import AffinityNetwork, predict_boundary, predict_displacement
from tagseg.refine.instances import Instance, InstanceSettings, find_instances
from tagseg.stages.context import RunContext
from tagseg.stages.extract_cams import read_seed_maps
from tagseg.stages.train_affinity import load_affinity_network
from tagseg.stages.work import do_missing
from tagseg.types import ImageRecord


def make_instances(
    context: RunContext, folder: MaskFolder, records: tuple[ImageRecord, ...], *, background_score: float
) -> None:
    """Write the object masks of all images that have none yet; each process takes its share."""
    values = context.recipe.masks
    network = load_affinity_network(context)
    settings = InstanceSettings(
        radius=values.walk_radius,
        beta=values.walk_beta,
        doublings=values.walk_doublings,
        background_score=background_score,
    )

    def work(record: ImageRecord) -> None:
        write_instances(folder.instances(record), _instances_of(context, network, record, settings=settings))

    do_missing(
        context,
        "Making object masks",
        records=records,
        outputs=lambda record: [folder.instances(record)],
        work=work,
    )


def _instances_of(
    context: RunContext, network: AffinityNetwork, record: ImageRecord, *, settings: InstanceSettings
) -> list[Instance]:
    averaged = context.recipe.masks_average
    maps = read_seed_maps(context.folder.output("extract_cams"), record, context.recipe, averaged=averaged)
    if not maps.label_ids:
        return []
    backbone, device = network.backbone, context.fabric.device
    pixels = normalize_image(read_image(record.image_path), mean=backbone.mean, std=backbone.std)[None].to(device)
    return find_instances(
        torch.from_numpy(maps.cam).to(device),
        maps.label_ids,
        boundary=predict_boundary(network, pixels)[0],
        displacement=predict_displacement(network, pixels)[0],
        settings=settings,
    )
