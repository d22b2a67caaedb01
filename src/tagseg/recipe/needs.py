"""When a recipe does without a stage."""

from collections.abc import Callable, Mapping

from tagseg.recipe import Recipe


def _without_masks(recipe: Recipe) -> str:
    return "" if recipe.needs_masks else "the segmenter learns from ground truth"


def _without_walk(recipe: Recipe) -> str:
    return _without_masks(recipe) or ("" if recipe.needs_affinity else "masks.refine does not walk")


def _without_segmenter(recipe: Recipe) -> str:
    return "" if recipe.segmenter.enabled else "segmenter.enabled is false"


WHY_UNNEEDED: Mapping[str, Callable[[Recipe], str]] = {
    "train_classifier": _without_masks,
    "extract_cams": _without_masks,
    "train_affinity": _without_walk,
    "make_masks": _without_masks,
    "train_segmenter": _without_segmenter,
    "predict": _without_segmenter,
}
"""By stage: returns why a recipe does without it, or an empty string when it needs it; others are always needed."""
