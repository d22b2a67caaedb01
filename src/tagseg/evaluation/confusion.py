"""The only counter: how often each true label meets each predicted label.

Axes: K labels (background first), P columns of a count table.
"""

import numpy as np
from jaxtyping import Int64, Integer
from numpy import ndarray

from tagseg.classes import VOID
from tagseg.errors import DataError


class ConfusionMatrix:
    """Counts of (true label, predicted label) pixels over any number of images; void truth counts nowhere.

    Args:
        num_labels: K in 2..255, classes and background.

    Attributes:
        counts: (K, K) int64, rows are the truth, columns the prediction.

    >>> matrix = ConfusionMatrix(2)
    >>> matrix.update(np.array([[1, 1, 0]]), np.array([[1, 0, 255]]))
    >>> matrix.counts.tolist()
    [[0, 1], [0, 1]]
    """

    counts: Int64[ndarray, "K K"]

    def __init__(self, num_labels: int) -> None:
        self.num_labels = num_labels
        self.counts = np.zeros((num_labels, num_labels), np.int64)

    def update(self, prediction: Integer[ndarray, "..."], truth: Integer[ndarray, "..."], *, name: str = "") -> None:
        """Add one image.

        Args:
            prediction: (H, W) label ids 0..K-1; looked at only where the truth is not void.
            truth: (H, W) label ids 0..K-1, or 255 void.
            name: the image's id, for errors.

        Raises:
            DataError: when the sizes differ or an id is out of range.
        """
        self.counts += joint_counts(truth, prediction, num_labels=self.num_labels, name=name)

    def merge(self, other: "ConfusionMatrix") -> None:
        """Add the counts of another matrix, such as another process's, with the same labels."""
        if other.num_labels != self.num_labels:
            raise ValueError(f"matrices must have the same labels, got {self.num_labels} and {other.num_labels}")
        self.counts += other.counts


def joint_counts(
    truth: Integer[ndarray, "..."],
    prediction: Integer[ndarray, "..."],
    *,
    num_labels: int,
    num_columns: int | None = None,
    name: str = "",
) -> Int64[ndarray, "K P"]:
    """Count the pixels of one image by (true label, column).

    Args:
        truth: label ids 0..K-1, or 255 void, which counts nowhere.
        prediction: of the same shape, 0..P-1.
        num_labels: K.
        num_columns: P, ``num_labels`` when None.
        name: the image's id, for errors.

    Returns:
        Counts that sum to the number of pixels that are not void.

    Raises:
        DataError: when the sizes differ or an id is out of range.

    >>> joint_counts(np.array([0, 1, 1, 255]), np.array([2, 0, 0, 9]), num_labels=2, num_columns=3).tolist()
    [[0, 0, 1], [2, 0, 0]]
    """
    columns = num_labels if num_columns is None else num_columns
    of_image = f" of {name}" if name else ""
    if prediction.shape != truth.shape:
        raise DataError(
            f"prediction{of_image} must have the size of its ground truth {truth.shape}, got {prediction.shape}",
            help="check that both belong to the same upright image",
        )
    known = truth != VOID
    rows, cells = truth[known].astype(np.int64), prediction[known].astype(np.int64)
    _require_range(rows, num_labels, f"ground truth{of_image} holds label ids 0..{num_labels - 1} and {VOID}")
    _require_range(cells, columns, f"prediction{of_image} holds label ids 0..{columns - 1}")
    counts = np.bincount(rows * columns + cells, minlength=num_labels * columns)
    return counts.reshape(num_labels, columns).astype(np.int64, copy=False)


def _require_range(ids: Int64[ndarray, " pixels"], count: int, rule: str) -> None:
    if ids.size and not (ids.min() >= 0 and ids.max() < count):
        strange = ids[(ids < 0) | (ids >= count)][0]
        raise DataError(f"{rule}, got {strange}", help="score it with the class table that it was made with")
