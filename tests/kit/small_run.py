"""A small recipe of a run with every stage but the segmenter's, and how it is run without a word."""

from pathlib import Path

from tagseg.pipeline import run_pipeline
from tagseg.progress import SilentProgress
from tagseg.recipe import Recipe, make_recipe

NUM_IMAGES = 12


def small_recipe(root: Path, cache: Path, *overrides: str) -> Recipe:
    return make_recipe(
        {
            "name": "small",
            "data": {"format": "folder", "root": str(root), "masks": str(root / "masks")},
            "superpixels": {"cache": str(cache), "max_regions": 16},
            "classifier": {"backbone": "test_resnet", "weights": "random", "frozen_stages": 0, "batch_norm": "train"},
            "suppression": {"positions": ["last_stage"]},
            "reconstruction": {"width": 8, "beta": 0.1, "pyramid_levels": [0, 1]},
            "self_modulation": {"warmup_epochs": 1, "beta": 1.0},
            "training": {
                "epochs": 4,
                "batch_size": 4,
                "crop_size_px": 64,
                "long_side_px": [48, 80],
                "optimizer": "adamw",
                "lr": 1e-3,  # with more, most maps of so short a training are 0 everywhere
                "head_lr_factor": 1.0,
                "checkpoint_every_steps": 2,
                "validation_images": 4,
            },
            "cams": {"scales": [0.5, 1.0], "average_over_regions": True},
            "affinity": {
                "epochs": 2,
                "batch_size": 4,
                "crop_size_px": 64,
                "long_side_px": [48, 80],
                "radius": 5,
                "optimizer": "adamw",
                "lr": 1e-3,
                "checkpoint_every_steps": 2,
            },
            "masks": {"background_rule": "auto"},
            "segmenter": {"enabled": False},  # test_segmenter_run.py is about it
            "engine": {"accelerator": "cpu", "threads": 1},
        },
        list(overrides),
    )


def quick_recipe(photos: Path, cache: Path, *settings: str) -> Recipe:
    """Return the recipe with no walk, which is the longest of its stages."""
    return small_recipe(photos, cache, "masks.refine=[]", "training.epochs=2", *settings)


def run(recipe: Recipe, out: Path):
    return run_pipeline(recipe, out, progress=SilentProgress())
