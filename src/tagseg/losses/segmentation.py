"""What a segmentation network learns from: cross-entropy, labels of a teacher, weights of pixels and of labels.

Axes: N images, K labels with background, C = K - 1 classes, H W rows and columns. Label 255 is void: nothing is known.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int16, Int64, Integer
from torch import Tensor
from torch.nn import functional

from tagseg.classes import VOID

BALANCE_RANGE = (0.25, 4.0)
"""Least and greatest weight of a label: a label of few pixels must not drown the others in its noise."""


class WeightedSum(NamedTuple):
    """A weighted sum of losses and the sum of its weights; processes add up both before one divides the other.

    Args:
        total: sum of ``weight * loss``.
        weight: sum of the weights, at least 0.
    """

    total: Float[Tensor, ""]
    weight: Float[Tensor, ""]


def pixel_cross_entropy(
    logits: Float[Tensor, "N K H W"],
    labels: Integer[Tensor, "N H W"],
    *,
    pixel_weights: Float[Tensor, "N H W"] | None = None,
    class_weights: Float[Tensor, " K"] | None = None,
) -> WeightedSum:
    """Add up how badly the logits fit the labels, over all pixels that have one.

    ``total = sum_p w_p c_l(p) (log sum_k exp z_kp - z_l(p)p)`` and ``weight = sum_p w_p c_l(p)`` over pixels p whose
    label l(p) is not void.

    Args:
        logits: z, unbounded; halves count as float32.
        labels: label ids, 0..K-1, or 255 where nothing is known.
        pixel_weights: w, at least 0; None is 1 everywhere.
        class_weights: c, one a label, at least 0; None is 1 for all.

    Returns:
        The sum, differentiable in the logits, and the weight.

    Raises:
        IndexError: from torch, when a label is neither below K nor 255 (an assertion of the device on CUDA).

    >>> logits, labels = torch.zeros(1, 2, 1, 3), torch.tensor([[[0, 1, 255]]])
    >>> pixel_cross_entropy(logits, labels, class_weights=torch.tensor([1.0, 3.0]))
    WeightedSum(total=tensor(2.7726), weight=tensor(4.))
    """
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    labels = labels.to(torch.int64)
    losses = functional.cross_entropy(logits, labels, ignore_index=VOID, reduction="none")
    weights = (labels != VOID).to(logits.dtype)
    if class_weights is not None:
        weights = weights * class_weights.to(logits.dtype)[torch.where(labels == VOID, 0, labels)]
    if pixel_weights is not None:
        weights = weights * pixel_weights
    return WeightedSum((weights * losses).sum(), weights.sum())


class TeacherLabels(NamedTuple):
    """What a teacher says of every pixel.

    Args:
        labels: the label that it finds most likely among those that the image can show; of equally likely ones the
            first.
        probability: of that label among them, in [0, 1].
    """

    labels: Int64[Tensor, "N H W"]
    probability: Float[Tensor, "N H W"]


@torch.no_grad()
def teacher_labels(logits: Float[Tensor, "N K H W"], tags: Float[Tensor, "N C"] | None) -> TeacherLabels:
    """Name the label that a teacher finds most likely.

    The labels that an image can show are background and its tagged classes; the others take no part in the softmax.

    Source: FixMatch (Sohn et al., NeurIPS 2020), whose threshold is on this probability. Departure: image tags rule
    labels out.

    Args:
        logits: of the teacher, unbounded; no gradient goes back.
        tags: 1 where the image shows the class, else 0; None makes all labels possible.

    >>> logits = torch.tensor([[[[0.0, 3.0]], [[0.0, 0.0]], [[9.0, 9.0]]]])
    >>> labels, probability = teacher_labels(logits, torch.tensor([[1.0, 0.0]]))
    >>> labels.tolist(), [round(value, 2) for value in probability.flatten().tolist()]
    ([[[0, 0]]], [0.5, 0.95])
    """
    num_classes = logits.shape[1] - 1
    tagged = logits.new_ones(len(logits), num_classes) if tags is None else tags
    possible = functional.pad(tagged > 0, (1, 0), value=True)
    labels, probabilities = [], []
    # Image by image, since few of all labels are possible: the whole batch would cost a dozen times as much.
    for scores, shown in zip(logits, possible, strict=True):
        label_ids = shown.nonzero()[:, 0]
        probability, place = scores[label_ids].float().softmax(dim=0).max(dim=0)
        labels.append(label_ids[place])
        probabilities.append(probability)
    return TeacherLabels(torch.stack(labels), torch.stack(probabilities))


@torch.no_grad()
def boundary_weights(labels: Integer[Tensor, "N H W"], *, radius_px: int, weight: float) -> Float[Tensor, "N H W"]:
    """Weigh the pixels near the border of two labels.

    A pixel is near when the square of side ``2 * radius_px + 1`` around it holds another label than its own. Void is
    no label: it makes no border, and its pixels count 1.

    Source: BECO (Rong et al., CVPR 2023), whose loss stresses boundaries. Departure: the boundaries are those of the
    labels themselves; no artificial ones are pasted into the image.

    Args:
        labels: label ids, 255 where nothing is known.
        radius_px: reach of a border, at least 0; 0 makes all weights 1.
        weight: of pixels near a border, at least 1.

    Returns:
        ``weight`` near borders, 1 elsewhere.

    >>> boundary_weights(torch.tensor([[[0, 0, 2, 255, 1, 1]]]), radius_px=1, weight=5.0).tolist()
    [[[1.0, 5.0, 5.0, 1.0, 1.0, 1.0]]]
    """
    known = labels != VOID
    if weight == 1:
        return torch.ones_like(known, dtype=torch.float32)
    labels = labels.to(torch.int16)
    # A square holds two labels when the largest differs from the smallest, which is the largest of the negated ones.
    largest = _square_maximum(torch.where(known, labels, -VOID), radius_px)
    smallest = -_square_maximum(torch.where(known, -labels, -VOID), radius_px)
    return torch.where(known & (largest != smallest), weight, 1.0)


def label_balance(counts: Integer[Tensor, " K"]) -> Float[Tensor, " K"]:
    """Weigh labels by how rare they are.

    ``weight_k = clip(sqrt(median / count_k), 0.25, 4)``, the median over labels that occur.

    Source: median frequency balancing (Eigen and Fergus, ICCV 2015). Departures: the square root and the bounds, since
    pseudo masks of rare labels are the noisiest; counts are taken over all images, not over those with the label.

    Args:
        counts: pixels of each label in the masks that are learned from.

    Returns:
        Weights in [0.25, 4] as float32; 1 for a label that does not occur.

    >>> label_balance(torch.tensor([900, 100, 25, 0])).tolist()
    [0.3333333432674408, 1.0, 2.0, 1.0]
    """
    occurring = counts > 0
    if not occurring.any():
        return torch.ones_like(counts, dtype=torch.float32)
    median = counts[occurring].float().quantile(0.5)
    return torch.where(occurring, (median / counts).sqrt().clamp(*BALANCE_RANGE), 1.0)


def _square_maximum(values: Int16[Tensor, "N H W"], radius: int) -> Int16[Tensor, "N H W"]:
    """Return the largest value in the square around each pixel; outside the image there is none."""
    size = 2 * radius + 1
    values = functional.pad(values, (radius,) * 4, value=-VOID)
    for axis in (1, 2):
        covered = 1
        while covered < size:
            # Two overlapping runs of `covered` pixels make one of `covered + step`: log2(size) passes, not size.
            step = min(covered, size - covered)
            length = values.shape[axis] - step
            values = torch.maximum(values.narrow(axis, 0, length), values.narrow(axis, step, length))
            covered += step
    return values
