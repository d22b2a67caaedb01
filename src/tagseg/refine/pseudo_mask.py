"""The pseudo mask of an image: the label of every pixel, how strong it is, and which pixels to trust.

Axes: C_t tagged classes of the image, L = 1 + C_t labels with background first, H W pixels.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64, UInt8
from numpy import ndarray
from torch import Tensor
from torch.nn import functional

from tagseg.classes import BACKGROUND, VOID
from tagseg.errors import RecipeError


def label_scores(cam: Float[Tensor, "C_t H W"], background_score: float) -> Float[Tensor, "L H W"]:
    """Put a constant map for background before the maps of the tagged classes.

    Args:
        cam: maps of the tagged classes in [0, 1].
        background_score: in [0, 1]; a pixel that no class exceeds is background.

    Returns:
        Scores of background and of each class.

    Raises:
        RecipeError: when the background score is out of range.

    >>> label_scores(torch.tensor([[[0.75, 0.0]]]), 0.25).tolist()
    [[[0.25, 0.25]], [[0.75, 0.0]]]
    """
    if not 0 <= background_score <= 1:
        raise RecipeError(
            f"background score lies in [0, 1], got {background_score}", help="take 0.25, or sweep it where masks exist"
        )
    return functional.pad(cam, (0, 0, 0, 0, 1, 0), value=background_score)


def winning_labels(scores: Float[Tensor, "L H W"]) -> Int64[Tensor, "H W"]:
    """Return the position of each pixel's highest score, the first of equal ones.

    >>> winning_labels(torch.tensor([[[0.25, 0.5]], [[0.75, 0.5]]])).tolist()
    [[1, 0]]
    """
    return scores.max(dim=0).indices  # argmax gives the same, on a CPU in five times the time


@dataclass(frozen=True, slots=True, eq=False)
class PseudoMask:
    """Labels of one image with what speaks for them.

    Args:
        labels: label ids; only background and the image's tags.
        score: the winning label's score, in the unit of the scores.
        margin: how far it leads the other labels, at least 0; 1 where there is only one label.
    """

    labels: UInt8[ndarray, "H W"]
    score: Float32[ndarray, "H W"]
    margin: Float32[ndarray, "H W"]

    @classmethod
    def from_scores(
        cls,
        scores: Float[Tensor, "L H W"],
        label_ids: Sequence[int],
        *,
        trusted: Float[Tensor, "L H W"] | None = None,
    ) -> "PseudoMask":
        """Give every pixel the label with the highest score, the first of equal ones: background, then the lower id.

        ``margin = max(0, t_l - max_{k != l} t_k)`` of the label ``l``, in the scores ``t`` that are trusted. It is 0
        for a tie and where they speak for another label, and 1 for an image without tags.

        Args:
            scores: finite, of background and of each tagged class.
            label_ids: the class of each map but the first, ascending, 1..C.
            trusted: scores before a refinement that makes all of its labels look sure, such as the dense CRF; None
                for those that the labels are picked from.

        Raises:
            ValueError: when there is not one map a label.

        >>> mask = PseudoMask.from_scores(torch.tensor([[[0.25, 0.5]], [[0.75, 0.5]]]), (7,))
        >>> mask.labels.tolist(), mask.score.tolist(), mask.margin.tolist()
        ([[7, 0]], [[0.75, 0.5]], [[0.5, 0.0]])
        """
        if len(scores) != 1 + len(label_ids):
            raise ValueError(f"there must be a map for background and one a label id, got {len(scores)}, {label_ids}")
        scores = scores.float()
        winner = winning_labels(scores)
        best = scores.gather(0, winner[None])[0]
        margin = _lead(scores if trusted is None else trusted.float(), winner)
        labels = np.asarray((BACKGROUND, *label_ids), np.uint8)[winner.cpu().numpy()]
        return cls(labels, best.cpu().numpy(), margin.cpu().numpy())


def _lead(scores: Float[Tensor, "L H W"], labels: Int64[Tensor, "H W"]) -> Float[Tensor, "H W"]:
    """Return how far the score of each pixel's label leads those of the other labels, at least 0."""
    own = scores.gather(0, labels[None])[0]
    if len(scores) == 1:
        return torch.ones_like(own)
    return (own - scores.scatter(0, labels[None], -math.inf).amax(dim=0)).clamp_min(0)


def confidence_mask(
    labels: UInt8[ndarray, "H W"], margin: Float32[ndarray, "H W"], *, keep_fraction: float
) -> Bool[ndarray, "H W"]:
    """Select the pixels of each label, background too, that lead their runner-up by the most.

    ``kept = {p: margin(p) >= cut(label(p))}``, with ``cut(l)`` the margin of rank ``ceil(keep_fraction * |l|)`` in l.

    Source: SSC's release, after BECO (Rong et al., CVPR 2023): half of the pixels of each class. Departures: a tie has
    margin 0 and counts as the least certain, where the release gives it a huge one; and pixels as certain as the last
    one kept are kept too, since nothing but their place in memory would tell them apart.

    Args:
        labels: label ids of the image; void is not a label and is never kept.
        margin: lead of each pixel's label, at least 0.
        keep_fraction: share of each label's pixels to keep, in [0, 1]: 0 keeps none, 1 keeps all. Below 1, a pixel with
            margin 0 is not kept: all of a label's pixels can be ties, and none of them is confident then.

    Returns:
        True where the label is to be trusted. A larger fraction keeps every pixel of a smaller one, and at least one
        pixel with a margin of every label when it is above 0.

    Raises:
        RecipeError: when the fraction is out of range.

    >>> labels, margin = np.array([[0, 0, 3, 3]], np.uint8), np.array([[0.1, 0.4, 0.9, 0.8]], np.float32)
    >>> confidence_mask(labels, margin, keep_fraction=0.5).tolist()
    [[False, True, True, False]]
    """
    if not 0 <= keep_fraction <= 1:
        raise RecipeError(
            f"keep_fraction lies in [0, 1], got {keep_fraction}", help="take 0.5, or 1 to trust every pixel"
        )
    if keep_fraction == 1:
        return labels != VOID
    if keep_fraction == 0:
        return np.zeros(labels.shape, bool)
    counts = np.bincount(labels.ravel(), minlength=VOID + 1)
    cuts = np.full(VOID + 1, np.inf, np.float32)
    for label in np.flatnonzero(counts[:VOID]):
        # Rounded first, so that 0.28 of 25 pixels are 7 and not, through 7.000000000000001, 8.
        rank = counts[label] - max(1, math.ceil(round(keep_fraction * int(counts[label]), 6)))
        cuts[label] = np.partition(margin[labels == label], rank)[rank]
    return (margin >= cuts[labels]) & (margin > 0)


def doubtful_pixels(cam: Float[Tensor, "C_t H W"], background_score: float) -> Bool[Tensor, "H W"]:
    """Return the pixels whose label leads by less than half of the most that it could.

    Background leads by at most its score ``b``, a class by at most ``1 - b``. So a pixel is doubtful when its strongest
    class scores between ``b / 2`` and ``(1 + b) / 2``, or when two classes are close there.

    Args:
        cam: maps of the tagged classes in [0, 1]; without any no pixel is doubtful.
        background_score: in [0, 1], by which the mask is cut.

    >>> doubtful_pixels(torch.tensor([[[0.0, 0.25, 0.5, 1.0, 1.0]], [[0.0, 0.0, 0.0, 0.0, 0.75]]]), 0.4).tolist()
    [[False, True, True, False, True]]
    """
    scores = label_scores(cam, background_score)
    winner = winning_labels(scores)
    most = torch.where(winner == 0, background_score, 1 - background_score)
    return _lead(scores, winner) < most / 2
