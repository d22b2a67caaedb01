"""Every error of the training data, word for word."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from kit.messages import ROW, assert_says, row
from PIL import Image

from tagseg.classes import ClassTable
from tagseg.data.augment import TrainTransform
from tagseg.data.datasets import EpochSampler, TrainingSet
from tagseg.data.superpixel_cache import SuperpixelCache, SuperpixelSettings
from tagseg.errors import DataError, DeviceError, RecipeError
from tagseg.recipe import make_recipe
from tagseg.stages.context import StageContext
from tagseg.stages.train_network import epoch_sampler
from tagseg.types import ImageRecord, Split


def transform(**changes: Any) -> TrainTransform:
    values: dict[str, Any] = {"crop_size": 8, "long_side_range": (8, 8), "mean": (0.0,) * 3, "std": (1.0,) * 3}
    values["color_jitter"] = 0.0
    return TrainTransform(**(values | changes))


def sample_a_stage(section: str) -> EpochSampler:
    """Sample fewer images than a batch for two processes, as a stage does."""
    recipe = make_recipe({"name": "small", "data": {"format": "synthetic"}})
    context = Mock(spec=StageContext, recipe=recipe, fabric=SimpleNamespace(global_rank=0, world_size=2))
    return epoch_sampler(context, 3, section=section)


@pytest.mark.parametrize(
    ROW,
    [
        row(
            "a_batch_that_does_not_divide",
            lambda: EpochSampler(100, batch_size=9, seed=0, world_size=2),
            "a batch of 9 images must divide by the number of processes, got 2",
            "change training.batch_size or --devices",
        ),
        row(
            "few_images_that_do_not_divide",
            lambda: EpochSampler(5, batch_size=8, seed=0, world_size=2),
            "a batch of 5 images must divide by the number of processes, got 2",
            "change training.batch_size or --devices",
        ),
        *(
            row(
                f"the_setting_of_{section}_is_named",
                lambda section=section: sample_a_stage(section),
                "a batch of 3 images must divide by the number of processes, got 2",
                f"change {section}.batch_size or --devices",
            )
            for section in ("training", "affinity", "segmenter")
        ),
    ],
)
def test_batches(call: Callable[[], object], problem: str, help: str) -> None:
    assert_says(call, DeviceError, problem, help)


def test_no_image() -> None:
    assert_says(
        lambda: EpochSampler(0, batch_size=4, seed=0),
        DataError,
        "a training set holds at least 1 image, got 0",
        "check the split and data.classes",
    )


LEAST_AND_GREATEST = "write it as [least, greatest], such as [320, 640]"


@pytest.mark.parametrize(
    ("changes", "problem", "help"),
    [
        row("no_crop", {"crop_size": 0}, "crop_size must be at least 1 px, got 0", "set it to 224, say"),
        row(
            "sizes_out_of_order",
            {"long_side_range": (640, 320)},
            "long_side_range must be two ascending sizes of at least 1 px, got [640, 320]",
            LEAST_AND_GREATEST,
        ),
        row(
            "a_size_of_zero",
            {"long_side_range": (0, 320)},
            "long_side_range must be two ascending sizes of at least 1 px, got [0, 320]",
            LEAST_AND_GREATEST,
        ),
        row(
            "colours_beyond_their_range",
            {"color_jitter": 1.5},
            "color_jitter must lie in [0, 1), got 1.5",
            "use 0 to switch it off, or 0.2",
        ),
    ],
)
def test_transforms(changes: dict[str, object], problem: str, help: str) -> None:
    assert_says(lambda: transform(**changes), RecipeError, problem, help)


class Elsewhere:
    """Superpixels of another image."""

    def read(self, image_path: Path) -> np.ndarray:
        return np.zeros((3, 3), np.int32)


def load_with_superpixels_of_another_size(path: Path) -> object:
    split = Split("train", ClassTable(("cat",)), (ImageRecord("a", path, (1,)),))
    return TrainingSet(split, transform(), seed=0, regions=Elsewhere())[0, 0]


def cache_in_a_file(path: Path) -> SuperpixelCache:
    return SuperpixelCache(path.parent / "cache", SuperpixelSettings())


def read_with_a_cache_in_a_file(path: Path) -> object:
    (path.parent / "cache").write_text("a file")
    return cache_in_a_file(path).read(path)


@pytest.mark.parametrize(
    ROW,
    [
        row(
            "of_another_size",
            load_with_superpixels_of_another_size,
            "PATH: superpixels have the image's size 4 x 5, got 3 x 3",
            "delete the superpixel cache and run again",
        ),
        row(
            "a_cache_that_cannot_be_written",
            read_with_a_cache_in_a_file,
            "superpixel cache CACHED must be writable, got 'Not a directory'",
            "free some space, or name another folder in superpixels.cache",
        ),
    ],
)
def test_superpixels(tmp_path: Path, call: Callable[[Path], object], problem: str, help: str) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (5, 4)).save(path)
    cached = cache_in_a_file(path).path(path).parent
    assert_says(lambda: call(path), DataError, problem, help, PATH=path, CACHED=cached)
