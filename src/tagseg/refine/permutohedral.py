"""Gaussian filtering of scattered points in time linear in their number, on the permutohedral lattice.

Axes: P points, D features a point, E = D + 1 corners of a simplex, M vertices of the lattice, V values of a point.

The lattice of Adams et al. is the integer grid Z^D seen through a triangular linear map, and its simplices are those of
the grid's Kuhn triangulation. So the simplex around a point needs no rounding search: the floor of its grid coordinates
is one corner, and adding unit steps in descending order of the remainders visits the others.
"""

import math
from dataclasses import dataclass, replace
from functools import reduce

import torch
from jaxtyping import Float, Int, Int32
from torch import Tensor
from torch.nn import functional

from tagseg.errors import RecipeError

MAX_CELLS = 2**62
"""Cells of the grid's bounding box that an int64 key can number, with room for the steps to neighbours."""
TINY = 1e-20
"""Keeps the normaliser finite."""


@dataclass(frozen=True, slots=True)
class SparseRows:
    """A sparse matrix stored by rows; calling it multiplies: ``(A x)[r] = sum_k weights[k] x[columns[k]]``.

    Args:
        columns: column of every entry.
        starts: first entry of every row, and the number of entries as a last item.
        weights: value of every entry.
    """

    columns: Int32[Tensor, " entries"]
    starts: Int32[Tensor, " row_starts"]
    weights: Float[Tensor, " entries"]

    def __call__(self, values: Float[Tensor, "_ V"]) -> Float[Tensor, "_ V"]:
        """Return the product with a dense matrix; a row without entries gives 0."""
        return functional.embedding_bag(
            self.columns,
            values,
            self.starts,
            mode="sum",
            per_sample_weights=self.weights,
            include_last_offset=True,
        )


@dataclass(frozen=True, slots=True)
class LatticeFilter:
    """An approximate Gaussian sum over all points, ``y_p = sum_q exp(-|f_p - f_q|^2 / 2) x_q`` up to one factor.

    Points give their values to the corners of their simplex (splat), the lattice is blurred along each of its E
    directions with (1/2, 1, 1/2), and points read their corners (slice).

    Args:
        splat: (M + 1, P); the last row stays 0 and stands for every vertex that no point touches.
        blurs: one (M + 1, M + 1) matrix a direction.
        slice: (P, M + 1).
    """

    splat: SparseRows
    blurs: tuple[SparseRows, ...]
    slice: SparseRows

    def __call__(self, values: Float[Tensor, "P V"]) -> Float[Tensor, "P V"]:
        """Return the filtered values, one row a point; the cost hardly grows with V up to about 8."""
        lattice = reduce(lambda vertices, blur: blur(vertices), self.blurs, self.splat(values))
        return self.slice(lattice)

    def normalized(self, *, gain: float = 1.0) -> "LatticeFilter":
        """Return this filter between two symmetric normalisations, at no cost a call.

        ``gain * n_p K_pq n_q`` with ``n = 1 / sqrt(K 1)``

        Source: the code that Kraehenbuehl and Koltun released with their NIPS 2011 paper, where it is the default.

        Args:
            gain: factor of the result.
        """
        num_points, corners = len(self.slice.starts) - 1, len(self.blurs)
        mass = self(self.splat.weights.new_ones(num_points, 1))
        scale = (mass + TINY).rsqrt()
        splat = self.splat.weights * scale[:, 0].index_select(0, self.splat.columns)
        sliced = self.slice.weights.view(num_points, corners) * (gain * scale)
        return replace(
            self, splat=replace(self.splat, weights=splat), slice=replace(self.slice, weights=sliced.flatten())
        )


def lattice_filter(features: Float[Tensor, "D P"]) -> LatticeFilter:
    """Build the Gaussian filter of unit standard deviation over points.

    Source: Adams, Baek, Davis, "Fast High-Dimensional Filtering Using the Permutohedral Lattice", Eurographics 2010:
    splat, blur, slice. Departures: simplices come from grid coordinates, see the top of this file, and vertices are
    numbered by one sort of packed coordinates, not by a hash table, so that no race decides the order of a sum.

    Args:
        features: position of every point, finite, in standard deviations of the kernel.

    Returns:
        A filter for values of these points, on the device of the features.

    Raises:
        RecipeError: when the points spread over more cells than a key can number.

    >>> two_together_and_one_far = torch.tensor([[0.0, 0.0, 50.0]])
    >>> blurred = lattice_filter(two_together_and_one_far)(torch.tensor([[1.0], [0.0], [0.0]])).flatten()
    >>> bool(blurred[0] == blurred[1] > 0), blurred[2].item()
    (True, 0.0)
    """
    dimensions, num_points = features.shape
    keys, weights, steps = _simplex_corners(features)
    corners = dimensions + 1
    ordered, source = keys.flatten().sort(stable=True)
    vertices, vertex, counts = torch.unique_consecutive(ordered, return_inverse=True, return_counts=True)

    ends = counts.cumsum(0)
    starts = torch.cat([ends.new_zeros(1), ends, ends[-1:]]).int()  # the empty last row is the absent vertex
    points = source.int().div_(corners, rounding_mode="trunc")
    splat = SparseRows(points, starts, weights.flatten().index_select(0, source))

    read = torch.empty_like(points).scatter_(0, source, vertex.int())
    share = weights.flatten() / (1 + 2**-dimensions)  # the factor of Adams et al.: a constant stays about constant
    sliced = SparseRows(read, _int32_range(num_points + 1, like=vertices) * corners, share)
    return LatticeFilter(splat, _blurs(vertices, steps), sliced)


def grid_coordinates(features: Float[Tensor, "D P"]) -> Float[Tensor, "D P"]:
    """Map features to coordinates in which the permutohedral lattice is the integer grid.

    ``c_j = (sum_{i<j} s_i f_i + (j + 1) s_j f_j) / E`` with ``s_i = E sqrt(2/3) / sqrt(i (i + 1))``, ``j = 1..D``

    The plane of Adams et al. has coordinates ``x_0..x_D`` that sum to 0; these are ``(x_0 - x_j) / E``. The factor
    ``E sqrt(2/3)`` makes the variance of splat, blur and slice together that of the Gaussian.

    >>> grid_coordinates(torch.eye(2)).tolist()
    [[1.154700517654419, 0.0], [0.5773502588272095, 1.0]]
    """
    # Sums of a few rows, not a matrix product: that may run in half precision on some devices.
    coordinates, before = [], torch.zeros_like(features[0])
    for axis, feature in enumerate(features, start=1):
        term = feature * math.sqrt(2 / 3 / (axis * (axis + 1)))
        coordinates.append(before + (axis + 1) * term)
        before = before + term
    return torch.stack(coordinates)


def _simplex_corners(
    features: Float[Tensor, "D P"],
) -> tuple[Int[Tensor, "P E"], Float[Tensor, "P E"], tuple[int, ...]]:
    """Return the packed grid cells of each point's corners, their barycentric weights, and the E steps of the lattice.

    A step is what a neighbour in that direction adds to a key. The first direction changes all coordinates by -1.
    """
    coordinates = grid_coordinates(features)
    floors = coordinates.floor()
    remainders, order = (coordinates - floors).sort(dim=0, descending=True)
    low = floors.amin(1) - 1  # corners reach one above the floor, neighbours one to either side
    extents = (floors.amax(1) - low + 3).tolist()
    cells = math.prod(extents)
    if not cells < MAX_CELLS:  # also when a coordinate has overflowed
        raise RecipeError(
            f"kernel of a CRF spreads over fewer than {MAX_CELLS:.1e} lattice cells, got {cells:.1e}",
            help="raise its sigmas",
        )
    strides = [math.prod(int(extent) for extent in extents[axis + 1 :]) for axis in range(len(extents))]
    # Keys of 32 bits sort in a quarter of the time.
    dtype = torch.int32 if cells < 2**31 else torch.int64
    stride = torch.tensor(strides, dtype=dtype, device=features.device)
    base = ((floors - low[:, None]).to(dtype) * stride[:, None]).sum(0, dtype=dtype)
    walk = stride.take(order).cumsum(0, dtype=dtype)
    keys = torch.cat([base[None], base + walk])
    weights = torch.cat([1 - remainders[:1], remainders[:-1] - remainders[1:], remainders[-1:]])
    return keys.t().contiguous(), weights.t().contiguous(), (-sum(strides), *strides)


def _blurs(vertices: Int[Tensor, " M"], steps: tuple[int, ...]) -> tuple[SparseRows, ...]:
    """Return the blur of each direction: ``v[m] + (v[before m] + v[after m]) / 2``, absent neighbours being row M."""
    rows = _int32_range(len(vertices) + 1, like=vertices)
    weights = torch.tensor([1, 0.5, 0.5], device=vertices.device).repeat(len(rows))
    starts = _int32_range(len(rows) + 1, like=vertices) * 3
    blurs = []
    for after in _neighbours(vertices, steps):
        columns = torch.full((len(rows), 3), len(vertices), dtype=torch.int32, device=vertices.device)
        columns[:, 0] = rows
        columns[:-1, 1] = after
        # Every vertex without one after it writes to the last row, which is then reset.
        columns[:, 2].scatter_(0, after.long(), rows[:-1])
        columns[-1] = len(vertices)
        blurs.append(SparseRows(columns.flatten(), starts, weights))
    return tuple(blurs)


def _neighbours(vertices: Int[Tensor, " M"], steps: tuple[int, ...]) -> Int32[Tensor, "E M"]:
    """Return the vertex one step further in each direction, M where there is none; ``vertices`` ascend."""
    asked = torch.cat([vertices + step for step in steps])
    place = torch.searchsorted(vertices, asked, out_int32=True).clamp_max_(len(vertices) - 1)
    found = vertices.index_select(0, place) == asked
    return torch.where(found, place, len(vertices)).view(len(steps), -1)


def _int32_range(count: int, *, like: Tensor) -> Int32[Tensor, " {count}"]:
    return torch.arange(count, dtype=torch.int32, device=like.device)
