"""Stage 2: class activation maps of the tagged classes at image resolution; leaves ``2_cams/<image id>.npz``."""

from collections.abc import Callable
from typing import Any

from jaxtyping import Float32
from numpy import ndarray

from tagseg.artifacts.cam_file import write_cam
from tagseg.artifacts.map_medians import read_map_medians, write_map_medians
from tagseg.assemble.map_methods import build_map_method
from tagseg.assemble.maps import chosen_records
from tagseg.assemble.networks import build_region_affinity, load_classifier
from tagseg.cams.batches import Batch, batch_cams
from tagseg.cams.class_photographs import photographs_by_class
from tagseg.cams.flatness import PHOTOGRAPHS, flat_classes, lower_by_median, measure_medians
from tagseg.cams.map_method import MapMethod
from tagseg.cams.region_means import spread_maps
from tagseg.data.seen_files import read_regions
from tagseg.stages.context import StageContext
from tagseg.stages.work import compute_superpixels, convolutions_for, count_gone, do_missing_batches
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
    flat = settle_flat_classes(context, method)
    affinity = build_region_affinity(context.recipe, layout, device=fabric.device) if cams.region_affinity else None

    def work(batch: Batch, images: list[Image]) -> Callable[[], None]:
        scores: list[Float32[ndarray, "_ _"]] | list[None] = [None] * len(batch)
        with fabric.autocast():
            found = batch_cams(method, batch, images, scales=cams.scales, flip=cams.flip)
        if flat:
            lowered = [[label in flat for label in record.tags] for record in batch]
            found = [lower_by_median(cam, each) for cam, each in zip(found, lowered, strict=True)]
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
    return {"images": len(records), **({"flat_classes": sorted(flat)} if flat else {})}


def settle_flat_classes(context: StageContext, method: MapMethod) -> frozenset[int]:
    """Return the label ids of classes whose maps are lowered; the log names them.

    One process measures them for all, and keeps them: an interrupted stage goes on as it began.

    Raises:
        ArtifactError: when what was kept cannot be read.
    """
    if context.recipe.cams.flat_maps == "keep":
        return frozenset()
    kept, classes, flat = context.folder.map_medians, context.train.classes, {}
    if context.fabric.is_global_zero:
        if not kept.exists():
            write_map_medians(kept, dict(zip(classes.names, _medians(context, method), strict=True)))
            context.folder.seals.note([kept])
        flat = flat_classes(read_map_medians(kept), classes)
        for label, median in flat.items():
            name = classes.names[label - 1]
            context.progress.note(f"the maps of '{name}' are flat (median {median:.2f} of the peak): lowered by it")
    return frozenset(context.fabric.broadcast(sorted(flat)))


def _medians(context: StageContext, method: MapMethod) -> list[float]:
    of_classes = photographs_by_class(
        context.train.records, num_classes=context.train.classes.num_classes, shown=True, most=PHOTOGRAPHS
    )
    chosen = [record for records in of_classes for record in records]
    total = len({record.image_id for record in chosen})
    with context.progress.task("Looking for flat maps", total=total) as task, convolutions_for(chosen):
        with context.fabric.autocast():
            return measure_medians(method, of_classes, advance=task.advance)


def count_missing(context: StageContext) -> int:
    """Count the files that are not there: maps, and what the lowered ones were lowered by."""
    lowered = [context.folder.map_medians] if context.recipe.cams.flat_maps == "lower" else []
    return count_gone([*lowered, *(context.folder.cam(record) for record in _records(context))])


def _records(context: StageContext) -> tuple[ImageRecord, ...]:
    return chosen_records(context.recipe.cams.splits, context.train, context.evaluation)
