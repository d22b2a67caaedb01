"""The ids that a mask file stores, as they are stored: no value is stretched, turned over or taken from a lossy file.

Axis legend: H height, W width.
"""

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from tagseg.classes import voc_color
from tagseg.data.image_files import MAX_PIXELS, damaged_file, open_image, unreadable_file
from tagseg.data.stored_pixels import lacks_pixels
from tagseg.errors import DataError
from tagseg.types import LabelMap

ARRAY_ENDING = ".npy"
LOSSLESS_ENDINGS = (".png", ".bmp", ".tif", ".tiff", ".gif", ".webp", ARRAY_ENDING)
LOSSY_ENDINGS = (".jpg", ".jpeg")

_FORMATS = ("PNG", "BMP", "TIFF", "GIF", "WEBP")
_START_OF_JPEG = b"\xff\xd8\xff"
_LOSSY_COMPRESSIONS = ("jpeg", "tiff_jpeg", "webp")
_FAX_COMPRESSIONS = ("tiff_ccitt", "group3", "group4", "tiff_raw_16")  # rows after their end are read as black
_STRIP_PIXELS = 1 << 20
_STEPS = {"L;2": 85, "L;2R": 85, "L;4": 17, "L;4R": 17}  # Pillow stretches 2 and 4 bits to 0..255
_UPSIDE_DOWN = ("L;I", "L;IR", "L;2I", "L;2IR", "L;4I", "L;4IR")
_SAVE_AS_PALETTE = "save it as a palette PNG whose indices are the ids"
_DRAW_LOSSLESS = "save the mask again from its source, as a palette PNG; a lossy format changes the ids"


class MaskLabelError(DataError):
    """A mask holds an id or a colour that stands for no class."""


def read_ids(path: Path) -> LabelMap:
    """Return the (H, W) uint8 ids of a mask file.

    Of a palette image the indices count, never the colours; a grey image holds the ids as values, of 1, 2, 4 or 8 bits;
    of an RGB image each colour is looked up in VOC's palette. Two formats keep less. Writers of GIF renumber the
    indices, so that its colours count, which are VOC's or grey. A WebP image has no grey, so that pixels of equal red,
    green and blue are ids. A .npy file holds an (H, W) array of whole numbers. The pixels are taken as stored: a mask
    is not turned by EXIF.

    Raises:
        DataError: when the file is missing, damaged, or stores ids in no way that is read.
        MaskLabelError: when a colour or a number is not an id.
    """
    return _ids_of_array(path) if path.suffix.lower() == ARRAY_ENDING else _ids_of_image(path)


def _ids_of_image(path: Path) -> LabelMap:
    if path.is_file() and _starts_like_jpeg(path):
        raise _lossy(path, "a JPEG file")
    with open_image(path, kind="mask", formats=_FORMATS) as image:
        try:
            _require_lossless(path, image)
            frames = getattr(image, "n_frames", 1)
            if frames > 1:
                raise _unusable(path, "be one picture", f"{frames} frames", "save the one that is the mask")
            if lacks_pixels(path, image):
                raise damaged_file("mask", path, image.format)
            raw_mode = _raw_mode(image)
            image.load()
            return _stored_ids(path, image, raw_mode)
        except DataError:
            raise
        except Exception as error:  # decoders raise almost anything on damaged bytes
            raise damaged_file("mask", path, image.format) from error


def _stored_ids(path: Path, image: PillowImage.Image, raw_mode: str) -> LabelMap:
    """Return the ids of a decoded picture."""
    if raw_mode in _UPSIDE_DOWN:
        raise _unusable(path, "store black as 0", "a grey TIFF in which white is 0", _SAVE_AS_PALETTE)
    if image.format == "GIF" and image.mode == "P":
        return _ids_of_gif(path, image)
    if image.mode in ("P", "L", "1"):
        return np.asarray(image).astype(np.uint8) // _STEPS.get(raw_mode, 1)
    if image.mode in ("RGB", "RGBA"):
        strips = _strips(np.asarray(image if image.mode == "RGB" else image.convert("RGB")))
        if image.format == "WEBP" and all((strip == strip[..., :1]).all() for strip in strips):
            return np.concatenate([strip[..., 0] for strip in strips])
        return np.concatenate([_ids_of_colors(path, strip) for strip in strips])
    rule = "be a palette, 8-bit grey or VOC-coloured image"
    raise _unusable(path, rule, f"Pillow mode {image.mode}", _SAVE_AS_PALETTE)


def _starts_like_jpeg(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_START_OF_JPEG)) == _START_OF_JPEG
    except OSError:  # the error comes when it is opened as a picture
        return False


def _require_lossless(path: Path, image: PillowImage.Image) -> None:
    """Raise when an opened picture was stored with a loss."""
    compression = image.info.get("compression")
    if image.format == "TIFF" and compression in _LOSSY_COMPRESSIONS:
        raise _lossy(path, f"a TIFF file with {compression} compression")
    if image.format == "TIFF" and compression in _FAX_COMPRESSIONS:
        found = f"a TIFF file with {compression} compression"
        raise _unusable(path, "be stored so that a broken end is noticed", found, _SAVE_AS_PALETTE)
    if image.format == "WEBP":
        pixels = _webp_pixels(path.read_bytes())
        if pixels == b"ANMF":  # a frame may be smaller than the picture, which is then black around it
            raise _unusable(path, "be one picture", "an animation", "save the frame that is the mask")
        if pixels != b"VP8L":
            raise _lossy(path, "a lossy WebP file")
        if image.mode == "RGBA" and image.getchannel("A").getextrema() != (255, 255):
            raise _lossy(path, "a WebP file with transparent pixels")


def _webp_pixels(data: bytes) -> bytes:
    """Return the name of the chunk that the pixels of a WebP file begin in, or none.

    ``VP8L`` is lossless, ``VP8`` and a space is lossy, ``ANMF`` is a frame of an animation.
    """
    at = 12  # after "RIFF", the length of the file, "WEBP"
    while at + 8 <= len(data):
        name, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if name in (b"VP8L", b"VP8 ", b"ANMF"):
            return name
        at += 8 + length + length % 2  # any other chunk is skipped, to an even length
    return b""


def _raw_mode(image: PillowImage.Image) -> str:
    """Return Pillow's name of how the pixels are stored, which an open picture knows until it is decoded."""
    tiles = getattr(image, "tile", ())
    args = tiles[0][3] if tiles else ""
    return str(args[0] if isinstance(args, tuple) and args else args)


def _ids_of_gif(path: Path, image: PillowImage.Image) -> LabelMap:
    """Return the ids of a GIF by its colours."""
    palette = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    indices, ids = np.asarray(image), np.zeros(256, np.uint8)
    used = np.unique(indices)
    colors = palette[np.minimum(used, len(palette) - 1)]
    if _are_known(colors):
        ids[used] = _ids_of_colors(path, colors)
        return ids[indices]
    if (colors == colors[..., :1]).all():
        ids[used] = colors[..., 0]
        return ids[indices]
    raise _unusable(
        path, "have VOC's colours or greys, since writers of GIF renumber the indices", "others", _SAVE_AS_PALETTE
    )


def _strips(pixels: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Return the rows of a picture in parts of about a million pixels: colours are looked up at 24 bytes a pixel."""
    rows = max(1, _STRIP_PIXELS // pixels.shape[1])
    return [pixels[at : at + rows] for at in range(0, len(pixels), rows)]


def _are_known(colors: NDArray[np.uint8]) -> bool:
    """Return whether all colours are VOC's."""
    return bool(np.isin(_pack(colors), _voc_colors()[0]).all())


def _ids_of_colors(path: Path, colors: NDArray[np.uint8]) -> LabelMap:
    """Return the id of each colour in VOC's palette, by the red, green and blue of the last axis."""
    known, ids = _voc_colors()
    packed = _pack(colors)
    position = np.minimum(np.searchsorted(known, packed), len(known) - 1)
    unknown = known[position] != packed
    if unknown.any():
        red, green, blue = colors[unknown][0].tolist()
        raise MaskLabelError(
            f"mask {path} must hold the colours of VOC's palette, got ({red}, {green}, {blue})", help=_SAVE_AS_PALETTE
        )
    return ids[position]


@cache
def _voc_colors() -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return VOC's 256 colours, packed and ascending, and their ids."""
    packed = _pack(np.array([voc_color(index) for index in range(256)], np.uint8))
    order = np.argsort(packed)
    return packed[order], order.astype(np.uint8)


def _pack(colors: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return one integer for each RGB triple."""
    return colors.astype(np.int64) @ np.array([65536, 256, 1])


def _ids_of_array(path: Path) -> LabelMap:
    """Return the ids of a .npy file; it is mapped first, so that a false size in its header takes no memory."""
    try:
        values = np.lib.format.open_memmap(path, mode="r")
    except OSError as error:
        raise unreadable_file("mask", path, error) from error
    except Exception as error:  # other content raises almost anything
        raise damaged_file("mask", path, "npy") from error
    if values.ndim != 2 or values.dtype.kind not in "bui":
        found = f"the shape {values.shape} of {values.dtype}"
        raise _unusable(path, "hold whole numbers of height x width", found, _SAVE_AS_PALETTE)
    if not 0 < values.size <= MAX_PIXELS:
        raise _unusable(path, f"have 1 to {MAX_PIXELS:,} pixels", f"{values.size:,}", _SAVE_AS_PALETTE)
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 255:
        raise MaskLabelError(f"mask {path} must hold ids 0 to 255, got {low} to {high}", help=_SAVE_AS_PALETTE)
    return np.array(values, np.uint8)


def _lossy(path: Path, found: str) -> DataError:
    return _unusable(path, "be of a lossless format", found, _DRAW_LOSSLESS)


def _unusable(path: Path, rule: str, found: str, help: str) -> DataError:
    return DataError(f"mask {path} must {rule}, got {found}", help=help)
