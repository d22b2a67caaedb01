"""The only definitions of the scores, all from one confusion matrix.

Axes: K labels (background first), 3 sums of each label.
``n_kj`` counts the pixels of true label k that were predicted as j, void left out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from tagseg.evaluation.confusion import ConfusionMatrix


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores over a set of images, each in [0, 1], or NaN where the denominator is 0.

    Args:
        iou: per label name, background first: ``n_kk / (sum_j n_kj + sum_j n_jk - n_kk)``; NaN for a label that is
            neither in the truth nor in the prediction of any image.
        mean_iou: mean of ``iou`` over the labels where it is a number, background included. This is VOC's mean IoU: one
            matrix over all images, never a mean over images.
        precision: of the pixels predicted as any class, the share with the right class.
        recall: of the pixels that truly show any class, the share with the right class.
        pixel_accuracy: of all pixels, the share with the right label.
    """

    iou: dict[str, float]
    mean_iou: float
    precision: float
    recall: float
    pixel_accuracy: float

    def to_dict(self) -> dict[str, Any]:
        """Return the scores as JSON values: NaN becomes None, since JSON has no NaN.

        >>> compute_scores(ConfusionMatrix(2), ("background", "cat")).to_dict()["iou"]
        {'background': None, 'cat': None}
        """
        return {
            "mean_iou": _json_number(self.mean_iou),
            "precision": _json_number(self.precision),
            "recall": _json_number(self.recall),
            "pixel_accuracy": _json_number(self.pixel_accuracy),
            "iou": {name: _json_number(value) for name, value in self.iou.items()},
        }


class LabelScore(NamedTuple):
    """The scores of one label, each in [0, 1], or NaN where the denominator is 0.

    Args:
        iou: as in :class:`Scores`.
        precision: of the pixels predicted as the label, the share that truly is.
        recall: of the pixels of the label, the share that is predicted so.
    """

    iou: float
    precision: float
    recall: float


def compute_scores(matrix: ConfusionMatrix, label_names: Sequence[str]) -> Scores:
    """Return the scores of a confusion matrix.

    Source: PASCAL VOC's segmentation accuracy. Departure: a label that occurs nowhere is left out of the mean, where
    VOC's own program would return NaN; precision and recall are micro-averaged over the classes, without background.

    Args:
        matrix: counts over all images.
        label_names: K names, background first (``ClassTable.label_names``).

    Returns:
        The scores, as Python floats.

    >>> matrix = ConfusionMatrix(3)
    >>> matrix.update(np.array([[0, 1, 1, 0]]), np.array([[0, 1, 0, 1]]))
    >>> scores = compute_scores(matrix, ("background", "cat", "dog"))
    >>> scores.mean_iou == 1 / 3, scores.precision, scores.recall, scores.iou["dog"]
    (True, 0.5, 0.5, nan)
    """
    return scores_of_sums(label_sums(matrix.counts), label_names)


def label_sums(counts: Int64[ndarray, "K K"]) -> Int64[ndarray, "3 K"]:
    """Return what the scores need of a confusion matrix: of each label the right pixels, the true and the predicted.

    >>> label_sums(np.array([[3, 1], [0, 2]])).tolist()
    [[3, 2], [4, 2], [3, 3]]
    """
    return np.stack([np.diagonal(counts), counts.sum(axis=1), counts.sum(axis=0)])


def scores_of_sums(sums: Int64[ndarray, "3 K"], label_names: Sequence[str]) -> Scores:
    """Return the scores of :func:`label_sums`, or of sums of these.

    Args:
        sums: over all images, or of one.
        label_names: K names, background first.

    >>> scores_of_sums(np.array([[3, 2], [4, 2], [3, 3]]), ("background", "cat")).iou["background"]
    0.75
    """
    right, in_truth, in_prediction = sums
    iou = _ious(sums)
    present = [value for value in iou if not math.isnan(value)]
    return Scores(
        iou=dict(zip(label_names, iou, strict=True)),
        mean_iou=math.fsum(present) / len(present) if present else math.nan,
        precision=_ratio(int(right[1:].sum()), int(in_prediction[1:].sum())),
        recall=_ratio(int(right[1:].sum()), int(in_truth[1:].sum())),
        pixel_accuracy=_ratio(int(right.sum()), int(in_truth.sum())),
    )


def scores_by_label(sums: Int64[ndarray, "3 K"], label_names: Sequence[str]) -> dict[str, LabelScore]:
    """Return what :func:`label_sums` say of each label alone, background first.

    Args:
        sums: over all images, or of one.
        label_names: K names, background first.

    >>> scores_by_label(np.array([[3, 2], [4, 2], [3, 3]]), ("background", "cat"))["background"]
    LabelScore(iou=0.75, precision=1.0, recall=0.75)
    """
    right, in_truth, in_prediction = sums
    rows = zip(_ious(sums), _ratios(right, in_prediction), _ratios(right, in_truth), strict=True)
    return {name: LabelScore(*row) for name, row in zip(label_names, rows, strict=True)}


def _ious(sums: Int64[ndarray, "3 K"]) -> tuple[float, ...]:
    right, in_truth, in_prediction = sums
    union = in_truth + in_prediction - right
    return _ratios(right, union)


def _ratios(parts: Int64[ndarray, " K"], wholes: Int64[ndarray, " K"]) -> tuple[float, ...]:
    return tuple(_ratio(part, whole) for part, whole in zip(parts.tolist(), wholes.tolist(), strict=True))


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def _json_number(value: float) -> float | None:
    return None if math.isnan(value) else value
