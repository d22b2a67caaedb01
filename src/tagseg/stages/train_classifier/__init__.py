"""Stage 1: train the tag classifier with the terms of SSC; leaves ``1_classifier/``."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from tagseg.artifacts.checkpoint import save_checkpoint
from tagseg.artifacts.region_scores import RegionScores
from tagseg.assemble.networks import build_classifier_learner, build_transform, loop_settings
from tagseg.assemble.terms import build_terms, with_midpoint
from tagseg.cams.batches import look
from tagseg.cams.class_photographs import photographs_by_class
from tagseg.cams.level import PHOTOGRAPHS, measure_level
from tagseg.cams.methods.cam import ClassActivation
from tagseg.data.datasets import TrainingLoader, TrainingSet
from tagseg.evaluation.validation import validate_tags_and_seeds
from tagseg.losses.classification import tag_entropy
from tagseg.models.classifier import TagClassifier
from tagseg.ops.spacing import evenly_spaced
from tagseg.stages.context import StageContext
from tagseg.stages.train_classifier.target import (
    is_measured,
    remove_other_target,
    settle_midpoint,
    settle_region_scores,
)
from tagseg.stages.train_network import NetworkTraining, training_loader
from tagseg.stages.work import compute_superpixels, convolutions_for, count_gone
from tagseg.training.classifier_step import ClassifierStep
from tagseg.types import ImageRecord


def run(context: StageContext) -> dict[str, Any]:
    """Compute the superpixels that are missing, then train or go on training.

    Where the warm-up sets the target of self-modulation, training has two parts with the measurement between them.
    """
    fabric, recipe, classes = context.fabric, context.recipe, context.train.classes
    if recipe.self_modulation.enabled:
        compute_superpixels(context)
    context.progress.note(f"training on {context.place}")
    build = partial(build_classifier_learner, recipe, num_classes=classes.num_classes)
    training = NetworkTraining(context, context.folder.output("train_classifier"), build)
    classifier, learner = training.network, training.learner
    terms = build_terms(recipe, learner, classifier.backbone, device=fabric.device)
    step = ClassifierStep(fabric, learner.networks["classifier"], terms)
    settings, validate = loop_settings(recipe.training), partial(_validate, context, classifier)
    region_scores = None
    if is_measured(recipe):
        warmup_epochs, loader = recipe.self_modulation.warmup_epochs, _loader(context, classifier, None)
        warmup_steps = warmup_epochs * loader.epoch_sampler.steps_per_epoch
        if training.step < warmup_steps:
            remove_other_target(context)
        training.run(
            "Warming up the classifier",
            step,
            loader,
            settings=settings,
            until_epoch=warmup_epochs,
            validate=validate,
        )
        just_ended = training.step == warmup_steps
        region_scores = settle_region_scores(context, ClassActivation(classifier), may_measure=just_ended)
        terms = with_midpoint(terms, settle_midpoint(context, region_scores))
        step = ClassifierStep(fabric, learner.networks["classifier"], terms)
    loader = _loader(context, classifier, region_scores)
    figures = training.run(
        "Training the classifier",
        step,
        loader,
        settings=settings,
        until_epoch=settings.epochs,
        validate=validate,
    )
    figures = figures or validate(settings.epochs)  # no step was left to take
    if fabric.is_global_zero:
        settle_level(context, classifier)
        state = {"classes": list(classes.names), "steps": training.step}
        save_checkpoint(context.folder.classifier_weights, tensors={"classifier": classifier.state_dict()}, state=state)
        context.folder.seals.note([context.folder.classifier_weights])
    fabric.barrier()
    tags = [record.tags for record in context.train.records]
    guess = tag_entropy(tags, num_classes=classes.num_classes, absence=recipe.training.absence)
    warnings = training.loss_warnings("loss_classification", section="training", guess=guess)
    return {"images": len(context.train), "steps": training.step, **figures, **warnings}


def count_missing(context: StageContext) -> int:
    """Return how many files of the trained network are gone."""
    return count_gone([context.folder.classifier_weights])


def settle_level(context: StageContext, classifier: TagClassifier) -> None:
    """Give the classifier the level of each class where the recipe wants one, and tell of classes that have none.

    Args:
        context: the run.
        classifier: trained; its level is set.
    """
    quantile, split = context.recipe.classifier.absent_quantile, context.train
    if quantile is None:
        return
    of_classes = _photographs_without(context)
    for name, records in zip(split.classes.names, of_classes, strict=True):
        if not records:
            context.progress.warn(
                f"every photograph shows {name}: the level of its map cannot be measured and stays 0; "
                f"add photographs without {name}"
            )
    total = len({record.image_id for records in of_classes for record in records})
    with context.progress.task("Measuring the level of each class", total=total) as task:
        _set_level(context, classifier, of_classes, quantile=quantile, advance=task.advance)


def _photographs_without(context: StageContext) -> list[tuple[ImageRecord, ...]]:
    """Return for each class the training images without it that its level is measured on."""
    split = context.train
    return photographs_by_class(split.records, num_classes=split.classes.num_classes, shown=False, most=PHOTOGRAPHS)


def _set_level(
    context: StageContext,
    classifier: TagClassifier,
    of_classes: Sequence[Sequence[ImageRecord]],
    *,
    quantile: float,
    advance: Callable[[int], None] = lambda count: None,
) -> None:
    records = [record for of_class in of_classes for record in of_class]
    with context.fabric.autocast(), convolutions_for(records):
        level = measure_level(classifier, of_classes, quantile=quantile, advance=advance)
    classifier.level.copy_(level)


def _validate(context: StageContext, classifier: TagClassifier, epoch: int) -> dict[str, float]:
    """Score the classifier in the first process and tell; nothing depends on it."""
    fabric, split = context.fabric, context.evaluation
    if split is None or not fabric.is_global_zero:
        return {}
    values, method = context.recipe.training, ClassActivation(classifier)
    quantile = context.recipe.classifier.absent_quantile
    if quantile is not None and values.validation_images:
        _set_level(context, classifier, _photographs_without(context), quantile=quantile)
    records = evenly_spaced(split.records, values.validation_images)
    with convolutions_for(records):
        figures = validate_tags_and_seeds(
            records, split.classes, look=partial(look, method), background_scores=values.validation_scores
        )
    scores = ", ".join(f"{name.removeprefix('val_')} {100 * value:.1f} %" for name, value in figures.items())
    context.progress.note(f"epoch {epoch} of {context.recipe.training.epochs}: {scores}")
    return figures


def _loader(context: StageContext, classifier: TagClassifier, region_scores: RegionScores | None) -> TrainingLoader:
    """Return this process's batches; regions and their scores come with them where self-modulation acts."""
    recipe = context.recipe
    transform = build_transform(recipe.training, classifier.backbone)
    needed = region_scores is not None or (recipe.self_modulation.enabled and not is_measured(recipe))
    dataset = TrainingSet(
        context.train,
        transform,
        seed=recipe.seed,
        regions=context.regions if needed else None,
        region_scores=region_scores,
    )
    return training_loader(context, dataset, section="training")
