"""One batch as the training loop takes it, without optimizers."""

from collections.abc import Mapping
from typing import Any, Protocol

from lightning_fabric import Fabric
from torch import Tensor

from tagseg.training.step import TrainingStep


class _Step(TrainingStep[Any], Protocol):
    @property
    def fabric(self) -> Fabric: ...


def take_step(step: _Step, batch: Mapping[str, Tensor], epoch: int = 0) -> dict[str, Tensor]:
    """Go forward and backward; return the figures and leave the gradients in the networks."""
    outputs = step.forward(batch)
    loss = step.loss(outputs, batch, epoch=epoch)
    step.fabric.backward(loss.value)
    return loss.figures
