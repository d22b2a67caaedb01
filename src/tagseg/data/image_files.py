"""Image files opened safely: a closed list of formats, a limit of pixels, and one sentence for each failure."""

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from PIL import Image as PillowImage

from tagseg.data.image_formats import ENDINGS_BY_FORMAT, INSTALL_HEIF, format_begun
from tagseg.errors import DataError, ImageFormatError, ImageSizeError
from tagseg.system.quiet import quiet_decoders

MAX_PIXELS = 178_956_970
"""The largest image that Pillow opens without a change of its global guard against decompression bombs."""

_SYSTEM_FOLDERS = frozenset({"@eadir", "__macosx", "$recycle.bin", "system volume information", "lost+found"})

_RESTORE = "restore the file or remove it from the data set"
_REPLACE = "replace the file or remove it from the data set"
_CONVERT = "convert it to PNG"
_SEND, _SEND_SMALLER = "send another file", "send a smaller copy"


@dataclass(frozen=True, slots=True)
class NamedBytes:
    """The content of an image file that lies on no disk, such as an upload.

    Args:
        name: what messages call it; never opened.
        data: the bytes of the file.

    >>> str(NamedBytes("photo.jpg", b""))
    'photo.jpg'
    """

    name: str
    data: bytes = field(repr=False)

    def __str__(self) -> str:
        return self.name


ImageSource = Path | NamedBytes
"""A file, or the content of one."""


@contextmanager
def open_image(
    source: ImageSource,
    *,
    kind: str = "image",
    formats: tuple[str, ...] = tuple(ENDINGS_BY_FORMAT),
    max_pixels: int = MAX_PIXELS,
) -> Iterator[PillowImage.Image]:
    """Open an image file lazily, with every reason why it cannot be opened said in one sentence.

    Args:
        source: image file.
        kind: what the file is called in messages: ``image`` or ``mask``.
        formats: Pillow's names of the formats to accept.
        max_pixels: largest height x width.

    Yields:
        Pillow's image, not yet decoded; Pillow's warnings are silent until the context ends.

    Raises:
        ImageFormatError: when the content is of no accepted format.
        ImageSizeError: when it has too many pixels.
        DataError: when the file is missing, empty or damaged.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     PillowImage.new("L", (3, 2)).save(Path(folder, "a.png"))
    ...     with open_image(Path(folder, "a.png")) as image:
    ...         image.format, image.size
    ('PNG', (3, 2))
    """
    with quiet_decoders:
        try:
            if _num_bytes(source) == 0:
                raise DataError(f"{kind} {source} must not be empty, got 0 bytes", help=_help(source, _RESTORE))
            file = source if isinstance(source, Path) else BytesIO(source.data)
            image = PillowImage.open(file, formats=formats)
        except PillowImage.DecompressionBombError as error:
            raise _too_large(kind, source, "more", max_pixels=max_pixels) from error
        except PillowImage.UnidentifiedImageError as error:
            raise _unidentified_file(kind, source, formats) from error
        except OSError as error:
            if error.errno is None and str(error).startswith("Unsupported "):  # so Pillow says of the kinds of BMP
                message = (
                    f"{kind} {source} must be of a kind that is read, got an {str(error).replace('Uns', 'uns', 1)}"
                )
                raise ImageFormatError(message, help=_help(source, _CONVERT)) from error
            raise unreadable_file(kind, source, error) from error
        except (DataError, MemoryError):
            raise
        except Exception as error:  # a damaged header
            raise damaged_file(kind, source, None) from error
        with image:
            if image.width * image.height > max_pixels:
                raise _too_large(kind, source, f"{image.height} x {image.width}", max_pixels=max_pixels)
            yield image


def walk_folders(
    folder: Path, *, seen: Iterable[Path] = (), onerror: Callable[[OSError], None] | None = None
) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Yield a folder and those below it with the names of their folders and files; links are followed, once each.

    Folders that systems make are left out. The caller may take more names out of a list of folders.

    Args:
        folder: where to start.
        seen: folders to leave out.
        onerror: called for folders that cannot be read; they are passed over.
    """
    entered = {each.resolve() for each in seen}
    for parent, folders, files in os.walk(folder, followlinks=True, onerror=onerror):
        here = Path(parent)
        if here.resolve() in entered:
            folders.clear()
            continue
        entered.add(here.resolve())
        folders[:] = sorted(name for name in folders if is_own_folder(name))
        yield here, folders, files


def is_own_folder(name: str) -> bool:
    """Return whether a folder may hold photographs: it is neither hidden nor made by a system or a disk station.

    >>> [is_own_folder(name) for name in ("cat", ".cache", "@eaDir", "__MACOSX")]
    [True, False, False, False]
    """
    return not name.startswith(".") and name.lower() not in _SYSTEM_FOLDERS


def damaged_file(kind: str, source: ImageSource, file_format: str | None) -> DataError:
    """Return the error for a file whose bytes break off or contradict each other."""
    found = f"a {file_format} file" if file_format else "a file"
    return DataError(
        f"{kind} {source} must be complete, got {found} that breaks off or is damaged", help=_help(source, _RESTORE)
    )


def unreadable_file(kind: str, source: ImageSource, error: OSError) -> DataError:
    """Return the error for a file that the operating system does not hand out.

    Raises:
        OSError: the given one, when this process has too many open files: that is not the file's fault.
    """
    if error.errno in (errno.EMFILE, errno.ENFILE):
        raise error
    if isinstance(source, NamedBytes):
        return damaged_file(kind, source, None)
    path = source
    if error.errno == errno.ENAMETOOLONG:  # the questions below would raise it again
        return DataError(f"{kind} {path} must have a name of at most 255 bytes, got a longer one", help="rename it")
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


_READ_IN_EVERY_KIND = frozenset({"PNG", "GIF", "HEIC", "HEIF"})
"""What Pillow does not know is damaged: it knows a PNG no more when the check sum of a mere note is wrong."""


def _unidentified_file(kind: str, source: ImageSource, formats: tuple[str, ...]) -> DataError:
    """Return the error for a file that Pillow does not open, with what it is as far as its first bytes tell."""
    begun = _begun_format(source)
    if ("HEIF" if begun == "HEIC" else begun) in formats and begun in _READ_IN_EVERY_KIND:
        return damaged_file(kind, source, begun)
    if begun in formats:
        bits = 12 if begun == "JPEG" else 64
        found = f"a {begun} file that is damaged or of a kind that is not read, such as {bits} bits a channel"
    else:
        found = f"the content of a {begun} file" if begun else "another content"
    unread = begun in ("HEIC", "HEIF") and kind == "image" and "HEIF" not in formats
    return ImageFormatError(
        f"{kind} {source} must be one of {', '.join(formats)}, got {found}",
        help=_help(source, INSTALL_HEIF if unread else _REPLACE),
    )


def _begun_format(source: ImageSource) -> str | None:
    """Return the format that the first bytes of a file promise, or None."""
    if isinstance(source, NamedBytes):
        start = source.data[:64]
    else:
        with source.open("rb") as file:
            start = file.read(64)
    return format_begun(start)


def _num_bytes(source: ImageSource) -> int:
    return source.stat().st_size if isinstance(source, Path) else len(source.data)


def _help(source: ImageSource, of_file: str, of_bytes: str = _SEND) -> str:
    return of_file if isinstance(source, Path) else of_bytes


def _too_large(kind: str, source: ImageSource, found: str, *, max_pixels: int) -> ImageSizeError:
    return ImageSizeError(
        f"{kind} {source} must have at most {max_pixels:,} pixels, got {found}",
        help=_help(source, _REPLACE, _SEND_SMALLER),
    )
