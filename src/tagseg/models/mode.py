"""Evaluation mode for a while."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluation_mode(module: nn.Module) -> Iterator[None]:
    """Run a network in evaluation mode inside the block, and put its mode back.

    >>> network = nn.Dropout()
    >>> with evaluation_mode(network):
    ...     inside = network.training
    >>> inside, network.training
    (False, True)
    """
    was_training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(was_training)
