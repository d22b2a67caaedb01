"""Masks as COCO's compressed run lengths, in the values that JSON has."""

from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy import ndarray
from pycocotools import mask as coco_mask

RunLengths = dict[str, Any]
"""``{"size": [height, width], "counts": text}``, which every function of ``pycocotools.mask`` takes."""


def run_lengths(mask: Bool[ndarray, "H W"]) -> RunLengths:
    """Return the run lengths of a mask, column by column, as text.

    >>> run_lengths(np.array([[False, True]]))
    {'size': [1, 2], 'counts': '11'}
    """
    runs: Any = coco_mask.encode(np.asfortranarray(mask).view(np.uint8))  # typed with text, gives bytes
    return {"size": [int(side) for side in runs["size"]], "counts": runs["counts"].decode("ascii")}
