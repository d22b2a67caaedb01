"""Memory that is used again for the next image, instead of being given back to the operating system in between."""

import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # names of parameters in glibc's malloc.h

_KEPT_BYTES, _LARGE_BYTES = 512 * 2**20, 64 * 2**20
_CHOSEN = frozenset({"MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"})
_MOST_BYTES = 2**31 - 1  # of a parameter


def keep_freed_memory(*, kept_bytes: int = _KEPT_BYTES, large_bytes: int = _LARGE_BYTES) -> bool:
    """Let this process keep freed memory at hand; return whether its allocator can.

    A network's maps take tens of megabytes and are freed after each image. By default glibc returns them to the
    operating system, and every page then costs a fault when it is used again: 30 to 40 % of the time of a small network
    on a CPU (benchmarks/freed_memory.py). Only glibc on Linux has the two settings, they hold for the whole process
    and cannot be read. Other systems are left as they are, and so is a process whose environment has
    ``MALLOC_TRIM_THRESHOLD_`` or ``MALLOC_MMAP_THRESHOLD_``.

    Args:
        kept_bytes: how much free memory may lie on top of the heap, up to 2 GiB.
        large_bytes: larger buffers are returned as soon as they are freed, up to 2 GiB.

    >>> keep_freed_memory() == keep_freed_memory()
    True
    """
    if not _CHOSEN.isdisjoint(os.environ):
        return False
    mallopt = _of_glibc("mallopt")
    return mallopt is not None and all(
        mallopt(parameter, min(size, _MOST_BYTES)) == 1
        for parameter, size in ((_MMAP_THRESHOLD, large_bytes), (_TRIM_THRESHOLD, kept_bytes))
    )


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Keep the memory of the largest moment while something runs that takes as much again and again, then return it."""
    is_kept = keep_freed_memory(kept_bytes=_MOST_BYTES, large_bytes=_MOST_BYTES)
    try:
        yield
    finally:
        trim = _of_glibc("malloc_trim")
        if is_kept and trim is not None:
            keep_freed_memory()
            trim(ctypes.c_size_t(0))


def _of_glibc(name: str) -> Callable[..., int] | None:
    """Return a function of the C library where it is glibc on Linux; others lack it (musl) or mean something else."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform.startswith("linux") else None
