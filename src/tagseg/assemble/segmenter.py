"""From recipe values to the segmentation network and what trains it."""

from typing import Any

from jaxtyping import Float
from lightning_fabric import Fabric
from torch import Tensor

from tagseg.assemble.networks import build_transform, optimizer_settings
from tagseg.assemble.settings import initial_weights, settings_from
from tagseg.data.augment import TrainTransform
from tagseg.models.architectures import usual_atrous_rate
from tagseg.models.segmentation_network import SegmentationNetwork, SegmenterDesign, build_segmenter
from tagseg.recipe import Recipe
from tagseg.training.loop import Learner
from tagseg.training.optimizer import build_optimizer
from tagseg.training.segmenter_steps import (
    ConsistencyStep,
    CotrainingStep,
    SelfTrainingStep,
    SupervisedStep,
    UnsureSettings,
)
from tagseg.training.step import TrainingStep
from tagseg.training.weight_average import WeightAverage

NAME, PEER = "segmenter", "peer"
"""Names of the network that stays, and of its peer in co-training."""

_TAUGHT_BY_AVERAGE = {"consistency": ConsistencyStep, "self_training": SelfTrainingStep}
"""Strategies whose teacher is the running mean of the weights."""


def build_segmentation_network(recipe: Recipe, *, num_labels: int, pretrained: bool = True) -> SegmentationNetwork:
    """Build the segmentation network of the recipe.

    Args:
        recipe: all values.
        num_labels: classes and background.
        pretrained: load the recipe's weights into the encoder; False when trained ones follow.
    """
    values = recipe.segmenter
    named = recipe.classifier.weights if values.weights == "same" else values.weights
    design = settings_from(
        values,
        SegmenterDesign,
        backbone=recipe.classifier.backbone if values.backbone == "classifier" else values.backbone,
        num_labels=num_labels,
        feature_layer=recipe.classifier.end_layer,
        atrous_rate=usual_atrous_rate(values.output_stride),
    )
    return build_segmenter(
        design,
        weights=initial_weights(named) if pretrained else None,
        frozen_stages=values.frozen_stages,
        batch_norm=values.batch_norm,
    )


def build_segmenter_learner(recipe: Recipe, *, num_labels: int) -> tuple[SegmentationNetwork, Learner]:
    """Build the network whose weights stay, and all that learns.

    What learns is a network, in co-training its peer with another beginning, and the running mean of the weights. That
    mean stays, or the last weights do, as ``segmenter.keep`` says. No mask decides.
    """
    values = recipe.segmenter
    network = build_segmentation_network(recipe, num_labels=num_labels)
    networks = {NAME: network}
    if values.strategy == "cotrain":
        networks[PEER] = build_segmentation_network(recipe, num_labels=num_labels)
    settings = optimizer_settings(values, head_lr_factor=values.head_lr_factor)
    optimizers = {
        name: build_optimizer(one.encoder_parameters(), one.decoder_parameters(), settings=settings)
        for name, one in networks.items()
    }
    if values.keep == "last" and values.strategy not in _TAUGHT_BY_AVERAGE:
        return network, Learner({**networks}, optimizers)
    average = WeightAverage(network, decay=values.ema_decay)
    kept = average.network if values.keep == "average" else network
    return kept, Learner({**networks}, optimizers, {NAME: average})


def segmenter_step(
    recipe: Recipe, fabric: Fabric, learner: Learner, *, class_weights: Float[Tensor, " K"] | None
) -> TrainingStep[Any]:
    """Return forward pass and loss of the recipe's strategy."""
    values, network = recipe.segmenter, learner.networks[NAME]
    boundary_weight = values.boundary_weight if values.strategy == "cotrain" else 1.0
    unsure = settings_from(values, UnsureSettings, weight=values.unsure_weight, boundary_weight=boundary_weight)
    corrected = values.corrections_weight
    if kind := _TAUGHT_BY_AVERAGE.get(values.strategy):
        average = learner.averages[NAME]
        return kind(fabric, network, average, settings=unsure, class_weights=class_weights, corrected_weight=corrected)
    if values.strategy == "cotrain":
        peer = learner.networks[PEER]
        return CotrainingStep(
            fabric, network, peer, settings=unsure, class_weights=class_weights, corrected_weight=corrected
        )
    confident_only = values.strategy == "confident" and values.labels == "pseudo"
    return SupervisedStep(
        fabric, network, confident_only=confident_only, class_weights=class_weights, corrected_weight=corrected
    )


def build_segmenter_transform(recipe: Recipe, network: SegmentationNetwork) -> TrainTransform:
    """Return the joint augmentation of image, labels and confidence."""
    values = recipe.segmenter
    strong = values.strategy == "consistency"
    return build_transform(values, network, color_jitter=values.color_jitter, strong=strong)
