"""The stage that scores: what it counts of seeds beside the sweep, and when finished scores are made again."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from kit.contexts import stage_context

from tagseg.artifacts.cam_file import read_cam, write_cam
from tagseg.artifacts.run_folder import RunFolder
from tagseg.artifacts.run_scores import SCORES_FORMAT
from tagseg.data.drawn_pictures import write_dataset
from tagseg.data.layouts.folder import read_folder
from tagseg.recipe import make_recipe
from tagseg.stages import evaluate
from tagseg.stages.context import StageContext
from tagseg.stages.evaluate import why_outdated
from tagseg.types import Split

SIDE = 64
CUTS = [0.1, 0.35, 0.6]


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Split:
    root = tmp_path_factory.mktemp("data")
    write_dataset(root, num_images=5, size=(SIDE, SIDE), seed=3)
    return read_folder(root, masks=root / "masks")


@pytest.fixture
def context(split: Split, tmp_path: Path) -> StageContext:
    """Return a run whose maps fade over each object and spill over its right edge; it trained on nothing: no masks."""
    data = {"format": "folder", "root": "photos"}
    settings = [f"evaluation.background_scores={CUTS}", "segmenter.enabled=false", 'masks.splits=["train"]']
    folder = RunFolder(tmp_path)
    fade = np.linspace(1, 0.2, SIDE, dtype=np.float32)
    for record in split.records:
        assert record.mask is not None
        truth = np.roll(record.mask.read(), 4, axis=1)
        cam = np.stack([(truth == label) * fade for label in record.tags]).astype(np.float32)
        write_cam(folder.output("extract_cams") / f"{record.image_id}.npz", cam, record.tags)
    folder.mark_started("make_masks", "x")
    folder.mark_done("make_masks", "x", {"background_score": 0.3})
    recipe = make_recipe({"name": "small", "data": data}, settings)
    masked = Split("eval", split.classes, split.records)
    return stage_context("evaluate", recipe, tmp_path, Split("train", split.classes, ()), masked)


def scores_of(context: StageContext) -> dict:
    context.folder.mark_started("evaluate", "x")
    context.folder.mark_done("evaluate", "x", evaluate.run(context))
    return json.loads(context.folder.scores_path.read_text())


def test_seeds_have_confusion_and_activation_at_their_best_score(context, split) -> None:
    seeds = scores_of(context)["seeds"]["network"]
    score = seeds["best"]["background_score"]
    assert score in CUTS
    num_labels = split.classes.num_labels
    confusion = np.zeros((num_labels, num_labels), int)
    inside = anywhere = covered = pixels = 0.0
    for record in split.records:
        maps, truth = read_cam(context.folder.output("extract_cams") / f"{record.image_id}.npz"), record.mask.read()
        for true, seed in zip(truth.ravel(), maps.labels(score).ravel(), strict=True):
            if true != 255:
                confusion[true, seed] += 1
        for label in range(1, num_labels):
            pixels += (truth == label).sum()
        for label, cam in zip(maps.label_ids, maps.cam, strict=True):
            inside += cam[truth == label].sum(dtype=float)
            anywhere += cam[truth != 255].sum(dtype=float)
            covered += (cam[truth == label] > np.float32(score)).sum()
    assert seeds["confusion"] == confusion.tolist()
    overall = seeds["activation"]["overall"]
    assert seeds["activation"]["background_score"] == score
    assert overall == pytest.approx({"inside": inside / anywhere, "covered": covered / pixels})
    assert 0 < overall["covered"] < 1 and 0 < overall["inside"] < 1  # else the comparison would say little
    assert list(seeds["activation"]["classes"]) == list(split.classes.names)


def test_scores_of_this_format_are_kept_and_others_are_made_again(context) -> None:
    scores = scores_of(context)
    assert scores["format"] == SCORES_FORMAT
    assert why_outdated(context) == ""
    path = context.folder.scores_path
    path.write_text(json.dumps({name: value for name, value in scores.items() if name != "format"}))
    assert why_outdated(context) == f"its scores have format 1, and now {SCORES_FORMAT} with more in it"
    for text in ("[]", "{", ""):
        path.write_text(text)
        assert why_outdated(context) == "scores.json cannot be read"


def test_a_run_without_ground_truth_has_scores_of_this_format_too(context, split) -> None:
    blind = Split("eval", split.classes, tuple(dataclasses.replace(record, mask=None) for record in split.records))
    scores_of(dataclasses.replace(context, evaluation=blind))
    assert why_outdated(context) == ""


def test_scores_are_made_again_when_a_stage_before_was_done_again(context) -> None:
    scores_of(context)
    context.folder.mark_done("make_masks", "x", {"background_score": 0.3})
    assert why_outdated(context) == "a stage before it was done again"
    scores_of(context)
    assert why_outdated(context) == ""
