"""How well tag scores rank the images of each class: average precision.

Axes: N images, C classes.
"""

import math

import numpy as np
from jaxtyping import Float, Shaped
from numpy import ndarray

from tagseg.errors import TrainingError


def tag_average_precision(tag_scores: Float[ndarray, "N C"], tags: Shaped[ndarray, "N C"]) -> Float[ndarray, " C"]:
    """Return the average precision of every class.

    ``AP_c = sum_k (recall_k - recall_(k-1)) * precision_k`` over the different scores from the highest down, each taken
    as a threshold; images of equal score enter together, so their order does not matter.

    Source: the area under the precision-recall curve without interpolation (VOC 2007's 11-point mean differs).

    Args:
        tag_scores: any finite monotone score, such as logits.
        tags: 1 or True where the image shows the class.

    Returns:
        In [0, 1]; NaN for a class that no image shows.

    Raises:
        TrainingError: when a score is not finite.

    >>> tag_average_precision(np.array([[0.9, 0.2], [0.8, 0.1], [0.1, 0.3]]), np.array([[1, 0], [0, 0], [1, 0]]))
    array([0.83333333,        nan])
    """
    if not np.isfinite(tag_scores).all():
        raise TrainingError(
            f"tag scores must be finite, got {tag_scores[~np.isfinite(tag_scores)][0]}",
            help="lower the learning rate or turn mixed precision off",
        )
    present = np.asarray(tags) > 0
    return np.array([_average_precision(tag_scores[:, c], present[:, c]) for c in range(tag_scores.shape[1])])


def mean_average_precision(average_precision: Float[ndarray, " C"]) -> float:
    """Return the mean over the classes that have a value, NaN when none has.

    >>> mean_average_precision(np.array([0.5, np.nan, 1.0]))
    0.75
    """
    known = average_precision[~np.isnan(average_precision)]
    return float(known.mean()) if known.size else math.nan


def _average_precision(scores: Float[ndarray, " N"], present: Shaped[ndarray, " N"]) -> float:
    if not present.any():
        return math.nan
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))  # the last image of each score
    found = np.cumsum(present[order])[ends]
    gained = np.diff(found, prepend=0)
    return float(np.sum(gained * found / (ends + 1)) / present.sum())
