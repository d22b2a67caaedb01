"""The accounts of the training loop: every image is reported once; a resumed run equals one that was not killed."""

from dataclasses import dataclass, field

import pytest
import torch
from lightning_fabric import Fabric
from torch import nn, optim

from tagseg.artifacts.checkpoint import load_checkpoint
from tagseg.artifacts.layout import TrainingLayout
from tagseg.data.datasets import EpochSampler, TrainingLoader, TrainingSet
from tagseg.errors import ArtifactError, TrainingError
from tagseg.losses.classification import ClassificationTerm
from tagseg.training.classifier_step import ClassifierStep
from tagseg.training.curves import read_curves
from tagseg.training.loop import Learner, LoopSettings, Session, resume
from tagseg.training.loop import train as train_on
from tagseg.training.step import StepLoss
from tagseg.training.weight_average import WeightAverage

NUM_IMAGES, BATCH, EPOCHS = 15, 2, 3
STEPS = NUM_IMAGES // BATCH  # 7 an epoch; the 15th image waits for another epoch's order


class Noise(TrainingSet):
    """Images that depend on (epoch, index); after ``breaks_after`` of them the run is killed."""

    def __init__(self, *, breaks_after: int | None = None) -> None:
        self.left = breaks_after

    def __len__(self) -> int:
        return NUM_IMAGES

    def __getitem__(self, address):
        if self.left is not None:
            if self.left == 0:
                raise KilledError
            self.left -= 1
        epoch, index = address
        image = torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(1000 * epoch + index))
        return {"image": image, "tags": (image.mean(dim=(1, 2))[:2] > 0).float(), "index": torch.tensor(index)}


class KilledError(Exception):
    """Stands in for kill -9: nothing of the loop's own clean-up writes a checkpoint."""


@dataclass
class Watcher:
    counts: list[int] = field(default_factory=list)
    fields: list[dict[str, float]] = field(default_factory=list)

    def advance(self, count: int = 1, **fields: float) -> None:
        self.counts.append(count)
        self.fields.append(fields)


@dataclass
class Sitting:
    """What one call of the loop left behind."""

    start_step: int
    counts: list[int]
    fields: list[dict[str, float]]
    validated: list[int]
    figures: dict[str, float]
    weight: torch.Tensor
    average: WeightAverage | None


def train(
    folder, *, log_every=10, checkpoint_every=100, breaks_after=None, until_epochs=(EPOCHS,), averaged=False
) -> Sitting:
    """Train, or go on training, from what is in ``folder``, in one part or several."""
    torch.manual_seed(0)
    fabric = Fabric(accelerator="cpu", devices=1)
    classifier = nn.Conv2d(3, 2, 1, bias=False)
    optimizer = optim.SGD(classifier.parameters(), lr=0.5, momentum=0.9)
    averages = {"classifier": WeightAverage(classifier, decay=0.9)} if averaged else {}
    learner = Learner({"classifier": classifier}, {"classifier": optimizer}, averages)
    learner = learner.set_up(fabric)
    start_step, _ = resume(learner, folder)
    training_step = ClassifierStep(fabric, learner.networks["classifier"], (ClassificationTerm(),))
    loader = TrainingLoader(Noise(breaks_after=breaks_after), EpochSampler(NUM_IMAGES, batch_size=BATCH, seed=0))
    watcher, validated = Watcher(), []

    def validate(epoch: int) -> dict[str, float]:
        validated.append(epoch)
        return {"val_weight": classifier.weight.sum().item()}

    settings = LoopSettings(EPOCHS, 0.9, None, checkpoint_every_steps=checkpoint_every, log_every_steps=log_every)
    figures = {}
    try:
        step = start_step
        for until_epoch in until_epochs:
            session = Session(folder, step, until_epoch, watcher, validate)
            figures = train_on(fabric, learner, training_step, loader, settings=settings, session=session)
            step = until_epoch * STEPS
    except KilledError:
        assert breaks_after is not None
    weight = classifier.weight.detach().clone()
    average = learner.averages.get("classifier")
    return Sitting(start_step, watcher.counts, watcher.fields, validated, figures, weight, average)


@pytest.mark.parametrize("log_every", [1, 2, 3, 7, 10, 100])
def test_every_image_is_reported_once(tmp_path, log_every):
    sitting = train(tmp_path, log_every=log_every)
    assert sum(sitting.counts) == EPOCHS * STEPS * BATCH
    assert min(sitting.counts) > 0


def test_reports_come_at_the_asked_steps_and_at_the_end_of_every_epoch(tmp_path):
    sitting = train(tmp_path, log_every=5)
    logged = sorted({step for step, name, _ in read_curves(tmp_path / "curves.csv") if name == "loss"})
    assert logged == [5, 7, 10, 14, 15, 20, 21]
    assert sitting.counts == [BATCH * steps for steps in (5, 2, 3, 4, 1, 5, 1)]


def test_reports_name_the_terms_and_curves_add_the_rate(tmp_path):
    sitting = train(tmp_path)
    assert all(set(names) == {"loss", "loss_classification", "grad_classification"} for names in sitting.fields)
    rates = {step: value for step, name, value in read_curves(tmp_path / "curves.csv") if name == "lr"}
    # The rate of the step that was just taken, the 10th of 21: nine had been taken before it.
    assert rates[10] == pytest.approx(0.5 * (1 - 9 / 21) ** 0.9)


def test_every_epoch_is_validated_and_the_last_figures_come_back(tmp_path):
    sitting = train(tmp_path)
    assert sitting.validated == [1, 2, 3]
    assert sitting.figures == {"val_weight": sitting.weight.sum().item()}
    points = [(step, name) for step, name, _ in read_curves(tmp_path / "curves.csv") if name.startswith("val_")]
    assert points == [(STEPS * epoch, "val_weight") for epoch in (1, 2, 3)]


# Checkpoints come every 3 steps and after every epoch of 7; the run dies while it reads the batch of step `dies + 1`.
@pytest.mark.parametrize(("dies", "resumed"), [(1, 0), (3, 3), (5, 3), (7, 7), (11, 9), (20, 18)])
@pytest.mark.parametrize("log_every", [3, 5])
def test_a_killed_run_resumes_in_the_middle_of_an_epoch_as_if_nothing_had_happened(tmp_path, dies, resumed, log_every):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    uninterrupted = train(whole, log_every=log_every, checkpoint_every=3)
    train(parts, log_every=log_every, checkpoint_every=3, breaks_after=dies * BATCH)
    again = train(parts, log_every=log_every, checkpoint_every=3)
    assert again.start_step == resumed
    assert torch.equal(again.weight, uninterrupted.weight)
    assert again.figures == uninterrupted.figures
    assert sum(again.counts) == (EPOCHS * STEPS - resumed) * BATCH
    assert read_curves(parts / "curves.csv") == read_curves(whole / "curves.csv")


def test_training_in_two_parts_equals_training_in_one(tmp_path):
    # The stage stops after the warm-up to measure the target of self-modulation.
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    whole, parts = train(one, log_every=5), train(two, log_every=5, until_epochs=(2, EPOCHS))
    assert torch.equal(parts.weight, whole.weight)
    assert parts.counts == whole.counts
    assert parts.validated == whole.validated
    assert read_curves(two / "curves.csv") == read_curves(one / "curves.csv")


def test_a_finished_run_takes_no_further_step(tmp_path):
    first = train(tmp_path)
    again = train(tmp_path)
    assert again.start_step == EPOCHS * STEPS
    assert again.counts == []
    assert torch.equal(again.weight, first.weight)


def test_the_average_takes_in_the_weights_of_every_step(tmp_path):
    torch.manual_seed(0)
    mean = nn.Conv2d(3, 2, 1, bias=False).weight.detach()
    sitting = train(tmp_path, checkpoint_every=1, averaged=True)
    assert sitting.average.num_updates.item() == EPOCHS * STEPS
    # The same training stopped after each step shows the weights that were averaged.
    for step in range(EPOCHS * STEPS):
        part = tmp_path / str(step)
        part.mkdir()
        weight = train(part, breaks_after=(step + 1) * BATCH).weight if step + 1 < EPOCHS * STEPS else sitting.weight
        keep = min(0.9, (1 + step) / (10 + step))
        mean = keep * mean + (1 - keep) * weight
    torch.testing.assert_close(sitting.average.network.weight, mean)


def test_the_average_changes_nothing_in_the_training(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    assert torch.equal(train(one, averaged=True).weight, train(two).weight)


@pytest.mark.parametrize("dies", [1, 5, 11])
def test_a_killed_run_resumes_with_its_average(tmp_path, dies):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    uninterrupted = train(whole, checkpoint_every=3, averaged=True)
    train(parts, checkpoint_every=3, breaks_after=dies * BATCH, averaged=True)
    again = train(parts, checkpoint_every=3, averaged=True)
    assert torch.equal(again.weight, uninterrupted.weight)
    for name, value in uninterrupted.average.state_dict().items():
        assert torch.equal(again.average.state_dict()[name], value)


def test_the_checkpoint_holds_the_average_beside_its_network(tmp_path):
    sitting = train(tmp_path, averaged=True)
    tensors = load_checkpoint(TrainingLayout(tmp_path).checkpoint).tensors
    assert set(tensors) == {"classifier", "classifier_optimizer", "classifier_average"}
    assert torch.equal(tensors["classifier_average"]["network.weight"], sitting.average.network.weight)


def test_a_checkpoint_without_average_is_none_of_a_learner_that_has_one(tmp_path):
    train(tmp_path)
    with pytest.raises(ArtifactError, match=r"fits the recipe's networks, got another 'classifier_average'"):
        train(tmp_path, averaged=True)


@dataclass
class SteepStep:
    """The squares of what all networks put out, times a large factor."""

    learner: Learner
    scale: float

    def forward(self, batch):
        return [network(batch["image"]) for network in self.learner.networks.values()]

    def loss(self, outputs, batch, *, epoch):
        loss = 1000 * self.scale * torch.stack([output.square().mean() for output in outputs]).sum()
        return StepLoss(loss, {"loss": loss.detach()})


def clipped_step(folder, *, clipped: tuple[str, ...] | None, scale: float = 1.0, epochs: int = 1) -> dict[str, float]:
    """Train two networks by plain SGD of rate 1 on steep gradients; return how far each went."""
    torch.manual_seed(0)
    fabric = Fabric(accelerator="cpu", devices=1)
    networks = {name: nn.Conv2d(3, 2, 1, bias=False) for name in ("first", "second")}
    start = {name: network.weight.detach().clone() for name, network in networks.items()}
    optimizers = {name: optim.SGD(network.parameters(), lr=1.0) for name, network in networks.items()}
    learner = Learner({**networks}, {**optimizers}, clipped=clipped).set_up(fabric)

    loader = TrainingLoader(Noise(), EpochSampler(2, batch_size=2, seed=0))
    session = Session(folder, 0, epochs, Watcher(), lambda epoch: {})
    settings = LoopSettings(epochs, 0.0, 0.5, checkpoint_every_steps=100, log_every_steps=1)
    train_on(fabric, learner, SteepStep(learner, scale), loader, settings=settings, session=session)
    return {name: (network.weight - start[name]).norm().item() for name, network in networks.items()}


def test_every_network_is_clipped_by_itself(tmp_path):
    assert clipped_step(tmp_path, clipped=None) == pytest.approx({"first": 0.5, "second": 0.5}, rel=1e-3)


def test_a_network_can_be_left_unclipped(tmp_path):
    moved = clipped_step(tmp_path, clipped=("second",))
    assert moved["second"] == pytest.approx(0.5, rel=1e-3)
    assert moved["first"] > 10


def test_a_gradient_that_is_not_finite_is_a_training_error_when_clipped_too(tmp_path):
    with pytest.raises(TrainingError, match=r"^the loss is a finite number, got loss = nan or inf at step [12]"):
        clipped_step(tmp_path, clipped=None, scale=1e38, epochs=2)
