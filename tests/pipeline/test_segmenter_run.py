"""Stages 5 and 6 on a small drawn data set: every strategy, kill -9 and resume, two processes, the upper bound."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from kit.processes import kill_when_written
from kit.small_segmenter_run import run, small_recipe
from lightning_fabric import Fabric
from safetensors.numpy import load_file

import tagseg
from tagseg.artifacts.mask_file import read_mask
from tagseg.artifacts.run_folder import RunFolder
from tagseg.artifacts.settings_file import read_prediction_settings
from tagseg.assemble.prediction import max_side
from tagseg.cli.tables import comparison_sentences, score_rows
from tagseg.data.drawn_pictures import write_dataset
from tagseg.errors import ArtifactError, DataError, ModelError, RecipeError
from tagseg.pipeline import run_compared
from tagseg.pipeline.rehearsal import rehearse
from tagseg.pipeline.run_inputs import RunInputs
from tagseg.pipeline.screening import load_splits
from tagseg.progress import SilentProgress

NUM_IMAGES, NUM_TESTED = 8, 5
STRATEGIES = ("confident", "all", "self_training", "cotrain", "consistency")


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    write_dataset(root / "learn", num_images=NUM_IMAGES, size=(64, 64), seed=3)
    write_dataset(root / "test", num_images=NUM_TESTED, size=(64, 64), seed=3, first_index=NUM_IMAGES)
    return root


@pytest.fixture(scope="module")
def reference(photos, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("reference") / "run"
    run(small_recipe(photos), out)
    return out


@pytest.fixture
def made_masks(reference, tmp_path) -> Path:
    """A run whose pseudo masks are made, and nothing after them."""
    out = tmp_path / "run"
    shutil.copytree(reference, out)
    for name in ("5_segmenter", "6_predictions"):
        shutil.rmtree(out / name)
    return out


def weights(out: Path) -> dict[str, np.ndarray]:
    return load_file(out / "5_segmenter" / "segmenter.safetensors")


def predictions(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((out / "6_predictions" / "labels").glob("*.png"))}


def assert_same_segmenter(one: Path, other: Path) -> None:
    expected, found = weights(one), weights(other)
    assert list(expected) == list(found)
    for name, array in expected.items():
        np.testing.assert_array_equal(array, found[name], err_msg=name)
    assert len(predictions(one)) == NUM_TESTED
    assert predictions(one) == predictions(other)
    assert (one / "5_segmenter" / "curves.csv").read_text() == (other / "5_segmenter" / "curves.csv").read_text()
    scores = [json.loads((out / "scores.json").read_text())["segmenter"] for out in (one, other)]
    assert scores[0] == scores[1]


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("segmenter.backbone=resnet999", "'resnet999' is not a network of timm"),
        ("segmenter.weights=gone.safetensors", "gone.safetensors"),
        ("segmenter.frozen_stages=9", "frozen_stages of test_resnet is 0 to"),
    ],
)
def test_a_segmenter_that_cannot_be_built_is_refused_before_the_first_stage(
    photos: Path, tmp_path: Path, override: str, problem: str
) -> None:
    with pytest.raises(ModelError) as caught:
        run(small_recipe(photos, override), tmp_path / "run")
    assert problem in str(caught.value)
    assert not (tmp_path / "run" / "1_classifier").exists()


def test_images_are_shown_at_no_more_than_what_the_network_is_trained_at(reference: Path, photos: Path) -> None:
    stored = read_prediction_settings(reference / "6_predictions" / "settings.json")
    assert stored["max_side_px"] == small_recipe(photos).segmenter.long_side_px[1]
    recipe = small_recipe(photos, "prediction.max_side_px=700")
    assert max_side(recipe) == (700, "asked for")
    assert max_side(small_recipe(photos)) == (80, "auto: the longest side that the network is trained on")


def test_building_it_beforehand_leaves_the_random_numbers_alone(photos: Path, tmp_path: Path) -> None:
    recipe, folder = small_recipe(photos), RunFolder(tmp_path)
    data = load_splits(recipe, folder, progress=SilentProgress())
    inputs = RunInputs(Fabric(accelerator="cpu", devices=1), recipe, folder, data)
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    rehearse(inputs)
    assert torch.equal(torch.rand(3), expected)


def test_the_stages_leave_what_the_documentation_says(reference):
    assert {path.name for path in (reference / "5_segmenter").iterdir()} == {
        "checkpoint.previous.safetensors",
        "checkpoint.safetensors",
        "curves.csv",
        "segmenter.json",
        "segmenter.safetensors",
        "tensorboard",
    }
    assert len(predictions(reference)) == NUM_TESTED
    scores = json.loads((reference / "scores.json").read_text())["segmenter"]
    assert (scores["split"], scores["images"], scores["labels"]) == ("test", NUM_TESTED, "pseudo")
    assert scores["learned_from_them"] is False
    assert np.sum(scores["confusion"]) == NUM_TESTED * 64 * 64
    rows = (reference / "scores.csv").read_text().splitlines()
    assert any(row.startswith("test,segmenter,,mean_iou,") for row in rows)
    curves = {row.split(",")[1] for row in (reference / "5_segmenter" / "curves.csv").read_text().splitlines()[1:]}
    assert {"loss", "lr", "pixels_used", "val_miou"} <= curves


def test_the_segmenter_of_a_run_labels_a_picture(reference, photos):
    segmenter = tagseg.load(reference)
    path = photos / "test" / "images" / f"{NUM_IMAGES:06d}.png"
    prediction = segmenter.predict(path)
    assert prediction.labels.shape == (64, 64)
    assert prediction.names[0] == "background"
    np.testing.assert_array_equal(prediction.labels, read_mask(reference / "6_predictions" / "labels" / path.name))


def test_same_seed_same_bits(reference, made_masks, photos):
    run(small_recipe(photos), made_masks)
    assert_same_segmenter(reference, made_masks)


def test_another_seed_other_weights(reference, photos, tmp_path):
    run(small_recipe(photos, "seed=1"), tmp_path / "run")
    one, other = weights(reference), weights(tmp_path / "run")
    assert any((one[name] != other[name]).any() for name in one)


def test_every_strategy_learns_something_of_its_own(reference, made_masks, photos):
    found = {}
    for strategy in STRATEGIES:
        recipe = small_recipe(photos, f"segmenter.strategy={strategy}")
        scores = run(recipe, made_masks, redo=True).scores["segmenter"]
        assert scores["strategy"] == strategy
        found[strategy] = weights(made_masks)
        curves = (made_masks / "5_segmenter" / "curves.csv").read_text()
        assert ("taught_share" in curves) == (strategy in ("cotrain", "consistency"))
    for index, one in enumerate(STRATEGIES):
        for other in STRATEGIES[index + 1 :]:
            assert any((found[one][name] != found[other][name]).any() for name in found[one]), (one, other)


def test_the_last_weights_differ_from_their_average(reference, made_masks, photos):
    run(small_recipe(photos, "segmenter.keep=last"), made_masks, redo=True)
    assert any((array != weights(reference)[name]).any() for name, array in weights(made_masks).items())


def test_balanced_labels_change_what_is_learned(reference, made_masks, photos):
    run(small_recipe(photos, "segmenter.balance=true"), made_masks, redo=True)
    assert any((array != weights(reference)[name]).any() for name, array in weights(made_masks).items())


RUN = """
import sys
from pathlib import Path
from kit.small_segmenter_run import run, small_recipe
photos, out, override = sys.argv[1:]
run(small_recipe(Path(photos), override), Path(out), redo=True)
"""


@pytest.mark.parametrize("strategy", ["confident", "cotrain", "consistency"])
def test_kill_in_training_and_run_again_equals_a_run_that_was_not_killed(photos, made_masks, tmp_path, strategy):
    whole = tmp_path / "whole"
    shutil.copytree(made_masks, whole)
    chosen = f"segmenter.strategy={strategy}"
    recipe = small_recipe(photos, chosen)
    run(recipe, whole, redo=True)
    folder = made_masks / "5_segmenter"
    kill_when_written(f"{folder}/checkpoint.previous.safetensors", 1, RUN, photos, made_masks, chosen)
    assert not (folder / "segmenter.json").exists()
    run(recipe, made_masks)
    assert_same_segmenter(whole, made_masks)


def test_kill_in_prediction_and_run_again_equals_a_run_that_was_not_killed(reference, made_masks, photos):
    folder = made_masks / "6_predictions" / "labels"
    # One image a batch, so that the batches after the first are still to come.
    alone = "prediction.batch_size=1"
    kill_when_written(f"{folder}/*.png", 1, RUN, photos, made_masks, alone)
    assert json.loads((made_masks / "manifest.json").read_text())["stages"]["predict"]["state"] == "started"
    run(small_recipe(photos, alone), made_masks)
    assert len(predictions(made_masks)) == NUM_TESTED
    assert predictions(made_masks) == predictions(reference)


@pytest.mark.usefixtures("forked_launches")
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_two_processes_equal_one(photos, made_masks, tmp_path, strategy):
    # SGD: Adam divides by the gradient's size and so turns rounding of tiny gradients into steps.
    chosen = (f"segmenter.strategy={strategy}", "segmenter.optimizer=sgd", "segmenter.lr=0.01")
    two = tmp_path / "two"
    shutil.copytree(made_masks, two)
    run(small_recipe(photos, *chosen), made_masks, redo=True)
    run(small_recipe(photos, *chosen, "engine.devices=2"), two, redo=True)
    for name, array in weights(made_masks).items():
        np.testing.assert_allclose(array, weights(two)[name], rtol=1e-3, atol=2e-5, err_msg=name)
    pairs = zip(predictions(made_masks), predictions(two), strict=True)
    same = [
        read_mask(made_masks / "6_predictions" / "labels" / one) == read_mask(two / "6_predictions" / "labels" / other)
        for one, other in pairs
    ]
    assert len(same) == NUM_TESTED
    assert np.mean(same) > 0.999


def test_the_upper_bound_learns_from_ground_truth_alone(photos, tmp_path):
    result = run(small_recipe(photos).supervised(), tmp_path / "run")
    assert not any((tmp_path / "run" / name).exists() for name in ("1_classifier", "2_cams", "3_affinity", "4_masks"))
    assert result.scores["seeds"] is None
    assert result.scores["reason"] == "the segmenter learns from ground truth: there are no seeds"
    assert result.scores["segmenter"]["labels"] == "truth"
    assert 0 < result.segmenter_mean_iou <= 1
    assert [row[1] for row in score_rows("run", result.scored)] == ["segmenter"]


def test_the_share_of_the_upper_bound_is_told(reference, photos):
    runs = run_compared(small_recipe(photos), reference, baseline=False, upper_bound=True, progress=SilentProgress())
    assert runs.plain is None
    assert runs.full is not None
    assert runs.full.folder == reference / "full"
    (sentence,) = comparison_sentences(runs.main.scored, None, runs.full.scored)
    assert sentence.startswith("segmenter: tags alone reach ")
    share = runs.main.segmenter_mean_iou / runs.full.segmenter_mean_iou
    assert f"{100 * share:.1f} % of the same network taught by ground truth" in sentence


def test_files_of_finished_stages_that_are_gone_are_made_again(reference, made_masks, photos):
    run(small_recipe(photos), made_masks)
    (made_masks / "5_segmenter" / "segmenter.json").unlink()
    next(iter((made_masks / "6_predictions" / "labels").glob("*.png"))).unlink()
    run(small_recipe(photos), made_masks)
    assert_same_segmenter(reference, made_masks)


def test_other_images_to_test_on_leave_the_earlier_stages_alone(reference, photos, tmp_path):
    out, other = tmp_path / "run", tmp_path / "other"
    shutil.copytree(reference, out)
    write_dataset(other, num_images=2, size=(64, 64), seed=3, first_index=50)
    before = (out / "5_segmenter" / "segmenter.safetensors").stat().st_mtime_ns
    recipe = small_recipe(photos, f"data.test_root={json.dumps(str(other))}")
    with pytest.raises(ArtifactError, match=r"holds 'predict' of the same recipe, got other values: data\.test_root"):
        run(recipe, out)
    assert run(recipe, out, redo=True).scores["segmenter"]["images"] == 2
    assert (out / "5_segmenter" / "segmenter.safetensors").stat().st_mtime_ns == before


def test_without_images_apart_the_segmenter_is_scored_on_those_it_learned_from_and_says_so(photos, tmp_path):
    recipe = small_recipe(photos).supervised()
    recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update={"test_root": None})})
    scores = run(recipe, tmp_path / "run").scores["segmenter"]
    assert (scores["images"], scores["learned_from_them"]) == (NUM_IMAGES, True)


def test_a_bad_image_to_test_on_is_left_out_and_listed(photos, tmp_path):
    broken = tmp_path / "test"
    shutil.copytree(photos / "test", broken)
    (broken / "images" / f"{NUM_IMAGES:06d}.png").write_bytes(b"no image")
    recipe = small_recipe(photos, f"data.test_root={json.dumps(str(broken))}", "segmenter.epochs=1").supervised()
    scores = run(recipe, tmp_path / "run").scores["segmenter"]
    assert scores["images"] == NUM_TESTED - 1
    listed = json.loads((tmp_path / "run" / "manifest.json").read_text())["test_data"]["bad_files"]
    assert [Path(item["path"]).name for item in listed] == [f"{NUM_IMAGES:06d}.png"]


def test_the_upper_bound_without_masks_is_refused_word_for_word(photos, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(photos / "learn", bare)
    shutil.rmtree(bare / "masks")
    recipe = small_recipe(photos, f"data.root={json.dumps(str(bare))}").supervised()
    with pytest.raises(DataError) as refused:
        run(recipe, tmp_path / "run")
    assert refused.value.problem == (
        f"the fully supervised upper bound learns from masks, got none for {NUM_IMAGES} training images"
    )
    assert refused.value.help == "give the data set masks, or set segmenter.labels='pseudo'"


def test_companions_that_make_no_sense_are_refused_word_for_word(photos, tmp_path):
    plain = small_recipe(photos)
    cases = [
        (
            plain,
            {"baseline": True, "upper_bound": False},
            "--baseline compares SSC with plain CAM, got a",
        ),
        (plain.supervised(), {"baseline": False, "upper_bound": True}, "--upper-bound compares with ground truth as"),
        (
            small_recipe(photos, "segmenter.enabled=false"),
            {"baseline": False, "upper_bound": True},
            "--upper-bound trains the segmenter on ground truth, got a recipe with segmenter.enabled=false",
        ),
    ]
    for recipe, asked, problem in cases:
        with pytest.raises(RecipeError) as refused:
            run_compared(recipe, tmp_path / "run", **asked, progress=SilentProgress())
        assert refused.value.problem.startswith(problem)
    assert not (tmp_path / "run").exists()
