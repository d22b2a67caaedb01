"""The end of stage 1: the level of each class where the recipe wants it, and the guess that its loss is set against."""

from pathlib import Path

import pytest
import torch
from kit.contexts import stage_context
from kit.heard import Heard
from kit.small_run import small_recipe

from tagseg.cams.class_photographs import photographs_by_class
from tagseg.cams.level import PHOTOGRAPHS, measure_level
from tagseg.classes import ClassTable
from tagseg.data.drawn_pictures import write_dataset
from tagseg.data.layouts.folder import read_folder
from tagseg.losses.classification import tag_entropy
from tagseg.models.backbone import build_backbone
from tagseg.models.classifier import TagClassifier
from tagseg.recipe import make_recipe
from tagseg.stages import train_classifier
from tagseg.stages.train_classifier import settle_level
from tagseg.stages.train_network import NetworkTraining
from tagseg.types import ImageRecord, Split


def settled(folder: Path, *settings: str) -> tuple[torch.Tensor, torch.Tensor, Heard]:
    """Return the level that is set, the one that is measured, and what is said; every photograph shows a cat."""
    write_dataset(folder, num_images=4, size=(32, 32), seed=0)
    records = [
        ImageRecord(each.image_id, each.image_path, (1,) if position else (1, 2))
        for position, each in enumerate(read_folder(folder).records)
    ]
    recipe = make_recipe({"name": "mine", "data": {"format": "folder", "root": str(folder)}}, list(settings))
    split = Split("all", ClassTable(("cat", "dog")), tuple(records))
    torch.manual_seed(0)
    classifier, heard = TagClassifier(build_backbone("test_resnet", weights=None), num_classes=2), Heard()
    settle_level(stage_context("train_classifier", recipe, folder, split, progress=heard), classifier)
    return (
        classifier.level,
        measure_level(
            classifier, photographs_by_class(records, num_classes=2, shown=False, most=PHOTOGRAPHS), quantile=0.75
        ),
        heard,
    )


def test_the_level_is_set_and_a_class_without_one_is_named(tmp_path: Path) -> None:
    level, expected, heard = settled(tmp_path, "classifier.absent_quantile=0.75", "self_modulation.enabled=false")
    assert torch.equal(level, expected) and level[0] == 0 and level[1] != 0
    said = (
        "every photograph shows cat: the level of its map cannot be measured and stays 0; add photographs without cat"
    )
    assert heard.warnings == [said]


def test_a_recipe_that_wants_none_changes_and_says_nothing(tmp_path: Path) -> None:
    level, _, heard = settled(tmp_path)
    assert torch.equal(level, torch.zeros(2)) and not heard.told


@pytest.mark.parametrize("absence", [0.0, 1.0])
def test_the_guess_has_the_absence_that_the_loss_has(absence: float, tmp_path: Path, monkeypatch) -> None:
    photos, asked = tmp_path / "photos", []
    write_dataset(photos, num_images=4, size=(64, 64), seed=3)
    settings = ["reconstruction.enabled=false", "self_modulation.enabled=false", "training.epochs=1"]
    recipe = small_recipe(photos, tmp_path / "cache", *settings, f"training.absence={absence}")
    split = read_folder(photos)
    monkeypatch.setattr(NetworkTraining, "loss_warnings", lambda *_, **options: asked.append(options) or {})
    train_classifier.run(stage_context("train_classifier", recipe, tmp_path / "run", split))
    tags, num_classes = [record.tags for record in split.records], split.classes.num_classes
    (options,) = asked
    assert options["guess"] == tag_entropy(tags, num_classes=num_classes, absence=absence)
    assert (options["guess"] == tag_entropy(tags, num_classes=num_classes)) == (absence == 0)
