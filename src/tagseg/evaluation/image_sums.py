"""What the scores need of each image, one by one: for a table of images, and for resampling them.

Axes: I images, K labels (background first), 3 sums of each label.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from tagseg.artifacts.image_scores_csv import ImageRow
from tagseg.artifacts.run_scores import LabelScores
from tagseg.evaluation.scores import label_sums, scores_of_sums


class ImageSums:
    """The sums of :func:`tagseg.evaluation.scores.label_sums` of each image, in the order in which they come.

    >>> found = ImageSums()
    >>> found.add("a", np.array([[3, 1], [0, 2]]))
    >>> found.image_ids, found.array().tolist()
    (['a'], [[[3, 2], [4, 2], [3, 3]]])
    """

    def __init__(self) -> None:
        self.image_ids: list[str] = []
        self._sums: list[Int64[ndarray, "3 K"]] = []

    def add(self, image_id: str, counts: Int64[ndarray, "K K"]) -> None:
        """Add an image by its confusion matrix; all have the same labels."""
        self.image_ids.append(image_id)
        self._sums.append(label_sums(counts))

    def array(self) -> Int64[ndarray, "I 3 K"]:
        """Return the sums of all images, at least one."""
        return np.stack(self._sums)


def image_rows(found: ImageSums, label_names: Sequence[str], *, what: str) -> Iterator[ImageRow]:
    """Yield the scores of every image by itself, for its table: mIoU is the mean over the labels in the image.

    Args:
        found: sums of at least one image; labels beyond the names occur nowhere.
        label_names: background first.
        what: is scored.

    >>> found = ImageSums()
    >>> found.add("a", np.array([[3, 1], [0, 0]]))
    >>> [(_, name, pixels, scores)] = image_rows(found, ("background", "cat"), what="masks")
    >>> name, pixels, scores.iou
    ('a', 4, {'background': 0.75, 'cat': 0.0})
    """
    for image_id, sums in zip(found.image_ids, found.array(), strict=True):
        scores = scores_of_sums(sums[:, : len(label_names)], label_names)
        yield what, image_id, int(sums[1].sum()), LabelScores(**scores.to_dict())
