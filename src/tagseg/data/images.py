"""Image files to upright RGB arrays, their sizes, and their content fingerprints.

Axis legend: H height, W width, 3 RGB.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from tagseg.data.image_files import MAX_PIXELS, ImageSource, NamedBytes, damaged_file, open_image, unreadable_file
from tagseg.data.stored_pixels import lacks_pixels
from tagseg.errors import DataError
from tagseg.types import Image

_UPRIGHT_BY_ORIENTATION = {
    2: PillowImage.Transpose.FLIP_LEFT_RIGHT,
    3: PillowImage.Transpose.ROTATE_180,
    4: PillowImage.Transpose.FLIP_TOP_BOTTOM,
    5: PillowImage.Transpose.TRANSPOSE,
    6: PillowImage.Transpose.ROTATE_270,
    7: PillowImage.Transpose.TRANSVERSE,
    8: PillowImage.Transpose.ROTATE_90,
}
_ORIENTATION_TAG = 0x0112


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What the first bytes of an image file say.

    Args:
        size: (height, width) of the upright image, in pixels.
        format: Pillow's name of the format, such as ``JPEG`` (``MPO`` for a JPEG with further pictures behind it).
    """

    size: tuple[int, int]
    format: str


def read_image(path: Path, *, max_pixels: int = MAX_PIXELS) -> Image:
    """Return the upright RGB image of a file.

    EXIF rotation is applied. Grey, palette and CMYK become RGB; 16-bit grey is divided by 257, so that its full range
    0..65535 becomes 0..255; transparent pixels are laid on white; of an animation the first frame is taken. The format
    is found from the content, not from the ending of the name.

    Args:
        path: JPEG, PNG, WebP, BMP, TIFF or GIF file.
        max_pixels: largest height x width, 1..178,956,970.

    Returns:
        (H, W, 3) uint8, writable.

    Raises:
        DataError: when the file is missing, empty, no image, damaged or too large.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     PillowImage.new("L", (3, 2), 7).save(Path(folder, "grey.png"))
    ...     read_image(Path(folder, "grey.png")).shape
    (2, 3, 3)
    """
    return _read(path, max_pixels=max_pixels)


def read_image_bytes(data: bytes, name: str, *, max_pixels: int = MAX_PIXELS) -> Image:
    """Return the upright RGB image of a file's content, as :func:`read_image` does of a file.

    Args:
        data: the bytes of a JPEG, PNG, WebP, BMP, TIFF or GIF file.
        name: what errors call it; nothing of this name is opened.
        max_pixels: largest height x width, 1..178,956,970.

    Returns:
        (H, W, 3) uint8, writable.

    Raises:
        ImageFormatError: when the content is of no such format.
        ImageSizeError: when it has too many pixels.
        DataError: when it is empty or damaged.

    >>> from io import BytesIO
    >>> file = BytesIO()
    >>> PillowImage.new("L", (3, 2), 7).save(file, format="PNG")
    >>> read_image_bytes(file.getvalue(), "grey.png").shape
    (2, 3, 3)
    """
    return _read(NamedBytes(name, data), max_pixels=max_pixels)


def read_header(source: ImageSource, *, max_pixels: int = MAX_PIXELS) -> ImageHeader:
    """Return the upright size and the format of an image file without decoding its pixels.

    Args:
        source: image file, or its content.
        max_pixels: largest height x width, 1..178,956,970.

    Returns:
        The header.

    Raises:
        DataError: when the file is missing, empty, no image or too large.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     PillowImage.new("L", (3, 2)).save(Path(folder, "grey.png"))
    ...     read_header(Path(folder, "grey.png"))
    ImageHeader(size=(2, 3), format='PNG')
    """
    with open_image(source, max_pixels=max_pixels) as image:
        width, height = image.size
        # Pillow already swaps the two sides of a turned TIFF when it opens it.
        sideways = _orientation(image) >= 5 and image.format != "TIFF"
        return ImageHeader((width, height) if sideways else (height, width), image.format or "")


def image_size(path: Path) -> tuple[int, int]:
    """Return (height, width) of the upright image, in pixels, without decoding it.

    Args:
        path: image file.

    Returns:
        (height, width).

    Raises:
        DataError: when the file is missing, empty, no image or too large.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     PillowImage.new("L", (3, 2)).save(Path(folder, "grey.png"))
    ...     image_size(Path(folder, "grey.png"))
    (2, 3)
    """
    return read_header(path).size


def is_turned(path: Path) -> bool:
    """Return whether a file's EXIF says that its pixels must be turned or mirrored to be upright.

    Raises:
        DataError: when the file is missing, empty, no image or too large.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     PillowImage.new("L", (3, 2)).save(Path(folder, "grey.png"))
    ...     is_turned(Path(folder, "grey.png"))
    False
    """
    with open_image(path) as image:
        return _orientation(image) > 1


def content_fingerprint(path: Path) -> str:
    """Return the SHA-256 of a file's bytes; it follows the content, whatever the file is called.

    Args:
        path: any file.

    Returns:
        64 hexadecimal digits.

    Raises:
        DataError: when the file cannot be read.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a.jpg").write_bytes(b"abc")
    ...     content_fingerprint(Path(folder, "a.jpg"))[:16]
    'ba7816bf8f01cfea'
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable_file("file", path, error) from error


def _read(source: ImageSource, *, max_pixels: int) -> Image:
    with open_image(source, max_pixels=max_pixels) as image:
        try:
            if image.format != "GIF" and lacks_pixels(source, image):  # a first frame of GIF may be smaller
                raise damaged_file("image", source, image.format)
            image.load()  # before the orientation is read: Pillow turns a TIFF itself while it loads
            upright = _UPRIGHT_BY_ORIENTATION.get(_orientation(image))
            return _to_rgb(source, image if upright is None else image.transpose(upright))
        except (DataError, MemoryError):
            raise
        except Exception as error:  # decoders raise almost anything on damaged bytes
            raise damaged_file("image", source, image.format) from error


def _to_rgb(source: ImageSource, image: PillowImage.Image) -> Image:
    """Return (H, W, 3) uint8 of a decoded image of any mode."""
    if image.mode == "I" or image.mode.startswith("I;16"):
        grey = np.asarray(image).astype(np.int64)
        if grey.min() < 0 or grey.max() > 65535:
            raise DataError(
                f"image {source} must have 8 or 16 bits a channel, got values from {grey.min()} to {grey.max()}",
                help="scale it to 16 bits",
            )
        return np.repeat(((grey + 128) // 257).astype(np.uint8)[..., None], 3, axis=-1)
    if image.mode == "F":
        raise DataError(
            f"image {source} must have 8 or 16 bits a channel, got floating-point values", help="scale it to 16 bits"
        )
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = PillowImage.alpha_composite(PillowImage.new("RGBA", layer.size, "white"), layer)
    return np.array(image.convert("RGB"))


def _orientation(image: PillowImage.Image) -> int:
    """Return the EXIF orientation 1..8; 1, upright, when there is none, another value, or EXIF cannot be parsed."""
    try:
        found = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # broken EXIF is common and no reason to refuse the pixels
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1
