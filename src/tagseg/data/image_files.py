"""Image files opened safely: a closed list of formats, a limit of pixels, and one sentence for each failure."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image as PillowImage

from tagseg.data.quiet import quiet_decoders
from tagseg.errors import DataError

MAX_PIXELS = 178_956_970
"""The largest image that Pillow opens without a change of its global guard against decompression bombs."""

ENDINGS_BY_FORMAT = {
    "JPEG": (".jpg", ".jpeg"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "GIF": (".gif",),
}
"""Formats that are opened. A closed list: Pillow knows others that start outside programs, such as EPS."""

IMAGE_ENDINGS = frozenset(ending for endings in ENDINGS_BY_FORMAT.values() for ending in endings)

_RESTORE = "restore the file or remove it from the data set"
_REPLACE = "replace the file or remove it from the data set"


@contextmanager
def open_image(
    path: Path,
    *,
    kind: str = "image",
    formats: tuple[str, ...] = tuple(ENDINGS_BY_FORMAT),
    max_pixels: int = MAX_PIXELS,
) -> Iterator[PillowImage.Image]:
    """Open an image file lazily, with every reason why it cannot be opened said in one sentence.

    Args:
        path: image file.
        kind: what the file is called in messages: ``image`` or ``mask``.
        formats: Pillow's names of the formats to accept.
        max_pixels: largest height x width.

    Yields:
        Pillow's image, not yet decoded; Pillow's warnings are silent until the context ends.

    Raises:
        DataError: when the file is missing, empty, of no accepted format or too large.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     PillowImage.new("L", (3, 2)).save(Path(folder, "a.png"))
    ...     with open_image(Path(folder, "a.png")) as image:
    ...         image.format, image.size
    ('PNG', (3, 2))
    """
    with quiet_decoders:
        try:
            if path.stat().st_size == 0:
                raise DataError(f"{kind} {path} must not be empty, got 0 bytes", help=_RESTORE)
            image = PillowImage.open(path, formats=formats)
        except PillowImage.DecompressionBombError as error:
            raise DataError(
                f"{kind} {path} must have at most {max_pixels:,} pixels, got more", help=_REPLACE
            ) from error
        except PillowImage.UnidentifiedImageError as error:
            accepted = ", ".join(formats)
            raise DataError(f"{kind} {path} must be one of {accepted}, got another content", help=_REPLACE) from error
        except OSError as error:
            raise unreadable_file(kind, path, error) from error
        except DataError:
            raise
        except Exception as error:  # a damaged header
            raise damaged_file(kind, path, None) from error
        with image:
            if image.width * image.height > max_pixels:
                found = f"{image.height} x {image.width}"
                raise DataError(f"{kind} {path} must have at most {max_pixels:,} pixels, got {found}", help=_REPLACE)
            yield image


def damaged_file(kind: str, path: Path, file_format: str | None) -> DataError:
    """Return the error for a file whose bytes break off or contradict each other."""
    found = f"a {file_format} file" if file_format else "a file"
    return DataError(f"{kind} {path} must be complete, got {found} that breaks off or is damaged", help=_RESTORE)


def unreadable_file(kind: str, path: Path, error: OSError) -> DataError:
    """Return the error for a file that the operating system does not hand out."""
    if path.is_symlink() and not path.exists():
        found = f"a link to {path.readlink()}, which does not exist"
    elif isinstance(error, FileNotFoundError | NotADirectoryError):
        found = "no such file"
    elif path.is_dir():
        found = "a folder"
    elif isinstance(error, PermissionError):
        return DataError(
            f"{kind} {path} must be readable, got no permission", help="give this user the right to read it"
        )
    else:
        return damaged_file(kind, path, None)
    return DataError(f"{kind} {path} must be a file, got {found}", help=_RESTORE)
