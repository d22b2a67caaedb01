"""The whole run on a small drawn data set: same bits twice, kill -9 and resume, two processes, bad files, one image."""

import csv
import json
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
from tagseg.artifacts.mask_file import read_confidence, read_mask
from tagseg.artifacts.run_folder import RunFolder
from tagseg.data.drawn_pictures import write_dataset
from tagseg.errors import ArtifactError, ModelError
from tagseg.pipeline import run_compared, run_pipeline
from tagseg.progress import SilentProgress
from tagseg.recipe import load_recipe, make_recipe
from tagseg.refine.pseudo_mask import label_scores


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    write_dataset(root, num_images=NUM_IMAGES, size=(64, 64), seed=3)
    return root


def weights(out: Path) -> dict[str, np.ndarray]:
    tensors = load_checkpoint(out / "1_classifier" / "classifier.safetensors").tensors["classifier"]
    return {name: tensor.numpy() for name, tensor in tensors.items()}


def affinity_weights(out: Path) -> dict[str, np.ndarray]:
    tensors = load_checkpoint(out / "3_affinity" / "affinity.safetensors").tensors["affinity"]
    return {name: tensor.numpy() for name, tensor in tensors.items()}


def assert_same_classifier(one: Path, other: Path) -> None:
    for name, array in weights(one).items():
        np.testing.assert_array_equal(array, weights(other)[name], err_msg=name)
    assert (one / "1_classifier" / "curves.csv").read_text() == (other / "1_classifier" / "curves.csv").read_text()


def assert_same_run(one: Path, other: Path) -> None:
    assert_same_classifier(one, other)
    cams = sorted(path.relative_to(one) for path in (one / "2_cams").rglob("*.npz"))
    assert len(cams) == NUM_IMAGES
    for name, array in affinity_weights(one).items():
        np.testing.assert_array_equal(array, affinity_weights(other)[name], err_msg=name)
    masks = sorted(
        path.relative_to(one) for kind in ("3_affinity/seeds", "4_masks") for path in (one / kind).rglob("*.*")
    )
    assert len(masks) == 4 * NUM_IMAGES + 1  # seeds, walked maps, labels, confidence; the background score
    for path in [*cams, *masks]:
        assert (one / path).read_bytes() == (other / path).read_bytes(), path
    assert (one / "scores.json").read_text() == (other / "scores.json").read_text()


@pytest.fixture(scope="module")
def reference(photos, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("reference") / "run"
    run(small_recipe(photos, tmp_path_factory.mktemp("cache")), out)
    return out


def test_a_run_leaves_what_the_documentation_says(reference):
    names = {path.name for path in reference.iterdir()}
    stages = {"1_classifier", "2_cams", "3_affinity", "4_masks"}
    assert {"recipe.toml", "manifest.json", "scores.json", "scores.csv", "report.html"} | stages <= names
    scores = json.loads((reference / "scores.json").read_text())
    assert scores["images"] == NUM_IMAGES
    assert set(scores["seeds"]) == {"network", "averaged"}
    assert 0 <= scores["seeds"]["network"]["best"]["mean_iou"] <= 1
    manifest = json.loads((reference / "manifest.json").read_text())
    assert manifest["stages"]["train_classifier"]["state"] == "done"
    assert manifest["seed"] == 0
    assert manifest["data"]["bad_files"] == []


def test_curves_hold_every_term_with_its_gradient(reference):
    rows = (reference / "1_classifier" / "curves.csv").read_text().splitlines()[1:]
    names = {row.split(",")[1] for row in rows}
    terms = ("classification", "reconstruction", "self_modulation")
    assert {f"{kind}_{term}" for kind in ("loss", "grad") for term in terms} <= names
    assert {"loss", "lr", "val_tag_map", "val_seed_miou"} <= names


def test_cams_hold_the_tagged_classes_only(reference, photos):
    for row in (photos / "tags.csv").read_text().splitlines()[1:]:
        image, tags = row.split(",")
        stored = read_cam(reference / "2_cams" / f"{Path(image).stem}.npz")
        names = (photos / "classes.txt").read_text().splitlines()
        assert [names[label - 1] for label in stored.label_ids] == sorted(tags.split(), key=names.index)
        assert stored.size == (64, 64)


def test_maps_and_seeds_are_not_empty(reference):
    # Else equal runs would say nothing.
    active = [read_cam(path).cam.max() > 0 for path in (reference / "2_cams").glob("*.npz")]
    assert sum(active) > NUM_IMAGES / 2
    labelled = [set(np.unique(read_mask(path)).tolist()) for path in (reference / "3_affinity" / "seeds").glob("*.png")]
    assert sum(bool(labels - {0, 255}) for labels in labelled) > NUM_IMAGES / 2
    assert any(255 in labels for labels in labelled)


def test_another_seed_other_weights(reference, photos, tmp_path):
    recipe = small_recipe(photos, tmp_path / "cache", "seed=1")
    run_pipeline(recipe, tmp_path / "run", only="train_classifier", progress=SilentProgress())
    assert any((array != weights(tmp_path / "run")[name]).any() for name, array in weights(reference).items())


def test_the_same_seed_gives_the_same_bits_with_any_number_of_loader_workers(reference, photos, tmp_path):
    run(small_recipe(photos, tmp_path / "cache", "engine.workers=1"), tmp_path / "run")
    assert_same_run(reference, tmp_path / "run")


def test_a_second_call_skips_every_stage_with_the_reason(reference, photos, tmp_path):
    heard = Heard()
    before = (reference / "1_classifier" / "classifier.safetensors").stat().st_mtime_ns
    run_pipeline(small_recipe(photos, tmp_path / "cache"), reference, progress=heard)
    reason = "done with the same inputs"
    names = ("train_classifier", "extract_cams", "train_affinity", "make_masks", "evaluate", "report")
    off = [(name, "skip", "segmenter.enabled is false") for name in ("train_segmenter", "predict")]
    done = [(name, "skip", reason) for name in names]
    assert heard.stages == [*done[:-2], *off, *done[-2:]]
    assert (reference / "1_classifier" / "classifier.safetensors").stat().st_mtime_ns == before


RUN = """
import sys
from pathlib import Path
from kit.small_run import run, small_recipe
photos, cache, out = map(Path, sys.argv[1:])
run(small_recipe(photos, cache), out)
"""


def unfinished(reference: Path, out: Path, stage: str) -> None:
    """Leave a run of which nothing is there from the folder of a stage on."""
    shutil.copytree(reference, out)
    for folder in out.glob("[1-9]_*"):
        if folder.name >= stage:
            shutil.rmtree(folder)
    (out / "scores.json").unlink()


@pytest.mark.parametrize(
    ("where", "first", "pattern", "count"),
    [
        ("superpixels", None, "cache/*.png", 3),
        ("extraction", "2_cams", "run/2_cams/*.npz", 2),
        ("seeds", "3_affinity", "run/3_affinity/seeds/*.png", 2),
        ("affinity training", "3_affinity", "run/3_affinity/checkpoint.safetensors", 1),
        ("the walk", "4_masks", "run/4_masks/maps/*.npz", 2),
        ("masks", "4_masks", "run/4_masks/confidence/*.png", 2),
    ],
)
def test_kill_and_run_again_equals_a_run_that_was_not_killed(reference, photos, tmp_path, where, first, pattern, count):
    places = photos, tmp_path / "cache", tmp_path / "run"
    if first is not None:  # what comes before needs no training of its own
        unfinished(reference, tmp_path / "run", first)
    kill_when_written(f"{tmp_path}/{pattern}", count, RUN, *places)
    assert not (tmp_path / "run" / "scores.json").exists(), where
    run(small_recipe(photos, tmp_path / "cache"), tmp_path / "run")
    assert_same_run(reference, tmp_path / "run")


@pytest.mark.parametrize("written", ["checkpoint.safetensors", "region_scores.npz", "checkpoint.previous.safetensors"])
def test_kill_in_training_and_train_again_equals_a_training_that_was_not_killed(reference, photos, tmp_path, written):
    kill_when_written(f"{tmp_path}/run/1_classifier/{written}", 1, RUN, photos, tmp_path / "cache", tmp_path / "run")
    recipe = small_recipe(photos, tmp_path / "cache")
    run_pipeline(recipe, tmp_path / "run", only="train_classifier", progress=SilentProgress())
    assert_same_classifier(reference, tmp_path / "run")


@pytest.mark.usefixtures("forked_launches")
def test_two_processes_equal_one(photos, tmp_path):
    # SGD: Adam divides by the gradient's size and so turns rounding of tiny gradients into steps.
    sgd = ("training.optimizer=sgd", "training.lr=0.01", "classifier.batch_norm=frozen")
    one, two = tmp_path / "one", tmp_path / "two"
    run(small_recipe(photos, tmp_path / "cache", *sgd), one)
    run(small_recipe(photos, tmp_path / "cache", *sgd, "engine.devices=2"), two)
    for name, array in weights(one).items():
        np.testing.assert_allclose(array, weights(two)[name], rtol=1e-3, atol=2e-5, err_msg=name)
    cams = sorted((one / "2_cams").glob("*.npz"))
    assert len(cams) == NUM_IMAGES
    for path in cams:
        np.testing.assert_allclose(read_cam(path).cam, read_cam(two / "2_cams" / path.name).cam, atol=0.02)


@pytest.mark.usefixtures("forked_launches")
def test_two_processes_learn_the_batch_norms_of_one(photos, tmp_path):
    # Two epochs: more steps of an untrained network turn rounding into other weights, in one process too.
    few = ("training.optimizer=sgd", "training.lr=0.001", "training.epochs=2")
    found = []
    for devices in (1, 2):
        recipe = small_recipe(photos, tmp_path / "cache", *few, f"engine.devices={devices}")
        assert recipe.classifier.batch_norm == "train"
        run_pipeline(recipe, tmp_path / str(devices), progress=SilentProgress(), only="train_classifier")
        found.append(weights(tmp_path / str(devices)))
    one, two = found
    assert any(name.endswith("running_var") for name in one)
    for name, array in one.items():
        np.testing.assert_allclose(array, two[name], rtol=1e-3, atol=2e-5, err_msg=name)


@pytest.mark.usefixtures("forked_launches")
def test_two_processes_give_the_affinity_network_and_the_masks_of_one(reference, photos, tmp_path):
    # Users of the ancestor lost 20 points of mIoU to this. Both start from the same maps.
    sgd = ("affinity.optimizer=sgd", "affinity.lr=0.05")
    one, two = tmp_path / "one", tmp_path / "two"
    for out in (one, two):
        shutil.copytree(reference, out)
    run_pipeline(small_recipe(photos, tmp_path / "cache", *sgd), one, progress=SilentProgress(), redo=True)
    run_pipeline(
        small_recipe(photos, tmp_path / "cache", *sgd, "engine.devices=2"), two, progress=SilentProgress(), redo=True
    )
    untrained = affinity_weights(reference)
    for name, array in affinity_weights(one).items():
        np.testing.assert_allclose(array, affinity_weights(two)[name], rtol=1e-3, atol=1e-5, err_msg=name)
    assert any((array != untrained[name]).any() for name, array in affinity_weights(one).items())
    for path in sorted((one / "4_masks" / "labels").glob("*.png")):
        same = read_mask(path) == read_mask(two / "4_masks" / "labels" / path.name)
        assert same.mean() >= 0.999, path.name


def test_masks_hold_the_tagged_classes_only(reference):
    for path in sorted((reference / "4_masks" / "labels").glob("*.png")):
        tags = read_cam(reference / "2_cams" / f"{path.stem}.npz").label_ids
        assert set(np.unique(read_mask(path)).tolist()) <= {0, *tags}


def test_a_confidence_mask_keeps_about_half_of_each_label(reference):
    settled = RunFolder(reference).stage_status("make_masks").details["background_score"]
    for path in sorted((reference / "4_masks" / "labels").glob("*.png")):
        labels, trusted = read_mask(path), read_confidence(reference / "4_masks" / "confidence" / path.name)
        maps = read_cam(reference / "4_masks" / "maps" / f"{path.stem}.npz")
        scores = np.sort(label_scores(torch.from_numpy(maps.cam), settled).numpy(), axis=0)
        leads = scores[-1] > scores[-2]
        assert not trusted[~leads].any()  # a tie is never trusted
        for label in np.unique(labels):
            here = labels == label
            assert trusted[here].mean() >= min(0.5, leads[here].mean())


def test_scores_name_each_step(reference):
    scores = json.loads((reference / "scores.json").read_text())
    made = scores["pseudo_masks"]
    assert made["refine"] == ["walk"]
    assert made["background_rule"] == "otsu"  # auto asks features of a hundred images
    assert made["masks"]["coverage"] == 1
    # How many are trusted is chance: on some processors so short a training gives maps that are equal everywhere.
    trusted = [read_confidence(path).mean() for path in sorted((reference / "4_masks" / "confidence").glob("*.png"))]
    assert made["confident"]["coverage"] == pytest.approx(np.mean(trusted))
    assert 0 < scores["sure_seeds"]["coverage"] <= 1
    with (reference / "scores.csv").open() as file:
        assert {row["maps"] for row in csv.DictReader(file)} == {"network", "averaged", "masks"}


@pytest.mark.parametrize("steps", ["[]", '["crf"]', '["superpixels"]', '["pixel_adaptive"]', '["walk", "crf"]'])
def test_every_alternative_gives_masks(reference, photos, tmp_path, steps):
    out = tmp_path / "run"
    shutil.copytree(reference, out)
    result = run_pipeline(
        small_recipe(photos, tmp_path / "cache", f"masks.refine={steps}", "crf.iterations=2"),
        out,
        progress=SilentProgress(),
        redo=True,
    )
    assert result.scores["pseudo_masks"]["refine"] == json.loads(steps)
    assert len(list((out / "4_masks" / "labels").glob("*.png"))) == NUM_IMAGES
    assert ("sure_seeds" in result.scores) and (result.scores["sure_seeds"] is None) == ("walk" not in steps)


def test_region_affinity_hands_on_maps_of_its_own(reference, photos, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(reference, out)
    shared = ["cams.region_affinity=true", "region_affinity.weights='trained'", "masks.refine=['region_affinity']"]
    result = run_pipeline(small_recipe(photos, tmp_path / "cache", *shared), out, progress=SilentProgress(), redo=True)
    scores = result.scores
    assert result.seed_mean_iou == scores["seeds"]["affinity"]["best"]["mean_iou"]
    assert list(scores["seeds"]) == ["network", "averaged", "affinity"]
    assert scores["pseudo_masks"]["refine"] == ["region_affinity"]
    for path in sorted((out / "2_cams").rglob("*.npz")):
        before, after = read_cam(reference / path.relative_to(out)), read_cam(path)
        np.testing.assert_array_equal(before.cam, after.cam)  # the network's own maps stay
        assert before.region_scores is None and after.region_scores.shape[0] == len(after.cam)
        assert np.isin(after.region_scores.max(axis=1), [0.0, 1.0]).all()


def test_region_affinity_works_in_half_precision_and_its_network_is_tried_beforehand(photos, tmp_path):
    shared = ["cams.region_affinity=true", "masks.refine=['region_affinity']", "engine.precision='bf16-mixed'"]
    recipe = small_recipe(photos, tmp_path / "cache", *shared, "region_affinity.weights='random'")
    scores = run_pipeline(recipe, tmp_path / "run", progress=SilentProgress()).scores
    assert list(scores["seeds"])[-1] == "affinity"
    gone = ["region_affinity.features='test_resnet'", "region_affinity.weights='gone.safetensors'"]
    with pytest.raises(ModelError, match=r"gone\.safetensors"):
        run(small_recipe(photos, tmp_path / "cache", *shared, *gone), tmp_path / "other")
    assert not (tmp_path / "other" / "1_classifier").exists()


def test_a_changed_recipe_is_refused_word_for_word(reference, photos, tmp_path):
    with pytest.raises(ArtifactError) as caught:
        run(small_recipe(photos, tmp_path / "cache", "training.epochs=5"), reference)
    assert str(caught.value) == (
        f"{reference} holds 'train_classifier' of the same recipe, got other values: training.epochs 4 -> 5; "
        f"run 'tagseg run {reference / 'recipe.toml'} --out {reference}' to go on with the values that it has, "
        "choose another --out, or add --redo to do this stage and the later ones again"
    )
    heard = Heard()
    run_pipeline(load_recipe(reference / "recipe.toml"), reference, progress=heard)
    assert {status for _, status, _ in heard.stages} == {"skip"}


def test_a_deleted_file_of_a_finished_stage_is_made_again(reference, photos, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(reference, out)
    gone = [out / "2_cams" / "000003.npz", out / "4_masks" / "labels" / "000005.png"]
    for path in gone:
        path.unlink()
    heard = Heard()
    run_pipeline(small_recipe(photos, tmp_path / "cache"), out, progress=heard)
    assert ("extract_cams", "start", "1 of its files are gone") in heard.stages
    assert ("make_masks", "start", "1 of its files are gone") in heard.stages
    assert_same_run(reference, out)


def test_a_changed_background_sweep_scores_again_without_asking(reference, photos, tmp_path):
    recipe = small_recipe(photos, tmp_path / "cache", "evaluation.background_scores=[0.1, 0.2, 0.3]")
    scores = run(recipe, reference).scores
    assert [point["background_score"] for point in scores["seeds"]["network"]["sweep"]] == [0.1, 0.2, 0.3]
    run(small_recipe(photos, tmp_path / "cache"), reference)


def test_an_unreadable_image_is_left_out_and_listed(photos, tmp_path):
    root = tmp_path / "photos"
    write_dataset(root, num_images=6, size=(64, 64), seed=3)
    (root / "images" / "000002.png").write_bytes(b"no image")
    (root / "masks" / "000003.png").write_bytes(b"no mask")
    recipe = small_recipe(root, tmp_path / "cache", "training.epochs=2")
    run(recipe, tmp_path / "run")
    data = json.loads((tmp_path / "run" / "manifest.json").read_text())["data"]
    assert [Path(item["path"]).name for item in data["bad_files"]] == ["000002.png"]
    assert [Path(item["path"]).name for item in data["bad_masks"]] == ["000003.png"]
    assert json.loads((tmp_path / "run" / "scores.json").read_text())["images"] == 4
    assert len(list((tmp_path / "run" / "2_cams").glob("*.npz"))) == 5


def test_one_image_without_masks_runs_through(tmp_path):
    root = tmp_path / "photos" / "cat"
    root.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 255, (40, 56, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(root / "one.jpg")
    recipe = make_recipe(
        {**small_recipe(root.parent, tmp_path / "cache").model_dump(mode="json", exclude_none=True)},
        [f"data.root={json.dumps(str(root.parent))}", "data.masks=''"],
    )
    recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update={"masks": None})})
    result = run(recipe, tmp_path / "run")
    assert result.scores["seeds"] is None
    assert result.seed_mean_iou is None
    assert read_cam(tmp_path / "run" / "2_cams" / "cat" / "one.npz").size == (40, 56)


def test_the_baseline_has_the_same_data_and_budget(photos, tmp_path):
    recipe = quick_recipe(photos, tmp_path / "cache")
    runs = run_compared(recipe, tmp_path / "run", baseline=True, upper_bound=False, progress=SilentProgress())
    ours, plain = runs.main, runs.plain
    assert plain is not None
    assert runs.full is None
    manifests = [json.loads((result.folder / "manifest.json").read_text()) for result in (ours, plain)]
    assert manifests[0]["data"]["fingerprint"] == manifests[1]["data"]["fingerprint"]
    assert manifests[0]["recipe"]["training"] == manifests[1]["recipe"]["training"]
    assert not manifests[1]["recipe"]["self_modulation"]["enabled"]
    assert set(plain.scores["seeds"]) == {"network"}


def test_masks_may_start_from_the_maps_of_the_network(reference, photos, tmp_path):
    # The seeds are averaged over regions; without a step between, the masks are the cut of the maps they start from.
    made = {}
    for maps in ("seeds", "network"):
        out = tmp_path / maps
        shutil.copytree(reference, out)
        recipe = small_recipe(photos, tmp_path / "cache", f"masks.maps={maps}", "masks.refine=[]")
        made[maps] = run_pipeline(recipe, out, progress=SilentProgress(), redo=True).scores
    kinds = {"seeds": "averaged", "network": "network"}
    for maps, kind in kinds.items():
        assert made[maps]["pseudo_masks"]["sweep"] == made[maps]["seeds"][kind]["sweep"]
    assert made["seeds"]["pseudo_masks"]["sweep"] != made["network"]["pseudo_masks"]["sweep"]
