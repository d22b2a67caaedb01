"""A second copy of a network whose weights are the exponential moving average of those that learn."""

import copy
from typing import Any, Generic, TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


class WeightAverage(nn.Module, Generic[Network]):
    """Hold the average of a network's weights over the steps of its training, ready to predict.

    ``average = d * average + (1 - d) * weight`` after every step, with ``d = min(decay, (1 + n) / (10 + n))``, where
    ``n`` updates came before: a young average must forget the weights that nothing was learned in. Buffers (means and
    variances of batch norms) are copied.

    Source: mean teacher (Tarvainen and Valpola, NeurIPS 2017) for the average as a teacher. Departure: its ramp of the
    decay has two stages; this one is smooth.

    Args:
        network: what learns, before Fabric sets it up; it is copied and left alone.
        decay: d of a long training, in [0, 1); 0 repeats the last weights.

    >>> network = nn.Linear(1, 1, bias=False)
    >>> _ = nn.init.zeros_(network.weight)
    >>> average = WeightAverage(network, decay=0.999)
    >>> _ = nn.init.ones_(network.weight)
    >>> average.update(network)
    >>> round(average(torch.ones(1, 1)).item(), 3)
    0.9
    """

    num_updates: torch.Tensor

    def __init__(self, network: Network, *, decay: float) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.decay = decay
        self.register_buffer("num_updates", torch.zeros((), dtype=torch.int64))
        self.eval()

    def forward(self, *inputs: Any) -> Any:  # noqa: ANN401 (takes and gives what the network does)
        """Return what the network with the averaged weights makes of ``inputs``."""
        return self.network(*inputs)

    def train(self, mode: bool = True) -> "WeightAverage[Network]":
        """Stay in evaluation mode: an average predicts."""
        return super().train(False)

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take in the weights of ``network`` after a step of its optimizer.

        Args:
            network: the one that was copied, plain or set up by Fabric.
        """
        # 1 - d. A tensor throughout: a number would make the processor wait for the GPU at every step.
        share = (9 / (10 + self.num_updates)).clamp_min(1 - self.decay)
        for average, weight in zip(self.network.parameters(), network.parameters(), strict=True):
            average.lerp_(weight.to(average.dtype), share.to(average.dtype))
        for average, buffer in zip(self.network.buffers(), network.buffers(), strict=True):
            average.copy_(buffer)
        self.num_updates += 1
