"""What the loop asks of a network's training, batch by batch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

from jaxtyping import Float
from torch import Tensor

Outputs = TypeVar("Outputs")


@dataclass(frozen=True, slots=True, eq=False)
class StepLoss:
    """What one batch costs.

    Args:
        value: the scalar that the loop goes backward from.
        figures: to log, by name, without a graph.
    """

    value: Float[Tensor, ""]
    figures: dict[str, Tensor]


@runtime_checkable
class TrainingStep(Protocol[Outputs]):
    """Forward pass and loss of one batch; the loop goes backward and lets the optimizers step."""

    def forward(self, batch: Mapping[str, Tensor], /) -> Outputs:
        """Return what the networks that learn make of a batch."""
        ...

    def loss(self, outputs: Outputs, batch: Mapping[str, Tensor], /, *, epoch: int) -> StepLoss:
        """Return the loss of these outputs.

        Args:
            outputs: of :meth:`forward`.
            batch: the same batch.
            epoch: the current epoch, from 0.
        """
        ...
