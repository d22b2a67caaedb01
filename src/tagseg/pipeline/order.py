"""The stages in order, and the sections of the recipe that each one reads."""

from tagseg.recipe import Recipe
from tagseg.recipe.learning import LearningSections
from tagseg.recipe.needs import why_unneeded
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

LEARNING = (*LearningSections.model_fields, "superpixels")
"""Every section of learning: a term that is added is part of the fingerprint of stage 1 without a line here."""

PIPELINE = (
    Stage(
        "train_classifier",
        LEARNING,
        train_classifier.run,
        costly=True,
        missing=train_classifier.count_missing,
        also=lambda recipe: recipe.self_modulation.refines_target,
    ),
    Stage(
        "extract_cams",
        ("cams", "superpixels", "region_affinity"),
        extract_cams.run,
        costly=True,
        missing=extract_cams.count_missing,
    ),
    Stage(
        "train_affinity",
        ("seeds", "crf", "affinity"),
        train_affinity.run,
        costly=True,
        missing=train_affinity.count_missing,
    ),
    Stage("make_masks", ("crf", "masks"), make_masks.run, costly=True, missing=make_masks.count_missing),
    Stage(
        "train_segmenter",
        ("classifier", "segmenter"),
        train_segmenter.run,
        costly=True,
        missing=train_segmenter.count_missing,
    ),
    Stage(
        "predict",
        ("prediction",),
        predict_split.run,
        costly=True,
        missing=predict_split.count_missing,
        tests=True,
    ),
    Stage(
        "evaluate",
        ("evaluation",),
        evaluate.run,
        costly=False,
        missing=evaluate.count_missing,
        outdated=evaluate.why_outdated,
        tests=True,
        scores=True,
    ),
    Stage("report", (), write_report.run, costly=False, outdated=write_report.why_outdated, tests=True, scores=True),
)
"""Every stage in the order in which it runs; a stage reads what those before it left."""


def needed_stages(recipe: Recipe) -> tuple[Stage, ...]:
    """Return the stages that the recipe needs, in order."""
    return tuple(stage for stage in PIPELINE if not why_unneeded(stage.name, recipe))


def declared_sections(stage: Stage, recipe: Recipe) -> tuple[str, ...]:
    """Return the sections that a stage may read: its own, and those of the needed stages before it.

    The stage is handed these and no others (:func:`tagseg.recipe.view.view_of`), and its fingerprint is made of these.
    """
    position = [each.name for each in PIPELINE].index(stage.name)
    before = [each for each in PIPELINE[:position] if not why_unneeded(each.name, recipe)]
    return tuple(sorted({section for each in (*before, stage) for section in (*each.sections, *each.also(recipe))}))
