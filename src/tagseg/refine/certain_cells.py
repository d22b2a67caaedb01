"""The background score that frozen features ask for: what is surely object or background says what the rest is.

Axes: n cells of one image, N those of all images, D feature channels, h w the network's grid, B scores to cut at.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64, UInt8
from numpy import ndarray
from torch.nn.functional import adaptive_avg_pool2d

from tagseg.artifacts.cam_file import CamFile
from tagseg.data.augment import normalize_image
from tagseg.models.backbone import Backbone
from tagseg.models.mode import evaluation_mode
from tagseg.ops.resize import resize_labels
from tagseg.refine.background import BINS
from tagseg.types import Image

STRIDE = 16
"""Image pixels per cell of the features, where a network has such."""

MOST_CELLS = 500
"""Of one image, drawn at random: evenly spaced ones can all lie in a few columns of the grid."""

LEAST_COVER = 0.75
"""Share of what is surely object, by pixels, that cells must find; where objects are smaller, cells blur them away."""

LEAST_KNOWN = 0.5
"""Share of the sure object cells that must be of classes with enough to learn from."""

_LEAST_CELLS = 50  # of the object and of the background, for a class to count
_LEAST_DIFFERENCE = 0.2  # of the mean probability of certain objects and of certain background
_DIAGONAL = 0.1  # share of the variances that is added to the covariance


@dataclass(frozen=True, slots=True)
class ImageCells:
    """Some feature cells of an image.

    Args:
        scores: mean score of each cell's strongest tagged class, in [0, 1].
        labels: that class; 0 in an image without tags.
        features: of a frozen network.
        sure: share of the image's pixels that are surely object.
    """

    scores: Float32[ndarray, " n"]
    labels: UInt8[ndarray, " n"]
    features: Float32[ndarray, "n D"]
    sure: float


def sure_scores(otsu: float) -> tuple[float, float]:
    """Return the scores above which a pixel is surely object, and below which it is surely background.

    Args:
        otsu: Otsu's threshold of the maps, in (0, 1).

    >>> sure_scores(0.4)
    (0.7, 0.2)
    """
    return (1 + otsu) / 2, otsu / 2


def image_cells(backbone: Backbone, image: Image, maps: CamFile, *, otsu: float) -> ImageCells:
    """Look at an image with a frozen network, and read its maps in the same cells.

    Args:
        backbone: on its device.
        image: (H, W, 3) RGB.
        maps: of its tags.
        otsu: Otsu's threshold of the maps of all images.

    >>> from tagseg.models.backbone import build_backbone
    >>> maps = CamFile(np.full((1, 64, 48), 0.5, np.float32), (3,))
    >>> black, backbone = np.zeros((64, 48, 3), np.uint8), build_backbone("test_resnet", weights=None)
    >>> cells = image_cells(backbone, black, maps, otsu=0.4)
    >>> cells.scores.tolist()[:2], cells.labels.tolist()[:2], cells.features.shape
    ([0.5, 0.5], [3, 3], (12, 192))
    """
    device = next(backbone.parameters()).device
    pixels = normalize_image(image, mean=backbone.mean, std=backbone.std)[None].to(device)
    with torch.no_grad(), evaluation_mode(backbone):
        features = backbone.features_at(pixels, STRIDE)[0].float().cpu()
    labels, scores = maps.strongest()
    size = (features.shape[1], features.shape[2])
    means = adaptive_avg_pool2d(torch.from_numpy(scores)[None], size)[0]
    centres = resize_labels(torch.from_numpy(labels)[None], size)[0]
    chosen = np.sort(np.random.default_rng(0).permutation(means.numel())[:MOST_CELLS])
    parts = means.flatten()[chosen], centres.flatten()[chosen], features.flatten(1).T[chosen]
    sure = float((scores > np.float32(sure_scores(otsu)[0])).mean())
    return ImageCells(*(part.numpy() for part in parts), sure=sure)


def promised_background(images: Sequence[ImageCells], *, otsu: float) -> float | None:
    """Choose the background score whose masks promise the highest mean IoU, by what frozen features say.

    Scores far above Otsu's threshold are surely object, those far below it surely background (:func:`sure_scores`). For
    each class a linear discriminant on the features learns to tell these two apart. It learns from one half of the
    images and says of the other half how probably each cell is object. Its mean over the certain cells is known:
    ``p' = (p - p_background) / (p_object - p_background)`` is right there in the mean. Sums of ``p'`` give the
    intersections and unions that the masks of every background score would have, and so their expected mean IoU.

    Source: ours. Discriminant: Fisher, "The use of multiple measurements in taxonomic problems", Annals of Eugenics,
    1936. The correction is the adjusted count of Forman, "Quantifying counts and costs via classification", Data Mining
    and Knowledge Discovery, 2008. How close the rule comes to the best score of a sweep is in docs/lab_notes.md.

    Args:
        images: with tags. Every second one that shows a class is asked of the others.
        otsu: their threshold, see :func:`tagseg.refine.background.otsu_background`, in (0, 1).

    Returns:
        A background score between those that are sure. None when objects are too small for the cells
        (:data:`LEAST_COVER`), when too many classes are too rare to learn from (:data:`LEAST_KNOWN`), or when features
        do not tell objects from background.
    """
    sure = sure_scores(otsu)
    covered = sum(float((each.scores > sure[0]).mean()) for each in images)
    if not images or covered < LEAST_COVER * sum(each.sure for each in images):
        return None
    scores = np.concatenate([each.scores for each in images])
    labels = np.concatenate([each.labels for each in images])
    found = np.concatenate(_probabilities(images, *sure))
    known = np.isfinite(found)
    if (scores[known] > sure[0]).sum() < LEAST_KNOWN * (scores > sure[0]).sum():
        return None
    scores, labels, found = scores[known], labels[known], found[known].astype(np.float64)
    objects, grounds = scores > sure[0], scores < sure[1]
    if not objects.any() or not grounds.any():
        return None
    least, most = found[grounds].mean(), found[objects].mean()
    if most - least < _LEAST_DIFFERENCE:
        return None
    cuts = np.arange(1, BINS - 1) / (BINS - 1)
    cuts = cuts[(cuts >= sure[1]) & (cuts <= sure[0])]
    promised = expected_mean_iou(scores, labels, (found - least) / (most - least), cuts)
    return float(cuts[promised.argmax()])


def expected_mean_iou(
    scores: Float32[ndarray, " N"],
    labels: UInt8[ndarray, " N"],
    probabilities: Float64[ndarray, " N"],
    cuts: Float64[ndarray, " B"],
) -> Float64[ndarray, " B"]:
    """Return the mean IoU of classes and background that is expected of masks cut at each background score.

    Args:
        scores: of each cell's strongest class, in [0, 1].
        labels: that class, 1..C.
        probabilities: that the cell shows it; otherwise it is background. Below 0 or above 1 in single cells if their
            mean is right: sums of them are kept between 0 and the number of cells.
        cuts: ascending.

    >>> scores, labels = np.array([0.1, 0.4, 0.9], np.float32), np.ones(3, np.uint8)
    >>> expected_mean_iou(scores, labels, np.array([0.0, 1.0, 1.0]), np.array([0.2, 0.5])).round(2).tolist()
    [1.0, 0.5]
    """
    order = np.argsort(scores, kind="stable")
    labels, probabilities = labels[order], probabilities[order]
    below = np.searchsorted(scores[order], cuts.astype(np.float32), side="right")

    def summed(values: Float64[ndarray, " N"]) -> Float64[ndarray, " B1"]:
        return np.concatenate([[0.0], np.cumsum(values)])

    def iou(found: Float64[ndarray, " N"], *, of: Bool[ndarray, " N"], above: bool) -> Float64[ndarray, " B"]:
        """Return the IoU of a mask of some cells, above or below each cut; no sum is below 0 or above its cells."""
        shown, cells = summed(np.where(of, found, 0.0)), summed(of.astype(np.float64))
        lower = np.clip(shown[below], 0, cells[below])
        upper = np.clip(shown[-1] - shown[below], 0, cells[-1] - cells[below])
        masked = cells[-1] - cells[below] if above else cells[below]
        hit, missed = (upper, lower) if above else (lower, upper)
        return hit / np.maximum(masked + missed, 1e-9)

    ious = [iou(1 - probabilities, of=np.ones_like(labels, bool), above=False)]
    ious += [iou(probabilities, of=labels == label, above=True) for label in np.unique(labels)]
    return np.mean(ious, axis=0)


def _probabilities(images: Sequence[ImageCells], above: float, below: float) -> list[Float32[ndarray, " n"]]:
    """Return of every cell how probably it shows its strongest class; NaN where there is too little to learn from."""
    found = [np.full(len(each.scores), np.nan, np.float32) for each in images]
    for label in sorted({int(label) for each in images for label in np.unique(each.labels)} - {0}):
        shown = [number for number, each in enumerate(images) if (each.labels == label).any()]
        for asked, learned in ((shown[::2], shown[1::2]), (shown[1::2], shown[::2])):
            direction = _discriminant([images[number] for number in learned], label, above, below)
            if direction is None:
                continue
            weights, offset = direction
            for number in asked:
                own: Bool[ndarray, " n"] = images[number].labels == label
                logits = images[number].features[own].astype(np.float64) @ weights - offset
                found[number][own] = 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
    return found


def _discriminant(
    images: Sequence[ImageCells], label: int, above: float, below: float
) -> tuple[Float64[ndarray, " D"], float] | None:
    """Return the weights and the offset of the logit that parts certain objects of a class from certain background."""
    if not images:
        return None
    objects = np.concatenate([each.features[(each.labels == label) & (each.scores > above)] for each in images])
    grounds = np.concatenate([each.features[each.scores < below] for each in images])
    if min(len(objects), len(grounds)) < _LEAST_CELLS:
        return None
    means = [side.mean(axis=0, dtype=np.float64) for side in (objects, grounds)]
    covariance = (_covariance(objects) + _covariance(grounds)) / 2
    spread = covariance.diagonal()
    covariance = covariance + np.diag(_DIAGONAL * spread + 1e-6 * (1 + spread.mean()))
    weights = np.linalg.solve(covariance, means[0] - means[1])
    return weights, float((means[0] + means[1]) / 2 @ weights)


def _covariance(features: Float[ndarray, "n D"]) -> Float64[ndarray, "D D"]:
    centred = features.astype(np.float64)
    centred -= centred.mean(axis=0)
    return centred.T @ centred / len(centred)
