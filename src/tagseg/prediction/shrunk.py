"""Images that are shrunk for the network, and their probabilities at full size again.

Axes: K labels with background, H W image pixels, h w pixels of a shrunk image.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float
from PIL import Image as PillowImage
from torch import Tensor

from tagseg.prediction.sampling import enlarged_places, sample_maps
from tagseg.prediction.tiles import Block
from tagseg.types import Image

_STRIP_PIXELS = 2**18  # brought to full size at once: 22 MB for 21 labels


def shrink(image: Image, max_side_px: int) -> Image:
    """Return the image with its longer side at ``max_side_px``, in its proportions, each side at least 1 px.

    >>> shrink(np.zeros((300, 4000, 3), np.uint8), 1000).shape
    (75, 1000, 3)
    """
    height, width = image.shape[:2]
    scale = max_side_px / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(PillowImage.fromarray(image).resize(size, PillowImage.Resampling.BICUBIC))


def enlarged_blocks(probabilities: Float[Tensor, "K h w"], size: tuple[int, int]) -> Iterator[Block]:
    """Yield the probabilities of a shrunk image at full size, strip by strip; together they are ``resize_maps``.

    Args:
        probabilities: of the shrunk image.
        size: (height, width) of the image.
    """
    height, width = size
    rows, columns = (enlarged_places(*pair) for pair in zip(probabilities.shape[1:], size, strict=True))
    step = max(1, _STRIP_PIXELS // width)
    for start in range(0, height, step):
        strip = sample_maps(probabilities[None], rows[start : start + step], columns)[0]
        yield Block(slice(start, start + strip.shape[1]), slice(None), strip)
