"""Stage 2: class activation maps of the tagged classes at image resolution; leaves ``2_cams/<image id>.npz``."""

from collections.abc import Callable
from typing import Any

from jaxtyping import Float32
from numpy import ndarray

from tagseg.artifacts.cam_file import write_cam
from tagseg.assemble.map_methods import build_map_method
from tagseg.assemble.maps import chosen_records
from tagseg.assemble.networks import build_region_affinity, load_classifier
from tagseg.cams.batches import Batch, batch_cams
from tagseg.cams.region_means import spread_maps
from tagseg.data.seen_files import read_regions
from tagseg.stages.context import StageContext
from tagseg.stages.work import compute_superpixels, count_gone, do_missing_batches
from tagseg.types import Image, ImageRecord


def run(context: StageContext) -> dict[str, Any]:
    """Extract the maps of the recipe's splits, or those that are still missing; each process takes its share."""
    fabric, layout, cams = context.fabric, context.folder, context.recipe.cams
    if cams.uses_regions:
        compute_superpixels(context)
    records = _records(context)
    num_classes = context.train.classes.num_classes
    classifier = load_classifier(context.recipe, layout.classifier_weights, num_classes=num_classes)
    method = build_map_method(context.recipe, classifier.to(fabric.device))
    affinity = build_region_affinity(context.recipe, layout, device=fabric.device) if cams.region_affinity else None

    def work(batch: Batch, images: list[Image]) -> Callable[[], None]:
        scores: list[Float32[ndarray, "_ _"]] | list[None] = [None] * len(batch)
        with fabric.autocast():
            found = batch_cams(method, batch, images, scales=cams.scales, flip=cams.flip)
        if affinity is not None:
            regions = [read_regions(record, context.regions.read) for record in batch]
            scores = spread_maps(affinity, images, found, regions)

        def write() -> None:
            for record, cam, shared in zip(batch, found, scores, strict=True):
                write_cam(layout.cam(record), cam, record.tags, region_scores=shared, dtype=cams.dtype)

        return write

    do_missing_batches(
        context, "Extracting CAMs", records=records, batch_size=cams.batch_size, output=layout.cam, work=work
    )
    return {"images": len(records)}


def count_missing(context: StageContext) -> int:
    """Count the images whose maps are not there."""
    return count_gone(context.folder.cam(record) for record in _records(context))


def _records(context: StageContext) -> tuple[ImageRecord, ...]:
    return chosen_records(context.recipe.cams.splits, context.train, context.evaluation)
