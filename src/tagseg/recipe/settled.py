"""What a recipe leaves to the amount of data: the values for a small set, and trainings in steps instead of epochs."""

from typing import Any

from tagseg.recipe.learning import Training
from tagseg.recipe.refining import Affinity
from tagseg.recipe.schema import Recipe
from tagseg.recipe.segmenting import Segmenter
from tagseg.recipe.toml_file import make_recipe


def settle(recipe: Recipe, num_images: int, *, num_masks: int = 0) -> tuple[Recipe, list[str]]:
    """Return the recipe for a number of training images, with every value decided, and why for each that changed.

    With fewer images than ``small_set.below``, the settings of ``small_set.set`` apply. Then every training whose
    epochs give fewer steps than its ``least_steps``, or more than its ``most_steps``, gets the epochs that fit. What is
    settled stays as it is when it is settled again.

    Args:
        recipe: as it was read.
        num_images: of the training split, at least 1.
        num_masks: how many of them have ground truth, from which an upper bound learns.

    Raises:
        RecipeError: when the values that come out contradict each other.

    >>> settings = ["small_set.below=200", "small_set.set=['masks.refine=[]']", "training.least_steps=60"]
    >>> recipe = make_recipe({"name": "mine", "data": {"format": "folder", "root": "photos"}}, settings)
    >>> settled, reasons = settle(recipe, 90)
    >>> settled.masks.refine, settled.training.epochs
    ((), 12)
    >>> for reason in reasons:
    ...     print(reason)
    90 images, fewer than small_set.below (200): masks.refine=[]
    training.epochs 10 -> 12: 5 steps an epoch, and training.least_steps is 60
    """
    reasons = []
    if recipe.small_set.set and num_images < recipe.small_set.below:
        settings = list(recipe.small_set.set)
        recipe = with_settings(recipe, settings)
        limit = f"fewer than small_set.below ({recipe.small_set.below})"
        reasons.append(f"{num_images} images, {limit}: {', '.join(settings)}")
    changes = []
    needed = {"training": recipe.needs_masks, "affinity": recipe.needs_affinity, "segmenter": recipe.segmenter.enabled}
    for name in (name for name, used in needed.items() if used):
        section = getattr(recipe, name)
        per_epoch = _steps_per_epoch(recipe, name, num_images, num_masks=num_masks)
        epochs, limit = _fitting_epochs(section, per_epoch, fewest=1 + _warmup_epochs(recipe, name))
        if epochs != section.epochs:
            steps = f"{per_epoch} step{'s' if per_epoch > 1 else ''} an epoch"
            reason = f"{steps}, and {name}.{limit} is {getattr(section, limit)}"
            reasons.append(f"{name}.epochs {section.epochs} -> {epochs}: {reason}")
            changes.append(f"{name}.epochs={epochs}")
    return (with_settings(recipe, changes) if changes else recipe), reasons


def training_steps(recipe: Recipe, name: str, num_images: int, *, num_masks: int = 0) -> int:
    """Return how many steps a training of a settled recipe has.

    Args:
        recipe: see :func:`settle`, as the images and masks.
        name: of the section: ``training``, ``affinity`` or ``segmenter``.
        num_images: of the training split, at least 1.
        num_masks: how many of them have ground truth.
    """
    return getattr(recipe, name).epochs * _steps_per_epoch(recipe, name, num_images, num_masks=num_masks)


def with_settings(recipe: Recipe, settings: list[str]) -> Recipe:
    """Return a recipe with ``section.key=value`` settings applied, checked as a whole."""
    values: dict[str, Any] = recipe.model_dump(mode="json", exclude_none=True)
    return make_recipe(values, settings)


def _steps_per_epoch(recipe: Recipe, name: str, num_images: int, *, num_masks: int) -> int:
    of_truth = name == "segmenter" and recipe.segmenter.labels == "truth"
    learned = max(num_masks, 1) if of_truth else num_images
    return learned // min(getattr(recipe, name).batch_size, learned)


def _warmup_epochs(recipe: Recipe, name: str) -> int:
    if name == "training" and recipe.self_modulation.enabled:
        return recipe.self_modulation.warmup_epochs
    return recipe.segmenter.epochs_before_the_strategy if name == "segmenter" else 0


def _fitting_epochs(section: Training | Affinity | Segmenter, per_epoch: int, *, fewest: int) -> tuple[int, str]:
    """Return the epochs nearest to the section's that give an allowed number of steps, and the limit that decides.

    ``most_steps`` leaves an epoch behind the warm-up: there may be more steps then.
    """
    least = -(-section.least_steps // per_epoch)
    if section.epochs < least:
        return least, "least_steps"
    if section.most_steps is not None and section.epochs * per_epoch > section.most_steps:
        return min(section.epochs, max(section.most_steps // per_epoch, least, fewest)), "most_steps"
    return section.epochs, ""
