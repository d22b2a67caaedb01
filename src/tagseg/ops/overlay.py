"""Colours of label maps laid over photographs.

Axes: H W pixels, 3 RGB.
"""

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from tagseg.classes import BACKGROUND, VOID


def overlay_labels(
    image: UInt8[ndarray, "H W 3"],
    labels: UInt8[ndarray, "H W"],
    palette: UInt8[ndarray, "256 3"],
    *,
    opacity: float = 0.5,
) -> UInt8[ndarray, "H W 3"]:
    """Lay the colours of labels over their photograph; background stays the photograph and void is opaque.

    ``laid = (1 - opacity) * image + opacity * palette[label]``, rounded; opacity 0 for background and 1 for void.

    Args:
        image: RGB; not changed.
        labels: label ids of the same size.
        palette: RGB of each label id: ``ClassTable.palette()`` in rows of three.
        opacity: of the classes' colours, in [0, 1].

    >>> palette = np.array([(0, 0, 0), (200, 0, 0), *[(255, 255, 255)] * 254], np.uint8)
    >>> grey = np.full((1, 3, 3), 100, np.uint8)
    >>> overlay_labels(grey, np.array([[0, 1, 255]], np.uint8), palette).tolist()
    [[[100, 100, 100], [150, 50, 50], [255, 255, 255]]]
    """
    laid = np.array(image, order="C")
    # Only pixels that change are computed: most photographs are mostly background.
    changed = np.flatnonzero(labels != BACKGROUND)
    label_ids, pixels = labels.ravel()[changed], laid.reshape(-1, 3)
    shares = np.full((256, 1), opacity, np.float32)
    shares[VOID] = 1
    share = shares[label_ids]
    pixels[changed] = np.rint(pixels[changed] * (1 - share) + (palette * shares)[label_ids]).astype(np.uint8)
    return laid
