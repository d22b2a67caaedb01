"""The affinity walk: class activation maps spread over an image and stop at the boundaries that a network predicts.

Axes: C classes, H W rows and columns of the image, h w of its grid of cells at stride 4, M places of the grid with its
margin, row after row.

The transition matrix has (h w)^2 entries, gigabytes for an image of 1000 pixels, but all those of a cell are within 4
cells of it. So 34 weights a cell are kept, and the matrix is applied by shifting maps. Its 256th power takes 90 such
applications, see :func:`chebyshev_weights`.
"""

from collections.abc import Callable, Iterator
from functools import cache
from itertools import count
from math import fsum

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from tagseg.errors import DataError, RecipeError
from tagseg.ops.pairs import neighbour_offsets, path_maximum
from tagseg.ops.resize import resize_maps
from tagseg.refine.permutohedral import SparseRows

CELL_PX = 4
"""Side of a cell in pixels."""

MAX_DOUBLINGS = 16
"""2^16 steps carry a score 600 cells far: a larger number counts steps, not doublings."""

TRUNCATION = 1e-8
"""Share of the walk that may be left out. Spread from one cell over ten thousand it is still 1e-5 of the peak."""


def walk_cam(
    cam: Float[Tensor, "C H W"],
    boundary: Float[Tensor, "h w"],
    *,
    radius: int = 5,
    beta: float = 10.0,
    doublings: int = 8,
) -> Float[Tensor, "C H W"]:
    """Walk class activation maps of an image on its cells, and scale the result to reach 1.

    ``up(random_walk(down(A), B)) / max_chw``

    Source: IRN (Ahn et al., CVPR 2019), label synthesis; that one maximum divides all classes is its release's.

    Args:
        cam: maps in [0, 1].
        boundary: of the same image, in [0, 1], a value for each 4 x 4 pixels: ``ceil(H / 4) x ceil(W / 4)`` cells.
        radius: see :func:`random_walk`, like beta and doublings.
        beta: see there.
        doublings: see there.

    Returns:
        Maps in [0, 1], without gradient; all 0 where nothing is active.

    Raises:
        DataError: when the boundary has another size than the cells of the image.
        RecipeError: when radius, beta or doublings is out of range.

    >>> cam = torch.zeros(1, 8, 32)
    >>> cam[..., :8] = 1.0
    >>> boundary = torch.zeros(2, 8)
    >>> boundary[:, 5] = 1.0
    >>> [round(score, 2) for score in walk_cam(cam, boundary)[0, 0, ::4].tolist()]
    [1.0, 1.0, 1.0, 1.0, 1.0, 0.37, 0.0, 0.0]
    """
    height, width = cam.shape[1:]
    cells = (-(-height // CELL_PX), -(-width // CELL_PX))
    if boundary.shape != cells:
        raise DataError(
            f"boundary of a {height} x {width} image has {cells[0]} x {cells[1]} cells, "
            f"got {boundary.shape[0]} x {boundary.shape[1]}",
            help="predict the boundary of the image that the maps belong to",
        )
    if not len(cam):
        return cam
    maps = random_walk(resize_maps(cam[None], cells)[0], boundary, radius=radius, beta=beta, doublings=doublings)
    walked = resize_maps(maps[None], (height, width))[0]
    return walked / walked.max().clamp_min(torch.finfo(walked.dtype).tiny)


def random_walk(
    maps: Float[Tensor, "C h w"],
    boundary: Float[Tensor, "h w"],
    *,
    radius: int = 5,
    beta: float = 10.0,
    doublings: int = 8,
) -> Float[Tensor, "C h w"]:
    """Let scores walk ``2^doublings`` random steps that boundaries hold back.

    ``y = (maps * (1 - boundary)) T^(2^doublings)``, with T of :class:`Transition`

    Source: IRN (Ahn et al., CVPR 2019), the propagation of attention scores. Departures: T is never built, and the
    power is a polynomial of lower degree, equal within 1e-5 of a map's peak.

    Args:
        maps: scores of any sign.
        boundary: how likely each cell lies between two objects, in [0, 1].
        radius: how far a step reaches, in cells, at least 1.
        beta: power of the affinities, above 0: a large one turns weak boundaries into walls.
        doublings: binary logarithm of the number of steps, 0 to 16.

    Returns:
        Maps in the range and type of the weighted scores, without gradient.

    Raises:
        RecipeError: when radius, beta or doublings is out of range.

    >>> boundary = torch.tensor([[0.0, 0.0, 0.0, 1.0, 0.0]])
    >>> random_walk(torch.tensor([[[0.0, 3.0, 0.0, 0.0, 0.0]]]), boundary).tolist()
    [[[1.0, 1.0, 1.0, 0.0, 0.0]]]
    """
    if not 0 <= doublings <= MAX_DOUBLINGS:
        raise RecipeError(
            f"doublings of the walk are 0 to {MAX_DOUBLINGS}, got {doublings}",
            help="take 8: two to the power of it is the number of steps",
        )
    return Transition(boundary, radius=radius, beta=beta).walk(maps * (1 - boundary), steps=2**doublings)


class Transition:
    """One step of the random walk on one image: every cell takes the weighted mean of its neighbours and itself.

    ``T = A D^-1``, with ``A_pq = (1 - max(boundary on the path p..q))^beta``, ``A_pp = 1`` and ``D = diag(sum_p A_pq)``

    Columns of T sum to 1. Pairs that leave the image do not exist, and a cell of boundary 1 keeps to itself.

    Args:
        boundary: how likely each cell lies between two objects, in [0, 1]; the grid may be smaller than the radius.
        radius: how far a step reaches, in cells, at least 1.
        beta: power of the affinities, above 0.

    Raises:
        RecipeError: when radius or beta is out of range.

    >>> step = Transition(torch.zeros(1, 3), radius=2)
    >>> step.walk(torch.tensor([[[6.0, 0.0, 0.0]]]), steps=1).tolist()
    [[[3.0, 2.0, 0.0]]]
    """

    @torch.no_grad()
    def __init__(self, boundary: Float[Tensor, "h w"], *, radius: int = 5, beta: float = 10.0) -> None:
        if not beta > 0:
            raise RecipeError(f"beta of the walk is above 0, got {beta}", help="take the release's 10")
        offsets = neighbour_offsets(radius)
        height, width = boundary.shape
        self.margin = radius - 1
        # A margin on the right alone: what a shift of the flat grid carries over the left edge lands there, too.
        places = height * (width + self.margin)
        # Single precision would be up to twice as fast, but off by 1e-4 after 256 steps. Apple's GPU has no double.
        precision = torch.float32 if boundary.device.type == "mps" else torch.float64
        walled = functional.pad(boundary.to(precision), (self.margin, self.margin, 0, self.margin), value=1.0)
        affinities: dict[int, Tensor] = {}
        for dy, dx in offsets:
            if dy < height and abs(dx) < width:
                affinity = (1 - path_maximum(walled, (dy, dx), radius=radius)) ** beta
                shift = dy * (width + self.margin) + dx
                affinities[shift] = functional.pad(affinity, (0, self.margin)).flatten()[:-shift]
        degree = walled.new_ones(places)
        for shift, affinity in affinities.items():
            degree[:-shift] += affinity
            degree[shift:] += affinity
        # S = D^-1/2 A D^-1/2 has the powers of T but for two diagonals, and one weight serves both ways of a pair.
        self.root = degree.sqrt()
        self.twice_diagonal = 2 / degree
        self.twice_weights = {
            shift: 2 * affinity / (self.root[:-shift] * self.root[shift:]) for shift, affinity in affinities.items()
        }

    @torch.no_grad()
    def walk(self, maps: Float[Tensor, "C h w"], *, steps: int) -> Float[Tensor, "C h w"]:
        """Return ``maps T^steps``.

        Args:
            maps: scores of any sign, on the grid of the boundary.
            steps: at least 1.

        Returns:
            Maps in the type of the input. Means lie between the smallest and the largest score, so what rounding and
            the cut polynomial put beyond them is clamped.
        """
        start = functional.pad(maps.to(self.root.dtype), (0, self.margin)).flatten(1) * self.root
        total = torch.zeros_like(start)
        for weight, state in zip(chebyshev_weights(steps), self._chebyshev_states(start), strict=False):
            if weight:
                total.add_(state, alpha=weight)
        walked = (total / self.root).unflatten(1, (maps.shape[1], -1))[..., : maps.shape[2]].to(maps.dtype)
        return walked.clamp(maps.amin(dim=(1, 2), keepdim=True), maps.amax(dim=(1, 2), keepdim=True))

    def _chebyshev_states(self, start: Float[Tensor, "C M"]) -> Iterator[Float[Tensor, "C M"]]:
        """Yield ``T_0(S) x, T_1(S) x, ...`` in two buffers that take turns, the first of which is the start itself.

        ``T_(k+1)(S) x = 2 S T_k(S) x - T_(k-1)(S) x``
        """
        buffers = (start, torch.zeros_like(start))
        subtract_from_twice = self._by_matrix() if start.device.type == "cuda" else self._by_shifts(buffers)
        yield start
        for degree in count(1):
            turn = degree % 2
            target = subtract_from_twice(buffers[turn], buffers[1 - turn])
            if degree == 1:
                target /= 2  # T_1(S) = S, and there is no T_-1 to be subtracted from 2 S
            yield target

    def _by_shifts(self, buffers: tuple[Tensor, Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
        """Return what turns a target of the two buffers into ``2 S source - target``, source the other buffer.

        A processor reads each weight once for both ways of a pair.
        """
        # Views (place, weight, neighbour) of all pairs: making them takes as long as using them once.
        terms = {id(buffers[turn]): self._terms(buffers[turn], buffers[1 - turn]) for turn in (0, 1)}

        def subtract_from_twice(target: Tensor, source: Tensor) -> Tensor:
            target.neg_().addcmul_(self.twice_diagonal, source)
            for place, weight, neighbour in terms[id(target)]:
                place.addcmul_(weight, neighbour)
            return target

        return subtract_from_twice

    def _by_matrix(self) -> Callable[[Tensor, Tensor], Tensor]:
        """Return the same by one sparse product: 68 small sums a step would keep a GPU waiting for the next one."""
        twice = self.twice_rows()

        def subtract_from_twice(target: Tensor, source: Tensor) -> Tensor:
            return target.copy_(twice(source.t().contiguous()).t() - target)

        return subtract_from_twice

    def twice_rows(self) -> SparseRows:
        """Return ``2 S``: the diagonal, and two entries a pair."""
        places = torch.arange(len(self.root), dtype=torch.int32, device=self.root.device)
        rows, columns, weights = [places], [places], [self.twice_diagonal]
        for shift, weight in self.twice_weights.items():
            rows += [places[:-shift], places[shift:]]
            columns += [places[shift:], places[:-shift]]
            weights += [weight, weight]
        row, order = torch.cat(rows).sort(stable=True)
        starts = torch.searchsorted(row, torch.arange(len(places) + 1, device=row.device), out_int32=True)
        return SparseRows(torch.cat(columns)[order], starts, torch.cat(weights)[order])

    def _terms(self, target: Float[Tensor, "C M"], source: Float[Tensor, "C M"]) -> list[tuple[Tensor, Tensor, Tensor]]:
        terms = []
        for shift, weight in self.twice_weights.items():
            terms += [(target[:, :-shift], weight, source[:, shift:]), (target[:, shift:], weight, source[:, :-shift])]
        return terms


@cache
def chebyshev_weights(steps: int, *, tolerance: float = TRUNCATION) -> tuple[float, ...]:
    """Return the weights of Chebyshev polynomials that add up to a power.

    ``s^n = sum_k P(|X_n| = k) T_k(s)``, where X_n is where n steps of +1 or -1, each by the toss of a coin, lead

    ``X_n`` is rarely much further than the square root of n from 0. The outermost k are left out as long as their
    probability stays within the tolerance, and the rest is scaled to sum to 1, so that 1 stays a fixed point. No
    ``T_k`` exceeds 1 for ``|s| <= 1``: the error is at most twice the tolerance. 256 steps need k up to 90.

    Source: Sachdeva and Vishnoi, Faster Algorithms via Approximation Theory (2014), the approximation of powers.

    Args:
        steps: n, at least 1.
        tolerance: probability that may be left out, in [0, 1).

    Returns:
        Weights of ``T_0, T_1, ...``; every other one is 0.

    >>> chebyshev_weights(3), len(chebyshev_weights(256)) - 1
    ((0.0, 0.75, 0.0, 0.25), 90)
    """
    weights, weight = [], 1.0
    for degree in range(steps % 2, steps + 1, 2):
        weights.append(weight if degree else weight / 2)  # k and -k share a weight, 0 has its own
        weight *= (steps - degree) / (steps + degree + 2)  # of neighbouring binomial coefficients
    total, left_out = fsum(weights), 0.0
    while len(weights) > 1 and left_out + weights[-1] <= tolerance * total:
        left_out += weights.pop()
    total = fsum(weights)
    dense = [0.0] * (steps % 2)
    for weight in weights:
        dense += [weight / total, 0.0]
    return tuple(dense[:-1])
