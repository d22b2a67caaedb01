"""From recipe values to the terms of the classifier's objective and the networks that they need."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import torch
from torch import nn, optim

from tagseg.assemble.settings import initial_weights, settings_from
from tagseg.losses.classification import ClassificationTerm
from tagseg.losses.reconstruction import ReconstructionTerm
from tagseg.losses.self_modulation import SelfModulationSettings, SelfModulationTerm
from tagseg.losses.term import Term
from tagseg.models.backbone import Backbone
from tagseg.models.perceptual import PAPER_WEIGHTS, FeaturePyramid, timm_pyramid, vgg19_pyramid
from tagseg.models.reconstructor import Reconstructor
from tagseg.recipe import Recipe
from tagseg.training.loop import Learner
from tagseg.training.optimizer import build_decoder_optimizer

DECODER = "decoder"
"""Name of the network that rebuilds the image, among those that learn."""

_UNMEASURED = 0.5  # the midpoint "auto" during the warm-up, when the term does not act


@dataclass(frozen=True, slots=True)
class TermNetworks:
    """Networks that learn with the terms, in addition to the classifier.

    Args:
        networks: by name.
        optimizers: that move them, under the same names.
    """

    networks: dict[str, nn.Module] = field(default_factory=dict)
    optimizers: dict[str, optim.Optimizer] = field(default_factory=dict)


def build_term_networks(recipe: Recipe, *, num_classes: int) -> TermNetworks:
    """Build the networks that learn with the terms that the recipe switches on."""
    if not recipe.reconstruction.enabled:
        return TermNetworks()
    values = recipe.reconstruction
    decoder = Reconstructor(
        num_classes + 1 if values.maps == "tagged" else num_classes,
        width=values.width,
        target_stride=values.target_stride,
        output_stride=recipe.classifier.output_stride,
    )
    return TermNetworks({DECODER: decoder}, {DECODER: build_decoder_optimizer(decoder, lr=values.lr)})


def build_terms(recipe: Recipe, learner: Learner, backbone: Backbone, *, device: torch.device) -> tuple[Term, ...]:
    """Build the terms of the objective that the recipe switches on, the classification first.

    Args:
        recipe: all values.
        learner: set up by Fabric; it holds the networks that learn with the terms.
        backbone: of the classifier; it says how images are normalised.
        device: of networks that do not learn.
    """
    terms: list[Term] = [ClassificationTerm(recipe.classifier.pooling_shares, absence=recipe.training.absence)]
    if recipe.self_modulation.enabled:
        terms.append(_self_modulation(recipe))
    if recipe.reconstruction.enabled:
        pyramid = _build_pyramid(recipe, backbone).to(device)
        terms.append(_reconstruction(recipe, learner.networks[DECODER], pyramid))
    return tuple(terms)


def with_midpoint(terms: Iterable[Term], midpoint: float) -> tuple[Term, ...]:
    """Return the terms with the midpoint of self-modulation that is known once its target is measured."""
    return tuple(
        replace(term, settings=replace(term.settings, midpoint=midpoint))
        if isinstance(term, SelfModulationTerm)
        else term
        for term in terms
    )


def _self_modulation(recipe: Recipe) -> SelfModulationTerm:
    values = recipe.self_modulation
    midpoint = _UNMEASURED if values.midpoint == "auto" else values.midpoint
    return settings_from(
        values,
        SelfModulationTerm,
        settings=settings_from(values, SelfModulationSettings, midpoint=midpoint),
        first_epoch=values.warmup_epochs,
    )


def _reconstruction(recipe: Recipe, decoder: nn.Module, pyramid: FeaturePyramid) -> ReconstructionTerm:
    return settings_from(
        recipe.reconstruction,
        ReconstructionTerm,
        fixed=["first_epoch"],
        decoder=decoder,
        pyramid=pyramid,
        level_weights=_level_weights(recipe),
    )


def _build_pyramid(recipe: Recipe, backbone: Backbone) -> FeaturePyramid:
    """Build the frozen network of the perceptual loss."""
    name, named = recipe.reconstruction.pyramid, recipe.reconstruction.pyramid_weights
    weights = initial_weights(recipe.classifier.weights if named == "same" else named)
    if name == "vgg19":
        return vgg19_pyramid(weights, input_mean=backbone.mean, input_std=backbone.std)
    name = recipe.classifier.backbone if name == "backbone" else name
    levels = recipe.reconstruction.pyramid_levels
    return timm_pyramid(name, weights, levels, input_mean=backbone.mean, input_std=backbone.std)


def _level_weights(recipe: Recipe) -> tuple[float, ...]:
    """Return one weight a level: the paper's five for VGG-19, the last of them for a shorter pyramid."""
    if recipe.reconstruction.pyramid == "vgg19":
        return PAPER_WEIGHTS
    return PAPER_WEIGHTS[-len(recipe.reconstruction.pyramid_levels) :]
