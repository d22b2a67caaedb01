"""From recipe values to the networks of stages 1 and 3 and what moves them."""

from pathlib import Path

import torch
from torch import nn

from tagseg.artifacts.checkpoint import load_checkpoint
from tagseg.artifacts.layout import RunLayout
from tagseg.assemble.settings import initial_weights, settings_from
from tagseg.assemble.terms import build_term_networks
from tagseg.data.augment import TrainTransform
from tagseg.errors import ArtifactError
from tagseg.models.affinity import AffinityNetwork
from tagseg.models.backbone import Backbone, build_backbone
from tagseg.models.classifier import TagClassifier
from tagseg.models.region_transitions import RegionTransitions
from tagseg.models.segmentation_network import SegmentationNetwork
from tagseg.models.suppression import suppress_backbone
from tagseg.recipe import Recipe
from tagseg.recipe.learning import Training
from tagseg.recipe.refining import Affinity
from tagseg.recipe.segmenting import Segmenter
from tagseg.refine.dense_crf import CrfSettings
from tagseg.training.engine import EngineSettings
from tagseg.training.loop import Learner, LoopSettings
from tagseg.training.optimizer import OptimizerSettings, build_optimizer


def engine_settings(recipe: Recipe) -> EngineSettings:
    """Return devices, precision and processes."""
    return settings_from(recipe.engine, EngineSettings)


def build_classifier(recipe: Recipe, *, num_classes: int, pretrained: bool = True) -> TagClassifier:
    """Build the tag classifier, with suppression in place when the recipe asks for it.

    Args:
        recipe: all values.
        num_classes: foreground classes.
        pretrained: load the recipe's weights; False when a checkpoint follows.
    """
    values = recipe.classifier
    backbone = build_backbone(
        values.backbone,
        weights=initial_weights(values.weights) if pretrained else None,
        output_stride=values.output_stride,
        frozen_stages=values.frozen_stages,
        batch_norm=values.batch_norm,
        feature_layer=values.feature_layer,
    )
    classifier = TagClassifier(
        backbone,
        num_classes=num_classes,
        pooling_shares=values.pooling_shares,
        leveled=values.absent_quantile is not None,
    )
    if recipe.suppression.enabled:
        suppress_backbone(backbone, delta=recipe.suppression.delta, positions=recipe.suppression.positions)
    return classifier


def load_classifier(recipe: Recipe, weights: Path, *, num_classes: int) -> TagClassifier:
    """Build the recipe's classifier with trained weights, in evaluation mode.

    Args:
        recipe: all values.
        weights: the file that stage 1 left.
        num_classes: foreground classes.

    Raises:
        ArtifactError: when the file is missing, corrupt or of another network.
    """
    classifier = build_classifier(recipe, num_classes=num_classes, pretrained=False)
    load_weights(classifier, weights, group="classifier", title="classifier")
    return classifier.eval()


def build_classifier_learner(recipe: Recipe, *, num_classes: int) -> tuple[TagClassifier, Learner]:
    """Build the classifier and all that learns with it; it comes first: its initial head is that of every ablation."""
    classifier = build_classifier(recipe, num_classes=num_classes)
    settings = optimizer_settings(recipe.training, head_lr_factor=recipe.training.head_lr_factor)
    optimizer = build_optimizer(classifier.backbone, classifier.head, settings=settings)
    beside = build_term_networks(recipe, num_classes=num_classes)
    networks = {"classifier": classifier, **beside.networks}
    optimizers = {"classifier": optimizer, **beside.optimizers}
    return classifier, Learner(networks, optimizers, clipped=("classifier",))


def optimizer_settings(values: Training | Affinity | Segmenter, *, head_lr_factor: float) -> OptimizerSettings:
    """Return the constants of a network's optimizer from its section."""
    return settings_from(values, OptimizerSettings, head_lr_factor=head_lr_factor)


def loop_settings(values: Training | Affinity | Segmenter) -> LoopSettings:
    """Return the constants of the training loop of a network from its section."""
    return settings_from(values, LoopSettings, fixed=["log_every_steps"])


def build_transform(
    values: Training | Affinity | Segmenter,
    network: Backbone | SegmentationNetwork,
    *,
    color_jitter: float = 0.0,
    strong: bool = False,
) -> TrainTransform:
    """Return the joint augmentation of images and what is drawn on them from a network's section.

    Args:
        values: the section.
        network: says how images are normalised.
        color_jitter: see :class:`TrainTransform`.
        strong: see :class:`TrainTransform`.
    """
    return settings_from(
        values,
        TrainTransform,
        crop_size=values.crop_size_px,
        long_side_range=values.long_side_px,
        mean=network.mean,
        std=network.std,
        color_jitter=color_jitter,
        strong=strong,
    )


def load_weights(network: nn.Module, path: Path, *, group: str, title: str) -> None:
    """Load the trained weights of a stage's network.

    Args:
        network: as the recipe builds it.
        path: the weights file that the stage left.
        group: of the tensors in it.
        title: what the network is, for the error.

    Raises:
        ArtifactError: when the file is missing, corrupt or of another network.
    """
    checkpoint = load_checkpoint(path)
    try:
        network.load_state_dict(checkpoint.tensors[group])
    except (KeyError, RuntimeError) as error:
        raise ArtifactError(
            f"{path} fits the recipe's {title}, got another network",
            help="choose another --out, or train again",
        ) from error


def crf_settings(recipe: Recipe) -> CrfSettings:
    """Return the constants of the dense CRF of seeds and pseudo masks."""
    return settings_from(recipe.crf, CrfSettings)


def build_affinity_network(recipe: Recipe, *, trained: Path | None, pretrained: bool = True) -> AffinityNetwork:
    """Build the affinity network on its frozen backbone.

    Args:
        recipe: all values.
        trained: weights file of the finished classifier, read when ``affinity.weights`` is ``trained``.
        pretrained: load the backbone's weights; False when a checkpoint follows.
    """
    values = recipe.affinity
    named = recipe.classifier.weights if values.weights == "same" else values.weights
    backbone = build_backbone(
        recipe.classifier.backbone if values.backbone == "classifier" else values.backbone,
        weights=initial_weights(named) if pretrained and named != "trained" else None,
        output_stride=values.output_stride,
        feature_layer=recipe.classifier.end_layer,
    )
    if pretrained and named == "trained":
        assert trained is not None
        load_trained_backbone(backbone, trained)
    return AffinityNetwork(backbone)


def load_trained_backbone(backbone: Backbone, weights: Path) -> None:
    """Give a backbone the weights of the finished classifier's.

    Args:
        backbone: of the same network, at any stride.
        weights: the file that stage 1 left.
    """
    tensors = load_checkpoint(weights).tensors["classifier"]
    own = {name.removeprefix("backbone."): tensor for name, tensor in tensors.items()}
    backbone.load_state_dict({name: own[name] for name in backbone.state_dict()})


def build_region_affinity(recipe: Recipe, layout: RunLayout, *, device: torch.device) -> RegionTransitions:
    """Build what says which superpixels look alike, with its weights, in evaluation mode.

    Args and errors are those of :func:`build_frozen_backbone`.
    """
    return settings_from(
        recipe.region_affinity, RegionTransitions, backbone=build_frozen_backbone(recipe, layout, device=device)
    )


def build_frozen_backbone(recipe: Recipe, layout: RunLayout, *, device: torch.device) -> Backbone:
    """Build the network whose features say what looks alike, that of ``region_affinity``, in evaluation mode.

    Args:
        recipe: all values.
        layout: of the run folder, for the finished classifier.
        device: where the network goes.

    Raises:
        ModelError: when the network or its weights cannot be had.
        ArtifactError: when the finished classifier is missing or corrupt.
    """
    values = recipe.region_affinity
    named = recipe.classifier.weights if values.weights == "same" else values.weights
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(recipe.seed)  # random weights are the same in every stage, and after every interruption
        backbone = build_backbone(
            recipe.classifier.backbone if values.features == "same" else values.features,
            weights=initial_weights(named) if named != "trained" else None,
            output_stride=None,
            feature_layer=recipe.classifier.end_layer,
        )
    if named == "trained":
        load_trained_backbone(backbone, layout.classifier_weights)
    return backbone.eval().to(device)


def load_affinity_network(recipe: Recipe, weights: Path) -> AffinityNetwork:
    """Build the recipe's affinity network with trained weights, in evaluation mode.

    Raises:
        ArtifactError: when the file is missing, corrupt or of another network.
    """
    network = build_affinity_network(recipe, trained=None, pretrained=False)
    load_weights(network, weights, group="affinity", title="affinity network")
    return network.eval()


def build_affinity_learner(recipe: Recipe, *, trained: Path) -> tuple[AffinityNetwork, Learner]:
    """Build the affinity network, and what learns: its two branches."""
    network, values = build_affinity_network(recipe, trained=trained), recipe.affinity
    settings = optimizer_settings(values, head_lr_factor=values.displacement_lr_factor)
    optimizer = build_optimizer(network.boundary_branch, network.displacement_branch, settings=settings)
    return network, Learner({"affinity": network}, {"affinity": optimizer})
