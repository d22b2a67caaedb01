"""One seed for everything that is drawn, and the switches that make a run repeat bit for bit."""

import os
import random

import torch


def seed_everything(seed: int) -> None:
    """Seed Python and torch, and ask torch for deterministic kernels.

    What a data set draws does not come from these generators: it is a function of (seed, epoch, image), so that
    workers, processes and resuming change nothing. This seed fixes the initial weights.

    Args:
        seed: 0 or more.

    >>> seed_everything(3); first = torch.rand(2); seed_everything(3); bool((first == torch.rand(2)).all())
    True
    """
    random.seed(seed)
    torch.manual_seed(seed)
    # cuBLAS reads this before its first call; a kernel without a deterministic form warns instead of failing.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Else torch fills each new tensor before a kernel writes it: time for memory that nobody reads.
    torch.utils.deterministic.fill_uninitialized_memory = False  # pyright: ignore[reportAttributeAccessIssue]
    torch.backends.cudnn.benchmark = False
