"""A stage reads what it declares, and its fingerprint follows what it declares."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kit.contexts import run_inputs
from kit.small_run import run, small_recipe

from tagseg.artifacts.run_folder import RunFolder
from tagseg.assemble.data import read_splits
from tagseg.data.drawn_pictures import write_dataset
from tagseg.pipeline.order import PIPELINE, declared_sections
from tagseg.pipeline.run_inputs import RunInputs
from tagseg.progress import SilentProgress
from tagseg.recipe import Recipe
from tagseg.recipe.view import UndeclaredSectionError, view_of
from tagseg.stages.context import Stage

HANDED_OVER = {"superpixels"}
"""Sections that a stage is not shown: it is handed what the pipeline made of them."""

CHANGES: dict[str, dict[str, Any]] = {
    "superpixels": {"max_regions": 7},
    "classifier": {"output_stride": 8},
    "suppression": {"delta": 0.6},
    "reconstruction": {"beta": 0.2},
    "self_modulation": {"target_batch_size": 3},
    "training": {"validation_scores": (0.5,)},
    "cams": {"batch_size": 3},
    "region_affinity": {"power": 5.0},
    "seeds": {"foreground_score": 0.4},
    "crf": {"iterations": 3},
    "affinity": {"radius": 4},
    "masks": {"keep_fraction": 0.6},
    "segmenter": {"validation_images": 1},
    "prediction": {"flip": True},
    "evaluation": {"background_score": 0.3},
}
OWN = [(stage.name, section) for stage in PIPELINE for section in stage.sections if section not in HANDED_OVER]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunInputs:
    """A finished run with every stage."""
    photos, root = tmp_path_factory.mktemp("photos"), tmp_path_factory.mktemp("run")
    write_dataset(photos, num_images=6, size=(64, 64), seed=3)
    quick = ["training.epochs=2", "affinity.epochs=1", 'masks.refine=["walk","crf"]', "segmenter.enabled=true"]
    quick += ["segmenter.epochs=1", "segmenter.batch_size=4", "segmenter.crop_size_px=64", "segmenter.weights=random"]
    quick += ["cams.region_affinity=true", "region_affinity.weights=trained"]
    quick += ["segmenter.decoder_channels=16", "segmenter.long_side_px=[48,80]"]
    recipe = small_recipe(photos, root / "cache", *quick)
    run(recipe, root)
    splits = read_splits(recipe.data, drawn=root / "drawn")
    return run_inputs(recipe, root, splits.train, splits.evaluation)


def stage_named(name: str) -> Stage:
    (found,) = (stage for stage in PIPELINE if stage.name == name)
    return found


@pytest.mark.parametrize(("name", "section"), OWN)
def test_a_stage_cannot_read_a_section_that_it_does_not_declare(
    finished: RunInputs, tmp_path: Path, name: str, section: str
) -> None:
    """So every declared section is read, and what is read without being declared ends the run."""
    stage, folder = stage_named(name), RunFolder(tmp_path / "run")
    shutil.copytree(finished.folder.root, folder.root)
    for made in [*folder.output(name).rglob("*.png"), *folder.output(name).rglob("0*.npz")]:
        made.unlink()  # else there is nothing to do
    context = replace(finished, folder=folder).context(stage, progress=SilentProgress())
    held = [each for each in declared_sections(stage, finished.recipe) if each != section]
    with pytest.raises(
        UndeclaredSectionError, match=f"section '{section}' of the recipe is read without being declared"
    ):
        stage.run(replace(context, recipe=view_of(finished.recipe, held)))


@pytest.mark.parametrize("stage", PIPELINE, ids=lambda stage: stage.name)
def test_the_fingerprint_follows_the_declared_sections_and_no_other(finished: RunInputs, stage: Stage) -> None:
    recipe, before = finished.recipe, finished.fingerprint(stage)
    assert set(CHANGES) == set(Recipe.model_fields) - {"name", "preset", "seed", "data", "engine", "small_set"}
    moved = {name for name in CHANGES if replace(finished, recipe=changed(recipe, name)).fingerprint(stage) != before}
    assert moved == set(declared_sections(stage, recipe))


def changed(recipe: Recipe, section: str) -> Recipe:
    old = getattr(recipe, section)
    new = old.model_copy(update=CHANGES[section])
    assert new != old, f"{section} has these values already"
    return recipe.model_copy(update={section: new})


def test_the_fingerprint_follows_seed_and_precision_and_not_how_a_run_is_computed(finished: RunInputs) -> None:
    stage, recipe = PIPELINE[0], finished.recipe

    def moved(**update: Any) -> bool:
        other = replace(finished, recipe=recipe.model_copy(update=update))
        return other.fingerprint(stage) != finished.fingerprint(stage)

    assert moved(seed=recipe.seed + 1)
    assert moved(engine=recipe.engine.model_copy(update={"precision": "bf16-mixed"}))
    assert not moved(engine=recipe.engine.model_copy(update={"workers": 3, "devices": 2, "threads": 7}))
    assert not moved(superpixels=recipe.superpixels.model_copy(update={"cache": Path("elsewhere")}))


def test_a_change_of_the_scales_does_not_train_the_classifier_again(finished: RunInputs) -> None:
    other = changed(finished.recipe, "cams")
    assert "cams" not in declared_sections(PIPELINE[0], other)
    assert replace(finished, recipe=other).fingerprint(PIPELINE[0]) == finished.fingerprint(PIPELINE[0])


def test_a_stage_without_which_the_recipe_does_adds_nothing(finished: RunInputs) -> None:
    recipe = finished.recipe.supervised()
    assert declared_sections(stage_named("train_segmenter"), recipe) == ("classifier", "segmenter")
    context = replace(finished, recipe=recipe).context(stage_named("evaluate"), progress=SilentProgress())
    assert context.stages == ("train_segmenter", "predict", "evaluate", "report")
    with pytest.raises(UndeclaredSectionError):
        _ = context.recipe.masks
