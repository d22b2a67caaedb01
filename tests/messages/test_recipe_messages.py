"""What a recipe's errors say, word for word."""

import pytest

from tagseg.errors import RecipeError
from tagseg.recipe import load_recipe, make_recipe

MINIMAL = {"name": "mine", "data": {"format": "folder", "root": "photos"}}


def message(values, overrides=()):
    with pytest.raises(RecipeError) as caught:
        make_recipe(values, list(overrides), source="mine.toml")
    return str(caught.value)


def test_unknown_key_names_the_nearest():
    assert message({**MINIMAL, "training": {"epoch": 3}}) == (
        "mine.toml has 1 problem: training.epoch is no key of a recipe (did you mean 'epochs'?); "
        "correct the recipe or the --set that names it"
    )


def test_wrong_type():
    assert message(MINIMAL, ["training.epochs=many"]) == (
        'mine.toml has 1 problem: training.epochs: input should be a valid integer, got "many"; '
        "correct the recipe or the --set that names it"
    )


def test_missing_path():
    assert message({"name": "mine", "data": {"format": "voc"}}) == (
        "mine.toml has 1 problem: data format 'voc' needs data.root; correct the recipe or the --set that names it"
    )


def test_warm_up_longer_than_training():
    assert message(MINIMAL, ["training.epochs=2", "self_modulation.warmup_epochs=2"]) == (
        "mine.toml has 1 problem: self_modulation.warmup_epochs (2) leaves none of training.epochs (2) for the term; "
        "lower it or set self_modulation.enabled=false; correct the recipe or the --set that names it"
    )


def test_batch_that_does_not_divide():
    assert message(MINIMAL, ["training.batch_size=5", "engine.devices=2"]) == (
        "mine.toml has 1 problem: training.batch_size (5) is the batch of all processes together and must be a "
        "multiple of engine.devices x engine.nodes (2); correct the recipe or the --set that names it"
    )


def test_malformed_override():
    assert message(MINIMAL, ["training.epochs"]) == (
        "--set takes key=value, got 'training.epochs'; write for example --set training.epochs=5"
    )


def test_missing_file(tmp_path):
    path = tmp_path / "none.toml"
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert str(caught.value) == f"recipe {path} is a file that exists, got none; check the path"


def test_broken_toml(tmp_path):
    path = tmp_path / "broken.toml"
    path.write_text("name = \n", encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert str(caught.value) == (
        f"recipe {path} is a TOML file, got: Invalid value (at line 1, column 8); correct that line"
    )
