"""Formats of image files: those that are read, and what others are by their endings and first bytes."""

from importlib import import_module
from pathlib import Path

from PIL import features

from tagseg.errors import ImageFormatError

INSTALL_HEIF = "pip install pillow-heif, which reads HEIC, or convert it to JPEG or PNG"
"""The next move at a picture of a telephone where the package for it is missing."""


def _heif_is_read() -> bool:
    """Let Pillow read HEIC where the package for it is installed; return whether it is."""
    try:
        import_module("pillow_heif").register_heif_opener()
    except ImportError:
        return False
    return True


HEIF_ENDINGS = (".heic", ".heif", ".hif")

ENDINGS_BY_FORMAT = {
    "JPEG": (".jpg", ".jpeg", ".jfif", ".jpe"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "GIF": (".gif",),
    **({"AVIF": (".avif",)} if features.check("avif") else {}),
    **({"HEIF": HEIF_ENDINGS} if _heif_is_read() else {}),
}
"""Formats that are opened. A closed list: Pillow knows others that start outside programs, such as EPS. AVIF
where Pillow was built with it, HEIC where pillow-heif is installed."""

IMAGE_ENDINGS = frozenset(ending for endings in ENDINGS_BY_FORMAT.values() for ending in endings)

PICTURE_ENDINGS = (
    frozenset(
        {
            ".avif",
            *HEIF_ENDINGS,
            ".jp2",
            ".j2k",
            ".jpx",
            ".jxl",
            ".ppm",
            ".pgm",
            ".pnm",
            ".tga",
            ".ico",
            ".svg",
        }
        | {".psd", ".eps", ".pcx", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2", ".exr", ".hdr"}
        | {".pjpeg", ".pjp", ".jfi", ".jif", ".apng", ".dib"}
    )
    - IMAGE_ENDINGS
)
"""Endings of pictures that are not read: whoever is given a folder with such files names them."""

_BEGINNINGS = (
    ("JPEG", b"\xff\xd8\xff"),
    ("PNG", b"\x89PNG\r\n\x1a\n"),
    ("GIF", b"GIF87a"),
    ("GIF", b"GIF89a"),
    ("BMP", b"BM"),
    ("TIFF", b"II*\0"),
    ("TIFF", b"MM\0*"),
    ("TIFF", b"II+\0"),
    ("TIFF", b"MM\0+"),
    ("PSD", b"8BPS"),
    ("PDF", b"%PDF"),
    ("JPEG 2000", b"\x00\x00\x00\x0cjP"),
    ("JPEG XL", b"\x00\x00\x00\x0cJXL"),
    ("JPEG XL", b"\xff\x0a"),
    ("Git LFS pointer", b"version https://git-lfs"),
    ("HTML", b"<!doctype html"),
    ("HTML", b"<html"),
    ("SVG", b"<svg"),
    ("XML", b"<?xml"),
    ("ZIP", b"PK\x03\x04"),
)
"""What files of some formats start with, in lower case where it is text."""

_BRANDS = {b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIF", b"hevc": "HEIC", b"msf1": "HEIF", b"avif": "AVIF"}


def format_begun(start: bytes) -> str | None:
    r"""Return the format that the first bytes of a file promise, or None.

    >>> format_begun(b"\0\0\0\x18ftypheic"), format_begun(b"\n<svg>"), format_begun(b"text")
    ('HEIC', 'SVG', None)
    """
    if start[4:8] == b"ftyp" and start[8:12] in _BRANDS:
        return _BRANDS[start[8:12]]
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return next((name for name, begin in _BEGINNINGS if start.startswith(begin) or text.startswith(begin)), None)


def other_format(path: Path) -> ImageFormatError:
    """Return the error for a picture whose ending says that it is of a format that is not read."""
    ending = path.suffix.lower()
    return ImageFormatError(
        f"image {path} must be one of {', '.join(ENDINGS_BY_FORMAT)}, got a {path.suffix} file",
        help=INSTALL_HEIF if ending in HEIF_ENDINGS else "convert it to JPEG or PNG",
    )
