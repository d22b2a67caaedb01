"""The sections of stages 1 and 2: the tag classifier, the parts of SSC, training, and the class activation maps.

A term of the objective is added here by a class of its own, derived from ``TermSection``, and a field of
``LearningSections``.
"""

from typing import Literal

from pydantic import Field, model_validator

from tagseg.recipe.section import SWEPT_SCORES, BackgroundScores, FrozenStages, LongSide, Scales, Section


class Classifier(Section):
    """The tag classifier: a timm backbone and a bias-free 1x1 head.

    ``weights`` is ``pretrained`` (timm's hub, needs a network once), ``random``, or the path of a weights file.
    ``frozen_stages`` counts the stages that do not learn, and ``all`` lets nothing but the head learn.
    """

    backbone: str = "resnet50"
    weights: str = "pretrained"
    output_stride: Literal[8, 16, 32] = 16
    feature_layer: Literal["head", "last_stage"] = "head"
    frozen_stages: FrozenStages = 2
    batch_norm: Literal["frozen", "train"] = "frozen"


class Constraint(Section):
    """A part of SSC that can be left out."""

    enabled: bool = True


class TermSection(Constraint):
    """A term of the classifier's objective beside the classification; see :class:`tagseg.losses.term.Term`."""

    beta: float = Field(default=1.0, ge=0)
    balance: bool = False


class Suppression(Constraint):
    """Discriminative region suppression: ``min(x, delta * max(x))`` at the named positions."""

    delta: float = Field(default=0.55, gt=0, le=1)
    positions: tuple[Literal["features", "last_stage", "after_stage_2"], ...] = ("last_stage", "after_stage_2")


class Reconstruction(TermSection):
    """CAM-driven reconstruction: a decoder rebuilds the image from the class maps under a perceptual loss.

    ``maps`` are what it sees: ``raw`` (the paper's: all class maps) or ``tagged`` (ours: the activation maps of the
    image's own classes, and one of the background).

    ``pyramid`` judges the rebuilt image: ``backbone`` (a frozen copy of the classifier's own network with its initial
    weights), ``vgg19``, or a timm name; ``pyramid_weights`` is ``same`` (those of the classifier, with ``backbone``),
    ``pretrained``, ``random``, or a path.
    """

    beta: float = Field(default=0.1, ge=0)
    balance: bool = True
    maps: Literal["raw", "tagged"] = "raw"
    width: int = Field(default=64, ge=8)
    target_stride: Literal[1, 2, 4, 8] = 4
    pyramid: str = "backbone"
    pyramid_weights: str = "same"
    pyramid_levels: tuple[int, ...] = Field(default=(0, 1, 2, 3), min_length=1, max_length=5)
    normalize: bool = True
    lr: float = Field(default=5e-4, gt=0)


class SelfModulation(TermSection):
    """Activation self-modulation: the CAM follows region means.

    ``target`` is ``warmup`` (ours: the region means of the network at the end of the warm-up, measured once on whole
    images at ``target_scales`` and their flips) or ``self`` (the paper's: the map's own, on reliably active pixels).
    """

    beta: float = Field(default=10.0, ge=0)
    target: Literal["warmup", "self"] = "warmup"
    target_scales: tuple[float, ...] = Field(default=(0.5,), min_length=1)
    target_batch_size: int = Field(default=8, ge=1)
    warmup_epochs: int = Field(default=2, ge=0)
    threshold: float = Field(default=0.3, ge=0, lt=1)
    erosion_px: int = Field(default=8, ge=1)
    normalizer: Literal["pixel", "region"] = "pixel"
    contrast: float = Field(default=10.0, ge=0)
    midpoint: float = Field(default=0.4, ge=0, le=1)


class Training(Section):
    """How the classifier is trained.

    A small data set gets more ``epochs``, so that there are ``least_steps``, and a large one fewer, so that there are
    not more than ``most_steps``. The other trainings have the same two keys.

    ``validation_scores`` are the background scores of which the best one gives ``val_seed_miou`` after every epoch.
    """

    epochs: int = Field(default=10, ge=1)
    least_steps: int = Field(default=0, ge=0)
    most_steps: int | None = Field(default=None, ge=1)
    batch_size: int = Field(default=16, ge=1)
    crop_size_px: int = Field(default=512, ge=32)
    long_side_px: LongSide = (320, 640)
    optimizer: Literal["sgd", "adamw"] = "sgd"
    lr: float = Field(default=0.1, gt=0)
    head_lr_factor: float = Field(default=10.0, gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=1e-4, ge=0)
    poly_power: float = Field(default=0.9, ge=0)
    clip_norm: float | None = Field(default=None, gt=0)
    flip: bool = True
    checkpoint_every_steps: int = Field(default=100, ge=1)
    validation_images: int = Field(default=200, ge=0)
    validation_scores: BackgroundScores = SWEPT_SCORES


class LearningSections(Section):
    """What stage 1 depends on, besides the data: the classifier, the parts of SSC, and the training."""

    classifier: Classifier = Classifier()
    suppression: Suppression = Suppression()
    reconstruction: Reconstruction = Reconstruction()
    self_modulation: SelfModulation = SelfModulation()
    training: Training = Training()

    @model_validator(mode="after")
    def _warm_up_fits(self) -> "LearningSections":
        modulation = self.self_modulation
        if modulation.enabled and modulation.warmup_epochs >= self.training.epochs:
            raise ValueError(
                f"self_modulation.warmup_epochs ({modulation.warmup_epochs}) leaves none of "
                f"training.epochs ({self.training.epochs}) for the term; lower it or set self_modulation.enabled=false"
            )
        if modulation.enabled and modulation.target == "warmup" and not modulation.warmup_epochs:
            raise ValueError(
                "self_modulation.target 'warmup' needs a warm-up; set self_modulation.warmup_epochs to at least 1"
            )
        return self

    @property
    def constraints(self) -> tuple[str, ...]:
        """Names of the parts of SSC that are switched on; none is plain CAM."""
        return tuple(name for name, section in self if isinstance(section, Constraint) and section.enabled)


class Cams(Section):
    """How class activation maps are extracted and stored, and of which splits.

    ``method`` makes them: ``cam``, the paper's positive class maps.

    ``average_over_regions`` hands the maps to the next stage with every superpixel at its mean, ``region_affinity``
    with every superpixel at the mean of those that look like it; see the section of that name.
    """

    splits: tuple[Literal["train", "eval"], ...] = ("train", "eval")
    method: Literal["cam"] = "cam"
    scales: Scales = (0.5, 1.0, 1.5, 2.0)
    flip: bool = True
    batch_size: int = Field(default=8, ge=1)
    average_over_regions: bool = False
    region_affinity: bool = False
    dtype: Literal["uint8", "float16"] = "uint8"

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of maps that there are; the last one is handed to the next stage."""
        asked = {"network": True, "averaged": self.average_over_regions, "affinity": self.region_affinity}
        return tuple(kind for kind, wanted in asked.items() if wanted)

    @property
    def uses_regions(self) -> bool:
        """Whether superpixels are needed for the maps."""
        return self.average_over_regions or self.region_affinity


class RegionAffinity(Section):
    """Superpixels that look alike share their scores: used by ``cams.region_affinity`` and in ``masks.refine``.

    ``features`` says by whose eyes they look alike: ``same`` (the network of the classifier section) or a timm name.
    ``weights`` is ``same`` (the initial ones of the classifier section), ``trained`` (those of the finished
    classifier), ``pretrained``, ``random`` or a path. ``power`` is that of the cosine of two superpixels. They share in
    ``rounds``, with the scores raised to the power ``inflation`` between two of them.
    """

    features: str = "same"
    weights: str = "same"
    power: float = Field(default=3.0, gt=0)
    rounds: int = Field(default=1, ge=1, le=100)
    inflation: float = Field(default=1.5, ge=1)

    @model_validator(mode="after")
    def _weights_are_of_the_network(self) -> "RegionAffinity":
        if self.features != "same" and self.weights in ("same", "trained"):
            raise ValueError(
                f"weights '{self.weights}' are the classifier's, got features '{self.features}'; set "
                "region_affinity.weights to a file, or to 'pretrained'"
            )
        return self


class MapSections(Section):
    """What stage 2 depends on, besides the stage before it."""

    cams: Cams = Cams()
    region_affinity: RegionAffinity = RegionAffinity()
