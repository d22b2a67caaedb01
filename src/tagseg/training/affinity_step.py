"""Forward pass and loss of the affinity network.

Axis legend: N images, S crop side, h w cells at stride 4.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from lightning_fabric import Fabric
from torch import Tensor, nn

from tagseg.losses.affinity import affinity_loss, boundary_loss, pair_sums
from tagseg.ops.resize import resize_labels
from tagseg.training.step import StepLoss

GROUPS = ("same_background", "same_foreground", "different", "displacement_foreground", "displacement_background")
"""The groups of pairs, in the order of :func:`pair_sums`; their means are the curves ``loss_<group>``."""


@dataclass(frozen=True, slots=True, eq=False)
class AffinityStep:
    """Boundary and displacement, and the losses of their pairs.

    Each group of pairs is averaged over the batches of all processes together: a process whose images hold few pairs of
    a group does not count as much as one with many, and two processes give the gradient of one.

    Source: IRN (Ahn et al., CVPR 2019). Departure: its release averages within each GPU; users of its code lost 20
    points of mIoU on several.

    Args:
        fabric: processes and precision.
        network: image (N, 3, S, S) to boundary logits (N, h, w) and displacement (N, 2, h, w).
        radius: of the pairs, in cells.
    """

    fabric: Fabric
    network: nn.Module
    radius: int

    def forward(self, batch: Mapping[str, Tensor]) -> tuple[Float[Tensor, "N h w"], Float[Tensor, "N 2 h w"]]:
        """Return boundary logits and displacement of ``image`` (N, 3, S, S)."""
        return self.network(batch["image"])

    def loss(
        self,
        outputs: tuple[Float[Tensor, "N h w"], Float[Tensor, "N 2 h w"]],
        batch: Mapping[str, Tensor],
        *,
        epoch: int,
    ) -> StepLoss:
        """Return the pair losses against the seeds ``mask`` (N, S, S)."""
        logits, displacement = outputs
        size = (logits.shape[-2], logits.shape[-1])
        labels = resize_labels(batch["mask"], size)
        pairs = pair_sums(logits.float().sigmoid(), displacement.float(), labels, radius=self.radius)
        counts = torch.as_tensor(self.fabric.all_reduce(pairs.counts, reduce_op="sum"))
        # Gradients are averaged over processes, sums are not: hence the factor.
        sums = pairs.sums * self.fabric.world_size
        loss = affinity_loss(sums, counts)
        means = sums.detach() / counts.clamp_min(1)
        groups = {f"loss_{name}": mean for name, mean in zip(GROUPS, means, strict=True)}
        boundary = boundary_loss(sums.detach(), counts)
        return StepLoss(loss, {"loss": loss.detach(), "loss_boundary": boundary, **groups})
