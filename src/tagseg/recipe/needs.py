"""When a recipe does without a stage."""

from collections.abc import Callable, Mapping

from tagseg.recipe.schema import Recipe


def why_unneeded(stage: str, recipe: Recipe) -> str:
    """Return why a recipe does without a stage, or an empty string when it needs it.

    >>> from tagseg.recipe import make_recipe
    >>> recipe = make_recipe({"name": "mine", "data": {"format": "folder", "root": "photos"}}, ["masks.refine=['crf']"])
    >>> why_unneeded("train_affinity", recipe), why_unneeded("make_masks", recipe)
    ('masks.refine does not walk', '')
    """
    return _WHY_UNNEEDED[stage](recipe) if stage in _WHY_UNNEEDED else ""


def _without_masks(recipe: Recipe) -> str:
    return "" if recipe.needs_masks else "the segmenter learns from ground truth"


def _without_walk(recipe: Recipe) -> str:
    return _without_masks(recipe) or ("" if recipe.needs_affinity else "masks.refine does not walk")


def _without_segmenter(recipe: Recipe) -> str:
    return "" if recipe.segmenter.enabled else "segmenter.enabled is false"


_WHY_UNNEEDED: Mapping[str, Callable[[Recipe], str]] = {
    "train_classifier": _without_masks,
    "extract_cams": _without_masks,
    "train_affinity": _without_walk,
    "make_masks": _without_masks,
    "train_segmenter": _without_segmenter,
    "predict": _without_segmenter,
}
