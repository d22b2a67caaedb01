"""The target of self-modulation, measured once with the network at the end of its warm-up."""

from tagseg.artifacts.region_scores import RegionScores, read_region_scores, write_region_scores
from tagseg.cams.batches import batches_by_shape, read_ahead
from tagseg.cams.map_method import MapMethod
from tagseg.cams.region_means import measure_region_scores
from tagseg.errors import ArtifactError
from tagseg.stages.context import StageContext


def settle_region_scores(context: StageContext, method: MapMethod, *, may_measure: bool) -> RegionScores:
    """Return the mean of every tagged class's map over every superpixel of every training image.

    The maps are those of whole images, at ``self_modulation.target_scales`` and their flips; so a crop that misses an
    object is told so. The first process measures, once: afterwards the file is read.

    Args:
        context: the run.
        method: of the classifier as it is at the end of the warm-up.
        may_measure: False when training is past that point, where only the file can say what the target was.

    Raises:
        ArtifactError: when the file is damaged, or missing and it is too late to measure.
    """
    path = context.folder.region_scores
    if context.fabric.is_global_zero and not path.exists():
        if not may_measure:
            raise ArtifactError(
                f"{path} must exist once the warm-up is over, got no such file",
                help="delete the folder of the stage to train again",
            )
        write_region_scores(path, _measure(context, method))
    context.fabric.barrier()
    return read_region_scores(path)


def _measure(context: StageContext, method: MapMethod) -> RegionScores:
    values, records = context.recipe.self_modulation, context.train.records
    batches = batches_by_shape(records, batch_size=values.target_batch_size)
    title = "Measuring the target of self-modulation"
    with context.progress.task(title, total=len(records)) as task, context.fabric.autocast():
        return measure_region_scores(
            method, read_ahead(batches), context.regions.read, scales=values.target_scales, advance=task.advance
        )
