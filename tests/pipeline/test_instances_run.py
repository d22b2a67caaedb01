"""Stage 4 with object masks, and with a background score that it finds by itself, on a small drawn data set."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from kit.contexts import stage_context
from kit.heard import Heard
from kit.small_run import small_recipe

from tagseg.artifacts.cam_file import read_cam, write_cam
from tagseg.artifacts.instance_file import Instance, read_instances
from tagseg.artifacts.mask_file import read_confidence, read_mask
from tagseg.artifacts.run_folder import RunFolder
from tagseg.data.drawn_pictures import write_dataset
from tagseg.data.layouts.folder import read_folder
from tagseg.pipeline import run_pipeline
from tagseg.progress import SilentProgress
from tagseg.refine.instances import InstanceSettings, find_instances
from tagseg.stages import make_masks
from tagseg.stages.context import StageContext
from tagseg.stages.make_masks import objects as making_objects

NUM_IMAGES, SIDE = 8, 64
PLAIN = [f"{part}.enabled=false" for part in ("suppression", "reconstruction", "self_modulation")]
QUICK = [*PLAIN, "cams.average_over_regions=false", "cams.scales=[1.0]", "training.validation_images=0"]
QUICK += ["crf.iterations=1", "affinity.epochs=1", "masks.walk_radius=4", "masks.walk_beta=8", "masks.walk_doublings=6"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    write_dataset(root, num_images=NUM_IMAGES, size=(SIDE, SIDE), seed=3)
    return root


@pytest.fixture(scope="module")
def finished(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished run with object masks."""
    out = tmp_path_factory.mktemp("instances") / "run"
    recipe = small_recipe(photos, out.parent / "cache", *QUICK, "masks.instances=true")
    run_pipeline(recipe, out, progress=SilentProgress())
    return out


def instance_files(run: Path) -> list[Path]:
    return sorted((run / "4_masks" / "instances").iterdir())


def test_every_image_has_a_file_of_objects(finished: Path) -> None:
    labels = sorted((finished / "4_masks" / "labels").iterdir())
    assert [path.stem for path in instance_files(finished)] == [path.stem for path in labels]
    assert len(labels) == NUM_IMAGES
    # Else the other tests would say nothing.
    assert sum(len(read_instances(path)) for path in instance_files(finished)) > NUM_IMAGES / 2


def test_objects_are_of_tagged_classes_and_share_no_pixel(finished: Path) -> None:
    for path in instance_files(finished):
        tags, objects = read_cam(finished / "2_cams" / f"{path.stem}.npz").label_ids, read_instances(path)
        assert {each.label_id for each in objects} <= {*tags}
        assert all(each.mask.shape == (SIDE, SIDE) and each.mask.any() for each in objects)
        assert all(0 < each.score <= 1 for each in objects)
        if objects:
            assert max(each.score for each in objects) == pytest.approx(1)
            assert np.sum([each.mask for each in objects], axis=0).max() == 1


@pytest.mark.parametrize(
    ("interrupted", "told"), [(True, ("resume", "it was interrupted")), (False, ("start", "1 of its files are gone"))]
)
def test_only_object_masks_that_are_not_there_are_made(
    finished: Path,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    interrupted: bool,
    told: tuple[str, str],
) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    lost, *kept = instance_files(run)
    content, times = lost.read_bytes(), [path.stat().st_mtime_ns for path in kept]
    lost.unlink()
    folder, listener = RunFolder(run), Heard()
    if interrupted:
        folder.mark_started("make_masks", folder.stage_status("make_masks").fingerprint)
    asked = []

    def find(*maps: Any, settings: InstanceSettings, **fields: Any) -> list[Instance]:
        asked.append(settings)
        return find_instances(*maps, settings=settings, **fields)

    monkeypatch.setattr(making_objects, "find_instances", find)
    recipe = small_recipe(photos, tmp_path / "cache", *QUICK, "masks.instances=true")
    run_pipeline(recipe, run, progress=listener)
    assert ("make_masks", *told) in listener.stages
    assert listener.tasks["Making object masks"] == (NUM_IMAGES, NUM_IMAGES - 1)
    assert lost.read_bytes() == content
    assert [path.stat().st_mtime_ns for path in kept] == times
    settled = folder.stage_status("make_masks").details["background_score"]
    assert asked == [InstanceSettings(radius=4, beta=8.0, doublings=6, background_score=settled)]
    assert settled != recipe.masks.background_score  # the one that the rule found, as for the pseudo masks


def test_region_affinity_before_the_walk_and_the_share_of_the_walk_act_on_objects(
    finished: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    asked = []

    def find(cam: torch.Tensor, *maps: Any, settings: InstanceSettings, **fields: Any) -> list[Instance]:
        asked.append((cam, settings.share))
        return find_instances(cam, *maps, settings=settings, **fields)

    monkeypatch.setattr(making_objects, "find_instances", find)
    settings = ["masks.instances=true", "masks.refine=['region_affinity', 'walk']", "masks.walk_share=0.25"]
    run_pipeline(small_recipe(photos, tmp_path / "cache", *QUICK, *settings), run, progress=SilentProgress(), redo=True)
    assert len(asked) == NUM_IMAGES
    assert {share for _, share in asked} == {0.25}
    # Maps that regions share have one value in each of the 16 regions at most; those of the network have many.
    assert all(len(one.unique()) <= 16 for cam, _ in asked for one in cam)


def test_without_the_switch_no_object_is_looked_for(finished: Path, photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    told = Heard()
    run_pipeline(small_recipe(photos, tmp_path / "cache", *QUICK), run, progress=told, redo=True)
    assert "Making object masks" not in told.tasks
    assert not (run / "4_masks" / "instances").exists()
    for path in sorted((finished / "4_masks" / "labels").iterdir()):
        np.testing.assert_array_equal(read_mask(run / "4_masks" / "labels" / path.name), read_mask(path))


def made_by_hand(photos: Path, root: Path, steps: list[int], *settings: str) -> tuple[StageContext, Heard]:
    """Return a run before stage 4, without walk: maps are a row of scores in 1/255; the first image has no tag."""
    recipe = small_recipe(photos, root / "cache", *QUICK, "masks.refine=[]", *settings)
    split = read_folder(photos, masks=photos / "masks")
    split = replace(split, records=(replace(split.records[0], tags=()), *split.records[1:]))
    told = Heard()
    context = stage_context("make_masks", recipe, root / "run", split, split, progress=told)
    for record in split.records:
        cam = np.tile(np.asarray(steps, np.float32) / np.float32(255), (len(record.tags), 1, 1))
        write_cam(context.folder.cam(record), cam, record.tags)
    return context, told


def made_labels(context: StageContext, record) -> np.ndarray:
    return read_mask(context.folder.pseudo_mask(record))


@pytest.mark.parametrize("step", [0, 200])
def test_maps_without_two_scores_fall_back_on_the_recipe_and_say_so(photos: Path, tmp_path: Path, step: int) -> None:
    context, told = made_by_hand(photos, tmp_path, [0, step], "masks.background_score=0.35")
    details = make_masks.run(context)
    assert (details["images"], details["background_score"]) == (NUM_IMAGES, 0.35)
    assert details["background_rule"] == "fixed"
    assert details["mask_warnings"] == told.warnings[1:]
    assert told.warnings[:1] == [
        "the maps have fewer than two different scores above 0: the background score is masks.background_score, 0.35",
    ]
    assert told.notes == []
    for record in context.train.records:
        tags = record.tags[:1] if step else ()
        assert made_labels(context, record).tolist() == [[0, *(tags or (0,))]]


def test_the_automatic_background_score_is_told_with_its_reason(photos: Path, tmp_path: Path) -> None:
    context, told = made_by_hand(photos, tmp_path, [0, 51, 51, 204])
    details = make_masks.run(context)
    assert details["background_score"] == pytest.approx(0.2, abs=0.003) and details["background_rule"] == "otsu"
    # One of the images has no tag.
    assert told.notes == [
        f"background score 0.200 (Otsu's threshold on the maps of {NUM_IMAGES - 1} images; "
        "auto asks features of 100 images)",
    ]
    assert not [text for text in told.warnings if "too few to learn" not in text]
    for record in context.train.records:
        assert made_labels(context, record).tolist() == [[0, 0, 0, *(record.tags[:1] or (0,))]]


@pytest.mark.parametrize(
    ("settings", "move"),
    [
        ([], "set masks.background_rule=fixed and a masks.background_score above 0.04"),
        (["masks.background_rule=fixed"], "raise masks.background_score"),
    ],
)
def test_masks_that_flood_name_the_keys_that_have_an_effect(
    photos: Path, tmp_path: Path, settings: list[str], move: str
) -> None:
    context, told = made_by_hand(photos, tmp_path, [10, *[200] * 9], *settings)
    floods = make_masks.run(context)["floods"]
    assert len(floods) == NUM_IMAGES - 1
    (warning,) = (text for text in told.warnings if "of their picture as objects" in text)
    assert warning.endswith(f"; look at them in the report, and {move} if they are wrong")


def test_a_fixed_background_score_looks_at_no_map(photos: Path, tmp_path: Path) -> None:
    context, told = made_by_hand(photos, tmp_path, [0, 51, 204], "masks.background_rule=fixed")
    assert make_masks.run(context)["background_score"] == 0.25
    assert told.notes == []
    assert not [text for text in told.warnings if "too few to learn" not in text]


def test_an_image_without_tags_is_background_that_is_trusted(photos: Path, tmp_path: Path) -> None:
    context, _ = made_by_hand(photos, tmp_path, [0, 51, 204])
    make_masks.run(context)
    untagged = context.train.records[0]
    (labels,) = made_labels(context, untagged).tolist()
    assert untagged.tags == () and set(labels) <= {0}
    trusted = read_confidence(context.folder.confidence(untagged))
    assert trusted.all()


def test_soft_scores_are_the_maps_behind_the_masks(photos: Path, tmp_path: Path) -> None:
    context, _ = made_by_hand(photos, tmp_path, [0, 51, 204], "masks.soft_scores=true")
    make_masks.run(context)
    for record in context.train.records:
        soft = read_cam(context.folder.soft_scores(record))
        maps = read_cam(context.folder.cam(record))
        assert soft.label_ids == record.tags
        np.testing.assert_array_equal(soft.cam, maps.cam)


def test_what_lies_on_the_automatic_score_is_background(photos: Path, tmp_path: Path) -> None:
    context, _ = made_by_hand(photos, tmp_path, [0, 48, 48, 204])
    make_masks.run(context)
    for record in context.train.records:
        assert made_labels(context, record).tolist() == [[0, 0, 0, *(record.tags[:1] or (0,))]]
