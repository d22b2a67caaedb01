"""A small recipe of a run whose segmenter is trained and tested, and how it is run without a word."""

from pathlib import Path
from typing import Any

from tagseg.pipeline import Run, run_pipeline
from tagseg.progress import SilentProgress
from tagseg.recipe import Recipe, make_recipe


def small_recipe(root: Path, *overrides: str) -> Recipe:
    return make_recipe(
        {
            "name": "small",
            "data": {"format": "folder", "root": str(root / "learn"), "test_root": str(root / "test")},
            "classifier": {"backbone": "test_resnet", "weights": "random", "frozen_stages": 0, "batch_norm": "train"},
            "suppression": {"enabled": False},
            "reconstruction": {"enabled": False},
            "self_modulation": {"enabled": False},
            "training": {
                "epochs": 2,
                "batch_size": 4,
                "crop_size_px": 64,
                "long_side_px": [48, 80],
                "optimizer": "adamw",
                "lr": 2e-2,
                "head_lr_factor": 1.0,
                "validation_images": 0,
            },
            "cams": {"scales": [1.0], "flip": False},
            "masks": {"refine": [], "background_rule": "auto"},
            "segmenter": {
                "decoder_channels": 16,
                "epochs": 3,
                "batch_size": 4,
                "crop_size_px": 64,
                "long_side_px": [48, 80],
                "optimizer": "adamw",
                "lr": 3e-3,
                "head_lr_factor": 1.0,
                "checkpoint_every_steps": 1,
                "min_probability": 0.2,
                "ema_decay": 0.5,
                "validation_images": 2,
            },
            "engine": {"accelerator": "cpu", "threads": 1},
        },
        list(overrides),
    )


def run(recipe: Recipe, out: Path, **options: Any) -> Run:
    return run_pipeline(recipe, out, progress=SilentProgress(), **options)
