"""The memory of this machine, and the most that this process took, as far as the operating system tells."""

import os
import re
import sys
from contextlib import suppress
from pathlib import Path

try:
    import resource
except ImportError:  # Windows has none
    resource = None


def restart_peak_memory() -> None:
    """Let the peak count from now on; where the system cannot, it stays that of the process so far.

    >>> restart_peak_memory()
    """
    with suppress(OSError):  # Linux alone can
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory() -> int | None:
    """Return the peak of this process's resident memory in bytes, or None where the system does not tell.

    >>> peak = peak_memory()
    >>> peak is None or peak > 2**20
    True
    """
    # Linux: ru_maxrss also holds the peak of whoever started this process, VmHWM does not.
    with suppress(OSError):
        found = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), flags=re.MULTILINE)
        if found:
            return int(found[1]) * 1024
    if resource is None:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, the others KiB


def total_memory() -> int | None:
    """Return the memory of this machine in bytes, or None where the system does not tell.

    >>> total = total_memory()
    >>> total is None or total > 2**20
    True
    """
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf, and some systems not these names
        return None
