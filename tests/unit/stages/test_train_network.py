"""The training of a stage's network: what it says before it begins."""

import sys
from pathlib import Path

import pytest
from kit.contexts import stage_context
from kit.heard import Heard
from torch import nn, optim

from tagseg.classes import ClassTable
from tagseg.recipe import make_recipe
from tagseg.stages.train_network import NetworkTraining
from tagseg.training.loop import Learner
from tagseg.types import ImageRecord, Split


def build() -> tuple[nn.Module, Learner]:
    network = nn.Conv2d(3, 2, 1)
    return network, Learner({"classifier": network}, {"classifier": optim.SGD(network.parameters(), lr=0.1)})


@pytest.mark.parametrize("there", [True, False])
def test_a_missing_tensorboard_is_told(there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not there:
        monkeypatch.setitem(sys.modules, "tensorboard", None)  # what an import finds when there is no such package
    recipe = make_recipe({"name": "mine", "data": {"format": "folder", "root": "photos"}})
    train = Split("all", ClassTable(("cat",)), (ImageRecord("a", Path("a.jpg"), tags=(1,)),))
    heard = Heard()
    context = stage_context("train_classifier", recipe, tmp_path, train, progress=heard)
    NetworkTraining(context, tmp_path, build)
    said = "no TensorBoard log: pip install tensorboard for one; curves.csv has the same points"
    assert heard.notes == ([] if there else [said])
