"""Connected parts of label maps, and parts too small to keep.

Axes: H W pixels.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32, Int64, UInt8
from numpy import ndarray
from skimage.measure import label

from tagseg.classes import BACKGROUND, VOID

_LABELS = 256


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """Objects of a label map that do not overlap.

    Args:
        ids: of each pixel the number of its object, 1, 2, ..., or 0 where there is none.
        label_ids: the label (1..C) of object 1, 2, ...
    """

    ids: Int32[ndarray, "H W"]
    label_ids: tuple[int, ...]


def connected_parts(labels: UInt8[ndarray, "H W"]) -> Parts:
    """Return the connected parts of every class; pixels that touch at a corner only do not belong together.

    Args:
        labels: label ids; background and void are in no part.

    Returns:
        Parts by their first pixel, rows first.

    >>> parts = connected_parts(np.array([[2, 0, 1], [0, 2, 1]], np.uint8))
    >>> parts.ids.tolist(), parts.label_ids
    ([[1, 0, 2], [0, 3, 2]], (2, 1, 2))
    """
    ids = np.asarray(label(np.where(labels == VOID, np.uint8(BACKGROUND), labels), connectivity=1), np.int32)
    numbers, first = np.unique(ids, return_index=True)
    return Parts(ids, tuple(labels.ravel()[first[numbers > 0]].tolist()))


def merge_small_parts(labels: UInt8[ndarray, "H W"], *, min_area_px: int) -> UInt8[ndarray, "H W"]:
    """Return the labels without connected parts of less than ``min_area_px`` pixels, holes in classes among them.

    The smallest part goes first: it takes the label that it shares the longest border with, the lower one of several,
    and is from then on a piece of what it joined. Void is not a part and stays, but a part may become void. An image
    that is one single part stays as it is.

    Args:
        labels: label ids.
        min_area_px: parts with this many pixels stay; 0 and 1 change nothing.

    >>> merge_small_parts(np.array([[1, 1, 1, 0], [1, 2, 1, 0]], np.uint8), min_area_px=2).tolist()
    [[1, 1, 1, 0], [1, 1, 1, 0]]
    """
    merged = labels.copy()
    while min_area_px > 1:
        regions = np.asarray(label(merged.astype(np.int32), background=-1, connectivity=1), np.int64) - 1
        areas = np.bincount(regions.ravel())
        first = np.unique(regions, return_index=True)[1]
        own = merged.ravel()[first].astype(np.int64)
        small = (areas < min_area_px) & (own != VOID)
        inner, outer = _neighbours(regions, small)
        if not inner.size:
            break
        chosen = _first_of_their_neighbours(areas, small, inner=inner, outer=outer)
        place = np.full(len(areas), -1, np.int64)
        place[chosen] = np.arange(len(chosen))
        counted = place[inner] >= 0
        votes, numbers = np.unique(place[inner[counted]] * _LABELS + own[outer[counted]], return_counts=True)
        votes = votes[np.lexsort((votes, -numbers, votes // _LABELS))]  # most votes first, the lower label of equals
        voted, winner = np.unique(votes // _LABELS, return_index=True)
        own[chosen[voted]] = votes[winner] % _LABELS
        merged = own[regions].astype(np.uint8)
    return merged


def _neighbours(
    regions: Int64[ndarray, "H W"], small: ndarray
) -> tuple[Int64[ndarray, " borders"], Int64[ndarray, " borders"]]:
    """Return, for each unit of border of a small region, that region and the one beyond."""
    inner, outer = [], []
    for one, other in ((regions[:, :-1], regions[:, 1:]), (regions[:-1], regions[1:])):
        apart = one != other
        for near, far in ((one[apart], other[apart]), (other[apart], one[apart])):
            inner.append(near[small[near]])
            outer.append(far[small[near]])
    return np.concatenate(inner), np.concatenate(outer)


def _first_of_their_neighbours(
    areas: Int64[ndarray, " regions"], small: ndarray, *, inner: Int64[ndarray, " b"], outer: Int64[ndarray, " b"]
) -> Int64[ndarray, " chosen"]:
    """Return small regions that come before all their small neighbours, by size, then by their first pixel.

    These can be merged at once, since none of them touches another.
    """
    rank = np.empty(len(areas), np.int64)
    rank[np.lexsort((np.arange(len(areas)), areas))] = np.arange(len(areas))
    waits = np.zeros(len(areas), bool)
    waits[inner[small[outer] & (rank[outer] < rank[inner])]] = True
    touching = np.zeros(len(areas), bool)
    touching[inner] = True
    return np.flatnonzero(touching & ~waits)
