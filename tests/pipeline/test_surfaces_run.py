"""A run with what suits surfaces: middle features, strongest cells, absent classes, and the level of each class."""

from pathlib import Path

import numpy as np
import pytest
from kit.small_run import NUM_IMAGES, quick_recipe, run

from tagseg.artifacts.cam_file import read_cam
from tagseg.artifacts.checkpoint import load_checkpoint
from tagseg.artifacts.layout import RunLayout
from tagseg.artifacts.run_folder import RunFolder
from tagseg.data.drawn_pictures import write_dataset
from tagseg.data.images import read_image
from tagseg.pipeline import run_pipeline
from tagseg.progress import SilentProgress
from tagseg.use.cams import load_cam_predictor

SETTINGS = (
    "classifier.feature_layer=middle",
    "classifier.pooling_shares=[0.05, 0.5]",
    "classifier.absent_quantile=0.8",
    "training.absence=1",
    "suppression.enabled=false",
    "reconstruction.enabled=false",
    "self_modulation.enabled=false",
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("surfaces")
    write_dataset(folder / "photos", num_images=NUM_IMAGES, size=(48, 64), seed=0)
    outs = folder / "whole", folder / "again"
    for out in outs:
        run(quick_recipe(folder / "photos", folder / "cache", *SETTINGS), out)
    return outs


def test_the_level_is_kept_with_the_weights_and_is_the_same_in_every_run(runs: tuple[Path, Path]) -> None:
    levels = [load_checkpoint(RunLayout(out).classifier_weights).tensors["classifier"]["level"].numpy() for out in runs]
    assert np.isfinite(levels[0]).all() and np.count_nonzero(levels[0])
    np.testing.assert_array_equal(*levels)


@pytest.mark.usefixtures("forked_launches")
def test_two_processes_measure_the_level_of_one_and_make_its_maps(tmp_path: Path) -> None:
    write_dataset(tmp_path / "photos", num_images=NUM_IMAGES, size=(48, 64), seed=0)
    sgd = ("training.optimizer=sgd", "training.lr=0.001", "classifier.batch_norm=frozen")
    outs = one, two = tmp_path / "1", tmp_path / "2"
    for out in outs:
        recipe = quick_recipe(tmp_path / "photos", tmp_path / "cache", *SETTINGS, *sgd, f"engine.devices={out.name}")
        for stage in ("train_classifier", "extract_cams"):
            run_pipeline(recipe, out, progress=SilentProgress(), only=stage)
    levels = [load_checkpoint(RunLayout(out).classifier_weights).tensors["classifier"]["level"].numpy() for out in outs]
    assert np.count_nonzero(levels[0])
    np.testing.assert_allclose(*levels, rtol=1e-3)
    files = sorted((one / "2_cams").glob("*.npz"))
    assert len(files) == NUM_IMAGES
    for path in files:
        np.testing.assert_allclose(read_cam(path).cam, read_cam(two / "2_cams" / path.name).cam, atol=0.02)


def test_maps_exceed_the_level_only(runs: tuple[Path, Path]) -> None:
    predictor = load_cam_predictor(RunFolder(runs[0]))
    image = read_image(sorted((runs[0].parent / "photos" / "images").iterdir())[0])
    found = {}
    for height in (-1e6, 1e6):  # below and above every value of the maps
        predictor.classifier.level.fill_(height)
        found[height] = predictor.look(image, tags=(1, 2))
    assert found[-1e6].maps.cam.min() > 0.99 and found[1e6].maps.cam.max() == 0
    np.testing.assert_array_equal(found[-1e6].probabilities, found[1e6].probabilities)
