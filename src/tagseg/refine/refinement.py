"""One interface of every way to sharpen the maps or the label scores of images, so that they can be put in a row.

A refinement is prepared on a batch of images, where a network that it needs looks at all of them at once, and gives one
refiner an image. Those of the maps come before the background is cut off; the others work on the scores of the labels.

Axes: L labels of one image, with background first once it is cut off, H W pixels.
"""

from collections.abc import Sequence
from functools import reduce
from typing import Protocol, runtime_checkable

from jaxtyping import Float32
from torch import Tensor

from tagseg.errors import DataError
from tagseg.types import Image, ImageRecord

LabelScores = Float32[Tensor, "L H W"]


@runtime_checkable
class Refiner(Protocol):
    """What turns the scores of an image into better ones, of the same shape and on the same device.

    An image without tags has no map, or background as its only label; its scores come back as they are.
    """

    def __call__(self, image: Image, scores: LabelScores) -> LabelScores:
        """Refine the scores (L H W), background first or the maps of the classes, of an RGB image (H W 3) in 0..255."""
        ...


@runtime_checkable
class Refinement(Protocol):
    """What gives each image its refiner."""

    def prepare(self, images: Sequence[Image], records: Sequence[ImageRecord]) -> Sequence[Refiner]:
        """Return one refiner an image.

        Args:
            images: RGB (H W 3) in 0..255, all of one size.
            records: of the same images, for what is kept of them elsewhere, such as their superpixels.
        """
        ...


def refine_in_order(image: Image, scores: LabelScores, refiners: Sequence[Refiner]) -> LabelScores:
    """Run refiners one after the other, each on the scores of the one before.

    Args:
        image: RGB (H W 3) in 0..255.
        scores: of background and of each tagged class, or of these alone before the cut.
        refiners: from the first to the last; none changes nothing.

    Returns:
        Scores of the last refiner, in its own unit.

    Raises:
        DataError: when image and scores differ in size.

    >>> import numpy as np
    >>> import torch
    >>> from tagseg.refine.superpixel_snap import SuperpixelSnap
    >>> scores = torch.tensor([[[0.5, 0.5, 0.5]], [[0.0, 0.9, 0.8]]])
    >>> snap = SuperpixelSnap(np.array([[0, 0, 0]]))
    >>> refine_in_order(np.zeros((1, 3, 3), np.uint8), scores, [snap]).argmax(dim=0).tolist()
    [[1, 1, 1]]
    """
    if image.shape[:2] != scores.shape[1:]:
        raise DataError(
            f"scores must have the size of the image, {image.shape[:2]}, got {tuple(scores.shape[1:])}",
            help="compute the maps from this image again",
        )
    return reduce(lambda refined, refiner: refiner(image, refined), refiners, scores)
