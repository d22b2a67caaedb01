"""The recipe: every value of a run, typed and checked before anything starts.

A recipe is a TOML file. Values come from three places, later ones winning: the preset (``corrected`` or ``release``),
the file, and ``--set section.key=value``. Relative paths start at the folder
in which tagseg is called, those of packaged recipes too.
"""

from tagseg.recipe.presets import PRESETS
from tagseg.recipe.schema import Recipe
from tagseg.recipe.toml_file import flat_values, load_recipe, load_run_recipe, make_recipe, to_toml

__all__ = ["PRESETS", "Recipe", "flat_values", "load_recipe", "load_run_recipe", "make_recipe", "to_toml"]
