"""Memory that is used again for the next image, instead of being given back to the operating system in between."""

import ctypes
import sys
from functools import cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # names of parameters in glibc's malloc.h

_KEPT_BYTES = 512 * 2**20
_LARGE_BYTES = 64 * 2**20


@cache
def keep_freed_memory() -> bool:
    """Let this process keep up to 512 MB of freed memory at hand; return whether its allocator can.

    A network's maps take tens of megabytes and are freed after each image. By default glibc returns them to the
    operating system when they happen to lie on top of its heap, and every page then costs a fault when it is used
    again: 15 % of the time of a small network on a CPU. Buffers above 64 MB are still returned. Only glibc on Linux has
    the two settings, they hold for the whole process, and cannot be read; other systems are left as they are.

    >>> keep_freed_memory() == keep_freed_memory()
    True
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    return mallopt is not None and all(
        mallopt(parameter, size) == 1
        for parameter, size in ((_MMAP_THRESHOLD, _LARGE_BYTES), (_TRIM_THRESHOLD, _KEPT_BYTES))
    )
