"""What a term of the classifier's objective is.

Axes: N images, C classes, h w class-map cells.
"""

from collections.abc import Mapping
from typing import ClassVar, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor


@runtime_checkable
class Term(Protocol):
    """One term of the objective, ``L_t``: called with class maps and batch, it returns a float32 scalar.

    A term reaches the classifier through the class maps alone. What else it needs, such as a network, is given to its
    constructor; a network that learns with it gets its gradient at weight 1.
    """

    name: ClassVar[str]
    """Its word in the curves: ``loss_<name>`` and ``grad_<name>``."""

    @property
    def beta(self) -> float:
        """Weight of its gradient on the class maps, 0 or more."""
        ...

    @property
    def balance(self) -> bool:
        """Whether ``beta`` is relative to the first term's gradient; see ``training/objective.py``."""
        ...

    @property
    def first_epoch(self) -> int:
        """The epoch, from 0, at which it starts."""
        ...

    def __call__(self, class_maps: Float[Tensor, "N C h w"], batch: Mapping[str, Tensor], /) -> Float[Tensor, ""]:
        """Return its value.

        Args:
            class_maps: raw class maps ``F``, float32, that the value is differentiable in.
            batch: ``tags`` (N, C), ``image`` (N, 3, S, S) and what the data set adds; a term takes what it needs.
        """
        ...
