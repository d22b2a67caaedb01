"""Memory that was freed is at hand for what comes next."""

import subprocess
import sys

import pytest

from tagseg.system.allocator import keep_freed_memory

PAGE_FAULTS = """
import resource
import torch
from tagseg.system.allocator import keep_freed_memory

keep_freed_memory()
found = []
for _ in range(12):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    buffers = [torch.ones(30 * 2**18) for _ in range(3)]
    del buffers
    found.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(min(found))
"""


def test_freed_memory_is_used_again():
    """Three buffers of 30 MB lie above what glibc keeps by default: each of their pages would be a fault each time.

    The heap needs some rounds until it has room for the three.
    """
    if not keep_freed_memory():
        pytest.skip("only glibc on Linux can be told to keep freed memory")
    # A process of its own: in one that ran a thousand tests the freed pieces may not lie together.
    ended = subprocess.run([sys.executable, "-c", PAGE_FAULTS], capture_output=True, text=True, check=True)
    assert int(ended.stdout) < 1000  # of 23,040 pages
