"""Silence for the libraries that decode files, safe with threads."""

import ctypes
import logging
import threading
import warnings
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path

_LIBRARIES = r"(PIL|pycocotools)\."


class QuietDecoders:
    """Silences the warnings of Pillow and pycocotools while at least one thread is inside.

    Pillow warns of large images and broken EXIF by the thousand; both are handled here, by a limit and by a default.
    pycocotools warns of a detail of its arrays. ``warnings.catch_warnings`` alone is not safe: of two threads inside,
    the first to leave takes the filter from the other, and the last restores the first one's. libtiff, which Pillow
    brings, prints to the terminal by itself; that is switched off once, for good.

    >>> with QuietDecoders():
    ...     warnings.warn_explicit("large image", UserWarning, "Image.py", 1, module="PIL.Image")
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._saved = warnings.catch_warnings()

    def __enter__(self) -> None:
        _silence_libtiff()
        _silence_logs()
        with self._lock:
            if self._inside == 0:
                self._saved = warnings.catch_warnings()
                self._saved.__enter__()
                warnings.filterwarnings("ignore", module=_LIBRARIES)
            self._inside += 1

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._saved.__exit__(None, None, None)


quiet_decoders = QuietDecoders()
"""The one of this process: all threads must count themselves in the same place."""


@cache
def _silence_logs() -> None:
    """Let Python print nothing that Pillow tells its log where nobody listens: what is wrong is raised, too."""
    logging.getLogger("PIL").addHandler(logging.NullHandler())


@cache
def _silence_libtiff() -> None:
    """Take away what libtiff calls to print, where it is a library of its own; what is wrong is raised anyway."""
    found = find_spec("PIL")
    if found is None or found.origin is None:
        return
    package = Path(found.origin).parent
    places = (package.parent / "pillow.libs", package / ".dylibs")
    for path in (path for place in places for path in sorted(place.glob("libtiff*"))):
        with suppress(OSError, AttributeError):
            library = ctypes.CDLL(str(path))
            for name in ("TIFFSetWarningHandler", "TIFFSetErrorHandler"):
                function = getattr(library, name)
                function.argtypes, function.restype = [ctypes.c_void_p], ctypes.c_void_p
                function(None)
