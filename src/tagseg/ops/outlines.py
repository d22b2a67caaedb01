"""Outlines of label maps along pixel edges: one closed polygon for each connected component, its holes bridged.

Axes: H W pixels, P = (H + 2) * (W + 2) pixels with a frame of background, E unit edges, B bridges, R rings, V corners.
Pixels, edges and their numbers are those of :mod:`tagseg.ops.pixel_edges`; bridges are numbered after all edges.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64, UInt8
from numpy import ndarray

from tagseg.classes import BACKGROUND, VOID
from tagseg.ops.pixel_edges import BOTTOM, EDGE_START, EDGE_SWEEP, LEFT, RIGHT, TOP, find_edges, next_edges, walk_rings


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """The outline of one component.

    Args:
        label_id: the component's label.
        corners: (x, y) of the polygon's corners in pixels, clockwise on a screen, every line horizontal or vertical,
            the first corner not repeated at the end. It passes a corner twice where the component touches itself
            diagonally and at the ends of the bridge to a hole, which is walked once each way.
        area_px: pixels of the component, which is the area of the polygon.
    """

    label_id: int
    corners: Int64[ndarray, "V 2"]
    area_px: int


def outlines(labels: UInt8[ndarray, "H W"]) -> list[Outline]:
    """Return the outline of every connected component of every class.

    Pixels that touch at a corner belong together (8-connected). The pixels whose centres lie inside an outline, by the
    even-odd rule or by winding numbers, are its component and no others; ``pycocotools`` finds exactly these.

    Source: none, the usual walk that keeps the object on one hand; the step from every edge to the next is computed for
    all edges at once. A hole is joined to the rest of its component by a bridge along the top of the run of pixels on
    its left, which ends at the outer ring or at a hole that reaches further left.

    Args:
        labels: label ids; background and void have no outlines.

    Returns:
        Components by their first pixel, rows first. Time and memory grow with pixels and edges.

    >>> (ring,) = outlines(np.array([[2, 2, 2], [2, 0, 2], [2, 2, 2]], np.uint8))
    >>> ring.label_id, ring.area_px, ring.corners.tolist()[:5]
    (2, 8, [[0, 0], [3, 0], [3, 3], [0, 3], [0, 1]])
    """
    framed = np.pad(labels, 1, constant_values=BACKGROUND)
    framed[framed == VOID] = BACKGROUND
    flat, width = framed.ravel(), framed.shape[1]
    edges = find_edges(flat, width, shown=flat != BACKGROUND)
    if not edges.size:
        return []
    sides, pixels = np.divmod(edges, flat.size)
    corners = np.stack([pixels % width - 1, pixels // width - 1], axis=1) + EDGE_START[sides]
    following = next_edges(flat, width, edges, diagonal=True)
    order, starts = walk_rings(following)
    sweep = EDGE_SWEEP[sides] * corners[:, 1]
    is_hole = np.add.reduceat(sweep[order], starts) < 0
    if is_hole.any():
        right = _leftmost_right_sides(sides, pixels, order=order, starts=starts, width=width)[is_hole]
        left = np.searchsorted(edges, LEFT * flat.size + pixels[right], side="right") - 1  # where the run starts
        order, starts = walk_rings(_bridge(following, right=right, left=left))
        # Bridges lead east along the top of the run and back; what they sweep adds up to nothing.
        corners = np.concatenate([corners, corners[left] - [0, 1], corners[right]])
        sides = np.concatenate([sides, np.full(len(left), TOP), np.full(len(right), BOTTOM)])
        sweep = np.concatenate([sweep, np.zeros(2 * len(left), np.int64)])
    areas = np.add.reduceat(sweep[order], starts)
    rings = np.split(order, starts[1:])
    return [
        Outline(int(flat[pixels[ring[0]]]), corners[_turning(sides[ring], ring)], int(area))
        for ring, area in zip(rings, areas, strict=True)
    ]


def _leftmost_right_sides(
    sides: Int64[ndarray, " E"],
    pixels: Int64[ndarray, " E"],
    *,
    order: Int64[ndarray, " E"],
    starts: Int64[ndarray, " R"],
    width: int,
) -> Int64[ndarray, " R"]:
    """Return of each ring the right side with the smallest x, the upper one of several."""
    edges, rows = len(sides), int(pixels.max()) // width + 1
    place = pixels % width * rows + pixels // width
    ranked = np.where(sides == RIGHT, place * edges + np.arange(edges), np.iinfo(np.int64).max)
    return np.minimum.reduceat(ranked[order], starts) % edges


def _bridge(
    following: Int64[ndarray, " E"], *, right: Int64[ndarray, " B"], left: Int64[ndarray, " B"]
) -> Int64[ndarray, " EandBridges"]:
    """Join the rings of the left and of the right side of each run by a bridge there and a bridge back.

    A run has one left and one right side and no walk turns from one into the other at once, so bridges never meet.
    """
    before = np.empty_like(following)
    before[following] = np.arange(len(following))
    there = len(following) + np.arange(len(right))
    back = there + len(right)
    joined = np.concatenate([following, right, following[left]])
    joined[left], joined[before[right]] = there, back
    return joined


def _turning(sides: Int64[ndarray, " V"], ring: Int64[ndarray, " V"]) -> Int64[ndarray, " corners"]:
    """Return the edges of a ring that lead another way than the edge before them: they start at its corners."""
    return ring[sides != np.roll(sides, 1)]
