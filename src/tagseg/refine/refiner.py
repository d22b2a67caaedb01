"""One interface of every way to sharpen the scores of an image, so that they can be swapped and put in a row.

Axes: L labels of one image with background first, H W pixels, h w cells at stride 4.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float32, Integer
from numpy import ndarray
from torch import Tensor
from torch.nn import functional

from tagseg.errors import DataError
from tagseg.refine.dense_crf import CrfSettings, DenseCrf, label_probabilities
from tagseg.refine.pixel_adaptive import PixelAdaptiveSettings, pixel_adaptive
from tagseg.refine.pseudo_mask import winning_labels
from tagseg.refine.random_walk import walk_cam
from tagseg.refine.superpixel_snap import snap_scores
from tagseg.types import Image

LabelScores = Float32[Tensor, "L H W"]


@runtime_checkable
class Refiner(Protocol):
    """What turns the label scores of an image into better ones, of the same shape and on the same device.

    An image without tags has background as its only label; its scores come back as they are.
    """

    def __call__(self, image: Image, scores: LabelScores) -> LabelScores:
        """Refine the scores (L H W), background first, of an RGB image (H W 3) in 0..255."""
        ...


@dataclass(frozen=True, slots=True)
class Unrefined:
    """Leaves the scores as they are.

    >>> Unrefined()(np.zeros((1, 1, 3), np.uint8), torch.tensor([[[0.5]], [[0.75]]])).flatten().tolist()
    [0.5, 0.75]
    """

    def __call__(self, image: Image, scores: LabelScores) -> LabelScores:
        """Return the scores."""
        return scores


@dataclass(frozen=True, slots=True, eq=False)
class SuperpixelSnap:
    """Gives each region the label that most of its pixels have, see :func:`snap_scores`.

    Args:
        regions: region of every pixel, -1 where it has none.

    >>> scores = torch.tensor([[[0.5, 0.5, 0.5, 0.5]], [[0.0, 0.9, 0.8, 0.1]]])
    >>> snap = SuperpixelSnap(np.array([[0, 1, 1, 1]]))
    >>> snap(np.zeros((1, 4, 3), np.uint8), scores).argmax(dim=0).tolist()
    [[0, 1, 1, 1]]
    """

    regions: Integer[ndarray, "H W"]

    def __call__(self, image: Image, scores: LabelScores) -> LabelScores:
        """Return each label's share of the pixel's region, or raise :class:`DataError` when the sizes differ."""
        if self.regions.shape != scores.shape[1:]:
            raise DataError(
                f"superpixels must have the size of the image, {tuple(scores.shape[1:])}, got {self.regions.shape}",
                help="delete the stored superpixels and compute them from this image again",
            )
        if len(scores) == 1:
            return scores
        regions = torch.tensor(np.ascontiguousarray(self.regions), dtype=torch.int64, device=scores.device)
        return snap_scores(scores, regions)


@dataclass(frozen=True, slots=True)
class CrfRefiner:
    """Draws the labels to the edges of the image with a dense CRF, see :class:`DenseCrf`.

    Args:
        settings: kernels and iterations.
        unary: what the CRF starts from: the arg-max "labels" with one certainty for all (IRN), or the "scores", which
            are at least 0, divided by their sum over the labels.
        certainty: probability of the arg-max label, in (0, 1], for "labels".

    >>> image = np.zeros((8, 8, 3), np.uint8)
    >>> image[:, 4:] = 255
    >>> scores = torch.full((2, 8, 8), 0.5)
    >>> scores[1, :, 4:] = 0.75
    >>> scores[1, 5, 6] = 0.25  # a hole in the object
    >>> CrfRefiner()(image, scores).argmax(dim=0)[5].tolist()
    [0, 0, 0, 0, 1, 1, 1, 1]
    """

    settings: CrfSettings = field(default_factory=CrfSettings)
    unary: Literal["labels", "scores"] = "labels"
    certainty: float = 0.7

    def __call__(self, image: Image, scores: LabelScores) -> LabelScores:
        """Return the probabilities of the labels."""
        if len(scores) == 1:
            return scores
        if self.unary == "labels":
            winners = winning_labels(scores)
            probabilities = label_probabilities(winners, num_labels=len(scores), certainty=self.certainty)
        else:
            probabilities = functional.normalize(scores, p=1, dim=0)  # a pixel of zeros stays so: any label will do
        return DenseCrf(image, settings=self.settings, device=scores.device).infer(probabilities)


@dataclass(frozen=True, slots=True)
class PixelAdaptive:
    """Averages the scores over neighbours of like colour, see :func:`pixel_adaptive`.

    Args:
        settings: neighbours, iterations and scales.

    >>> PixelAdaptive()(np.zeros((1, 1, 3), np.uint8), torch.tensor([[[0.5]], [[0.75]]])).argmax(dim=0).tolist()
    [[1]]
    """

    settings: PixelAdaptiveSettings = field(default_factory=PixelAdaptiveSettings)

    def __call__(self, image: Image, scores: LabelScores) -> LabelScores:
        """Return the averaged scores."""
        return scores if len(scores) == 1 else pixel_adaptive(image, scores, settings=self.settings)


@dataclass(frozen=True, slots=True, eq=False)
class WalkRefiner:
    """Lets the maps of the classes walk up to the boundaries that the affinity network saw, see :func:`walk_cam`.

    The background map stays: the walk's result is compared with the same constant everywhere.

    Args:
        boundary: in [0, 1], 1 on a boundary, at stride 4.
        radius: two cells closer than this are a pair.
        beta: power of the affinities.
        doublings: 2^doublings steps.

    >>> scores = torch.full((2, 48, 48), 0.25)
    >>> scores[1] = 0.0
    >>> scores[1, 20:28, 20:28] = 1.0
    >>> walked = WalkRefiner(torch.zeros(12, 12))(np.zeros((48, 48, 3), np.uint8), scores)
    >>> bool((walked.argmax(dim=0) == 1).all()), walked[0].unique().tolist()
    (True, [0.25])
    """

    boundary: Float32[Tensor, "h w"]
    radius: int = 5
    beta: float = 10.0
    doublings: int = 8

    def __call__(self, image: Image, scores: LabelScores) -> LabelScores:
        """Return the scores with walked maps of the classes."""
        if len(scores) == 1:
            return scores
        boundary = self.boundary.to(scores.device)
        walked = walk_cam(scores[1:], boundary, radius=self.radius, beta=self.beta, doublings=self.doublings)
        return torch.cat([scores[:1], walked])


def refine_in_order(image: Image, scores: LabelScores, refiners: Sequence[Refiner]) -> LabelScores:
    """Run refiners one after the other, each on the scores of the one before.

    Args:
        image: RGB (H W 3) in 0..255.
        scores: of background and of each tagged class.
        refiners: from the first to the last; none changes nothing.

    Returns:
        Scores of the last refiner, in its own unit.

    Raises:
        DataError: when image and scores differ in size.

    >>> scores = torch.tensor([[[0.5, 0.5, 0.5]], [[0.0, 0.9, 0.8]]])
    >>> snap = SuperpixelSnap(np.array([[0, 0, 0]]))
    >>> refine_in_order(np.zeros((1, 3, 3), np.uint8), scores, [Unrefined(), snap]).argmax(dim=0).tolist()
    [[1, 1, 1]]
    """
    if image.shape[:2] != scores.shape[1:]:
        raise DataError(
            f"scores must have the size of the image, {image.shape[:2]}, got {tuple(scores.shape[1:])}",
            help="compute the maps from this image again",
        )
    return reduce(lambda refined, refiner: refiner(image, refined), refiners, scores)
