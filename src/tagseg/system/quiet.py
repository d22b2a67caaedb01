"""Silence for the libraries that decode files, safe with threads."""

import threading
import warnings

_LIBRARIES = r"(PIL|pycocotools)\."


class QuietDecoders:
    """Silences the warnings of Pillow and pycocotools while at least one thread is inside.

    Pillow warns of large images and broken EXIF by the thousand; both are handled here, by a limit and by a default.
    pycocotools warns of a detail of its arrays. ``warnings.catch_warnings`` alone is not safe: of two threads inside,
    the first to leave takes the filter from the other, and the last restores the first one's.

    >>> with QuietDecoders():
    ...     warnings.warn_explicit("large image", UserWarning, "Image.py", 1, module="PIL.Image")
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._saved = warnings.catch_warnings()

    def __enter__(self) -> None:
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
