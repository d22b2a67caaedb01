"""The values of stage 1 that a recipe may not have."""

import pytest

from tagseg.errors import RecipeError
from tagseg.recipe import make_recipe

MINIMAL = {"name": "mine", "data": {"format": "folder", "root": "photos"}}


@pytest.mark.parametrize("scales", ["[]", "[-0.5, 0.0]", "[0.5, 0.0]", "[9.0]"])
def test_the_target_is_measured_at_scales_that_maps_can_have(scales: str) -> None:
    with pytest.raises(RecipeError) as caught:
        make_recipe(MINIMAL, [f"self_modulation.target_scales={scales}"], source="mine.toml")
    assert caught.value.problem == (
        "mine.toml has 1 problem: self_modulation.target_scales holds at least one scale, each above 0 and at most 8"
    )


def test_usual_scales_of_the_target_are_taken() -> None:
    recipe = make_recipe(MINIMAL, ["self_modulation.target_scales=[0.5, 8.0]"])
    assert recipe.self_modulation.target_scales == (0.5, 8.0)
