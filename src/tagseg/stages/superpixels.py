"""The superpixels of a run's images, computed before the first stage that reads them."""

from tagseg.assemble.networks import needs_regions, superpixel_cache
from tagseg.stages.context import RunContext


def compute_superpixels(context: RunContext) -> None:
    """Fill the superpixel cache for all images of the run, when any stage needs them."""
    if needs_regions(context.recipe) and context.fabric.is_global_zero:
        splits = [split for split in (context.train, context.evaluation) if split]
        records = {record.image_path: record for split in splits for record in split.records}
        cache = superpixel_cache(context.recipe)
        cache.compute_missing(list(records.values()), workers=None, progress=context.progress)
    context.fabric.barrier()
