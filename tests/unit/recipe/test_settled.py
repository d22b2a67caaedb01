"""What a recipe leaves to the amount of data: known answers, and that settling twice is settling once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagseg.errors import RecipeError
from tagseg.recipe import Recipe, make_recipe
from tagseg.recipe.settled import settle

MINIMAL = {"name": "mine", "data": {"format": "folder", "root": "photos"}}


def recipe_with(*settings: str) -> Recipe:
    return make_recipe(MINIMAL, list(settings))


@pytest.mark.parametrize(
    ("least", "most", "images", "epochs"),
    [
        (0, None, 90, 10),
        (100, None, 90, 20),  # 5 steps an epoch
        (101, None, 90, 21),
        (50, None, 90, 10),
        (100, None, 3, 100),  # a batch is the whole set
        (0, 600, 1600, 6),  # 100 steps an epoch
        (0, 650, 1600, 6),
        (0, 10, 1600, 1),  # no less than an epoch
        (150, 100, 1600, 2),  # the least wins
    ],
)
def test_epochs_follow_from_steps(least: int, most: int | None, images: int, epochs: int) -> None:
    settings = [f"training.least_steps={least}", "self_modulation.enabled=false"]
    settings += [f"training.most_steps={most}"] if most else []
    settled, reasons = settle(recipe_with(*settings), images)
    assert settled.training.epochs == epochs
    assert len(reasons) == (epochs != 10)


@pytest.mark.parametrize(("strategy", "epochs"), [("cotrain", 2), ("self_training", 2), ("confident", 1)])
def test_an_epoch_stays_behind_the_warm_up_of_the_segmenter(strategy: str, epochs: int) -> None:
    recipe = recipe_with(f"segmenter.strategy={strategy}", "segmenter.warmup_epochs=1", "segmenter.most_steps=500")
    settled, reasons = settle(recipe, 9600)  # 600 steps an epoch
    assert settled.segmenter.epochs == epochs
    assert len(reasons) == 1


@given(st.integers(1, 5000), st.integers(0, 400), st.integers(1, 400), st.integers(0, 4000))
def test_settling_twice_is_settling_once(images: int, least: int, most: int, below: int) -> None:
    recipe = recipe_with(
        f"segmenter.least_steps={least}",
        f"affinity.most_steps={most}",
        f"small_set.below={below}",
        "small_set.set=['masks.refine=[]', 'training.epochs=4']",
    )
    once, reasons = settle(recipe, images)
    twice, again = settle(once, images)
    assert twice == once
    assert [reason for reason in again if not reason.startswith(f"{images} images")] == []
    assert (once.masks.refine == ()) == (images < below)
    assert any("small_set" in reason for reason in reasons) == (images < below)


def test_a_setting_of_the_command_line_wins_over_the_small_set() -> None:
    settings = ["small_set.below=200", "small_set.set=['training.epochs=4', 'masks.refine=[]']", "training.epochs=7"]
    settled, reasons = settle(recipe_with(*settings), 90)
    assert (settled.training.epochs, settled.masks.refine) == (7, ())
    assert reasons == ["90 images, fewer than small_set.below (200): masks.refine=[]"]


def test_a_mistake_in_the_small_set_is_found_when_the_recipe_is_read() -> None:
    with pytest.raises(RecipeError) as caught:
        recipe_with("small_set.below=200", "small_set.set=['training.epoch=4']")
    assert caught.value.problem.startswith(
        "with small_set.set (set it to [] to do without), recipe has 1 problem: training.epoch"
    )
    assert recipe_with("small_set.set=['training.epoch=4']").small_set.below == 0  # it never applies


@pytest.mark.parametrize(
    "setting", ["preset=release", "engine.devices=2", "data.root=x", "training", "small_set.below=1"]
)
def test_what_is_read_before_the_images_cannot_change(setting: str) -> None:
    with pytest.raises(RecipeError, match="of sections that are read after the images"):
        recipe_with("small_set.below=200", f"small_set.set=['{setting}']")


def test_a_whole_section_of_the_command_line_wins_too_and_epochs_over_steps() -> None:
    small = ["small_set.below=200", "small_set.set=['classifier.frozen_stages=all', 'training.least_steps=100']"]
    settled, _ = settle(recipe_with(*small, "classifier={backbone='resnet18', frozen_stages=1}"), 90)
    assert (settled.classifier.frozen_stages, settled.training.epochs) == (1, 20)
    settled, _ = settle(recipe_with(*small, "training.epochs=3"), 90)
    assert (settled.classifier.frozen_stages, settled.training.epochs) == ("all", 3)


def test_the_most_steps_leave_an_epoch_behind_the_warm_up_and_sections_that_nothing_needs_are_left_alone() -> None:
    settled, reasons = settle(
        recipe_with("training.most_steps=10", "segmenter.most_steps=1", "segmenter.enabled=false"), 3200
    )
    assert (settled.training.epochs, settled.segmenter.epochs) == (3, 20)
    assert len(reasons) == 1


def test_a_baseline_stays_plain_and_an_upper_bound_taught_by_truth() -> None:
    settings = [
        "small_set.below=200",
        "small_set.set=['cams.region_affinity=true', 'self_modulation.enabled=true', 'segmenter.strategy=cotrain']",
    ]
    recipe = recipe_with(*settings)
    plain, _ = settle(recipe.plain(), 90)
    assert (plain.constraints, plain.cams.kinds, plain.segmenter.strategy) == ((), ("network",), "cotrain")
    full, _ = settle(recipe.supervised(), 90)
    assert (full.segmenter.labels, full.segmenter.strategy) == ("truth", "all")


def test_an_upper_bound_counts_the_images_with_masks() -> None:
    recipe = recipe_with("segmenter.least_steps=100", "segmenter.labels=truth", "segmenter.strategy=all")
    settled, reasons = settle(recipe, 1000, num_masks=32)
    assert settled.segmenter.epochs == 50
    assert reasons == ["segmenter.epochs 20 -> 50: 2 steps an epoch, and segmenter.least_steps is 100"]
