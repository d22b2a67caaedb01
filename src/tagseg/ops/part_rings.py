"""Polygons of objects whose neighbours keep their common borders, also after simplification.

Axes: H W pixels, V corners of a ring, A points of an arc.
Pixel (row y, column x) is the square from corner (x, y) to (x + 1, y + 1).

An arc is a piece of border from a junction, where three or more objects (background and the outside among them) meet,
to the next. Every ring is made of arcs, and the two objects that meet at an arc use the same one.
"""

from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float64, Int32, Int64
from numpy import ndarray
from skimage.draw import polygon

from tagseg.ops.pixel_edges import EDGE_START, find_edges, next_edges, walk_rings
from tagseg.ops.simplify import simplify_arcs

Ring = Float64[ndarray, "_ 2"]
"""(x, y) of corners in pixels, the first one not repeated; around an object clockwise on a screen."""

_OUTSIDE = -1

_Name = tuple[int, ...]
_Arcs = dict[_Name, Int64[ndarray, "_ 2"]]
"""Arcs by their first two corners."""


def part_rings(ids: Int32[ndarray, "H W"], *, tolerance_px: float) -> list[list[Ring]]:
    """Return the rings of every object: its outer borders and its holes.

    With tolerance 0 they follow the sides of pixels. Above 0 a border goes through the middle of each side instead,
    which takes the stairs out of a slope and parts the centres of pixels just as exactly; then corners are left out
    and moved as long as none of these points is further than the tolerance from what remains
    (:func:`tagseg.ops.simplify.simplify_arcs`). Junctions and the corners of the image stay.

    Between neighbours there is neither gap nor overlap, since they share arcs and simplified arcs never cross. An
    object that is thinner than the tolerance may end up on the other side of a neighbour's border.

    Args:
        ids: number of the object of each pixel, 1, 2, ..., or 0 where there is none.
        tolerance_px: 0 or more.

    Returns:
        For object 1, 2, ... its rings, in the order of their first sides.

    >>> part_rings(np.array([[1, 1], [1, 2]], np.int32), tolerance_px=0.0)[1][0].tolist()
    [[2.0, 1.0], [2.0, 2.0], [1.0, 2.0], [1.0, 1.0]]
    """
    framed = np.pad(ids, 1, constant_values=_OUTSIDE)
    flat, width = framed.ravel(), framed.shape[1]
    found: list[list[Ring]] = [[] for _ in range(int(ids.max(initial=0)))]
    edges = find_edges(flat, width, shown=flat > 0)
    if not edges.size:
        return found
    sides, pixels = np.divmod(edges, flat.size)
    corners = np.stack([pixels % width - 1, pixels // width - 1], axis=1) + EDGE_START[sides]
    order, starts = walk_rings(next_edges(flat, width, edges))
    fixed = _fixed_corners(framed)
    arcs: _Arcs = {}
    owners, chains = [], []
    for ring in np.split(order, starts[1:]):
        owners.append(int(flat[pixels[ring[0]]]))
        chains.append(_chain(corners[ring], fixed, arcs))
    numbers = {key: number for number, key in enumerate(arcs)}
    free = [not fixed[arc[0, 1], arc[0, 0]] for arc in arcs.values()]
    simple = simplify_arcs(list(arcs.values()), free=free, tolerance_px=tolerance_px)
    for owner, chain in zip(owners, chains, strict=True):
        pieces = [simple[numbers[key]][::-1] if backwards else simple[numbers[key]] for key, backwards in chain]
        found[owner - 1].append(np.concatenate([piece[:-1] for piece in pieces]))
    return found


def bridged(rings: list[Ring]) -> Ring:
    """Return one polygon of several rings, for formats that have nothing else.

    Each ring is joined to those before it by a bridge that is walked once each way, between the corners that are
    nearest to each other: it has no width, so that nothing is filled by it.

    Args:
        rings: at least one.

    >>> outer, hole = np.array([[0.0, 0], [9, 0], [9, 9], [0, 9]]), np.array([[1.0, 1], [1, 3], [3, 3]])
    >>> bridged([outer, hole]).tolist()[:6]
    [[0.0, 0.0], [1.0, 1.0], [1.0, 3.0], [3.0, 3.0], [1.0, 1.0], [0.0, 0.0]]
    """
    joined = rings[0]
    for ring in rings[1:]:
        apart = ((joined[:, None] - ring[None]) ** 2).sum(axis=2)
        at, start = divmod(int(apart.argmin()), len(ring))
        joined = np.concatenate([joined[: at + 1], ring[start:], ring[: start + 1], joined[at:]])
    return joined


def rings_mask(rings: list[Ring], *, size: tuple[int, int]) -> Bool[ndarray, "H W"]:
    """Return the pixels whose centres are inside the rings, by the even-odd rule.

    >>> rings_mask(part_rings(np.array([[0, 1]], np.int32), tolerance_px=0.0)[0], size=(1, 2)).tolist()
    [[False, True]]
    """
    mask = np.zeros(size, bool)
    for ring in rings:
        rows, columns = polygon(ring[:, 1] - 0.5, ring[:, 0] - 0.5, shape=size)
        mask[rows, columns] ^= True
    return mask


def _fixed_corners(framed: Int32[ndarray, "h w"]) -> Bool[ndarray, "y x"]:
    """Return the corners that every simplification keeps: junctions, and the four of the image."""
    a, b, c, d = framed[:-1, :-1], framed[:-1, 1:], framed[1:, :-1], framed[1:, 1:]
    meeting = (a != b).astype(np.int8) + (b != d) + (d != c) + (c != a)
    fixed = meeting > 2
    fixed[0, 0] = fixed[0, -1] = fixed[-1, 0] = fixed[-1, -1] = True
    return fixed


def _chain(ring: Int64[ndarray, "_ 2"], fixed: Bool[ndarray, "y x"], arcs: _Arcs) -> list[tuple[_Name, bool]]:
    """Take a ring of unit steps apart into arcs; return the names of these, and whether each is walked backwards.

    An arc is kept in one direction only, so that it is simplified in the same way for both of its objects. A ring
    without junctions is one arc, from its first corner, by x and y, to the same.
    """
    kept = np.flatnonzero(fixed[ring[:, 1], ring[:, 0]])
    if not len(kept):
        kept = np.lexsort((ring[:, 1], ring[:, 0]))[:1]
    ring = np.roll(ring, -kept[0], axis=0)
    ends = [*(kept - kept[0]).tolist(), len(ring)]
    closed = np.concatenate([ring, ring[:1]])
    return [_add(closed[start : end + 1], arcs) for start, end in pairwise(ends)]


def _add(arc: Int64[ndarray, "_ 2"], arcs: _Arcs) -> tuple[_Name, bool]:
    there, back = (*arc[0].tolist(), *arc[1].tolist()), (*arc[-1].tolist(), *arc[-2].tolist())
    backwards = back < there
    name = back if backwards else there
    arcs.setdefault(name, arc[::-1] if backwards else arc)
    return name, backwards
