"""The training of a stage's network: what it says before it begins."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from kit.contexts import stage_context
from kit.heard import Heard
from torch import nn, optim

from tagseg.classes import ClassTable
from tagseg.data.datasets import TrainingLoader
from tagseg.recipe import make_recipe
from tagseg.stages import train_network
from tagseg.stages.context import StageContext
from tagseg.stages.train_network import NetworkTraining
from tagseg.training.loop import Learner, LoopSettings
from tagseg.types import ImageRecord, Split


def build() -> tuple[nn.Module, Learner]:
    network = nn.Conv2d(3, 2, 1)
    return network, Learner({"classifier": network}, {"classifier": optim.SGD(network.parameters(), lr=0.1)})


def context_of(folder: Path, heard: Heard) -> StageContext:
    recipe = make_recipe({"name": "mine", "data": {"format": "folder", "root": "photos"}})
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
