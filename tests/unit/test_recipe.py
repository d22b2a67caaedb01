"""Recipes: defaults, presets, overrides, round trip."""

from pathlib import Path

import pytest

from tagseg.errors import RecipeError
from tagseg.recipe import load_recipe, make_recipe, to_toml

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
MINIMAL = {"name": "mine", "data": {"format": "folder", "root": "photos"}}


def test_release_preset_keeps_the_constants_of_the_release():
    recipe = make_recipe({**MINIMAL, "preset": "release"})
    assert recipe.training.momentum == 1e-4
    assert recipe.training.weight_decay == 0
    assert recipe.training.batch_size == 6
    assert recipe.self_modulation.normalizer == "region"
    assert recipe.reconstruction.pyramid == "vgg19"
    assert not recipe.reconstruction.normalize


def test_values_of_the_file_win_over_the_preset_and_overrides_over_the_file():
    values = {**MINIMAL, "preset": "release", "training": {"batch_size": 8, "epochs": 3}}
    recipe = make_recipe(values, ["training.epochs=7", "classifier.backbone=mobilenetv2_100", "cams.scales=[1.0]"])
    assert (recipe.training.batch_size, recipe.training.epochs) == (8, 7)
    assert recipe.classifier.backbone == "mobilenetv2_100"
    assert recipe.cams.scales == (1.0,)


def test_overrides_do_not_change_the_values_that_were_passed_in():
    values = {**MINIMAL, "training": {"epochs": 3}}
    make_recipe(values, ["training.epochs=7"])
    assert values["training"] == {"epochs": 3}


def test_plain_switches_the_three_parts_off_and_nothing_else():
    recipe = make_recipe(MINIMAL)
    plain = recipe.plain()
    assert not (plain.suppression.enabled or plain.reconstruction.enabled or plain.self_modulation.enabled)
    assert (plain.training, plain.data, plain.seed, plain.classifier) == (
        recipe.training,
        recipe.data,
        recipe.seed,
        recipe.classifier,
    )


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.name)
def test_every_shipped_recipe_loads_and_survives_a_round_trip(path, tmp_path):
    recipe = load_recipe(path)
    copy = tmp_path / "recipe.toml"
    copy.write_text(to_toml(recipe), encoding="utf-8")
    assert load_recipe(copy) == recipe


def test_several_mistakes_are_named_at_once():
    values = {"name": "x", "data": {"format": "voc"}, "training": {"epoch": 3, "lr": "fast"}, "cam": {}}
    with pytest.raises(RecipeError) as caught:
        make_recipe(values, source="mine.toml")
    assert str(caught.value).startswith("mine.toml has 4 problems: ")
    for part in ("needs data.root", "did you mean 'epochs'?", "training.lr", "did you mean 'cams'?"):
        assert part in str(caught.value)
