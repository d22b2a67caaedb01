"""Which devices this machine seems to have, without a library that takes seconds to load."""

import os
import platform
import sys
from pathlib import Path

_NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")


def seen_device() -> str:
    """Return the device that a run is likely to use, in words; torch has the last word when the run starts.

    >>> seen_device() in ("an NVIDIA GPU", "Apple's GPU", "no GPU")
    True
    """
    if _NVIDIA_DRIVER.exists():
        return "an NVIDIA GPU"
    if sys.platform == "darwin" and platform.machine() == "arm64":
        return "Apple's GPU"
    return "no GPU"


def num_processors() -> int:
    """Return how many processors this process may use.

    >>> num_processors() >= 1
    True
    """
    affinity = getattr(os, "sched_getaffinity", None)  # Linux's
    return len(affinity(0)) if affinity else os.cpu_count() or 1
