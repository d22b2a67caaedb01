"""The training of a stage's network: what it says before it begins."""

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from kit.contexts import stage_context
from kit.heard import Heard
from lightning_fabric import Fabric
from torch import nn, optim

from tagseg.classes import ClassTable
from tagseg.data.datasets import TrainingLoader
from tagseg.recipe import make_recipe
from tagseg.stages import train_network
from tagseg.stages.context import StageContext
from tagseg.stages.train_network import NetworkTraining
from tagseg.training.curves import Curves
from tagseg.training.loop import Learner, LoopSettings, save
from tagseg.types import ImageRecord, Split


def build() -> tuple[nn.Module, Learner]:
    network = nn.Conv2d(3, 2, 1)
    return network, Learner({"classifier": network}, {"classifier": optim.SGD(network.parameters(), lr=0.1)})


def context_of(folder: Path, heard: Heard, *settings: str) -> StageContext:
    recipe = make_recipe({"name": "mine", "data": {"format": "folder", "root": "photos"}}, list(settings))
    train = Split("all", ClassTable(("cat",)), (ImageRecord("a", Path("a.jpg"), tags=(1,)),))
    return stage_context("train_classifier", recipe, folder, train, progress=heard)


@pytest.mark.parametrize("there", [True, False])
def test_a_missing_tensorboard_is_told(there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not there:
        monkeypatch.setitem(sys.modules, "tensorboard", None)  # what an import finds when there is no such package
    heard = Heard()
    NetworkTraining(context_of(tmp_path, heard), tmp_path, build)
    said = "no TensorBoard log: pip install tensorboard for one; curves.csv has the same points"
    assert heard.notes == ([] if there else [said])


class Moving(Fabric):
    """Moves networks to another kind of numbers, as it moves them to a GPU elsewhere."""

    def to_device(self, obj: Any) -> Any:
        return super().to_device(obj.double() if isinstance(obj, nn.Module) else obj)


def test_the_state_of_an_optimizer_lies_where_its_weights_do_when_a_training_goes_on(tmp_path: Path) -> None:
    def build_with_momentum() -> tuple[nn.Module, Learner]:
        network = nn.Conv2d(3, 2, 1)
        optimizer = optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
        return network, Learner({"classifier": network}, {"classifier": optimizer})

    context = replace(context_of(tmp_path, Heard()), fabric=Moving(accelerator="cpu", devices=1))
    for step in (0, 1):
        training = NetworkTraining(context, tmp_path, build_with_momentum)
        assert training.step == step
        network, optimizer = training.learner.networks["classifier"], training.learner.optimizers["classifier"]
        context.fabric.backward(network(torch.ones(1, 3, 2, 2, dtype=torch.float64)).mean())
        optimizer.step()
        assert {state["momentum_buffer"].dtype for state in optimizer.state.values()} == {torch.float64}
        save(context.fabric, training.learner, tmp_path, step=step + 1, made_of=context.made_of)


class NoStep:
    def forward(self, batch: Any) -> Any:
        raise AssertionError("nothing is trained")

    def loss(self, outputs: Any, batch: Any, *, epoch: int) -> Any:
        raise AssertionError("nothing is trained")


@pytest.mark.parametrize("points", [(10, 20), (10,)])
def test_curves_that_lost_points_are_told_when_a_training_goes_on(points, tmp_path: Path, monkeypatch) -> None:
    heard = Heard()
    context = context_of(tmp_path, heard)
    training = NetworkTraining(context, tmp_path, build)
    training.step = 25
    (tmp_path / "curves.csv").write_text("".join(["step,name,value\n", *(f"{step},loss,0.5\n" for step in points)]))
    monkeypatch.setattr(train_network, "train", lambda *_, **__: {})
    loader = Mock(spec=TrainingLoader)
    loader.epoch_sampler = SimpleNamespace(steps_per_epoch=30, batch_size=1)
    settings = LoopSettings(epochs=1, poly_power=0.9, clip_norm=None, checkpoint_every_steps=5)
    training.run("Training", NoStep(), loader, settings=settings, until_epoch=1, validate=lambda _: {})
    told = (
        f"{tmp_path / 'curves.csv'} must hold the points of 25 steps, got none behind step 10: the others are lost; "
        "the training itself goes on as it was"
    )
    assert heard.warnings == ([] if 20 in points else [told])
    assert training.step == 30


def training_with_losses(
    folder: Path, heard: Heard, *values: float, settings: tuple[str, ...] = ()
) -> NetworkTraining[nn.Module]:
    training = NetworkTraining(context_of(folder, heard, *settings), folder, build)
    with Curves(folder, start_step=0) as curves:
        for step, value in enumerate(values, start=1):
            curves.add(step, {"loss": 9.0 - step, "loss_classification": value})
    return training


def test_a_loss_that_did_not_move_is_told_with_the_next_move(tmp_path: Path) -> None:
    heard = Heard()
    training = training_with_losses(tmp_path, heard, *[0.693] * 9)
    said = (
        "the loss 'classification' did not move: 0.693 in the first third of the steps, 0.693 in the last; "
        "raise training.lr, or give it more steps with training.epochs"
    )
    assert training.loss_warnings("loss_classification", section="training") == {"loss_warnings": [said]}
    assert heard.warnings == [said]


@pytest.mark.parametrize(
    ("most_steps", "keys"),
    [
        ("training.most_steps=90", "training.most_steps and training.epochs"),
        ("training.most_steps=98", "training.most_steps and training.epochs"),  # less than another epoch
        ("training.most_steps=99", "training.epochs"),
    ],
)
def test_more_steps_are_those_that_the_recipe_lets_a_training_have(tmp_path: Path, most_steps: str, keys: str) -> None:
    training = training_with_losses(tmp_path, Heard(), *[0.693] * 9, settings=("training.epochs=10", most_steps))
    training.step = 90  # 9 steps an epoch
    (said,) = training.loss_warnings("loss_classification", section="training")["loss_warnings"]
    assert said.endswith(f"; raise training.lr, or give it more steps with {keys}")


def test_nothing_is_said_of_a_loss_that_moved_or_is_far_below_a_guess(tmp_path: Path) -> None:
    heard = Heard()
    training = training_with_losses(tmp_path, heard, *[0.2] * 9)
    assert training.loss_warnings("loss", section="segmenter") == {}
    assert training.loss_warnings("loss_classification", section="training", guess=0.5) == {}
    (tmp_path / "curves.csv").unlink()
    assert training.loss_warnings("loss_classification", section="training") == {}
    assert heard.warnings == []
