"""What the loop does with a batch of the affinity network.

Axis legend: N images, S crop side, h w cells at stride 4.
"""

from collections.abc import Mapping

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from tagseg.losses.affinity import affinity_loss, pair_sums
from tagseg.ops.resize import resize_labels
from tagseg.training.loop import TakeGradients

GROUPS = ("same_background", "same_foreground", "different", "displacement_foreground", "displacement_background")
"""The groups of pairs, in the order of :func:`pair_sums`; their means are the curves ``loss_<group>``."""


def affinity_gradients(fabric: Fabric, network: nn.Module, *, radius: int) -> TakeGradients:
    """Return the forward and backward pass of the affinity network's pair losses.

    Each group of pairs is averaged over the batches of all processes together: a process whose images hold few pairs of
    a group does not count as much as one with many, and two processes give the gradient of one.

    Source: IRN (Ahn et al., CVPR 2019). Departure: its release averages within each GPU; users of its code lost 20
    points of mIoU on several (METHOD.md 4, defect 8).

    Args:
        fabric: processes and precision.
        network: image (N, 3, S, S) to boundary logits (N, h, w) and displacement (N, 2, h, w).
        radius: of the pairs, in cells.
    """

    def take(batch: Mapping[str, Tensor], epoch: int) -> dict[str, Tensor]:
        logits, displacement = network(batch["image"])
        size = (logits.shape[-2], logits.shape[-1])
        labels = resize_labels(batch["mask"], size)
        pairs = pair_sums(logits.float().sigmoid(), displacement.float(), labels, radius=radius)
        counts = torch.as_tensor(fabric.all_reduce(pairs.counts, reduce_op="sum"))
        # Gradients are averaged over processes, sums are not: hence the factor.
        sums = pairs.sums * fabric.world_size
        loss = affinity_loss(sums, counts)
        fabric.backward(loss)
        means = sums.detach() / counts.clamp_min(1)
        return {"loss": loss.detach(), **{f"loss_{name}": mean for name, mean in zip(GROUPS, means, strict=True)}}

    return take
