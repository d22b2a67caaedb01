"""What stages 3 and 4 say when what they find does not fit, word for word."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from kit.contexts import stage_context
from kit.messages import ROW, assert_says, row
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


def make_context(tmp_path: Path, *settings: str, stage: str = "make_masks") -> StageContext:
    """Return a run over one image of 24 x 32 px that shows a cat, with maps of 32 x 24."""
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


def seed(folder: Path, crf: str) -> object:
    context = make_context(folder, f"seeds.crf={crf}", stage="train_affinity")
    return make_seeds(context, context.train.records[0])


def read_seeds(folder: Path) -> object:
    context = make_context(folder)
    return Seeds(context.folder).read(context.train.records[0])


def mask_without_maps(folder: Path) -> object:
    context = make_context(folder, "masks.refine=[]")
    context.folder.cam(context.train.records[0]).unlink()
    return make_masks.run(context)


def load_network(folder: Path, tensors: dict[str, dict[str, torch.Tensor]]) -> object:
    context = make_context(folder)
    save_checkpoint(context.folder.affinity_weights, tensors=tensors, state={})
    return load_affinity_network(context.recipe, context.folder.affinity_weights)


@pytest.mark.parametrize(
    ROW,
    [
        *(
            row(
                f"seeds_of_maps_of_another_size_{name}",
                lambda folder, crf=crf: seed(folder, crf),
                "maps of FOLDER/photos/cat.png have the image's size (24, 32), got (32, 24)",
                "the image changed since they were made: run the stage extract-cams again with --redo",
            )
            for name, crf in [("with_a_crf", "true"), ("without_a_crf", "false")]
        ),
        row(
            "no_seeds",
            read_seeds,
            "mask FOLDER/run/3_affinity/seeds/cat.png must exist, got no such file",
            "run the stage that writes it first",
        ),
        row(
            "masks_without_an_affinity_network",
            lambda folder: make_masks.run(make_context(folder)),
            "checkpoint FOLDER/run/3_affinity/affinity.safetensors must exist, got no such file",
            "run the stage that trains this network first",
        ),
        *(
            row(
                f"an_affinity_network_with_{name}",
                lambda folder, tensors=tensors: load_network(folder, tensors),
                "FOLDER/run/3_affinity/affinity.safetensors fits the recipe's affinity network, got another network",
                "choose another --out, or train again",
            )
            for name, tensors in {
                "nothing": {},
                "a_classifier": {"classifier": {"w": torch.zeros(1)}},
                "no_tensors": {"affinity": {}},
                "other_tensors": {"affinity": {"w": torch.zeros(1)}},
            }.items()
        ),
        row(
            "masks_without_maps",
            mask_without_maps,
            "CAM file FOLDER/run/2_cams/cat.npz must exist, got no such file",
            "run the stage extract-cams first",
        ),
    ],
)
def test_files(tmp_path: Path, call: Callable[[Path], object], problem: str, help: str) -> None:
    assert_says(lambda: call(tmp_path), ArtifactError, problem, help, FOLDER=tmp_path)


@pytest.mark.parametrize("steps", ['["pixel_adaptive"]', '["crf"]'])
def test_an_image_that_changed_its_size_is_not_refined_with_old_maps(tmp_path: Path, steps: str) -> None:
    context = make_context(tmp_path, f"masks.refine={steps}")
    assert_says(
        lambda: make_masks.run(context),
        DataError,
        "scores must have the size of the image, (24, 32), got (32, 24)",
        "compute the maps from this image again",
    )
