"""Small pictures for a page: all of one image show the same pixels, so that what a browser draws of them agrees.

Axes: H W pixels of the image, h w pixels of its pictures, 3 RGB.
"""

from io import BytesIO

import numpy as np
from jaxtyping import Float, Int64, UInt8
from numpy import ndarray
from PIL import Image as PillowImage

SIDE_PX = 256
"""Longest side of a picture: what is seen at arm's length on a phone."""

_QUALITY = 80  # of the JPEG of a photograph


def sampled_pixels(
    size: tuple[int, int], *, side_px: int = SIDE_PX
) -> tuple[Int64[ndarray, " h"], Int64[ndarray, " w"]]:
    """Return the rows and columns of an image that its pictures show: those under the centres of their pixels.

    Maps and label maps are both sampled there, without interpolation: a seed that is cut from a sampled map is the
    sampled seed.

    Args:
        size: (height, width) of the image.
        side_px: longest side of the pictures; a smaller image is shown pixel by pixel.

    >>> [places.tolist() for places in sampled_pixels((3, 8), side_px=4)]
    [[0, 2], [1, 3, 5, 7]]
    """
    scale = min(1.0, side_px / max(size))
    height, width = (max(1, round(side * scale)) for side in size)
    return _centres(size[0], height), _centres(size[1], width)


def _centres(side: int, count: int) -> Int64[ndarray, " count"]:
    return (2 * np.arange(count) + 1) * side // (2 * count)


def encode_photo(image: UInt8[ndarray, "H W 3"], size: tuple[int, int]) -> bytes:
    """Return a JPEG of the photograph at (h, w).

    >>> encode_photo(np.zeros((4, 6, 3), np.uint8), (2, 3))[6:10]
    b'JFIF'
    """
    photo = PillowImage.fromarray(image)
    height, width = size
    if photo.size != (width, height):
        photo = photo.resize((width, height), PillowImage.Resampling.BOX)
    return _encoded(photo, format="JPEG", quality=_QUALITY)


def encode_labels(labels: UInt8[ndarray, "h w"]) -> bytes:
    """Return a grey PNG of label ids.

    >>> encode_labels(np.zeros((2, 3), np.uint8))[1:4]
    b'PNG'
    """
    return _encoded(PillowImage.fromarray(np.ascontiguousarray(labels)), format="PNG")


def encode_map(cam: Float[ndarray, "h w"]) -> bytes:
    """Return a grey PNG of a map in [0, 1]: ``round(255 * A)``.

    >>> encode_map(np.ones((2, 3), np.float32)) == encode_labels(np.full((2, 3), 255, np.uint8))
    True
    """
    return encode_labels(np.rint(cam * 255).astype(np.uint8))


def _encoded(picture: PillowImage.Image, **options: object) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, **options)  # pyright: ignore[reportArgumentType]  (options of the formats above)
    return buffer.getvalue()
