"""The stages, in order, and when a recipe does without one."""

from tagseg.recipe import Recipe
from tagseg.stages import (
    evaluate,
    extract_cams,
    make_masks,
    predict,
    train_affinity,
    train_classifier,
    train_segmenter,
)
from tagseg.stages.context import Stage


def _without_masks(recipe: Recipe) -> str:
    return "" if recipe.needs_masks else "the segmenter learns from ground truth"


def _without_walk(recipe: Recipe) -> str:
    return _without_masks(recipe) or ("" if recipe.needs_affinity else "masks.refine does not walk")


def _without_segmenter(recipe: Recipe) -> str:
    return "" if recipe.segmenter.enabled else "segmenter.enabled is false"


LEARNING = ("data", "classifier", "suppression", "reconstruction", "self_modulation", "training")

PIPELINE = (
    Stage("train_classifier", LEARNING, train_classifier.run, costly=True, unneeded=_without_masks),
    Stage(
        "extract_cams",
        ("cams",),
        extract_cams.run,
        costly=True,
        unneeded=_without_masks,
        missing=extract_cams.count_missing,
    ),
    Stage(
        "train_affinity",
        ("seeds", "crf", "affinity"),
        train_affinity.run,
        costly=True,
        unneeded=_without_walk,
    ),
    Stage(
        "make_masks",
        ("crf", "masks"),
        make_masks.run,
        costly=True,
        unneeded=_without_masks,
        missing=make_masks.count_missing,
    ),
    Stage(
        "train_segmenter",
        ("data", "classifier", "segmenter"),
        train_segmenter.run,
        costly=True,
        unneeded=_without_segmenter,
        missing=train_segmenter.count_missing,
    ),
    Stage(
        "predict",
        ("prediction",),
        predict.run,
        costly=True,
        unneeded=_without_segmenter,
        missing=predict.count_missing,
        tests=True,
    ),
    Stage("evaluate", ("evaluation",), evaluate.run, costly=False, tests=True),
)
"""Every stage in the order in which it runs; a stage reads what those before it left."""


def needed_stages(recipe: Recipe) -> tuple[Stage, ...]:
    """Return the stages that the recipe needs, in order."""
    return tuple(stage for stage in PIPELINE if not stage.unneeded(recipe))
