"""The stages, in order."""

from tagseg.recipe import Recipe
from tagseg.recipe.needs import WHY_UNNEEDED
from tagseg.stages import (
    evaluate,
    extract_cams,
    make_masks,
    predict_split,
    train_affinity,
    train_classifier,
    train_segmenter,
    write_report,
)
from tagseg.stages.context import Stage

LEARNING = ("data", "classifier", "suppression", "reconstruction", "self_modulation", "training")

PIPELINE = (
    Stage(
        "train_classifier",
        LEARNING,
        train_classifier.run,
        costly=True,
        unneeded=WHY_UNNEEDED["train_classifier"],
    ),
    Stage(
        "extract_cams",
        ("cams",),
        extract_cams.run,
        costly=True,
        unneeded=WHY_UNNEEDED["extract_cams"],
        missing=extract_cams.count_missing,
    ),
    Stage(
        "train_affinity",
        ("seeds", "crf", "affinity"),
        train_affinity.run,
        costly=True,
        unneeded=WHY_UNNEEDED["train_affinity"],
    ),
    Stage(
        "make_masks",
        ("crf", "masks"),
        make_masks.run,
        costly=True,
        unneeded=WHY_UNNEEDED["make_masks"],
        missing=make_masks.count_missing,
    ),
    Stage(
        "train_segmenter",
        ("data", "classifier", "segmenter"),
        train_segmenter.run,
        costly=True,
        unneeded=WHY_UNNEEDED["train_segmenter"],
        missing=train_segmenter.count_missing,
    ),
    Stage(
        "predict",
        ("prediction",),
        predict_split.run,
        costly=True,
        unneeded=WHY_UNNEEDED["predict"],
        missing=predict_split.count_missing,
        tests=True,
    ),
    Stage(
        "evaluate",
        ("evaluation",),
        evaluate.run,
        costly=False,
        outdated=evaluate.why_outdated,
        tests=True,
    ),
    Stage("report", (), write_report.run, costly=False, outdated=write_report.why_outdated, tests=True),
)
"""Every stage in the order in which it runs; a stage reads what those before it left."""


def needed_stages(recipe: Recipe) -> tuple[Stage, ...]:
    """Return the stages that the recipe needs, in order."""
    return tuple(stage for stage in PIPELINE if not stage.unneeded(recipe))
