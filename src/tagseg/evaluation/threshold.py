"""The sweep over background scores: the seed scores of every threshold in one pass over the images.

Axes: K labels, H W pixels, T background scores.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from tagseg.artifacts.cam_file import CamFile
from tagseg.errors import DataError
from tagseg.evaluation.confusion import ConfusionMatrix, joint_counts
from tagseg.evaluation.scores import Scores, compute_scores
from tagseg.types import LabelMap


@dataclass(frozen=True, slots=True)
class ThresholdPoint:
    """The scores of all seeds cut at one background score.

    Args:
        background_score: in [0, 1].
        scores: over all images.
    """

    background_score: float
    scores: Scores


class BackgroundSweep:
    """Counts for every background score at once.

    A pixel's strongest class and its score do not depend on the background score ``s``; only whether the score exceeds
    ``s`` does. So each pixel is counted once, under the number of background scores that it exceeds, and running sums
    over these numbers give the confusion matrix of every ``s``: the cost of one evaluation, whatever T.

    Args:
        label_names: K names, background first (``ClassTable.label_names``).
        background_scores: in [0, 1], ascending, no two alike.

    >>> sweep = BackgroundSweep(("background", "cat"), (0.1, 0.5))
    >>> sweep.update(CamFile(np.array([[[0.3, 0.8]]], np.float32), (1,)), np.array([[0, 1]], np.uint8))
    >>> [point.scores.mean_iou for point in sweep.points()]
    [0.25, 1.0]
    >>> best(sweep.points()).background_score
    0.5
    """

    def __init__(self, label_names: Sequence[str], background_scores: Sequence[float]) -> None:
        self.label_names = tuple(label_names)
        self.background_scores = tuple(background_scores)
        self._cuts = background_cuts(background_scores)
        num_labels = len(self.label_names)
        self._counts = np.zeros((num_labels, len(background_scores) + 1, num_labels), np.int64)

    def update(self, maps: CamFile, truth: LabelMap, *, name: str = "") -> None:
        """Add one image.

        Args:
            maps: its class activation maps.
            truth: (H, W) label ids, 255 void.
            name: the image's id, for errors.

        Raises:
            DataError: when the sizes differ or an id is out of range.
        """
        num_labels = len(self.label_names)
        require_known_classes(maps, num_labels, name=name)
        label_map, score = maps.strongest()
        exceeded = np.searchsorted(self._cuts, score, side="left")  # how many cuts lie strictly below the score
        cells = exceeded * num_labels + label_map
        num_columns = self._counts[0].size
        counts = joint_counts(truth, cells, num_labels=num_labels, num_columns=num_columns, name=name)
        self._counts += counts.reshape(self._counts.shape)

    def points(self) -> list[ThresholdPoint]:
        """Return the scores at every background score, ascending."""
        return [
            ThresholdPoint(background_score, compute_scores(self._matrix(position), self.label_names))
            for position, background_score in enumerate(self.background_scores)
        ]

    def confusion(self, background_score: float) -> ConfusionMatrix:
        """Return the confusion matrix at one of the background scores."""
        return self._matrix(self.background_scores.index(background_score))

    def _matrix(self, position: int) -> ConfusionMatrix:
        """Return the confusion matrix at one cut: what does not exceed it is background."""
        matrix = ConfusionMatrix(len(self.label_names))
        matrix.counts += self._counts[:, position + 1 :].sum(axis=1)
        matrix.counts[:, 0] += self._counts[:, : position + 1].sum(axis=(1, 2))
        return matrix


def background_cuts(background_scores: Sequence[float]) -> Float32[ndarray, " T"]:
    """Return background scores as ``cam_file.above`` compares them, in float32: a sweep and seeds agree to the pixel.

    Args:
        background_scores: in [0, 1], ascending, no two alike, at least one.

    Raises:
        ValueError: when they are not.
    """
    if not background_scores or any(b <= a for a, b in pairwise(background_scores)):
        raise ValueError(f"background scores must be ascending and at least one, got {list(background_scores)}")
    return np.asarray(background_scores, np.float32)


def require_known_classes(maps: CamFile, num_labels: int, *, name: str = "") -> None:
    """Require that every map is of one of the classes 1..K-1.

    Args:
        maps: class activation maps of one image.
        num_labels: K, with background.
        name: the image's id, for errors.

    Raises:
        DataError: when a label id is out of range.
    """
    if max(maps.label_ids, default=0) >= num_labels:
        raise DataError(
            f"CAMs{f' of {name}' if name else ''} hold label ids 1..{num_labels - 1}, got {max(maps.label_ids)}",
            help="score them with the class table that they were made with",
        )


def best(points: Sequence[ThresholdPoint]) -> ThresholdPoint:
    """Return the point with the highest mean IoU, the lowest background score of equal ones; NaN loses."""
    return max(points, key=lambda point: (_rank(point.scores.mean_iou), -point.background_score))


def _rank(mean_iou: float) -> float:
    return -math.inf if math.isnan(mean_iou) else mean_iou
