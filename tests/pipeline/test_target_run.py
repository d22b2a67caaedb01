"""A run whose self-modulation has a target that is shared by regions that look alike and drawn by the dense CRF."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from kit.heard import Heard
from kit.processes import kill_when_written
from kit.small_run import NUM_IMAGES, quick_recipe, run, small_recipe
from PIL import Image

from tagseg.artifacts.cam_file import read_cam
from tagseg.artifacts.checkpoint import load_checkpoint
from tagseg.artifacts.layout import RunLayout
from tagseg.artifacts.region_scores import read_region_scores, write_region_scores
from tagseg.assemble.data import superpixel_cache
from tagseg.assemble.earlier_run import open_earlier_run
from tagseg.assemble.maps import read_seed_maps
from tagseg.cams.region_means import mean_by_region
from tagseg.data.drawn_pictures import write_dataset
from tagseg.data.layouts.folder import read_folder
from tagseg.errors import ArtifactError
from tagseg.pipeline import run_pipeline
from tagseg.progress import SilentProgress

_TRAIN = """
import sys
from pathlib import Path
from tagseg.pipeline import run_pipeline
from tagseg.progress import SilentProgress
from kit.small_run import small_recipe
photos, cache, out, *overrides = sys.argv[1:]
recipe = small_recipe(Path(photos), Path(cache), *overrides)
run_pipeline(recipe, Path(out), progress=SilentProgress(), only="train_classifier")
"""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    write_dataset(root, num_images=NUM_IMAGES, size=(64, 64), seed=3)
    return root


def weights(out: Path) -> dict[str, np.ndarray]:
    tensors = load_checkpoint(RunLayout(out).classifier_weights).tensors["classifier"]
    return {name: tensor.numpy() for name, tensor in tensors.items()}


def test_the_target_of_self_modulation_is_shared_and_drawn_and_goes_on_after_a_kill(
    photos: Path, tmp_path: Path
) -> None:
    steps = ["self_modulation.target_refine=['region_affinity','crf']", "self_modulation.midpoint=auto"]
    recipe = small_recipe(photos, tmp_path / "cache", *steps, "training.epochs=2")
    whole, again = tmp_path / "whole", tmp_path / "again"
    run_pipeline(recipe, whole, progress=SilentProgress(), only="train_classifier")
    plain = small_recipe(photos, tmp_path / "cache", "training.epochs=2")
    run_pipeline(plain, tmp_path / "plain", progress=SilentProgress(), only="train_classifier")
    target, before = (read_region_scores(RunLayout(out).region_scores) for out in (whole, tmp_path / "plain"))
    assert target.keys() == before.keys()
    assert any(not np.allclose(target[name], before[name], atol=0.05) for name in target)
    assert not RunLayout(whole).target_parts.exists()
    shutil.copytree(whole, again)
    RunLayout(again).classifier_weights.unlink()  # the target is read, not measured anew
    (RunLayout(again).target_parts / "drawn").mkdir(parents=True)  # as a kill leaves it behind the whole file
    heard = Heard()
    run_pipeline(recipe, again, progress=heard, only="train_classifier")
    assert not any("the target of self-modulation" in title for title in heard.tasks)
    assert not RunLayout(again).target_parts.exists()
    for name, array in weights(whole).items():
        np.testing.assert_array_equal(array, weights(again)[name], err_msg=name)


@pytest.mark.parametrize("written", ["target/measured/*", "target/drawn/*"])
def test_a_kill_in_the_measurement_loses_no_image_that_is_done(photos: Path, tmp_path: Path, written: str) -> None:
    overrides = [
        "self_modulation.target_refine=['region_affinity','crf']",
        "self_modulation.target_batch_size=2",
        "training.epochs=2",
    ]
    recipe = small_recipe(photos, tmp_path / "cache", *overrides)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run_pipeline(recipe, whole, progress=SilentProgress(), only="train_classifier")
    words = (photos, tmp_path / "cache", killed, *overrides)
    kill_when_written(f"*/1_classifier/{written}", 5, _TRAIN, *words)
    assert len(list((killed / "1_classifier").glob(written))) == 5
    run_pipeline(recipe, killed, progress=SilentProgress(), only="train_classifier")
    for name, array in weights(whole).items():
        np.testing.assert_array_equal(array, weights(killed)[name], err_msg=name)
    assert not RunLayout(killed).target_parts.exists()


def test_a_training_that_begins_anew_measures_its_own_target(photos: Path, tmp_path: Path) -> None:
    recipe = small_recipe(photos, tmp_path / "cache", "training.epochs=2")
    whole, again = tmp_path / "whole", tmp_path / "again"
    run_pipeline(recipe, whole, progress=SilentProgress(), only="train_classifier")
    shutil.copytree(whole, again)
    for path in (again / "1_classifier").glob("*.safetensors"):
        path.unlink()
    scores = read_region_scores(RunLayout(again).region_scores)
    write_region_scores(RunLayout(again).region_scores, {name: 1 - each for name, each in scores.items()})
    run_pipeline(recipe, again, progress=SilentProgress(), only="train_classifier")
    for name, array in weights(whole).items():
        np.testing.assert_array_equal(array, weights(again)[name], err_msg=name)


def test_the_masks_of_a_run_are_the_target_of_the_next_round(photos: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    run(quick_recipe(photos, tmp_path / "cache", "masks.refine=['crf']"), first)
    recipe = quick_recipe(photos, tmp_path / "cache", f"self_modulation.target_run={first}")
    run_pipeline(recipe, second, progress=SilentProgress(), only="train_classifier")
    found = read_region_scores(RunLayout(second).region_scores)
    split, regions = read_folder(photos), superpixel_cache(recipe)
    assert found.keys() == {record.image_id for record in split.records}
    for record in split.records:
        maps = read_seed_maps(RunLayout(first), record, recipe, regions=regions).cam
        np.testing.assert_allclose(
            found[record.image_id], mean_by_region(torch.from_numpy(maps), regions.read(record.image_path)), atol=1e-3
        )
    # A run that lies elsewhere is the same; another one is not.
    moved = first.rename(tmp_path / "moved")
    heard = Heard()
    settings = [f"self_modulation.target_run={moved}"]
    run_pipeline(quick_recipe(photos, tmp_path / "cache", *settings), second, progress=heard, only="train_classifier")
    assert heard.tasks == {}  # nothing is left to do
    run(quick_recipe(photos, tmp_path / "cache", "seed=5"), tmp_path / "other")
    settings = [f"self_modulation.target_run={tmp_path / 'other'}"]
    with pytest.raises(ArtifactError, match="holds 'train_classifier'"):
        run_pipeline(
            quick_recipe(photos, tmp_path / "cache", *settings),
            second,
            progress=SilentProgress(),
            only="train_classifier",
        )


def test_the_target_of_walked_maps_is_what_the_walk_left(photos: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    run(small_recipe(photos, tmp_path / "cache", "training.epochs=2"), first)
    recipe = small_recipe(photos, tmp_path / "cache", f"self_modulation.target_run={first}", "training.epochs=2")
    run_pipeline(recipe, second, progress=SilentProgress(), only="train_classifier")
    found, regions = read_region_scores(RunLayout(second).region_scores), superpixel_cache(recipe)
    for record in read_folder(photos).records:
        maps = torch.from_numpy(read_cam(RunLayout(first).refined_cam(record)).cam)
        expected = mean_by_region(maps, regions.read(record.image_path))
        np.testing.assert_allclose(found[record.image_id], expected, atol=1e-3)


def test_an_earlier_run_that_cannot_teach_is_refused_before_anything_is_trained(photos: Path, tmp_path: Path) -> None:
    first, cache = tmp_path / "first", tmp_path / "cache"
    run(quick_recipe(photos, cache), first)
    others = tmp_path / "others"
    write_dataset(others, num_images=NUM_IMAGES, size=(64, 64), seed=4)
    half = tmp_path / "half"
    run_pipeline(quick_recipe(photos, cache), half, progress=SilentProgress(), only="train_classifier")
    cases = [
        (photos, tmp_path, r"must be the folder of a run, got .* without a recipe\.toml"),
        (photos, half, r"must be a run with the stage extract_cams done, got .* where it is missing"),
        (others, first, r"must be a run of the same photographs and tags, got .* with others"),
    ]
    for data, earlier, said in cases:
        recipe = quick_recipe(data, cache, f"self_modulation.target_run={earlier}")
        with pytest.raises(ArtifactError, match=said):
            run_pipeline(recipe, tmp_path / "new", progress=SilentProgress())
        assert not (tmp_path / "new" / "1_classifier").exists()
    gone = tmp_path / "gone"
    shutil.copytree(first, gone)
    next((gone / "2_cams").rglob("*.npz")).unlink()
    recipe = quick_recipe(photos, cache, f"self_modulation.target_run={gone}")
    with pytest.raises(ArtifactError, match=rf"must have maps of all {NUM_IMAGES} training images, got .* those of 1;"):
        run_pipeline(recipe, tmp_path / "new", progress=SilentProgress())
    assert not (tmp_path / "new" / "1_classifier").exists()
    recipe = quick_recipe(photos, cache, f"self_modulation.target_run={first}")
    with pytest.raises(ArtifactError, match=r"must be another run, got .*, the folder of this one"):
        run_pipeline(recipe, first, progress=SilentProgress(), redo=True)
    assert (first / "2_cams").is_dir()


def test_maps_of_photographs_that_have_changed_since_are_no_target(photos: Path, tmp_path: Path) -> None:
    first, cache, own = tmp_path / "first", tmp_path / "cache", tmp_path / "photos"
    shutil.copytree(photos, own)
    run(quick_recipe(own, cache), first)
    path = next(path for path in sorted(own.rglob("*.*")) if path.suffix in (".jpg", ".png"))
    with Image.open(path) as image:
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(path)
    with pytest.raises(ArtifactError, match="images, tags"):  # it looks at the new photograph, and stops
        run(quick_recipe(own, cache), first)
    with pytest.raises(ArtifactError, match=r"must be a run of the same photographs and tags, got .* with others"):
        run(quick_recipe(own, cache, f"self_modulation.target_run={first}"), tmp_path / "second")


def test_an_earlier_run_is_named_by_the_maps_that_its_masks_start_from(photos: Path, tmp_path: Path) -> None:
    first, cache = tmp_path / "first", tmp_path / "cache"
    run(quick_recipe(photos, cache, "masks.maps=seeds"), first)
    before = open_earlier_run(first)
    before.require_unchanged()
    run_pipeline(quick_recipe(photos, cache, "masks.maps=network"), first, progress=SilentProgress(), redo=True)
    assert open_earlier_run(first).made_of != before.made_of
    with pytest.raises(ArtifactError) as caught:
        before.require_unchanged()
    assert str(caught.value) == (
        f"self_modulation.target_run must stay as it is while its maps are read, got {first}, whose maps were made "
        "anew; run the same command again"
    )


def test_plain_cam_of_a_further_round_needs_no_earlier_run(photos: Path, tmp_path: Path) -> None:
    recipe = quick_recipe(photos, tmp_path / "cache", f"self_modulation.target_run={tmp_path / 'gone'}")
    assert recipe.plain().self_modulation.target_run is None
