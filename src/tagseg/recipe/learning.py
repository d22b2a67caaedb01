"""The sections of stage 1: the tag classifier, the parts of SSC, and training.

A term of the objective is added here by a class of its own, derived from ``TermSection``, and a field of
``LearningSections``.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from tagseg.recipe.section import SWEPT_SCORES, BackgroundScores, FrozenStages, LongSide, Scales, Section


class Classifier(Section):
    """The tag classifier: a timm backbone and a bias-free 1x1 head.

    ``weights`` is ``pretrained`` (timm's hub, needs a network once), ``pip`` (those of an installed package),
    ``random``, or the path of a weights file.
    ``frozen_stages`` counts the stages that do not learn, and ``all`` lets nothing but the head learn.
    """

    backbone: str = "resnet50"
    """A timm name."""
    weights: str = "pretrained"
    """`pretrained` (timm's download), `pip` (the extra `weights`, for tf_efficientnet_lite0 to 2), `random`, or the
    path of a `.safetensors` or `.pth` file.
    """
    output_stride: Literal[8, 16, 32] = 16
    """Image pixels per cell of the class maps; an error when the network cannot have it."""
    feature_layer: Literal["head", "last_stage", "middle"] = "head"
    """Class maps of MobileNetV2 and EfficientNet come after the last 1x1 convolution (`head`) or before it
    (`last_stage`). For other networks both are the same. `middle`: from stages 2 and 3, for surfaces and defects.
    """
    pooling_shares: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(default=(1.0,), min_length=1)
    """A tag logit is the mean of its map's strongest cells, for these shares of them. Small ones are for small objects.
    """
    absent_quantile: float | None = Field(default=None, ge=0, lt=1)
    """After training each class map is lowered by this quantile of its values in photographs without the class; none
    leaves it as it is.
    """
    frozen_stages: FrozenStages = 2
    """The stem and this many stages do not learn. With 0 all learn, with `all` only the head."""
    batch_norm: Literal["frozen", "train"] = "frozen"
    """`frozen` keeps the statistics everywhere, `train` in frozen stages only."""

    @property
    def end_layer(self) -> Literal["head", "last_stage"]:
        """Where the other networks end: none of them looks at the middle."""
        return "head" if self.feature_layer == "head" else "last_stage"


class Constraint(Section):
    """A part of SSC that can be left out."""

    enabled: bool = True
    """Whether this part of SSC is used."""


class TermSection(Constraint):
    """A term of the classifier's objective in addition to the classification; see :class:`tagseg.losses.term.Term`."""

    beta: float = Field(default=1.0, ge=0)
    """Weight of the term's gradient on the class maps."""
    balance: bool = False
    """Whether `beta` is relative to the classification's gradient."""


class Suppression(Constraint):
    """Discriminative region suppression: ``min(x, delta * max(x))`` at the named positions."""

    delta: float = Field(default=0.55, gt=0, le=1)
    """Share of a channel's peak that is kept; 1 caps nothing."""
    positions: tuple[Literal["features", "last_stage", "after_stage_2"], ...] = ("last_stage", "after_stage_2")
    """Where features are capped: at the backbone's output, at each block of its last stage, or after its second stage.
    """


class Reconstruction(TermSection):
    """CAM-driven reconstruction: a decoder rebuilds the image from the class maps under a perceptual loss."""

    beta: float = Field(default=0.1, ge=0)
    """Weight of the term's gradient on the class maps."""
    balance: bool = True
    """Whether `beta` is relative to the classification's gradient."""
    maps: Literal["raw", "tagged"] = "raw"
    """What the decoder sees: `raw` (the paper's: all class maps), or `tagged` (maps of the image's own classes and one
    of the background).
    """
    width: int = Field(default=64, ge=8)
    """Channels of the decoder: a multiple of 2^(steps - 1), where steps = log2(`output_stride` / `target_stride`),
    rounded up.
    """
    target_stride: Literal[1, 2, 4, 8] = 4
    """The image is rebuilt at 1 / this of its size; at most `classifier.output_stride`."""
    pyramid: str = "backbone"
    """The frozen network that judges the rebuilt image: `backbone` (a copy of the classifier's, with its initial
    weights), `vgg19`, or a timm name.
    """
    pyramid_weights: str = "same"
    """Weights of that network: `same` (as `classifier.weights`), `pretrained`, `pip`, `random`, or a path."""
    pyramid_levels: tuple[int, ...] = Field(default=(0, 1, 2, 3), min_length=1, max_length=5)
    """Levels of a timm network, 1 to 5 of them, ascending from the shallowest, 0. `vgg19` always has its five."""
    normalize: bool = True
    """Whether each level's distance is relative to the contrast of the image's own features."""
    lr: float = Field(default=5e-4, gt=0)
    """Learning rate of the decoder."""


class SelfModulation(TermSection):
    """Activation self-modulation: the CAM follows region means.

    The target is measured once, of whole images by the network at the end of the warm-up (ours), or it is the paper's.
    """

    beta: float = Field(default=10.0, ge=0)
    """Weight of the term's gradient on the class maps."""
    target: Literal["warmup", "self"] = "warmup"
    """`warmup`: region means by the network at the end of the warm-up. `self`: the paper's, from the map itself."""
    target_scales: Scales = (0.5,)
    """Factors of the image's size at which the target is measured, each above 0 and at most 8; at each of them also
    mirrored. With `target = "warmup"`.
    """
    target_batch_size: int = Field(default=8, ge=1)
    """Images of equal size in one batch of that measurement; with `target = "warmup"`."""
    target_refine: tuple[Literal["region_affinity", "crf"], ...] = ()
    """What the measured target goes through, in this order; with `target = "warmup"`."""
    target_run: Path | None = None
    """The folder of an earlier run of the same data, for a further round: the maps that its pseudo masks are cut from
    become the target, in the place of the network's own. With `target = "warmup"`.
    """
    warmup_epochs: int = Field(default=2, ge=0)
    """Epochs before the term starts; fewer than `training.epochs`."""
    threshold: float = Field(default=0.3, ge=0, lt=1)
    """Activation above which a pixel may be reliable; with `target = "self"`."""
    erosion_px: int = Field(default=8, ge=1)
    """Side of the eroding square, in pixels of the region map; with `target = "self"`."""
    normalizer: Literal["pixel", "region"] = "pixel"
    """What region means are divided by: the peak of the map, or their own; with `target = "self"`."""
    contrast: float = Field(default=10.0, ge=0)
    """Slope of the logistic step; 0 for none."""
    midpoint: Annotated[float, Field(ge=0, le=1)] | Literal["auto"] = 0.4
    """Activation at which the step is half way, and at which `crf` cuts the target. `auto`: Otsu's threshold on it."""

    @model_validator(mode="after")
    def _target_fits(self) -> "SelfModulation":
        steps = [step for step in ("region_affinity", "crf") if step in self.target_refine]
        if list(self.target_refine) != steps:
            raise ValueError(
                "target_refine names 'region_affinity' and 'crf' at most once and in this order, "
                f"got {list(self.target_refine)}"
            )
        if self.target == "self" and (steps or self.target_run or self.midpoint == "auto"):
            raise ValueError(
                "target_refine, target_run and midpoint 'auto' need a target that is measured once; "
                "set self_modulation.target='warmup'"
            )
        return self

    @property
    def earlier_run(self) -> Path | None:
        """The run that the target is taken from, None where the term is off."""
        return self.target_run if self.enabled else None

    @property
    def refines_target(self) -> tuple[str, ...]:
        """Steps that the measured target goes through: they are sections of the recipe too."""
        return self.target_refine if self.enabled else ()


class Training(Section):
    """How the classifier is trained.

    A small data set gets more ``epochs``, so that there are ``least_steps``, and a large one fewer, so that there are
    not more than ``most_steps``. The other trainings have the same two keys.

    ``validation_scores`` are the background scores of which the best one gives ``val_seed_miou`` after every epoch.
    """

    epochs: int = Field(default=10, ge=1)
    """Passes over the images."""
    least_steps: int = Field(default=0, ge=0)
    """A small data set gets as many epochs as give this many steps."""
    most_steps: int | None = Field(default=None, ge=1)
    """A large data set gets no more epochs than give this many steps."""
    batch_size: int = Field(default=16, ge=1)
    """Images of a step, all processes together: a multiple of `engine.devices` x `engine.nodes`. Fewer when there are
    fewer images.
    """
    crop_size_px: int = Field(default=512, ge=32)
    """Side of the square crop."""
    long_side_px: LongSide = (320, 640)
    """Shortest and longest long side of a scaled image; the first at least 16."""
    absence: float = Field(default=0.0, ge=0)
    """Weight of the loss that every cell has of the classes that its image does not show."""
    optimizer: Literal["sgd", "adamw"] = "sgd"
    """Optimizer of the classifier."""
    lr: float = Field(default=0.1, gt=0)
    """Initial learning rate of the backbone."""
    head_lr_factor: float = Field(default=10.0, gt=0)
    """The head learns at this times `lr`."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Momentum of SGD."""
    weight_decay: float = Field(default=1e-4, ge=0)
    """Weight decay of all learning parameters of the classifier."""
    poly_power: float = Field(default=0.9, ge=0)
    """All rates follow (1 - step / steps) to this power; 0 keeps them constant."""
    clip_norm: float | None = Field(default=None, gt=0)
    """Upper bound of the norm of the classifier's gradient; none for no bound."""
    flip: bool = True
    """Whether half of the samples are mirrored."""
    checkpoint_every_steps: int = Field(default=100, ge=1)
    """Steps between checkpoints; one more follows every epoch."""
    validation_images: int = Field(default=200, ge=0)
    """Most images scored after an epoch; 0 for none."""
    validation_scores: BackgroundScores = SWEPT_SCORES
    """Background scores of which the best one gives `val_seed_miou`, ascending, in 0..1."""


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

    @model_validator(mode="after")
    def _terms_know_no_level(self) -> "LearningSections":
        if self.classifier.absent_quantile is not None and self.self_modulation.enabled:
            raise ValueError(
                "classifier.absent_quantile measures a level after the training, which self_modulation would need in "
                "it; set self_modulation.enabled=false"
            )
        return self

    @model_validator(mode="after")
    def _suppression_is_below_the_features(self) -> "LearningSections":
        has_last_stage = self.classifier.feature_layer != "middle"
        if self.suppression.enabled and "last_stage" in self.suppression.positions and not has_last_stage:
            raise ValueError(
                "classifier.feature_layer 'middle' computes no last stage that suppression.positions names; "
                "set suppression.enabled=false"
            )
        return self

    @property
    def constraints(self) -> tuple[str, ...]:
        """Names of the parts of SSC that are switched on; none is plain CAM."""
        return tuple(name for name, section in self if isinstance(section, Constraint) and section.enabled)
