"""Forward pass and loss of the tag classifier.

Axis legend: N images, C classes, h w class-map cells.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jaxtyping import Float
from lightning_fabric import Fabric
from torch import Tensor, nn

from tagseg.losses.term import Term
from tagseg.training.objective import evaluate_objective
from tagseg.training.step import StepLoss


@dataclass(frozen=True, slots=True, eq=False)
class ClassifierStep:
    """Class maps, and what the terms of the objective ask of them.

    Args:
        fabric: processes and precision.
        classifier: image (N, 3, S, S) to class maps (N, C, h, w).
        terms: of the objective, the classification first.
    """

    fabric: Fabric
    classifier: nn.Module
    terms: Sequence[Term]

    def forward(self, batch: Mapping[str, Tensor]) -> Float[Tensor, "N C h w"]:
        """Return the class maps of ``image`` (N, 3, S, S)."""
        return self.classifier(batch["image"])

    def loss(self, class_maps: Float[Tensor, "N C h w"], batch: Mapping[str, Tensor], *, epoch: int) -> StepLoss:
        """Evaluate all terms; networks that learn with one of them get their gradients here."""
        found = evaluate_objective(self.terms, class_maps, batch, epoch=epoch, fabric=self.fabric)
        # Only its gradient counts: that of sum(F * G) on the class maps F is G, bit for bit.
        value = (class_maps * found.gradient.to(class_maps.dtype)).sum()
        return StepLoss(value, found.figures)
