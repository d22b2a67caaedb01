"""The target of self-modulation, measured once with the network at the end of its warm-up."""

import numpy as np
import torch
from jaxtyping import Float, Float32
from numpy import ndarray
from torch import Tensor

from tagseg.artifacts.region_scores import RegionScores, read_region_scores, write_region_scores
from tagseg.cams.batches import batch_cams, batches_by_shape, read_ahead
from tagseg.errors import ArtifactError
from tagseg.models.classifier import TagClassifier
from tagseg.ops.regions import region_mean
from tagseg.stages.context import StageContext


def measure_region_scores(context: StageContext, classifier: TagClassifier, *, may_measure: bool) -> RegionScores:
    """Return the mean of every tagged class's map over every superpixel of every training image.

    The maps are CAMs of whole images, at ``self_modulation.target_scales`` and their flips; so a crop that misses an
    object is told so. The first process measures, once: afterwards the file is read.

    Args:
        context: the run.
        classifier: as it is at the end of the warm-up.
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
        write_region_scores(path, _measure(context, classifier))
    context.fabric.barrier()
    return read_region_scores(path)


def _measure(context: StageContext, classifier: TagClassifier) -> RegionScores:
    values, records = context.recipe.self_modulation, context.train.records
    scores: RegionScores = {}
    with context.progress.task("Measuring the target of self-modulation", total=len(records)) as task:
        for batch, images in read_ahead(batches_by_shape(records, batch_size=values.target_batch_size)):
            with context.fabric.autocast():
                cams = batch_cams(classifier, batch, images, scales=values.target_scales, flip=True)
            for record, cam in zip(batch, cams, strict=True):
                scores[record.image_id] = mean_by_region(torch.from_numpy(cam), context.regions.read(record.image_path))
            task.advance(len(batch))
    return scores


def mean_by_region(cam: Float[Tensor, "C_t H W"], regions: ndarray) -> Float32[ndarray, "C_t R"]:
    """Return the mean of each map over each region of an image.

    >>> mean_by_region(torch.tensor([[[0.0, 1.0, 1.0]]]), np.array([[0, 0, 1]]))
    array([[0.5, 1. ]], dtype=float32)
    """
    labels = torch.from_numpy(regions.astype(np.int64))[None]
    return region_mean(cam[None], labels, num_regions=int(labels.max()) + 1)[0].numpy()
