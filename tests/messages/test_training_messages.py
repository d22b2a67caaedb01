"""The errors of training, word for word."""

import pytest
import torch
from kit.messages import assert_says
from lightning_fabric import Fabric
from torch import nn, optim
from torch.multiprocessing.spawn import ProcessExitedException

from tagseg.data.datasets import EpochSampler, TrainingLoader, TrainingSet
from tagseg.errors import ArtifactError, DeviceError, TrainingError
from tagseg.losses.classification import ClassificationTerm
from tagseg.progress import SilentTask
from tagseg.training import loggers
from tagseg.training.accelerator import choose_accelerator
from tagseg.training.classifier_step import ClassifierStep
from tagseg.training.engine import EngineSettings, launch
from tagseg.training.loggers import Logged, Loggers, require_loggers
from tagseg.training.loop import Learner, LoopSettings, Session, resume, save, train


class Grey(TrainingSet):
    """Four images of one pixel value."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __len__(self) -> int:
        return 4

    def __getitem__(self, address):
        return {"image": torch.full((3, 4, 4), self.value), "tags": torch.ones(2), "index": torch.tensor(address[1])}


def make_learner(*, num_classes: int = 2, decoder: bool = False) -> Learner:
    classifier, rebuilder = nn.Conv2d(3, num_classes, 1, bias=False), nn.Conv2d(num_classes, 3, 1)
    # Signs differ inside every class: what an infinite image gives must not hang on the draw.
    nn.init.constant_(classifier.weight, 0.5)
    classifier.weight.data[:, 1] = -0.25
    optimizer = optim.SGD(classifier.parameters(), lr=0.1, momentum=0.9)
    if not decoder:
        return Learner({"classifier": classifier}, {"classifier": optimizer})
    optimizers = {"classifier": optimizer, "decoder": optim.Adam(rebuilder.parameters())}
    return Learner({"classifier": classifier, "decoder": rebuilder}, optimizers)


@pytest.mark.parametrize("accelerator", ["cuda", "mps"])
def test_an_accelerator_that_is_not_there(monkeypatch, accelerator):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert_says(
        lambda: choose_accelerator(accelerator),
        DeviceError,
        f"engine.accelerator '{accelerator}' needs such a device, got none that torch can use",
        "set engine.accelerator=cpu or install a torch build for your device",
    )


def test_more_devices_than_the_machine_has(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert_says(
        lambda: launch(EngineSettings(accelerator="cuda", devices=4), print),
        DeviceError,
        "engine.devices asks for 4 CUDA devices, got 1",
        "set engine.devices=1",
    )


def test_a_process_that_died(monkeypatch):
    def die(*args: object) -> None:
        raise ProcessExitedException(
            "process 1 terminated with signal SIGKILL", error_index=1, error_pid=7, exit_code=-9, signal_name="SIGKILL"
        )

    monkeypatch.setattr(Fabric, "launch", die)
    assert_says(
        lambda: launch(EngineSettings(accelerator="cpu", devices=2, threads=1), print),
        DeviceError,
        "all processes of a run work to its end, got one that died: process 1 terminated with signal SIGKILL",
        "run the same command again to continue; with too little memory lower the batch_size of this stage",
    )


def test_a_logger_that_is_not_installed(monkeypatch):
    monkeypatch.setattr(loggers, "find_spec", lambda _name: None)
    assert_says(
        lambda: require_loggers(("tensorboard", "mlflow")),
        TrainingError,
        "engine.loggers has 'mlflow', which needs the package mlflow, got none that is installed",
        "pip install mlflow, or take it out of engine.loggers",
    )


def test_a_logger_that_cannot_start(tmp_path, monkeypatch):
    def refuse(*_args: object, **_options: object) -> None:
        raise ConnectionError("no route")

    monkeypatch.setattr(loggers, "find_spec", lambda _name: object())
    monkeypatch.setattr(loggers, "WandbLogger", refuse)
    assert_says(
        lambda: Loggers(Logged(("wandb",)), tmp_path, sent_step=0),
        TrainingError,
        "logger 'wandb' cannot start, got ConnectionError: no route",
        "set up wandb, or take it out of engine.loggers",
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite(tmp_path, value):
    learner = make_learner()
    loader = TrainingLoader(Grey(value), EpochSampler(4, batch_size=2, seed=0))
    settings = LoopSettings(epochs=1, poly_power=0.9, clip_norm=None, checkpoint_every_steps=100)
    session = Session(tmp_path, 0, 1, SilentTask(), lambda epoch: {})
    fabric = Fabric(accelerator="cpu", devices=1)
    training_step = ClassifierStep(fabric, learner.networks["classifier"], (ClassificationTerm(),))
    assert_says(
        lambda: train(fabric, learner, training_step, loader, settings=settings, session=session),
        TrainingError,
        "the loss is a finite number, got loss, loss_classification, grad_classification = nan or inf at step 2",
        "lower the learning rate of this stage, or set its clip_norm=1",
    )


@pytest.mark.parametrize(
    ("saved", "asked", "part"),
    [
        ({}, {"num_classes": 5}, "classifier"),
        ({}, {"decoder": True}, "decoder"),
    ],
)
def test_resuming_with_another_network(tmp_path, saved, asked, part):
    save(Fabric(accelerator="cpu", devices=1), make_learner(**saved), tmp_path, step=3)
    assert_says(
        lambda: resume(make_learner(**asked), tmp_path),
        ArtifactError,
        f"checkpoint {tmp_path / 'checkpoint.safetensors'} fits the recipe's networks, got another '{part}'",
        "choose another --out, or delete the stage's folder to train again",
    )


def test_resuming_from_the_checkpoint_of_another_training(tmp_path):
    save(Fabric(accelerator="cpu", devices=1), make_learner(), tmp_path, step=3, made_of="this")
    assert resume(make_learner(), tmp_path, made_of="this") == (3, "")
    assert_says(
        lambda: resume(make_learner(), tmp_path, made_of="another"),
        ArtifactError,
        f"checkpoint {tmp_path / 'checkpoint.safetensors'} must be of this training, "
        "got one of other images or another recipe",
        "delete it and run the same command again",
    )
