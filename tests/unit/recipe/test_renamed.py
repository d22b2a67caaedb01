"""Renamed keys of a recipe that an older version wrote."""

import pytest

from tagseg.recipe.renamed import RENAMED, with_new_names
from tagseg.recipe.schema import Recipe, kinds_of_section


def has_key(path: str) -> bool:
    section, _, key = path.partition(".")
    kinds = kinds_of_section(section)[1].values() or [Recipe.model_fields[section].annotation]
    return any(kind is not None and key in getattr(kind, "model_fields", {}) for kind in kinds)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"training": {"rate": 0.1, "epochs": 3}}, {"training": {"lr": 0.1, "epochs": 3}}),
        ({"training": {"batch": 4}}, {"training": {}, "cams": {"batch_size": 4}}),
        ({"training": {"batch": 4}, "cams": {"flip": True}}, {"training": {}, "cams": {"flip": True, "batch_size": 4}}),
        ({"training": {"lr": 0.1}, "name": "rate"}, {"training": {"lr": 0.1}, "name": "rate"}),
        ({"training": "rate"}, {"training": "rate"}),
        ({}, {}),
    ],
)
def test_old_keys_get_their_names_of_now(values: dict, named: dict) -> None:
    renamed = {"training.rate": "training.lr", "training.batch": "cams.batch_size"}
    before = repr(values)
    assert with_new_names(values, renamed=renamed) == named
    assert repr(values) == before


def test_every_renamed_key_is_gone_and_its_new_one_is_there() -> None:
    assert [old for old in RENAMED if has_key(old)] == []
    assert [new for new in RENAMED.values() if not has_key(new)] == []
