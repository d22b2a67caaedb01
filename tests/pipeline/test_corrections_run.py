"""Corrected masks in a run: what the network learns from, which stages follow, and a stop in the middle."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from kit.files import save
from kit.heard import Heard
from kit.processes import kill_when_written
from kit.small_segmenter_run import small_recipe
from lightning_fabric import Fabric
from safetensors.numpy import load_file

from tagseg.artifacts.mask_file import read_confidence, read_mask
from tagseg.artifacts.run_folder import RunFolder
from tagseg.data.drawn_pictures import write_dataset
from tagseg.errors import ArtifactError
from tagseg.pipeline import run_pipeline
from tagseg.pipeline.order import PIPELINE
from tagseg.pipeline.run_inputs import RunInputs
from tagseg.pipeline.screening import load_splits, with_corrections
from tagseg.progress import SilentProgress
from tagseg.recipe import Recipe, make_recipe
from tagseg.stages.train_segmenter.labels import choose_labels

AGAIN = {"train_segmenter", "predict", "evaluate", "report"}
NUM_IMAGES = 8
WALK = (
    "masks.refine=['walk']",
    "seeds.crf=false",
    "affinity.epochs=1",
    "affinity.batch_size=4",
    "affinity.crop_size_px=64",
    "affinity.long_side_px=[48, 80]",
    "affinity.radius=5",
    "segmenter.epochs=1",
)
"""A short recipe with an affinity network."""

RUN = """
import sys
from pathlib import Path
from kit.small_segmenter_run import run, small_recipe
photos, out, override = sys.argv[1:]
run(small_recipe(Path(photos), override), Path(out), redo=True)
"""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    write_dataset(root / "learn", num_images=NUM_IMAGES, size=(64, 64), seed=3)
    write_dataset(root / "test", num_images=2, size=(64, 64), seed=3, first_index=NUM_IMAGES)
    return root


@pytest.fixture(scope="module")
def reference(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("reference") / "run"
    started(small_recipe(photos), out)
    return out


@pytest.fixture
def copy(reference: Path, tmp_path: Path) -> Path:
    shutil.copytree(reference, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def corrected(photos: Path, tmp_path: Path) -> Path:
    """Two corrections: the ground truth of two photographs, with a void row."""
    for path in sorted((photos / "learn" / "masks").rglob("*.png"))[:2]:
        labels = read_mask(path).copy()
        labels[0] = 255
        save(tmp_path / "corrected" / path.relative_to(photos / "learn" / "masks"), labels)
    return tmp_path / "corrected"


def started(recipe: Recipe, out: Path, *, redo: bool = False) -> set[str]:
    """Run, and return the stages that were not skipped."""
    heard = Heard()
    run_pipeline(recipe, out, progress=heard, redo=redo)
    return {name for name, status, _ in heard.stages if status != "skip"}


def with_folder(photos: Path, folder: Path, *settings: str) -> Recipe:
    return small_recipe(photos, f"segmenter.corrections={folder}", *settings)


def weights(out: Path) -> dict[str, np.ndarray]:
    return load_file(out / "5_segmenter" / "segmenter.safetensors")


def changed_share(out: Path, corrected: Path) -> float:
    """Return the share of pixels that corrections give another label than the pseudo masks of a run."""
    changed = known = 0
    for path in corrected.rglob("*.png"):
        (made,) = (out / "4_masks").glob(f"labels/{path.relative_to(corrected)}")
        wanted, labels = read_mask(path), read_mask(made)
        changed += int(((labels != wanted) & (wanted != 255)).sum())
        known += int((wanted != 255).sum())
    return changed / known


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return all(np.array_equal(array, other[name]) for name, array in one.items())


def test_corrections_take_the_place_of_pseudo_masks_and_are_trusted_where_they_say_something(
    photos: Path, copy: Path, corrected: Path
) -> None:
    recipe, folder = with_folder(photos, corrected), RunFolder(copy)
    data = with_corrections(load_splits(recipe, folder, progress=SilentProgress()), recipe)
    (stage,) = (each for each in PIPELINE if each.name == "train_segmenter")
    inputs = RunInputs(Fabric(accelerator="cpu", devices=1), recipe, folder, data)
    labelled = choose_labels(inputs.context(stage, progress=SilentProgress()))
    names = {path.relative_to(corrected).with_suffix("").as_posix() for path in corrected.rglob("*.png")}
    assert labelled.corrected == names
    assert labelled.confidence is not None
    assert len(labelled.split) == NUM_IMAGES
    for record in labelled.split.records:
        labels, trusted = labelled.labels.read(record), labelled.confidence.read(record)
        if record.image_id in names:
            np.testing.assert_array_equal(labels, read_mask(corrected / f"{record.image_id}.png"))
            np.testing.assert_array_equal(trusted, labels != 255)
        else:
            np.testing.assert_array_equal(labels, read_mask(folder.pseudo_mask(record)))
            np.testing.assert_array_equal(trusted, read_confidence(folder.confidence(record)))


def test_the_segmenter_is_trained_again_and_says_how_many_masks_were_corrected(
    photos: Path, reference: Path, copy: Path, corrected: Path
) -> None:
    with pytest.raises(ArtifactError, match=r"segmenter.corrections None -> "):
        started(with_folder(photos, corrected), copy)
    assert started(with_folder(photos, corrected), copy, redo=True) == AGAIN
    assert not same(weights(reference), weights(copy))
    assert json.loads((copy / "scores.json").read_text())["segmenter"]["corrected"] == 2
    assert json.loads((reference / "scores.json").read_text())["segmenter"]["corrected"] == 0
    details = json.loads((copy / "manifest.json").read_text())["stages"]["train_segmenter"]["details"]
    assert (details["images"], details["corrected"]) == (NUM_IMAGES, 2)
    assert (
        "corrected" not in json.loads((reference / "manifest.json").read_text())["stages"]["train_segmenter"]["details"]
    )
    scored = json.loads((copy / "scores.json").read_text())["corrections"]
    assert (scored["images"], scored["changed"]) == (2, changed_share(reference, corrected))
    assert scored["pixel_accuracy"] == pytest.approx(1 - scored["changed"])
    assert "corrections" not in json.loads((reference / "scores.json").read_text())
    page = (copy / "report.html").read_text(encoding="utf-8")
    assert '<section id="corrections"' in page
    assert '<section id="corrections"' not in (reference / "report.html").read_text(encoding="utf-8")
    assert "strategy confident, corrected 2" in page
    assert "corrected 2: these masks are a person&#39;s" in page

    moved = corrected.with_name("moved")  # the same masks elsewhere are the same corrections
    corrected.rename(moved)
    assert started(with_folder(photos, moved), copy) == set()

    path = next(moved.rglob("*.png"))
    save(path, np.zeros((64, 64), np.uint8))
    with pytest.raises(
        ArtifactError, match="got other values: the images, tags, corrections, weights or the earlier run changed"
    ):
        started(with_folder(photos, moved), copy)
    before = weights(copy)
    assert started(with_folder(photos, moved), copy, redo=True) == AGAIN
    assert not same(before, weights(copy))
    assert started(with_folder(photos, moved, "segmenter.corrections_weight=3"), copy, redo=True) == AGAIN


def test_corrections_teach_the_affinity_network_where_the_recipe_says_so(
    photos: Path, copy: Path, corrected: Path
) -> None:
    started(with_folder(photos, corrected, *WALK), copy, redo=True)
    seeds_alone = load_file(copy / "3_affinity" / "affinity.safetensors")
    both = with_folder(photos, corrected, *WALK, "affinity.corrections=true")
    with pytest.raises(ArtifactError, match=r"'train_affinity' .* affinity.corrections False -> True"):
        started(both, copy)
    assert started(both, copy, redo=True) == {"train_affinity", "make_masks", *AGAIN}
    assert not same(seeds_alone, load_file(copy / "3_affinity" / "affinity.safetensors"))
    stages = json.loads((copy / "manifest.json").read_text())["stages"]
    assert [stages[name]["details"]["corrected"] for name in ("train_affinity", "train_segmenter")] == [2, 2]
    assert "; they taught the affinity network too" in (copy / "report.html").read_text(encoding="utf-8")
    assert started(both, copy) == set()
    save(next(corrected.rglob("*.png")), np.zeros((64, 64), np.uint8))
    with pytest.raises(
        ArtifactError, match=r"'train_affinity' .* the images, tags, corrections, weights or the earlier run changed"
    ):
        started(both, copy)


def test_a_run_that_is_killed_in_training_goes_on_to_the_same_network(
    photos: Path, reference: Path, copy: Path, corrected: Path, tmp_path: Path
) -> None:
    whole, setting = tmp_path / "whole", f"segmenter.corrections={corrected}"
    shutil.copytree(reference, whole)
    started(with_folder(photos, corrected), whole, redo=True)
    shutil.rmtree(copy / "5_segmenter")
    kill_when_written(f"{copy}/5_segmenter/checkpoint.previous.safetensors", 1, RUN, photos, copy, setting)
    assert not (copy / "5_segmenter" / "segmenter.json").exists()
    assert started(with_folder(photos, corrected), copy) == AGAIN
    assert same(weights(whole), weights(copy))


def test_the_upper_bound_of_a_run_with_corrections_has_none(photos: Path, corrected: Path) -> None:
    full = with_folder(photos, corrected, *WALK, "affinity.corrections=true").supervised()
    assert (full.segmenter.labels, full.segmenter.corrections) == ("truth", None)
    assert make_recipe(full.model_dump(mode="json")).affinity.corrections is False
