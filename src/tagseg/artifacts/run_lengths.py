"""Masks as COCO's compressed run lengths, in the values that JSON has."""

from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy import ndarray
from pycocotools import mask as coco_mask

from tagseg.artifacts.json_file import count_of, list_of, text_of
from tagseg.data.image_files import MAX_PIXELS

_FIRST, _BITS, _MORE, _NEGATIVE = 48, 0x1F, 0x20, 0x10  # of COCO's text: its first character, and what its bits say
_MOST_SHIFT = 60

RunLengths = dict[str, Any]
"""``{"size": [height, width], "counts": text}``, which every function of ``pycocotools.mask`` takes."""


def run_lengths(mask: Bool[ndarray, "H W"]) -> RunLengths:
    """Return the run lengths of a mask, column by column, as text.

    >>> run_lengths(np.array([[False, True]]))
    {'size': [1, 2], 'counts': '11'}
    """
    runs: Any = coco_mask.encode(np.asfortranarray(mask).view(np.uint8))  # typed with text, gives bytes
    return {"size": [int(side) for side in runs["size"]], "counts": runs["counts"].decode("ascii")}


def mask_of(runs: RunLengths) -> Bool[ndarray, "H W"]:
    """Return the mask of what :func:`run_lengths` wrote.

    Departure: ``pycocotools`` trusts lengths, and gives whatever lies in memory where they end early. Here they are
    counted first.

    Raises:
        ValueError: when they do not fill an image of the size exactly.

    >>> mask_of({"size": [1, 2], "counts": "11"}).tolist()
    [[False, True]]
    """
    size = [count_of(side) for side in list_of(runs["size"])]
    if len(size) != 2 or not 0 < size[0] * size[1] <= MAX_PIXELS:
        raise ValueError("the size is no image's")
    lengths = _lengths(text_of(runs["counts"]))
    if min(lengths, default=-1) < 0 or sum(lengths) != size[0] * size[1]:
        raise ValueError("run lengths do not fill the image")
    inside = np.arange(len(lengths)) % 2 == 1
    return np.ascontiguousarray(np.repeat(inside, lengths).reshape(size[1], size[0]).T)


def _lengths(text: str) -> list[int]:
    """Return the numbers of COCO's text.

    A character has 5 bits of a number, the low ones first; from the fourth number on, the text says what is added to
    the one before last.
    """
    lengths: list[int] = []
    value = shift = 0
    for letter in text.encode("ascii"):
        bits = letter - _FIRST
        if not 0 <= bits < 64 or shift > _MOST_SHIFT:
            raise ValueError("no run lengths")
        value |= (bits & _BITS) << shift
        shift += 5
        if bits & _MORE:
            continue
        if bits & _NEGATIVE:
            value -= 1 << shift
        lengths.append(value + lengths[-2] if len(lengths) > 2 else value)
        value = shift = 0
    if shift:
        raise ValueError("the last run length breaks off")
    return lengths
