"""The dense CRF as a refinement: labels move to the edges of the image.

Axes: L labels of one image with background first, H W pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from torch.nn import functional

from tagseg.refine.dense_crf import CrfSettings, DenseCrf, label_probabilities
from tagseg.refine.pseudo_mask import winning_labels
from tagseg.refine.refinement import LabelScores, Refiner
from tagseg.types import Image, ImageRecord


@dataclass(frozen=True, slots=True)
class CrfRefiner:
    """Draws the labels to the edges of the image with a dense CRF, see :class:`DenseCrf`.

    Args:
        settings: kernels and iterations.
        unary: what the CRF starts from: the arg-max "labels" with one certainty for all (IRN), the "scores", which are
            at least 0, divided by their sum over the labels, or the "softmax" of the scores, which keeps what is nearly
            a tie easy to move.
        certainty: probability of the arg-max label, above chance and at most 1, for "labels".
        temperature: what the scores are divided by for "softmax", above 0.

    >>> import numpy as np
    >>> import torch
    >>> image = np.zeros((8, 8, 3), np.uint8)
    >>> image[:, 4:] = 255
    >>> scores = torch.full((2, 8, 8), 0.5)
    >>> scores[1, :, 4:] = 0.75
    >>> scores[1, 5, 6] = 0.25  # a hole in the object
    >>> CrfRefiner()(image, scores).argmax(dim=0)[5].tolist()
    [0, 0, 0, 0, 1, 1, 1, 1]
    """

    settings: CrfSettings = field(default_factory=CrfSettings)
    unary: Literal["labels", "scores", "softmax"] = "labels"
    certainty: float = 0.7
    temperature: float = 0.15

    def prepare(self, images: Sequence[Image], records: Sequence[ImageRecord]) -> Sequence[Refiner]:
        """Return this for each image: it needs to know nothing of them."""
        return [self] * len(images)

    def __call__(self, image: Image, scores: LabelScores) -> LabelScores:
        """Return the probabilities of the labels."""
        if len(scores) == 1:
            return scores
        if self.unary == "labels":
            winners = winning_labels(scores)
            probabilities = label_probabilities(winners, num_labels=len(scores), certainty=self.certainty)
        elif self.unary == "softmax":
            probabilities = (scores / self.temperature).softmax(dim=0)
        else:
            probabilities = functional.normalize(scores, p=1, dim=0)  # a pixel of zeros stays so: any label will do
        return DenseCrf(image, settings=self.settings, device=scores.device).infer(probabilities)
