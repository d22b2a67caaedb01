"""Some sections of a recipe, for whoever declared that they read them; reading another one is an error."""

from collections.abc import Collection
from typing import Any

from tagseg.recipe.schema import Recipe


class UndeclaredSectionError(LookupError):
    """Code of a stage reads a section that the stage does not declare: its fingerprint would not know of it."""


class RecipeView(Recipe):
    """A recipe that holds the declared sections and the seed, and nothing else.

    >>> from tagseg.recipe import make_recipe
    >>> recipe = make_recipe({"name": "mine", "data": {"format": "folder", "root": "photos"}})
    >>> view_of(recipe, ("cams",)).cams == recipe.cams
    True
    >>> view_of(recipe, ("cams",)).masks
    Traceback (most recent call last):
    tagseg.recipe.view.UndeclaredSectionError: section 'masks' of the recipe is read without being declared
    """

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (never returns a section: those that are held are found)
        """Refuse a section that is not held."""
        if name in Recipe.model_fields:
            raise UndeclaredSectionError(f"section '{name}' of the recipe is read without being declared")
        return super().__getattr__(name)  # pyright: ignore[reportAttributeAccessIssue]  (pydantic hides its own)


def view_of(recipe: Recipe, sections: Collection[str]) -> RecipeView:
    """Return the named sections of a recipe, with its seed.

    Args:
        recipe: all values.
        sections: names of fields of the recipe.
    """
    held = {name: getattr(recipe, name) for name in (*sections, "seed")}
    view = RecipeView.model_construct(**held)
    for name in Recipe.model_fields.keys() - held.keys():  # model_construct fills in defaults
        view.__dict__.pop(name, None)  # pyright: ignore[reportAttributeAccessIssue]  (a plain dict in an instance)
    return view
