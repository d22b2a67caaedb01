"""Optimizers, parameter groups and the poly schedule.

Source: SSC section IV-A (SGD, poly); DeepLab (Chen et al., TPAMI 2018) for poly.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import nn, optim


@dataclass(frozen=True, slots=True)
class OptimizerSettings:
    """The constants of an optimizer.

    Args:
        optimizer: ``sgd`` or ``adamw``.
        lr: learning rate of the base (the classifier's backbone), above 0.
        head_lr_factor: the head's learning rate is ``head_lr_factor * lr``.
        momentum: 0 to below 1 (SGD only).
        weight_decay: 0 or more.
    """

    optimizer: Literal["sgd", "adamw"]
    lr: float
    head_lr_factor: float
    momentum: float
    weight_decay: float


def poly(step: int, *, total_steps: int, power: float) -> float:
    """Return the factor ``(1 - step / total_steps) ** power`` on the initial learning rate.

    Args:
        step: steps taken, 0..total_steps.
        total_steps: steps of the whole run, at least 1.
        power: 0 keeps the rate constant; 0.9 is the field's habit.

    >>> round(poly(50, total_steps=100, power=0.9), 6)
    0.535887
    """
    return max(0.0, 1.0 - step / total_steps) ** power


def trainable(parameters: nn.Module | Iterable[nn.Parameter]) -> list[nn.Parameter]:
    """Return the parameters, of a module or given one by one, that learn, in order of definition."""
    given = parameters.parameters() if isinstance(parameters, nn.Module) else parameters
    return [parameter for parameter in given if parameter.requires_grad]


def build_optimizer(
    base: nn.Module | Iterable[nn.Parameter],
    head: nn.Module | Iterable[nn.Parameter],
    *,
    settings: OptimizerSettings,
) -> optim.Optimizer:
    """Build an optimizer with two groups: ``base``, and ``head`` at ``head_lr_factor`` times its rate.

    Departure: the release hands its weight decay to SGD as the momentum (momentum 1e-4); here each goes to its place,
    and the ``release`` preset asks for that momentum by name.
    """
    groups = [
        {"params": trainable(base), "lr": settings.lr},
        {"params": trainable(head), "lr": settings.lr * settings.head_lr_factor},
    ]
    groups = [group for group in groups if group["params"]]
    if settings.optimizer == "adamw":
        return optim.AdamW(groups, lr=settings.lr, weight_decay=settings.weight_decay)
    return optim.SGD(groups, lr=settings.lr, momentum=settings.momentum, weight_decay=settings.weight_decay)


def build_decoder_optimizer(decoder: nn.Module, *, lr: float) -> optim.Optimizer:
    """Build the reconstructor's own Adam (betas 0.5 and 0.999).

    Source: SSC section IV-A.
    """
    return optim.Adam(trainable(decoder), lr=lr, betas=(0.5, 0.999))


def initial_rates(optimizer: optim.Optimizer) -> list[float]:
    """Return the learning rate with which each group was built, however far the schedule has come since.

    It is kept in the group, and so in a checkpoint: a resumed training must not start its schedule from a decayed rate.
    """
    return [float(group.setdefault("initial_lr", group["lr"])) for group in optimizer.param_groups]


def set_rates(optimizer: optim.Optimizer, rates: Sequence[float], *, factor: float) -> None:
    """Set each group's learning rate to its initial rate times ``factor``."""
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate * factor
