"""Pair losses of the affinity network: boundaries that part classes, and displacements that meet inside objects.

Axes: N images, h w rows and columns of the grid of cells, hs ws of its source cells, M = N * h * w cells.

Nothing here holds pairs. A pair's affinity is decided by one cell, the one with the largest boundary on its path: the
loss of all pairs is a sum over cells, of the pairs that a cell decides times what its boundary costs each of them. An
absolute difference is a sum of its two ends with signs: the error of all displacements is a sum over cells, of the
signs that a cell collects times its displacement. Counts and signs are constants, so the gradients are exact.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64, Integer, Shaped
from torch import Tensor

from tagseg.classes import BACKGROUND, VOID
from tagseg.ops.pairs import Offset, neighbour_cells, neighbour_offsets, path_maximum, source_cells

COST_FLOOR = 1e-5
"""Keeps the logarithms finite at affinities of 0 and 1: no pair costs more than -log(1e-5) = 11.5."""

BOUNDARY_GUESS = math.log(2)
"""What the best guess that looks at no image costs the boundary, 1/2 everywhere, where every kind has pairs."""

SAME_BACKGROUND, SAME_FOREGROUND, DIFFERENT, IGNORED = KINDS = range(4)
"""The kinds of pairs; those with an unknown end are ignored."""


class PairSums(NamedTuple):
    """Sums of losses and how many terms each has; processes add up both before one divides the other.

    Args:
        sums: over background pairs, foreground pairs of one label, pairs of two labels, then of the displacement
            errors of foreground pairs and of background pairs.
        counts: terms of each sum: one a pair, and two (dy and dx) for displacements.
    """

    sums: Float[Tensor, "5"]
    counts: Float[Tensor, "5"]


def pair_sums(
    boundary: Float[Tensor, "N h w"],
    displacement: Float[Tensor, "N 2 h w"],
    labels: Integer[Tensor, "N h w"],
    *,
    radius: int = 10,
) -> PairSums:
    """Add up the losses of all pairs that are closer than a radius and whose labels are known.

    With ``affinity = 1 - max(boundary on the path)``, a pair of one label costs ``-log(affinity + 1e-5)`` and a pair of
    two labels ``-log(1 - affinity + 1e-5)``. A pair of one label has the displacement error
    ``|D(source) - D(neighbour) - offset|`` in the foreground and ``|D(source) - D(neighbour)|`` in the background.

    Source: IRN (Ahn et al., CVPR 2019), the losses of the class boundary and of the displacement field. Departures:
    sums and counts in the place of means, so that several processes agree with a single one; where cells of a path
    are equally strong, the last in row-major order takes the gradient.

    Args:
        boundary: in [0, 1]; halves count as float32.
        displacement: (dy, dx) that leads from each cell to the centre of its object, in cells.
        labels: label ids, 0 background, 255 unknown.
        radius: of the pairs, in cells, at least 1.

    Returns:
        Sums, differentiable in boundary and displacement, and counts.

    Raises:
        RecipeError: when the grid is too small for the radius.

    >>> boundary, labels = torch.tensor([[[0.0, 0.5, 0.0], [0.0, 0.0, 0.0]]]), torch.tensor([[[0, 0, 0], [1, 1, 255]]])
    >>> sums, counts = pair_sums(boundary, torch.zeros(1, 2, 2, 3), labels, radius=2)
    >>> sums[:3], counts.tolist()
    (tensor([0.6931, 0.0000, 1.3863]), [1.0, 0.0, 2.0, 0.0, 2.0])
    """
    boundary, displacement = (x.to(torch.promote_types(x.dtype, torch.float32)) for x in (boundary, displacement))
    strengths, order = boundary.flatten().sort(stable=True)
    decided = _decided_pairs(order, labels, radius=radius)
    votes = _displacement_votes(displacement, labels, radius=radius)
    same, different = -torch.log(1 - strengths + COST_FLOOR), -torch.log(strengths + COST_FLOOR)
    background, foreground, other = decided.sum(dim=1).unbind()
    sums = [
        (decided[SAME_BACKGROUND] * same).sum(),
        (decided[SAME_FOREGROUND] * same).sum(),
        (decided[DIFFERENT] * different).sum(),
        (votes.foreground * displacement).sum() - votes.shift,
        (votes.background * displacement).sum(),
    ]
    counts = [background, foreground, other, 2 * foreground, 2 * background]
    return PairSums(torch.stack(sums), torch.stack(counts).to(boundary.dtype))


def affinity_loss(sums: Float[Tensor, "5"], counts: Float[Tensor, "5"]) -> Float[Tensor, ""]:
    """Weigh the means of the five sums into one number.

    ``((background + foreground) / 2 + different) / 2 + (displacement of foreground + of background) / 2``

    Source: IRN (Ahn et al., CVPR 2019), the joint loss; the weights are its release's.

    Args:
        sums: of :func:`pair_sums`, added up over processes.
        counts: of :func:`pair_sums`, added up over processes.

    Returns:
        A scalar, at least 0 but for rounding. A kind without pairs adds 0.

    >>> affinity_loss(torch.tensor([2.0, 4.0, 3.0, 1.0, 0.0]), torch.tensor([1.0, 1.0, 1.0, 2.0, 0.0])).item()
    3.25
    """
    displacements = sums[3:] / counts[3:].clamp_min(1)
    return boundary_loss(sums, counts) + displacements.mean()


def boundary_loss(sums: Float[Tensor, "5"], counts: Float[Tensor, "5"]) -> Float[Tensor, ""]:
    """Weigh the means of the first three sums: the part of :func:`affinity_loss` that the boundary has.

    ``((background + foreground) / 2 + different) / 2``

    Source: IRN (Ahn et al., CVPR 2019), the joint loss; the weights are its release's.

    Args:
        sums: of :func:`pair_sums`, added up over processes.
        counts: of :func:`pair_sums`, added up over processes.

    Returns:
        A scalar, at least 0 but for rounding; :data:`BOUNDARY_GUESS` for a boundary of 1/2 everywhere. A kind without
        pairs adds 0.

    >>> boundary_loss(torch.tensor([2.0, 4.0, 3.0, 1.0, 0.0]), torch.tensor([1.0, 1.0, 1.0, 2.0, 0.0])).item()
    3.0
    """
    background, foreground, different, *_ = (sums / counts.clamp_min(1)).unbind()
    return ((background + foreground) / 2 + different) / 2


class _Votes(NamedTuple):
    """Absolute errors of displacements, opened: each is ``sign * (D(source) - D(neighbour) - shift)``.

    Args:
        foreground: signs that a cell collects in foreground pairs, negated where it is the neighbour.
        background: the same in background pairs.
        shift: sum over foreground pairs of the sign times the offset.
    """

    foreground: Float[Tensor, "N 2 h w"]
    background: Float[Tensor, "N 2 h w"]
    shift: Float[Tensor, ""]


@torch.no_grad()
def _decided_pairs(
    order: Int64[Tensor, " M"], labels: Integer[Tensor, "N h w"], *, radius: int
) -> Integer[Tensor, "3 M"]:
    """Count the pairs of each kind whose path is strongest at a cell, for the cells in ascending order of boundary."""
    num_cells = len(order)
    ranks = torch.empty_like(order, dtype=torch.int32)
    ranks[order] = torch.arange(num_cells, dtype=torch.int32, device=order.device)
    ranks, labels = ranks.view(labels.shape), labels.int()
    # A pair is of the larger kind of its ends, less what the source gains when the labels turn out to be the same.
    kinds = torch.where(labels == VOID, IGNORED, DIFFERENT).int()
    gains = (DIFFERENT - SAME_FOREGROUND) * _foreground(labels) + (DIFFERENT - SAME_BACKGROUND) * _background(labels)
    decided = ranks.new_zeros(len(KINDS) * num_cells)
    one = ranks.new_ones(1)
    for offset in neighbour_offsets(radius):
        pair_kinds = torch.maximum(*_ends(kinds, offset, radius=radius))
        pair_kinds -= _same(labels, offset, radius=radius) * source_cells(gains, radius=radius)
        slots = pair_kinds * num_cells + path_maximum(ranks, offset, radius=radius)
        decided.index_add_(0, slots.flatten(), one.expand(slots.numel()))
    return decided.view(len(KINDS), num_cells)[:IGNORED]


@torch.no_grad()
def _displacement_votes(
    displacement: Float[Tensor, "N 2 h w"], labels: Integer[Tensor, "N h w"], *, radius: int
) -> _Votes:
    """Collect the signs of the errors of all foreground and background pairs."""
    field = displacement.transpose(0, 1).contiguous()
    labels = labels.to(field.dtype)
    in_foreground, in_background = _foreground(labels), _background(labels)
    foreground, background, total = torch.zeros_like(field), torch.zeros_like(field), field.new_zeros(())
    offsets = neighbour_offsets(radius)
    for offset, shift in zip(offsets, field.new_tensor(offsets), strict=True):
        same = _same(labels, offset, radius=radius)
        source, neighbour = _ends(field, offset, radius=radius)
        difference = source - neighbour
        signs = (difference - shift.view(2, 1, 1, 1)).sign_() * (same * source_cells(in_foreground, radius=radius))
        total += (signs.sum(dim=(1, 2, 3)) * shift).sum()
        _vote(foreground, signs, offset, radius=radius)
        signs = difference.sign_() * (same * source_cells(in_background, radius=radius))
        _vote(background, signs, offset, radius=radius)
    return _Votes(foreground.transpose(0, 1), background.transpose(0, 1), total)


def _vote(votes: Float[Tensor, "2 N h w"], signs: Float[Tensor, "2 N hs ws"], offset: Offset, *, radius: int) -> None:
    """Give each pair's signs to its source and take them from its neighbour, in place."""
    source, neighbour = _ends(votes, offset, radius=radius)
    source += signs
    neighbour -= signs


def _ends(
    cells: Shaped[Tensor, "*batch h w"], offset: Offset, *, radius: int
) -> tuple[Shaped[Tensor, "*batch hs ws"], Shaped[Tensor, "*batch hs ws"]]:
    """Return views of the sources and of the neighbours of all pairs of an offset."""
    return source_cells(cells, radius=radius), neighbour_cells(cells, offset, radius=radius)


def _same(labels: Shaped[Tensor, "N h w"], offset: Offset, *, radius: int) -> Shaped[Tensor, "N hs ws"]:
    """Return 1 where both ends of a pair have one label, else 0, in the type of the labels."""
    source, neighbour = _ends(labels, offset, radius=radius)
    return source.clone().eq_(neighbour)  # comparing in place stays clear of booleans, which cost 4 times as much


def _foreground(labels: Shaped[Tensor, "N h w"]) -> Shaped[Tensor, "N h w"]:
    """Return 1 where a label is a class, else 0, in the type of the labels."""
    return ((labels != BACKGROUND) & (labels != VOID)).to(labels.dtype)


def _background(labels: Shaped[Tensor, "N h w"]) -> Shaped[Tensor, "N h w"]:
    """Return 1 where a label is background, else 0, in the type of the labels."""
    return (labels == BACKGROUND).to(labels.dtype)
