"""Memory that was freed is at hand for what comes next."""

import subprocess
import sys

import pytest

from tagseg.system.allocator import keep_freed_memory

PAGE_FAULTS = """
import resource
import sys
import torch
from tagseg.system.allocator import freed_memory_kept, keep_freed_memory

def faults(megabytes):
    found = []
    for _ in range(12):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        buffers = [torch.ones(megabytes * 2**18) for _ in range(3)]
        del buffers
        found.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    return min(found)

keep_freed_memory()
print(faults(30))
with freed_memory_kept():
    print(faults(100))
print(faults(100))
"""


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"):
        monkeypatch.delenv(name, raising=False)


def test_freed_memory_is_used_again() -> None:
    """Three buffers of 30 MB lie above what glibc keeps by default: each of their pages would be a fault each time.

    Buffers of 100 MB are kept within a run alone. The heap needs some rounds until it has room for the three.
    """
    if not keep_freed_memory():
        pytest.skip("only glibc on Linux can be told to keep freed memory")
    # A process of its own: in one that ran a thousand tests the freed pieces may not lie together.
    ended = subprocess.run([sys.executable, "-c", PAGE_FAULTS], capture_output=True, text=True, check=True)
    small, within_a_run, after_it = map(int, ended.stdout.split())
    assert small < 1000  # of 23,040 pages
    assert within_a_run < 1000  # of 76,800
    assert after_it > 10_000


def test_what_the_environment_says_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "131072")
    assert not keep_freed_memory()
