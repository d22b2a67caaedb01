"""Evaluation mode for a while."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluation_mode(module: nn.Module) -> Iterator[None]:
    """Run a network in evaluation mode inside the block, and put its mode back.

    A network that is in evaluation mode as a whole is left alone: switching hundreds of layers twice takes longer than
    laying labels over an image.

    >>> network = nn.Dropout()
    >>> with evaluation_mode(network):
    ...     inside = network.training
    >>> inside, network.training
    (False, True)
    """
    if not any(part.training for part in module.modules()):
        yield
        return
    was_training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(was_training)
