"""Last part of stage 4, where the recipe asks for it: one mask for each object that displacement tells apart."""

from collections.abc import Sequence

import torch

from tagseg.artifacts.instance_file import write_instances
from tagseg.assemble.maps import read_unrefined_maps
from tagseg.assemble.networks import load_affinity_network
from tagseg.assemble.refinements import build_refinements
from tagseg.assemble.settings import settings_from
from tagseg.data.augment import normalize_image
from tagseg.data.seen_files import read_photograph
from tagseg.models.affinity import AffinityNetwork, predict_boundary, predict_displacement
from tagseg.refine.instances import Instance, InstanceSettings, find_instances
from tagseg.refine.refinement import Refinement, refine_in_order
from tagseg.stages.context import StageContext
from tagseg.stages.work import do_missing
from tagseg.types import ImageRecord


def make_instances(context: StageContext, records: tuple[ImageRecord, ...], *, background_score: float) -> None:
    """Write the object masks of all images that have none yet; each process takes its share.

    Steps of ``masks.refine`` before the walk act on the maps of the classes; the walk acts on those of each object.
    """
    values, layout = context.recipe.masks, context.folder
    network = load_affinity_network(context.recipe, layout.affinity_weights).to(context.fabric.device)
    settings = settings_from(
        values,
        InstanceSettings,
        fixed=["steps", "centroid_cells"],
        radius=values.walk_radius,
        beta=values.walk_beta,
        doublings=values.walk_doublings,
        background_score=background_score,
        share=values.walk_share,
    )
    before_walk = values.before_cut[: values.before_cut.index("walk")]
    steps = build_refinements(
        context.recipe, before_walk, layout=layout, regions=context.regions, device=context.fabric.device
    )

    def work(record: ImageRecord) -> None:
        write_instances(
            layout.instances(record), _instances_of(context, network, record, steps=steps, settings=settings)
        )

    do_missing(
        context,
        "Making object masks",
        records=records,
        outputs=lambda record: [layout.instances(record)],
        work=work,
    )


def _instances_of(
    context: StageContext,
    network: AffinityNetwork,
    record: ImageRecord,
    *,
    steps: Sequence[Refinement],
    settings: InstanceSettings,
) -> list[Instance]:
    maps = read_unrefined_maps(context.folder, record, context.recipe, regions=context.regions)
    if not maps.label_ids:
        return []
    backbone, device, image = network.backbone, context.fabric.device, read_photograph(record)
    with context.fabric.autocast():
        refiners = [refiner for step in steps for refiner in step.prepare([image], [record])]
    pixels = normalize_image(image, mean=backbone.mean, std=backbone.std)[None].to(device)
    return find_instances(
        refine_in_order(image, torch.from_numpy(maps.cam).to(device), refiners),
        maps.label_ids,
        boundary=predict_boundary(network, pixels)[0],
        displacement=predict_displacement(network, pixels)[0],
        settings=settings,
    )
