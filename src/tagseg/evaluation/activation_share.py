"""Over- and under-activation: how much of the maps lies on the object, and how much of the object the maps cover.

Axes: C classes, H W pixels, T background scores.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tagseg.artifacts.cam_file import CamFile
from tagseg.classes import VOID
from tagseg.errors import DataError
from tagseg.evaluation.threshold import background_cuts, require_known_classes
from tagseg.types import LabelMap


@dataclass(frozen=True, slots=True)
class ActivationShares:
    """Two shares of one class, or of all classes, each in [0, 1], or NaN where the denominator is 0.

    Args:
        inside: of the activation, the share on pixels that truly show the class; low means over-activation.
        covered: of the pixels that truly show the class, the share whose map exceeds the background score; low means
            under-activation.
    """

    inside: float
    covered: float

    def to_dict(self) -> dict[str, float | None]:
        """Return the shares as JSON values: NaN becomes None.

        >>> ActivationShares(0.5, math.nan).to_dict()
        {'inside': 0.5, 'covered': None}
        """
        return {
            name: None if math.isnan(value) else value
            for name, value in (("inside", self.inside), ("covered", self.covered))
        }


@dataclass(frozen=True, slots=True)
class ActivationPoint:
    """The shares at one background score.

    Args:
        background_score: above which a pixel counts as covered, in [0, 1].
        overall: of the activation and the pixels of all classes together.
        classes: by class name.
    """

    background_score: float
    overall: ActivationShares
    classes: dict[str, ActivationShares]


class ActivationCount:
    """Counts both shares over any number of images, for every background score in one pass.

    With ``A_c`` the map of class c (0 where the image has no such map) and ``Y`` the truth, over the pixels that are
    not void::

        inside_c     = sum A_c[Y = c] / sum A_c
        covered_c(s) = #{Y = c and A_c > s} / #{Y = c}

    All classes together divide the sums over c. A pixel's own map decides whether it is covered, not the strongest one,
    so a class can cover pixels that another one takes in the seeds.

    Args:
        label_names: K names, background first (``ClassTable.label_names``).
        background_scores: in [0, 1], ascending, no two alike.

    >>> count = ActivationCount(("background", "cat"), (0.1, 0.5))
    >>> count.update(CamFile(np.array([[[0.25, 0.75]]], np.float32), (1,)), np.array([[0, 1]], np.uint8))
    >>> count.point(0.5).overall
    ActivationShares(inside=0.75, covered=1.0)
    """

    def __init__(self, label_names: Sequence[str], background_scores: Sequence[float]) -> None:
        self.label_names = tuple(label_names)
        self.background_scores = tuple(background_scores)
        self._cuts = background_cuts(background_scores)  # a pixel is covered where a seed of this class alone would be
        num_labels = len(self.label_names)
        # One sum an image, added up exactly at the end: the order of the images changes no bit.
        self._on_object: list[list[float]] = [[] for _ in range(num_labels)]
        self._anywhere: list[list[float]] = [[] for _ in range(num_labels)]
        self._pixels = np.zeros(num_labels, np.int64)
        self._exceeded = np.zeros((num_labels, len(background_scores) + 1), np.int64)

    def update(self, maps: CamFile, truth: LabelMap, *, name: str = "") -> None:
        """Add one image.

        Args:
            maps: its class activation maps.
            truth: (H, W) label ids, 255 void.
            name: the image's id, for errors.

        Raises:
            DataError: when the sizes differ or an id is out of range.
        """
        of_image, num_labels = f" of {name}" if name else "", len(self.label_names)
        if maps.size != truth.shape:
            raise DataError(
                f"CAMs{of_image} must have the size of its ground truth {truth.shape}, got {maps.size}",
                help="check that both belong to the same upright image",
            )
        require_known_classes(maps, num_labels, name=name)
        self._pixels += np.bincount(truth.ravel(), minlength=VOID + 1)[:num_labels]
        known = truth != VOID
        for label, cam in zip(maps.label_ids, maps.cam, strict=True):
            on_object = cam[truth == label]
            self._on_object[label].append(float(on_object.sum(dtype=np.float64)))
            self._anywhere[label].append(float(cam[known].sum(dtype=np.float64)))
            cuts_below = np.searchsorted(self._cuts, on_object, side="left")  # strictly below the score
            self._exceeded[label] += np.bincount(cuts_below, minlength=len(self._cuts) + 1)

    def point(self, background_score: float) -> ActivationPoint:
        """Return the shares at one of the background scores."""
        position = self.background_scores.index(background_score)
        covered = self._exceeded[:, position + 1 :].sum(axis=1)
        labels = range(1, len(self.label_names))
        on_object = [math.fsum(self._on_object[label]) for label in labels]
        anywhere = [math.fsum(self._anywhere[label]) for label in labels]
        classes = {
            self.label_names[label]: ActivationShares(
                _ratio(on_object[label - 1], anywhere[label - 1]), _ratio(int(covered[label]), int(self._pixels[label]))
            )
            for label in labels
        }
        overall = ActivationShares(
            _ratio(math.fsum(on_object), math.fsum(anywhere)), _ratio(int(covered.sum()), int(self._pixels[1:].sum()))
        )
        return ActivationPoint(background_score, overall, classes)


def _ratio(part: float | int, whole: float | int) -> float:
    return part / whole if whole else math.nan
