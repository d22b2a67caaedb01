"""Maps that are high all over a picture: which classes have them, and what stands out of them.

Axes: C classes, C_t those tagged in one image, H W pixels.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from tagseg.cams.batches import look
from tagseg.cams.map_method import MapMethod
from tagseg.classes import ClassTable
from tagseg.types import ImageRecord

PHOTOGRAPHS = 20
"""Most photographs of a class that its median is measured on."""

FLAT_MEDIAN = 0.12
"""A class is flat if on half of its pictures the median of its map exceeds this share of the peak: 0.00 to 0.09 where
objects are told apart from their scene, 0.09 to 0.32 where they go together (``benchmarks/drawn_niche.py``)."""


def measure_medians(
    method: MapMethod,
    of_classes: Sequence[Sequence[ImageRecord]],
    *,
    advance: Callable[[int], None] = lambda count: None,
) -> list[float]:
    """Return for each class how high the middle of its map lies, as a share of the peak, on half of its photographs.

    Where a class and its scene always go together, the network learns the scene: the map is high everywhere, and only a
    little higher on the object. Dividing by the peak leaves a mask of the whole picture.

    Source: ours.

    Args:
        method: gives the maps, at the scale 1.
        of_classes: C groups of photographs that show the class, see ``class_photographs.py``.
        advance: called with 1 after each photograph, which is looked at once for all classes.

    Returns:
        C medians in [0, 1]; 0 for a class without photographs.
    """
    chosen = {record.image_id: record for records in of_classes for record in records}
    wanted = [{record.image_id for record in records} for records in of_classes]
    medians: list[list[float]] = [[] for _ in of_classes]
    for record in chosen.values():
        maps = look(method, record)[1]
        for label, cam in zip(maps.label_ids, maps.cam, strict=True):
            if record.image_id in wanted[label - 1]:
                medians[label - 1].append(_middle(cam))
        advance(1)
    return [float(np.median(found)) if found else 0.0 for found in medians]


def flat_classes(medians: Mapping[str, float], classes: ClassTable) -> dict[int, float]:
    """Return the classes whose maps are flat: the median of each by its label id.

    >>> flat_classes({"cat": 0.05, "pit": 0.3}, ClassTable(("cat", "pit")))
    {2: 0.3}
    """
    found = {label: medians.get(name, 0.0) for label, name in enumerate(classes.names, start=1)}
    return {label: median for label, median in found.items() if median > FLAT_MEDIAN}


def lower_by_median(cam: Float32[ndarray, "C_t H W"], flat: Sequence[bool]) -> Float32[ndarray, "C_t H W"]:
    """Take from some maps of an image what its middle pixel has, and scale what is left to a peak of 1.

    ``A' = max(0, A - m) / (max A - m)`` with the median ``m`` of the map: half of the picture becomes background.

    Args:
        cam: in [0, 1].
        flat: of each map, whether it is lowered.

    Returns:
        In [0, 1]; a map that nothing stands out of is 0 everywhere.

    >>> lower_by_median(np.array([[[0.5, 0.5, 0.5, 1.0]], [[0.5, 0.5, 0.5, 1.0]]], np.float32), [True, False]).tolist()
    [[[0.0, 0.0, 0.0, 1.0]], [[0.5, 0.5, 0.5, 1.0]]]
    """
    lowered = cam.copy()
    for number in np.flatnonzero(flat):
        above = np.maximum(cam[number] - np.float32(_middle(cam[number])), 0)
        lowered[number] = above / max(float(above.max(initial=0)), np.finfo(np.float32).tiny)
    return lowered


def _middle(cam: Float32[ndarray, "H W"]) -> float:
    """Return the median; of an even number of pixels the upper one of the two in the middle."""
    return float(np.partition(cam, cam.size // 2, axis=None)[cam.size // 2])
