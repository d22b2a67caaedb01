"""What stages 3 and 4 say when what they find does not fit, word for word."""

from pathlib import Path

import numpy as np
import pytest
import torch
from kit.contexts import stage_context
from PIL import Image

from tagseg.artifacts.cam_file import write_cam
from tagseg.artifacts.checkpoint import save_checkpoint
from tagseg.assemble.networks import load_affinity_network
from tagseg.classes import ClassTable
from tagseg.errors import ArtifactError, DataError
from tagseg.recipe import make_recipe
from tagseg.stages import make_masks
from tagseg.stages.context import StageContext
from tagseg.stages.train_affinity import Seeds, make_seeds
from tagseg.types import ImageRecord, Split


@pytest.fixture
def context(tmp_path: Path) -> StageContext:
    """Return a run over one image of 24 x 32 px that shows a cat, with maps of 32 x 24."""
    return make_context(tmp_path)


def make_context(tmp_path: Path, *settings: str, stage: str = "make_masks") -> StageContext:
    path = tmp_path / "photos" / "cat.png"
    path.parent.mkdir()
    Image.fromarray(np.zeros((24, 32, 3), np.uint8)).save(path)
    recipe = make_recipe(
        {
            "name": "small",
            "data": {"format": "folder", "root": str(path.parent)},
            "classifier": {"backbone": "test_resnet", "weights": "random"},
            "self_modulation": {"enabled": False},
            "engine": {"accelerator": "cpu"},
        },
        list(settings),
    )
    train = Split("train", ClassTable(("cat",)), (ImageRecord("cat", path, (1,)),))
    context = stage_context(stage, recipe, tmp_path / "run", train)
    maps = np.random.default_rng(0).random((1, 32, 24), dtype=np.float32)
    write_cam(context.folder.cam(train.records[0]), maps, (1,))
    return context


@pytest.mark.parametrize("crf", [True, False])
def test_maps_of_another_size_than_their_image(tmp_path: Path, crf: bool) -> None:
    context = make_context(tmp_path, f"seeds.crf={str(crf).lower()}", stage="train_affinity")
    record = context.train.records[0]
    with pytest.raises(ArtifactError) as caught:
        make_seeds(context, record)
    assert str(caught.value) == (
        f"maps of {record.image_path} have the image's size (24, 32), got (32, 24); "
        "the image changed since they were made: run the stage extract-cams again with --redo"
    )


def test_no_seeds(context: StageContext) -> None:
    seeds, record = Seeds(context.folder), context.train.records[0]
    with pytest.raises(ArtifactError) as caught:
        seeds.read(record)
    assert str(caught.value) == (
        f"mask {context.folder.seeds(record)} must exist, got no such file; run the stage that writes it first"
    )


def test_masks_without_an_affinity_network(context: StageContext) -> None:
    path = context.folder.affinity_weights
    with pytest.raises(ArtifactError) as caught:
        make_masks.run(context)
    assert str(caught.value) == (
        f"checkpoint {path} must exist, got no such file; run the stage that trains this network first"
    )


@pytest.mark.parametrize(
    "tensors",
    [{}, {"classifier": {"w": torch.zeros(1)}}, {"affinity": {}}, {"affinity": {"w": torch.zeros(1)}}],
    ids=["nothing", "a classifier", "no tensors", "other tensors"],
)
def test_weights_of_another_network(context: StageContext, tensors: dict[str, dict[str, torch.Tensor]]) -> None:
    path = context.folder.affinity_weights
    save_checkpoint(path, tensors=tensors, state={})
    with pytest.raises(ArtifactError) as caught:
        load_affinity_network(context.recipe, path)
    assert str(caught.value) == (
        f"{path} fits the recipe's affinity network, got another network; choose another --out, or train again"
    )


def test_masks_without_maps(tmp_path: Path) -> None:
    context = make_context(tmp_path, "masks.refine=[]")
    path = context.folder.cam(context.train.records[0])
    path.unlink()
    with pytest.raises(ArtifactError) as caught:
        make_masks.run(context)
    assert str(caught.value) == f"CAM file {path} must exist, got no such file; run the stage extract-cams first"


@pytest.mark.parametrize("steps", ['["pixel_adaptive"]', '["crf"]'])
def test_an_image_that_changed_its_size_is_not_refined_with_old_maps(tmp_path: Path, steps: str) -> None:
    context = make_context(tmp_path, f"masks.refine={steps}")
    with pytest.raises(DataError) as caught:
        make_masks.run(context)
    assert str(caught.value) == (
        "scores must have the size of the image, (24, 32), got (32, 24); compute the maps from this image again"
    )
