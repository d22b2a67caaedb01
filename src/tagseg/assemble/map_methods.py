"""From recipe values to what makes maps."""

from collections.abc import Callable, Mapping

from tagseg.cams.map_method import MapMethod
from tagseg.cams.methods.cam import ClassActivation
from tagseg.models.classifier import TagClassifier
from tagseg.recipe import Recipe


def build_map_method(recipe: Recipe, classifier: TagClassifier) -> MapMethod:
    """Return the recipe's way to make maps.

    Args:
        recipe: all values.
        classifier: trained, on its device.
    """
    methods: Mapping[str, Callable[[], MapMethod]] = {
        "cam": lambda: ClassActivation(classifier),
    }
    return methods[recipe.cams.method]()
