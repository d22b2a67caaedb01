"""What a step of each strategy learns from, alone and as one of two processes."""

import pytest
import torch
from kit.steps import take_step
from lightning_fabric import Fabric
from torch import nn
from torch.nn import functional

from tagseg.classes import VOID
from tagseg.losses.segmentation import boundary_weights, teacher_labels
from tagseg.training.segmenter_steps import (
    ConsistencyStep,
    CotrainingStep,
    SelfTrainingStep,
    SupervisedStep,
    UnsureSettings,
    sure_labels,
    unsure_pixels,
)
from tagseg.training.weight_average import WeightAverage

SIDE, LABELS = 6, 3


class TinyNetwork(nn.Module):
    """Logits of three labels from one 1x1 convolution."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.layer = nn.Conv2d(3, LABELS, kernel_size=1)

    def forward(self, images):
        return self.layer(images)

    def gradient(self):
        """Return all gradients in one row and forget them."""
        found = torch.cat([parameter.grad.flatten() for parameter in self.parameters()])
        self.zero_grad()
        return found


class OneOfTwo(Fabric):
    """One of two processes, whose other half has the weights that it is told."""

    def __init__(self, others: list[float]) -> None:
        super().__init__(accelerator="cpu", devices=1)
        self.others = list(others)

    @property
    def world_size(self) -> int:
        return 2

    def all_reduce(self, data, group=None, reduce_op="mean"):
        assert reduce_op == "sum"
        return data + self.others.pop(0)


def alone() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


def make_batch(count: int = 4, seed: int = 0) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    mask = torch.randint(0, LABELS, (count, SIDE, SIDE))
    confidence = torch.rand(count, SIDE, SIDE) < 0.5
    mask[:, :, -1] = VOID  # padding
    confidence[:, :, -1] = False
    return {
        "image": torch.randn(count, 3, SIDE, SIDE),
        "strong": torch.randn(count, 3, SIDE, SIDE),
        "mask": mask,
        "confidence": confidence,
        "tags": torch.tensor([[1.0, 0.0], [1.0, 1.0]] * (count // 2)),
    }


def part(batch, rows):
    return {name: tensor[rows] for name, tensor in batch.items()}


def settings(**values) -> UnsureSettings:
    return UnsureSettings(
        **{
            "weight": 1.0,
            "warmup_epochs": 1,
            "min_probability": 0.0,
            "mask_untagged": True,
            "boundary_px": 5,
            "boundary_weight": 1.0,
            **values,
        }
    )


def test_sure_and_unsure_pixels_part_the_image_and_leave_out_the_padding():
    batch = make_batch()
    sure, unsure = sure_labels(batch) != VOID, unsure_pixels(batch)
    assert not (sure & unsure).any()
    assert torch.equal(sure | unsure, batch["mask"] != VOID)
    assert torch.equal(sure_labels(batch)[sure], batch["mask"][sure])


@pytest.mark.parametrize("confident_only", [True, False])
def test_supervision_is_the_mean_cross_entropy_of_the_chosen_pixels(confident_only):
    batch, network, reference = make_batch(), TinyNetwork(), TinyNetwork()
    figures = take_step(SupervisedStep(alone(), network, confident_only=confident_only), batch)
    chosen = batch["confidence"] if confident_only else batch["mask"] != VOID
    logits = reference(batch["image"]).movedim(1, -1)[chosen]
    expected = functional.cross_entropy(logits, batch["mask"][chosen])
    expected.backward()
    torch.testing.assert_close(figures["loss"], expected.detach())
    torch.testing.assert_close(network.gradient(), reference.gradient())
    torch.testing.assert_close(figures["pixels_used"], chosen.float().mean())


def test_class_weights_weigh_the_labels():
    batch, network, reference = make_batch(), TinyNetwork(), TinyNetwork()
    weights = torch.tensor([0.5, 2.0, 1.0])
    take_step(SupervisedStep(alone(), network, confident_only=False, class_weights=weights), batch)
    functional.cross_entropy(reference(batch["image"]), batch["mask"], weight=weights, ignore_index=VOID).backward()
    torch.testing.assert_close(network.gradient(), reference.gradient())


@pytest.mark.parametrize("weight", [1.0, 3.0])
def test_pixels_of_corrected_images_weigh_as_much_as_the_recipe_says(weight):
    batch, network, reference = make_batch(), TinyNetwork(), TinyNetwork()
    batch["corrected"] = torch.tensor([False, True, False, True])
    take_step(SupervisedStep(alone(), network, confident_only=True, corrected_weight=weight), batch)
    losses = functional.cross_entropy(
        reference(batch["image"]), sure_labels(batch), ignore_index=VOID, reduction="none"
    )
    weights = torch.where(batch["corrected"], weight, 1.0)[:, None, None] * batch["confidence"]
    ((weights * losses).sum() / weights.sum()).backward()
    torch.testing.assert_close(network.gradient(), reference.gradient())


def test_self_training_leaves_corrected_images_as_they_are():
    batch, network = make_batch(), TinyNetwork()
    step = SelfTrainingStep(alone(), network, WeightAverage(TinyNetwork(seed=1), decay=0.9), settings=settings())
    assert take_step(step, batch, epoch=1)["changed_share"] > 0
    batch["corrected"] = torch.ones(4, dtype=torch.bool)
    assert take_step(step, batch, epoch=1)["changed_share"] == 0


def test_a_batch_without_a_trusted_pixel_has_loss_0_and_teaches_nothing():
    batch, network = make_batch(), TinyNetwork()
    batch["confidence"] = torch.zeros_like(batch["confidence"])
    figures = take_step(SupervisedStep(alone(), network, confident_only=True), batch)
    assert figures["loss"] == 0
    assert (network.gradient() == 0).all()


def test_consistency_waits_for_the_warmup_and_sees_the_strong_view():
    batch, network, reference = make_batch(), TinyNetwork(), TinyNetwork()
    average = WeightAverage(TinyNetwork(5), decay=0.9)
    step = ConsistencyStep(alone(), network, average, settings=settings())
    figures = take_step(step, batch)
    assert set(figures) == {"loss", "loss_sure"}
    chosen = batch["confidence"]
    functional.cross_entropy(reference(batch["strong"]).movedim(1, -1)[chosen], batch["mask"][chosen]).backward()
    torch.testing.assert_close(network.gradient(), reference.gradient())


def test_consistency_teaches_what_the_average_says_of_the_weak_view():
    batch, network, reference = make_batch(), TinyNetwork(), TinyNetwork()
    teacher = TinyNetwork(5)
    step = ConsistencyStep(
        alone(), network, WeightAverage(teacher, decay=0.9), settings=settings(weight=0.7, min_probability=0.6)
    )
    figures = take_step(step, batch, epoch=1)
    possible = functional.pad(batch["tags"], (1, 0), value=1)[:, :, None, None] > 0
    probability, taught = teacher(batch["image"]).masked_fill(~possible, -1e9).softmax(1).max(1)
    unsure = unsure_pixels(batch)
    used = unsure & (probability >= 0.6)
    assert 0 < used.sum() < unsure.sum()
    logits = reference(batch["strong"]).movedim(1, -1)
    sure = functional.cross_entropy(logits[batch["confidence"]], batch["mask"][batch["confidence"]])
    second = functional.cross_entropy(logits[used], taught[used], reduction="sum") / unsure.sum()
    (sure + 0.7 * second).backward()
    torch.testing.assert_close(figures["loss_unsure"], second.detach())
    torch.testing.assert_close(figures["taught_share"], used.sum() / unsure.sum())
    torch.testing.assert_close(network.gradient(), reference.gradient())


def test_self_training_learns_what_the_average_is_sure_of_and_else_the_mask():
    network, batch = TinyNetwork(), make_batch()
    average = WeightAverage(TinyNetwork(5), decay=0.9)
    named = teacher_labels(average(batch["image"]), batch["tags"])
    chosen = settings(min_probability=float(named.probability.median()))
    step = SelfTrainingStep(alone(), network, average, settings=chosen)
    logits, mask = step.forward(batch), batch["mask"]
    before, after = (step.loss(logits, batch, epoch=epoch) for epoch in (0, 1))
    torch.testing.assert_close(before.value, functional.cross_entropy(logits, mask, ignore_index=VOID))
    assert before.figures["changed_share"] == 0
    sure = (named.probability >= chosen.min_probability) & (mask != VOID)
    labels = torch.where(sure, named.labels, mask)
    torch.testing.assert_close(after.value, functional.cross_entropy(logits, labels, ignore_index=VOID))
    changed = (labels != mask).sum() / (mask != VOID).sum()
    assert 0 < changed < 0.5
    torch.testing.assert_close(after.figures["changed_share"], changed)


def test_cotraining_teaches_each_network_what_the_other_says():
    batch, network, peer = make_batch(), TinyNetwork(), TinyNetwork(1)
    copies = [TinyNetwork(), TinyNetwork(1)]
    step = CotrainingStep(alone(), network, peer, settings=settings(warmup_epochs=0, mask_untagged=False))
    figures = take_step(step, batch)
    unsure, sure = unsure_pixels(batch), batch["confidence"]
    for student, teacher in (copies, copies[::-1]):
        logits = student(batch["image"]).movedim(1, -1)
        taught = teacher(batch["image"]).argmax(1)
        loss = functional.cross_entropy(logits[sure], batch["mask"][sure])
        (loss + functional.cross_entropy(logits[unsure], taught[unsure])).backward()
    torch.testing.assert_close(network.gradient(), copies[0].gradient())
    torch.testing.assert_close(peer.gradient(), copies[1].gradient())
    assert figures["taught_share"] == 1


def test_boundaries_of_the_other_network_weigh_more_in_cotraining():
    plain, stressed = TinyNetwork(), TinyNetwork()
    for network, weight in ((plain, 1.0), (stressed, 4.0)):
        step = CotrainingStep(
            alone(), network, TinyNetwork(1), settings=settings(warmup_epochs=0, boundary_px=1, boundary_weight=weight)
        )
        take_step(step, make_batch())
    assert not torch.allclose(plain.gradient(), stressed.gradient())


@pytest.mark.parametrize("min_probability", [0.0, 0.5])
@pytest.mark.parametrize("boundary_weight", [1.0, 4.0])
def test_cotraining_divides_by_all_unsure_pixels_not_by_those_that_are_taught(min_probability, boundary_weight):
    batch, network, peer = make_batch(), TinyNetwork(), TinyNetwork(1)
    chosen = settings(warmup_epochs=0, min_probability=min_probability, boundary_px=1, boundary_weight=boundary_weight)
    figures = take_step(CotrainingStep(alone(), network, peer, settings=chosen), batch)
    unsure, expected = unsure_pixels(batch), 0.0
    for student, teacher in ((TinyNetwork(), TinyNetwork(1)), (TinyNetwork(1), TinyNetwork())):
        named = teacher_labels(teacher(batch["image"]), batch["tags"])
        inside = torch.where(batch["mask"] == VOID, VOID, named.labels)
        weights = boundary_weights(inside, radius_px=1, weight=boundary_weight)
        taught = unsure & (named.probability >= min_probability)
        losses = functional.cross_entropy(student(batch["image"]), named.labels, reduction="none")
        expected += (weights * losses)[taught].sum() / weights[unsure].sum()
    torch.testing.assert_close(figures["loss_unsure"], expected.detach())


@pytest.mark.parametrize("strategy", ["cotrain", "consistency"])
def test_a_pixel_beyond_trust_weighs_no_more_than_a_trusted_one(strategy):
    """However few pixels a teacher is sure of: divided by these, background would drown the rest."""
    batch, network = make_batch(), TinyNetwork()
    certain = TinyNetwork(7)
    probability = teacher_labels(certain(batch["image"]), batch["tags"]).probability[unsure_pixels(batch)]
    few = settings(warmup_epochs=0, min_probability=float(probability.quantile(0.98)))
    if strategy == "cotrain":
        step = CotrainingStep(alone(), network, certain, settings=few)
    else:
        step = ConsistencyStep(alone(), network, WeightAverage(certain, decay=0.9), settings=few)
    figures = take_step(step, batch)
    assert 0 < figures["taught_share"] < 0.2
    sure_losses = figures["loss_sure"] / (2 if strategy == "cotrain" else 1)
    assert figures["loss_unsure"] < sure_losses


@pytest.mark.parametrize("strategy", ["supervised", "self_training", "consistency", "cotrain"])
def test_two_processes_give_the_gradient_of_one(strategy):
    batch = make_batch(4)
    halves = [part(batch, slice(0, 2)), part(batch, slice(2, 4))]

    def gradient(fabric, given):
        network = TinyNetwork()
        if strategy == "supervised":
            step = SupervisedStep(fabric, network, confident_only=True)
        elif strategy in ("consistency", "self_training"):
            kind = ConsistencyStep if strategy == "consistency" else SelfTrainingStep
            average = WeightAverage(TinyNetwork(5), decay=0.9)
            step = kind(fabric, network, average, settings=settings(warmup_epochs=0))
        else:
            step = CotrainingStep(fabric, network, TinyNetwork(1), settings=settings(warmup_epochs=0))
        take_step(step, given)
        return network.gradient()

    def others(given):
        sure, unsure = float(given["confidence"].sum()), float(unsure_pixels(given).sum())
        both = {"consistency": [sure, unsure], "cotrain": [sure, sure, unsure, unsure]}
        return {"supervised": [sure], "self_training": [sure + unsure], **both}[strategy]

    whole = gradient(alone(), batch)
    shares = [gradient(OneOfTwo(others(other)), own) for own, other in (halves, halves[::-1])]
    torch.testing.assert_close(torch.stack(shares).mean(0), whole)
