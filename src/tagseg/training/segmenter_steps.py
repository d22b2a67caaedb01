"""Forward pass and loss of the segmentation network, one class a strategy.

Axis legend: N images, C classes, K labels with background, S crop side.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from lightning_fabric import Fabric
from torch import Tensor, nn

from tagseg.classes import VOID
from tagseg.losses.segmentation import WeightedSum, boundary_weights, pixel_cross_entropy, teacher_labels
from tagseg.training.step import StepLoss
from tagseg.training.weight_average import WeightAverage


@dataclass(frozen=True, slots=True)
class UnsureSettings:
    """How networks are taught beyond the pixels that the pseudo masks trust.

    Args:
        weight: of the term, at least 0.
        warmup_epochs: epochs without it: a network that knows nothing yet teaches nothing.
        min_probability: a pixel whose teacher is less sure teaches nothing, in [0, 1).
        mask_untagged: whether the teacher may name only background and the classes of the image's tags.
        boundary_px: how far from a boundary in the teacher's labels pixels count as boundary, px.
        boundary_weight: how much these weigh, at least 1; 1 is as much as the others.
    """

    weight: float
    warmup_epochs: int
    min_probability: float
    mask_untagged: bool
    boundary_px: int
    boundary_weight: float


@dataclass(frozen=True, slots=True, eq=False)
class SupervisedStep:
    """Cross-entropy on given labels.

    ``L = mean over labelled pixels of -log p(label)``, the mean taken over the batches of all processes together.

    Args:
        fabric: processes and precision.
        network: image (N, 3, S, S) to logits (N, K, S, S).
        confident_only: whether only pixels that the sample's ``confidence`` marks teach.
        class_weights: of the labels, or None.
        corrected_weight: of the pixels of images that a person corrected; others weigh 1.
    """

    fabric: Fabric
    network: nn.Module
    confident_only: bool
    class_weights: Float[Tensor, " K"] | None = None
    corrected_weight: float = 1.0

    def forward(self, batch: Mapping[str, Tensor]) -> Float[Tensor, "N K S S"]:
        """Return the logits of ``image`` (N, 3, S, S)."""
        return self.network(batch["image"]).float()

    def loss(self, logits: Float[Tensor, "N K S S"], batch: Mapping[str, Tensor], *, epoch: int) -> StepLoss:
        """Return the cross-entropy against ``mask`` (N, S, S), or its confident pixels."""
        labels = sure_labels(batch) if self.confident_only else batch["mask"]
        loss = _label_loss(self, logits, labels, batch)
        return StepLoss(loss, {"loss": loss.detach(), "pixels_used": (labels != VOID).float().mean()})


@dataclass(frozen=True, slots=True, eq=False)
class ConsistencyStep:
    """Cross-entropy plus consistency with the running mean of the weights.

    The mean of the weights labels the crop that every strategy sees. The network must find the same labels in it with
    strongly changed colours, on the pixels that the pseudo mask does not trust and of which the teacher is sure.

    ``L = CE(confident pixels) + weight * V``, with ``V`` of :func:`_unsure_loss`

    Source: mean teacher (Tarvainen and Valpola, NeurIPS 2017) and FixMatch (Sohn et al., NeurIPS 2020), by pixel.
    Departures: both terms see the strong view, so that one forward pass serves both; the teacher may only name what
    the tags allow.

    Args:
        fabric: processes and precision.
        network: the student, image (N, 3, S, S) to logits (N, K, S, S).
        average: the running mean of its weights, the teacher.
        settings: of the second term.
        class_weights: of the labels in the first term, or None.
        corrected_weight: of the pixels of images that a person corrected; others weigh 1.
    """

    fabric: Fabric
    network: nn.Module
    average: WeightAverage[nn.Module]
    settings: UnsureSettings
    class_weights: Float[Tensor, " K"] | None = None
    corrected_weight: float = 1.0

    def forward(self, batch: Mapping[str, Tensor]) -> Float[Tensor, "N K S S"]:
        """Return the student's logits of the view ``strong`` (N, 3, S, S)."""
        return self.network(batch["strong"]).float()

    def loss(self, logits: Float[Tensor, "N K S S"], batch: Mapping[str, Tensor], *, epoch: int) -> StepLoss:
        """Return both terms; after the warm-up the teacher looks at ``image`` (N, 3, S, S)."""
        supervised = _label_loss(self, logits, sure_labels(batch), batch)
        if epoch < self.settings.warmup_epochs:
            return StepLoss(supervised, {"loss": supervised.detach(), "loss_sure": supervised.detach()})
        unsure, shares = _unsure_loss(self.fabric, logits, _mean_logits(self, batch), batch, self.settings)
        return _two_terms(supervised, unsure, weight=self.settings.weight, shares=shares)


@dataclass(frozen=True, slots=True, eq=False)
class SelfTrainingStep:
    """Cross-entropy on the pseudo masks, corrected by the running mean of the weights.

    After the warm-up a pixel of which the mean of the weights is sure has its label, any other the pseudo mask's. What
    a person corrected stays.

    ``L = mean over the pixels of the image of -log p(label)``

    Source: self-training with a mean teacher (Tarvainen and Valpola, NeurIPS 2017). Departures: the labels change at
    every step, in no rounds; the teacher may only name what the tags allow.

    Args:
        fabric: processes and precision.
        network: the student, image (N, 3, S, S) to logits (N, K, S, S).
        average: the running mean of its weights, the teacher.
        settings: ``warmup_epochs``, ``min_probability`` and ``mask_untagged`` count.
        class_weights: of the labels, or None.
        corrected_weight: of the pixels of images that a person corrected; others weigh 1.
    """

    fabric: Fabric
    network: nn.Module
    average: WeightAverage[nn.Module]
    settings: UnsureSettings
    class_weights: Float[Tensor, " K"] | None = None
    corrected_weight: float = 1.0

    def forward(self, batch: Mapping[str, Tensor]) -> Float[Tensor, "N K S S"]:
        """Return the student's logits of ``image`` (N, 3, S, S)."""
        return self.network(batch["image"]).float()

    def loss(self, logits: Float[Tensor, "N K S S"], batch: Mapping[str, Tensor], *, epoch: int) -> StepLoss:
        """Return the cross-entropy against the corrected ``mask`` (N, S, S)."""
        labels, taught = batch["mask"], torch.zeros_like(batch["mask"], dtype=torch.bool)
        if epoch >= self.settings.warmup_epochs:
            named = teacher_labels(_mean_logits(self, batch), batch["tags"] if self.settings.mask_untagged else None)
            taught = (labels != VOID) & (named.probability >= self.settings.min_probability) & ~_by_person(batch)
            labels = torch.where(taught, named.labels, labels)
        loss = _label_loss(self, logits, labels, batch)
        inside, changed = batch["mask"] != VOID, taught & (labels != batch["mask"])
        return StepLoss(loss, {"loss": loss.detach(), "changed_share": _share(changed, inside)})


@dataclass(frozen=True, slots=True, eq=False)
class CotrainingStep:
    """Two networks that teach each other where the pseudo mask is not trusted.

    ``L = sum over both of CE(confident pixels) + weight * V``, with ``V`` the cross-entropy of the unsure pixels
    against the other one's labels (:func:`_unsure_loss`), where pixels near a boundary of these weigh
    ``boundary_weight``.

    Source: BECO (Rong et al., CVPR 2023), the segmentation stage of SSC's release: co-training on the pixels outside
    the confident ones, boundaries emphasised. Departures: the emphasis is a weight of this term (there, objects are cut
    and pasted into other images, and the new borders weigh more); only labels that a teacher is sure of and that the
    tags allow are taught; one network stays.

    Args:
        fabric: processes and precision.
        network: the network that stays, image (N, 3, S, S) to logits (N, K, S, S).
        peer: one like it with another beginning.
        settings: of the second term.
        class_weights: of the labels in the first term, or None.
        corrected_weight: of the pixels of images that a person corrected; others weigh 1.
    """

    fabric: Fabric
    network: nn.Module
    peer: nn.Module
    settings: UnsureSettings
    class_weights: Float[Tensor, " K"] | None = None
    corrected_weight: float = 1.0

    def forward(self, batch: Mapping[str, Tensor]) -> tuple[Float[Tensor, "N K S S"], Float[Tensor, "N K S S"]]:
        """Return the logits of both networks for ``image`` (N, 3, S, S)."""
        return self.network(batch["image"]).float(), self.peer(batch["image"]).float()

    def loss(
        self,
        both: tuple[Float[Tensor, "N K S S"], Float[Tensor, "N K S S"]],
        batch: Mapping[str, Tensor],
        *,
        epoch: int,
    ) -> StepLoss:
        """Return both terms of both networks."""
        labels = sure_labels(batch)
        supervised = torch.stack([_label_loss(self, logits, labels, batch) for logits in both]).sum()
        if epoch < self.settings.warmup_epochs:
            return StepLoss(supervised, {"loss": supervised.detach(), "loss_sure": supervised.detach()})
        first, second = both
        one, one_shares = _unsure_loss(self.fabric, first, second.detach(), batch, self.settings)
        other, other_shares = _unsure_loss(self.fabric, second, first.detach(), batch, self.settings)
        shares = {name: torch.stack([one_shares[name], other_shares[name]]).mean() for name in one_shares}
        return _two_terms(supervised, torch.stack([one, other]).sum(), weight=self.settings.weight, shares=shares)


SegmenterStep = SupervisedStep | ConsistencyStep | SelfTrainingStep | CotrainingStep
"""All of them learn from labels, which weigh by class and by who drew them."""


def sure_labels(batch: Mapping[str, Tensor]) -> Int64[Tensor, "N S S"]:
    """Return the labels of the pixels that the pseudo mask trusts, 255 elsewhere."""
    return torch.where(batch["confidence"], batch["mask"], VOID)


def pixel_weights(batch: Mapping[str, Tensor], corrected_weight: float) -> Float[Tensor, "N S S"] | None:
    """Return the weight of each pixel in the loss, or None when all weigh 1: no image of the run is corrected."""
    if "corrected" not in batch:
        return None
    return torch.where(batch["corrected"], corrected_weight, 1.0)[:, None, None].expand(batch["mask"].shape)


def _by_person(batch: Mapping[str, Tensor]) -> Bool[Tensor, "N S S"]:
    """Return the pixels of images that a person corrected."""
    corrected = batch.get("corrected", torch.zeros(len(batch["mask"]), dtype=torch.bool, device=batch["mask"].device))
    return corrected[:, None, None].expand(batch["mask"].shape)


def unsure_pixels(batch: Mapping[str, Tensor]) -> Bool[Tensor, "N S S"]:
    """Return the pixels of the image, not of the padding, that the pseudo mask does not trust."""
    return ~batch["confidence"] & (batch["mask"] != VOID)


def _label_loss(
    step: SegmenterStep, logits: Float[Tensor, "N K S S"], labels: Int64[Tensor, "N S S"], batch: Mapping[str, Tensor]
) -> Float[Tensor, ""]:
    """Return the mean cross-entropy of the labelled pixels over the batches of all processes."""
    weights = pixel_weights(batch, step.corrected_weight)
    sums = pixel_cross_entropy(logits, labels, pixel_weights=weights, class_weights=step.class_weights)
    return _joint_mean(step.fabric, sums)


def _mean_logits(step: ConsistencyStep | SelfTrainingStep, batch: Mapping[str, Tensor]) -> Float[Tensor, "N K S S"]:
    """Return what the running mean of the weights says of ``image`` (N, 3, S, S), without gradient."""
    with torch.no_grad(), step.fabric.autocast():
        return step.average(batch["image"]).float()


def _unsure_loss(
    fabric: Fabric,
    student: Float[Tensor, "N K S S"],
    teacher: Float[Tensor, "N K S S"],
    batch: Mapping[str, Tensor],
    settings: UnsureSettings,
) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
    """Return the loss of the pixels that the pseudo mask does not trust against a teacher's labels, and its figures.

    ``V = sum over p in S of w_p (-log p(label)) / sum over p in U of w_p``

    U are all such pixels, S those of them whose teacher is sure. The divisor is that of U: were it that of S, the few
    pixels that an untrained teacher is sure of, all of them background, would weigh as much as all trusted ones.

    Args:
        fabric: processes; both sums are over their batches together.
        student: logits that learn.
        teacher: logits that name the labels; no gradient goes back.
        batch: masks, confidence and tags.
        settings: of the term.
    """
    named = teacher_labels(teacher, batch["tags"] if settings.mask_untagged else None)
    unsure = unsure_pixels(batch)
    taught = unsure & (named.probability >= settings.min_probability)
    inside = torch.where(batch["mask"] == VOID, VOID, named.labels)  # the padding has no boundary with the image
    weights = boundary_weights(inside, radius_px=settings.boundary_px, weight=settings.boundary_weight)
    sums = pixel_cross_entropy(student, torch.where(taught, named.labels, VOID), pixel_weights=weights)
    loss = _joint_mean(fabric, WeightedSum(sums.total, (unsure * weights).sum()))
    objects = taught & (named.labels > 0)
    return loss, {"taught_share": _share(taught, unsure), "taught_object_share": _share(objects, unsure)}


def _two_terms(
    supervised: Float[Tensor, ""], unsure: Float[Tensor, ""], *, weight: float, shares: dict[str, Tensor]
) -> StepLoss:
    """Return the sum of the term of the trusted pixels and the weighted one of the others, with its figures."""
    loss = supervised + weight * unsure
    figures = {"loss": loss, "loss_sure": supervised, "loss_unsure": unsure, **shares}
    return StepLoss(loss, {name: value.detach() for name, value in figures.items()})


def _joint_mean(fabric: Fabric, sums: WeightedSum) -> Float[Tensor, ""]:
    """Return the mean over all processes, so that its gradient, averaged over them, is that of one process."""
    weight = torch.as_tensor(fabric.all_reduce(sums.weight.detach().float(), reduce_op="sum"))
    return sums.total * fabric.world_size / weight.clamp_min(1e-6)


def _share(chosen: Bool[Tensor, "N S S"], among: Bool[Tensor, "N S S"]) -> Float[Tensor, ""]:
    return chosen.sum() / among.sum().clamp_min(1)
