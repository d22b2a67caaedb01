"""Masks in PASCAL VOC's colours, as people and programs send them: to label ids.

Axes: H W pixels of the upright image, 3 red, green, blue.
"""

import numpy as np

from tagseg.classes import VOID, ClassTable, voc_color
from tagseg.serve.refusal import RefusedError
from tagseg.types import Image, LabelMap


def labels_of_colors(image: Image, classes: ClassTable, name: str) -> LabelMap:
    """Return the label ids of a mask in VOC's colours, as pictures are decoded.

    Args:
        image: (H, W, 3) colours.
        classes: of the ids; 255 is known as well.
        name: of the mask.

    Raises:
        RefusedError: when a colour stands for no label.

    >>> labels_of_colors(np.array([[(0, 0, 0), (128, 0, 0), (224, 224, 192)]], np.uint8), ClassTable(("cat",)), "a.png")
    array([[  0,   1, 255]], dtype=uint8)
    """
    ids = np.array([*range(classes.num_labels), VOID], np.uint8)
    codes = _codes(np.array([[voc_color(label) for label in ids.tolist()]], np.uint8))[0]
    order = np.argsort(codes)
    found = _codes(image)
    places = order[np.minimum(np.searchsorted(codes[order], found), len(order) - 1)]
    strange = np.argwhere(codes[places] != found)
    if len(strange):
        row, column = strange[0].tolist()
        color = ", ".join(map(str, image[row, column].tolist()))
        raise RefusedError(
            f"mask {name} shows PASCAL VOC's colours of the labels, got {color} at {column}, {row}",
            help="send a palette PNG in the colours that /info lists",
        )
    return ids[places]


def _codes(image: Image) -> np.ndarray:
    red, green, blue = np.moveaxis(image.astype(np.int32), -1, 0)
    return (red << 16) | (green << 8) | blue
