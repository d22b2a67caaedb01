"""The background score when there are no masks to sweep it with: Otsu's threshold on the scores of many images.

Axes: B bins of a histogram.
"""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float32, Int64
from numpy import ndarray
from skimage.filters import threshold_otsu

from tagseg.artifacts.cam_file import CamFile

BINS = 256
"""Bins of the histogram over [0, 1]: the steps in which maps are stored."""


def otsu_background(maps: Iterable[CamFile]) -> float | None:
    """Choose the background score that parts the scores of all images into two groups, as unlike as can be.

    Each pixel counts with its strongest tagged class. Over all pixels with any activation the threshold maximises
    ``w0 w1 (m0 - m1)^2``, with ``w`` the share and ``m`` the mean score of the pixels below and above it. Scores
    that round to 0 of 255 are background at any threshold and are left out: how many there are says nothing of others.

    Source: Otsu, "A threshold selection method from gray-level histograms", IEEE Trans. SMC, 1979; one threshold for
    the whole data set is ours. How close it comes to the best score of a sweep is in docs/lab_notes.md.

    Args:
        maps: the maps of images with at least one tag; those without maps are passed over.

    Returns:
        A background score in (0, 1), or None when there are no two groups: nothing is active, or all scores are equal.

    >>> cam = np.array([[[0.1, 0.1, 0.2, 0.8, 0.9]]], np.float32)
    >>> 0.2 <= otsu_background([CamFile(cam, (1,))]) < 0.8
    True
    """
    counts = np.zeros(BINS, np.int64)
    for each in maps:
        if each.label_ids:
            counts += score_histogram(each.strongest()[1])
    return otsu_threshold(counts)


def otsu_threshold(counts: Int64[ndarray, " B"]) -> float | None:
    """Return Otsu's threshold of a histogram of scores, None when fewer than two bins above 0 are filled.

    Args:
        counts: of :func:`score_histogram`, of one image or added up over many; the first bin is left out.

    >>> otsu_threshold(score_histogram(np.array([[0.0, 0.3, 0.3]], np.float32))) is None
    True
    """
    positive = np.concatenate([[0], counts[1:]])
    if np.count_nonzero(positive) < 2:
        return None
    return float(threshold_otsu(hist=(positive, np.arange(BINS) / (BINS - 1))))


def score_histogram(score: Float32[ndarray, "H W"]) -> Int64[ndarray, " B"]:
    """Count the scores of an image in :data:`BINS` even bins over [0, 1], the first one centred at 0.

    >>> score_histogram(np.array([[0.0, 0.001, 1.0]], np.float32))[[0, 255]].tolist()
    [2, 1]
    """
    return np.bincount(np.rint(score * (BINS - 1)).astype(np.int64).ravel(), minlength=BINS)
