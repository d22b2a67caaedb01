"""Memory that was freed is at hand for what comes next."""

import pytest
import torch

from tagseg.system.allocator import keep_freed_memory


def test_freed_memory_is_used_again():
    """Three buffers of 30 MB lie above what glibc keeps by default; each of their pages would be a fault each time."""
    if not keep_freed_memory():
        pytest.skip("only glibc on Linux can be told to keep freed memory")
    import resource

    def page_faults() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        buffers = [torch.ones(30 * 2**18) for _ in range(3)]
        del buffers
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    page_faults()
    assert min(page_faults() for _ in range(3)) < 1000  # of 23,040 pages
