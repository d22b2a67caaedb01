"""Whether a difference in mIoU is more than the choice of images explains: a paired bootstrap over images.

Axes: I images, K labels (background first), 3 sums of each label, R resamples.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

RESAMPLES, SEED = 2000, 0
"""Default number of resamples, of which 50 lie beyond each end of the interval, and what they are drawn with."""

LEAST_IMAGES = 20
"""Of fewer images no interval is given: it would be too narrow."""

AT_ONCE = 1 << 22
"""Weights of images that are drawn at a time, 8 bytes each."""

_PERCENT = (2.5, 97.5)


@dataclass(frozen=True, slots=True)
class Interval:
    """A difference of two mIoU with its 95 % interval, all in [-1, 1].

    Args:
        difference: over all images.
        low: 2.5 % of the resamples lie below.
        high: 2.5 % of the resamples lie above.
    """

    difference: float
    low: float
    high: float


def paired_interval(
    first: Int64[ndarray, "I 3 K"],
    other: Int64[ndarray, "I 3 K"],
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    at_once: int = AT_ONCE,
) -> Interval | None:
    """Return the difference ``mIoU(other) - mIoU(first)`` with its 95 % interval.

    A resample draws as many images as there are, with replacement, and scores both results on the same ones: what makes
    an image hard for both cancels. The interval lies between the percentiles 2.5 and 97.5 of the differences.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), section 13.3, the percentile interval.

    Args:
        first: sums of each image, see :func:`tagseg.evaluation.scores.label_sums`.
        other: of the same images in the same order.
        resamples: R, at least 1.
        seed: of the draws.
        at_once: weights of images that are drawn at a time; it changes nothing but the memory that is taken.

    Returns:
        The interval, or None for fewer than 20 images, or where a score is not defined.

    >>> first = np.tile([[6, 2], [8, 4], [8, 4]], (30, 1, 1))
    >>> paired_interval(first, np.tile([[8, 4], [8, 4], [8, 4]], (30, 1, 1)))
    Interval(difference=0.5333333333333333, low=0.5333333333333333, high=0.5333333333333333)
    """
    num_images = len(first)
    if num_images < LEAST_IMAGES:
        return None
    flat = np.concatenate([first, other], axis=1).reshape(num_images, -1).astype(np.float64)  # sums stay exact
    random = np.random.default_rng(seed)
    chunk = max(1, at_once // num_images)
    drawn = []
    for start in range(0, resamples, chunk):
        rows = min(chunk, resamples - start)
        weights = random.multinomial(num_images, np.full(num_images, 1 / num_images), size=rows)
        drawn.append(_differences(weights.astype(np.float64) @ flat))
    difference = float(_differences(flat.sum(axis=0, keepdims=True))[0])
    found = np.concatenate(drawn)
    if np.isnan(difference) or np.isnan(found).any():
        return None
    low, high = np.percentile(found, _PERCENT).tolist()
    return Interval(difference, low, high)


def _differences(sums: Float64[ndarray, "R sums"]) -> Float64[ndarray, " R"]:
    """Return the differences of mIoU of resamples, from the sums of both results side by side."""
    both = sums.reshape(len(sums), 2, 3, -1)
    right, in_truth, in_prediction = both[:, :, 0], both[:, :, 1], both[:, :, 2]
    union = in_truth + in_prediction - right
    occurs = union > 0
    iou = np.divide(right, union, out=np.zeros_like(right), where=occurs)
    with np.errstate(invalid="ignore"):  # nothing occurs where all is void: NaN
        mean_iou = iou.sum(axis=-1) / occurs.sum(axis=-1)
    return mean_iou[:, 1] - mean_iou[:, 0]
