"""The level of each class map in stage 1: measured once the training is over, kept with the weights."""

from tagseg.cams.level import measure_level, photographs_without
from tagseg.models.classifier import TagClassifier
from tagseg.stages.context import StageContext


def settle_level(context: StageContext, classifier: TagClassifier) -> None:
    """Give the classifier the level of each class where the recipe wants one, and tell of classes that have none.

    Args:
        context: the run.
        classifier: trained; its level is set.
    """
    quantile, split = context.recipe.classifier.absent_quantile, context.train
    if quantile is None:
        return
    num_classes = split.classes.num_classes
    of_classes = photographs_without(split.records, num_classes=num_classes)
    for name, records in zip(split.classes.names, of_classes, strict=True):
        if not records:
            context.progress.warn(
                f"every photograph shows {name}: the level of its map cannot be measured and stays 0; "
                f"add photographs without {name}"
            )
    total = len({record.image_id for records in of_classes for record in records})
    with context.progress.task("Measuring the level of each class", total=total) as task:
        classifier.level.copy_(measure_level(classifier, split.records, quantile=quantile, advance=task.advance))
