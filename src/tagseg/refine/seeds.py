"""Seeds: which pixels the CAMs are sure of, the only labels that the affinity network learns from.

Axes: C_t tagged classes of the image, L = 1 + C_t labels with background first, H W pixels.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float32, Int64, UInt8
from numpy import ndarray
from torch import Tensor

from tagseg.classes import BACKGROUND, VOID
from tagseg.errors import RecipeError
from tagseg.refine.dense_crf import DenseCrf, label_probabilities
from tagseg.refine.pseudo_mask import label_scores, winning_labels


def seed_labels(
    cam: Float32[ndarray, "C_t H W"],
    label_ids: Sequence[int],
    *,
    foreground_score: float,
    background_score: float,
    crf: DenseCrf | None,
    certainty: float = 0.7,
) -> UInt8[ndarray, "H W"]:
    """Label the pixels that are surely foreground or surely background, and leave the others void.

    With ``l(s)`` the arg-max of the maps and a constant background score ``s``, after the dense CRF:
    ``seed = l(high)`` where that is foreground; else background where ``l(low)`` is background too; else void.

    Source: IRN (Ahn et al., CVPR 2019), the labels of its affinity network, which SSC takes over with 0.30 and 0.10.

    Args:
        cam: maps of the tagged classes in [0, 1].
        label_ids: the class of each map, 1..C.
        foreground_score: the high background score: what beats it is surely foreground. In [background_score, 1].
        background_score: the low background score: what does not beat it is surely background. In [0, 1].
        crf: the image's dense CRF, which draws both label maps to the edges of the image; None for plain thresholds.
        certainty: probability that the CRF gives a label of the CAMs before it starts, above chance, at most 1.

    Returns:
        Label ids, 255 where neither is sure. An image without tags is background everywhere: nothing else can be there.

    Raises:
        RecipeError: when the scores are not ``0 <= background_score <= foreground_score <= 1``.

    >>> cam = np.array([[[0.05, 0.2, 0.9]]], np.float32)
    >>> seed_labels(cam, (7,), foreground_score=0.3, background_score=0.1, crf=None).tolist()
    [[0, 255, 7]]
    """
    if not 0 <= background_score <= foreground_score <= 1:
        raise RecipeError(
            "seed scores hold 0 <= background_score <= foreground_score <= 1, "
            f"got background_score {background_score} and foreground_score {foreground_score}",
            help="take the 0.1 and 0.3 of IRN",
        )
    if not label_ids:
        return np.full(cam.shape[1:], BACKGROUND, np.uint8)
    maps = torch.tensor(np.ascontiguousarray(cam))
    winners = torch.stack([winning_labels(label_scores(maps, score)) for score in (foreground_score, background_score)])
    if crf is not None:
        winners = _through_crf(winners, crf, num_labels=1 + len(label_ids), certainty=certainty)
    sure_foreground, not_background = (winners != BACKGROUND).cpu().numpy()
    labels = np.asarray((BACKGROUND, *label_ids), np.uint8)[winners[0].cpu().numpy()]
    labels[not_background & ~sure_foreground] = VOID
    return labels


def _through_crf(
    winners: Int64[Tensor, "2 H W"], crf: DenseCrf, *, num_labels: int, certainty: float
) -> Int64[Tensor, "2 H W"]:
    """Run two label maps through one image's CRF in one pass, which costs little more than one of them."""
    unaries = [label_probabilities(each, num_labels=num_labels, certainty=certainty) for each in winners]
    return torch.stack([winning_labels(scores) for scores in crf.infer(torch.stack(unaries))])
