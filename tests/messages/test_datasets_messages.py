"""Every error of the training data, word for word."""

from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image

from tagseg.classes import ClassTable
from tagseg.data.augment import TrainTransform
from tagseg.data.datasets import EpochSampler, TrainingSet
from tagseg.data.superpixel_cache import SuperpixelCache, SuperpixelSettings
from tagseg.errors import DataError, DeviceError, RecipeError
from tagseg.recipe import make_recipe
from tagseg.stages.context import StageContext
from tagseg.stages.loaders import epoch_sampler
from tagseg.types import ImageRecord, Split


def transform(**changes: object) -> TrainTransform:
    values = {"crop_size": 8, "long_side_range": (8, 8), "mean": (0.0,) * 3, "std": (1.0,) * 3}
    return TrainTransform(**(values | changes))  # pyright: ignore[reportArgumentType]


def test_no_image() -> None:
    with pytest.raises(DataError) as caught:
        EpochSampler(0, batch_size=4, seed=0)
    assert str(caught.value) == "a training set holds at least 1 image, got 0; check the split and data.classes"


def test_batch_that_does_not_divide() -> None:
    with pytest.raises(DeviceError) as caught:
        EpochSampler(100, batch_size=9, seed=0, world_size=2)
    assert str(caught.value) == (
        "a batch of 9 images must divide by the number of processes, got 2; change training.batch_size or --devices"
    )


def test_the_setting_of_the_stage_is_named() -> None:
    recipe = make_recipe({"name": "small", "data": {"format": "synthetic"}})
    context = Mock(spec=StageContext, recipe=recipe, fabric=SimpleNamespace(global_rank=0, world_size=2))
    for section in ("training", "affinity", "segmenter"):
        with pytest.raises(DeviceError) as caught:
            epoch_sampler(context, 3, section=section)  # fewer than a batch
        assert str(caught.value) == (
            "a batch of 3 images must divide by the number of processes, got 2; "
            f"change {section}.batch_size or --devices"
        )


def test_few_images_that_do_not_divide() -> None:
    with pytest.raises(DeviceError) as caught:
        EpochSampler(5, batch_size=8, seed=0, world_size=2)
    assert str(caught.value) == (
        "a batch of 5 images must divide by the number of processes, got 2; change training.batch_size or --devices"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"crop_size": 0}, "crop_size must be at least 1 px, got 0; set it to 224, say"),
        (
            {"long_side_range": (640, 320)},
            "long_side_range must be two ascending sizes of at least 1 px, got [640, 320]; "
            "write it as [least, greatest], such as [320, 640]",
        ),
        (
            {"long_side_range": (0, 320)},
            "long_side_range must be two ascending sizes of at least 1 px, got [0, 320]; "
            "write it as [least, greatest], such as [320, 640]",
        ),
        ({"color_jitter": 1.5}, "color_jitter must lie in [0, 1), got 1.5; use 0 to switch it off, or 0.2"),
    ],
)
def test_transform_values(changes: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        transform(**changes)
    assert str(caught.value) == message


def test_superpixels_of_another_size(tmp_path: Path) -> None:
    class Elsewhere:
        def read(self, image_path: Path) -> np.ndarray:
            return np.zeros((3, 3), np.int32)

    path = tmp_path / "a.png"
    Image.new("RGB", (5, 4)).save(path)
    split = Split("train", ClassTable(("cat",)), (ImageRecord("a", path, (1,)),))
    with pytest.raises(DataError) as caught:
        TrainingSet(split, transform(), seed=0, regions=Elsewhere())[0, 0]
    assert str(caught.value) == (
        f"{path}: superpixels have the image's size 4 x 5, got 3 x 3; delete the superpixel cache and run again"
    )


def test_superpixel_cache_that_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (5, 4)).save(path)
    (tmp_path / "cache").write_text("a file")
    cache = SuperpixelCache(tmp_path / "cache", SuperpixelSettings())
    with pytest.raises(DataError) as caught:
        cache.read(path)
    folder = cache.path(path).parent
    assert str(caught.value) == (
        f"superpixel cache {folder} must be writable, got 'Not a directory'; "
        "free some space, or name another folder in superpixels.cache"
    )
