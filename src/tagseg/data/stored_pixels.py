"""Whether a picture file stores all of its pixels: where some are missing, Pillow reads them as 0 and says nothing."""

import zlib
from collections.abc import Iterator
from io import SEEK_CUR, BufferedIOBase, BytesIO
from pathlib import Path

from PIL import Image as PillowImage
from PIL.TiffImagePlugin import PLANAR_CONFIGURATION, SAMPLESPERPIXEL, TiffImageFile

from tagseg.data.image_files import ImageSource

_SIGNATURE_BYTES = 8
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a pixel, by the colour type of a PNG
_WHOLE = ((0, 0, 1, 1),)
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""The passes of a PNG: first column and row, and the steps to the next ones. Source: PNG 1.2, section 8.2."""
_SEPARATE_PLANES = 2
_CHUNK_BYTES = 8  # length and name of a chunk
_PIECE_BYTES, _INFLATED_BYTES = 1 << 16, 1 << 20


def lacks_pixels(source: ImageSource, image: PillowImage.Image) -> bool:
    """Return whether an opened picture that is not decoded yet has pixels that its file does not store.

    A PNG is inflated as far as its rows go, in steps of 1 MB. So a header that claims more pixels than the bytes can
    hold costs no more than the bytes do. Of other formats the areas that Pillow is going to decode must cover the
    picture; WebP's decoder sees by itself to it that none is missing.

    Args:
        source: the file of the picture.
        image: the picture, opened by Pillow.

    >>> from tagseg.data.image_files import NamedBytes
    >>> file = BytesIO()
    >>> PillowImage.new("L", (3, 2)).save(file, "PNG")
    >>> file.seek(0)
    0
    >>> with PillowImage.open(file) as image:
    ...     lacks_pixels(NamedBytes("a.png", file.getvalue()), image)
    False
    """
    if image.format == "PNG":
        with source.open("rb") if isinstance(source, Path) else BytesIO(source.data) as file:
            return _is_short_png(file)
    tiles = getattr(image, "tile", ())
    if not tiles or image.format == "WEBP":
        return False
    boxes = [tile[1] or (0, 0, *image.size) for tile in tiles]
    covered = sum((right - left) * (bottom - top) for left, top, right, bottom in boxes)
    return covered < image.width * image.height * _planes(image, tiles[0][0])


def _planes(image: PillowImage.Image, decoder: str) -> int:
    """Return how many areas lie over each other: Pillow itself reads the planes of a TIFF one after the other."""
    if not isinstance(image, TiffImageFile) or decoder == "libtiff":
        return 1
    return image.tag_v2.get(SAMPLESPERPIXEL, 1) if image.tag_v2.get(PLANAR_CONFIGURATION) == _SEPARATE_PLANES else 1


def _is_short_png(file: BufferedIOBase) -> bool:
    """Return whether the compressed rows of a PNG end before its last row, or are damaged there."""
    file.seek(_SIGNATURE_BYTES + _CHUNK_BYTES)
    missing = _row_bytes(file.read(13))
    inflater = zlib.decompressobj()
    for piece in _compressed_rows(file):
        rest = piece
        while rest and missing > 0 and not inflater.eof:
            try:
                missing -= len(inflater.decompress(rest, min(missing, _INFLATED_BYTES)))
            except zlib.error:
                return True
            rest = inflater.unconsumed_tail
        if missing <= 0 or inflater.eof:
            break
    return missing > 0


def _compressed_rows(file: BufferedIOBase) -> Iterator[bytes]:
    """Yield pieces of the compressed rows of a PNG, which lie in chunks that follow each other."""
    file.seek(_SIGNATURE_BYTES)
    has_begun = False
    while len(start := file.read(_CHUNK_BYTES)) == _CHUNK_BYTES:
        length, name = int.from_bytes(start[:4]), start[4:]
        if name == b"IDAT":
            has_begun = True
            while length and (piece := file.read(min(length, _PIECE_BYTES))):
                length -= len(piece)
                yield piece
        elif has_begun:
            return
        file.seek(length + 4, SEEK_CUR)  # its check sum is Pillow's affair


def _row_bytes(header: bytes) -> int:
    """Return the bytes of all rows of a PNG before compression, each with the byte that names its filter."""
    width, height, depth, color, interlaced = (
        int.from_bytes(header[:4]),
        int.from_bytes(header[4:8]),
        header[8],
        header[9],
        header[12],
    )
    bits = depth * _SAMPLES.get(color, 1)
    whole = 0
    for left, top, step_x, step_y in _ADAM7 if interlaced else _WHOLE:
        columns, rows = -((left - width) // step_x), -((top - height) // step_y)
        if columns > 0 and rows > 0:
            whole += rows * (1 + (columns * bits + 7) // 8)
    return whole
