"""Connected parts of label maps taken apart into the objects that are known to be in them.

Axes: H W pixels.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int32, Int64
from numpy import ndarray
from skimage.segmentation import watershed

from tagseg.ops.parts import Parts


def parts_of_objects(
    parts: Parts, objects: Sequence[tuple[int, Bool[ndarray, "H W"]]], *, min_area_px: int = 0
) -> Parts:
    """Return parts of which each holds one of the known objects, or what no object is in.

    An object is taken where it lies in a part of its own label. Every other pixel of such a part goes to the object
    that is nearest inside the part. So the labels stay as they are, and a part without an object stays whole.

    Args:
        parts: connected, see :func:`tagseg.ops.parts.connected_parts`.
        objects: label (1..C) and pixels of each; they do not overlap.
        min_area_px: an object with fewer pixels in a part is left out there.

    Returns:
        Parts by their first pixel, rows first.

    >>> whole = Parts(np.array([[1, 1, 1, 1, 0, 2]], np.int32), (3, 3))
    >>> left, right = np.array([[1, 0, 0, 0, 0, 0]], bool), np.array([[0, 0, 0, 1, 0, 0]], bool)
    >>> found = parts_of_objects(whole, [(3, left), (3, right)])
    >>> found.ids.tolist(), found.label_ids
    ([[1, 1, 2, 2, 0, 3]], (3, 3, 3))
    """
    if not objects or not parts.label_ids:
        return parts
    labels = np.array((0, *parts.label_ids), np.int64)
    markers = _markers(parts, labels, objects, min_area_px=min_area_px)
    flooded = np.zeros(parts.ids.shape, np.int64)
    for label in set(parts.label_ids):  # parts of one label do not touch: none is flooded from another
        inside = labels[parts.ids] == label
        flooded[inside] = watershed(np.zeros(inside.shape), np.where(inside, markers, 0), mask=inside)[inside]
    numbers, first = np.unique(flooded, return_index=True)
    order = np.argsort(first[numbers > 0])
    renumbered = np.zeros(int(flooded.max(initial=0)) + 1, np.int32)
    renumbered[numbers[numbers > 0][order]] = np.arange(1, len(order) + 1)
    own = labels[parts.ids.ravel()[first[numbers > 0][order]]]
    return Parts(renumbered[flooded], tuple(own.tolist()))


def _markers(
    parts: Parts,
    labels: Int64[ndarray, " parts"],
    objects: Sequence[tuple[int, Bool[ndarray, "H W"]]],
    *,
    min_area_px: int,
) -> Int32[ndarray, "H W"]:
    """Return a number for each object in each part; a part in which none is large enough is marked whole."""
    pairs = np.zeros(parts.ids.shape, np.int64)
    for number, (label, mask) in enumerate(objects, start=1):
        taken = mask & (labels[parts.ids] == label)
        pairs[taken] = parts.ids[taken].astype(np.int64) * (len(objects) + 1) + number
    found, numbers, counts = np.unique(pairs, return_inverse=True, return_counts=True)
    stays = (counts >= min_area_px) & (found > 0)
    markers = np.where(stays, np.arange(1, len(found) + 1), 0)[numbers.reshape(pairs.shape)]
    with_objects = np.zeros(len(labels), bool)
    with_objects[found[stays] // (len(objects) + 1)] = True
    whole = ~with_objects[parts.ids] & (parts.ids > 0)
    return np.where(whole, len(found) + parts.ids, markers).astype(np.int32)
