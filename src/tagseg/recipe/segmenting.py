"""The sections of stages 5 and 6: the segmentation network, and prediction with it."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from tagseg.models.architectures import STRIDES, Architecture
from tagseg.recipe.section import LongSide, Scales, Section

_WARMED_UP = ("self_training", "cotrain", "consistency")


class Segmenter(Section):
    """The segmentation network and how it learns.

    ``labels`` are the ``pseudo`` masks, or the ``truth``: the fully supervised upper bound, for which no other stage
    runs. ``backbone`` is ``classifier`` (the network of that section) or a timm name. ``weights`` is ``same`` (the
    initial ones of the classifier section), ``pretrained``, ``pip``, ``random`` or a path.

    ``strategy``: ``confident`` learns the pixels that the pseudo masks trust, ``all`` every pixel. ``self_training``
    too learns every pixel, and where the running mean of the weights is sure, its label. Beyond the trusted pixels
    ``cotrain`` has two networks teach each other, and ``consistency`` has the running mean of the weights teach
    the network on strongly changed colours. Their term enters with ``unsure_weight`` after ``warmup_epochs``.

    ``keep`` names the weights that stay: their running ``average`` (of decay ``ema_decay``) or the ``last``. Neither
    looks at a mask.
    """

    enabled: bool = True
    """Whether a segmentation network is trained, and predicts."""
    labels: Literal["pseudo", "truth"] = "pseudo"
    """What it learns from: `pseudo` masks, or ground `truth` (the upper bound; stages 1 to 4 are skipped)."""
    corrections: Path | None = None
    """Folder of masks that a person corrected, named like their photographs, or a file of COCO, Label Studio or CVAT.
    They take the place of pseudo masks, and are trusted everywhere but where they are 255.
    """
    corrections_weight: float = Field(default=1.0, gt=0)
    """Weight of the pixels of corrected photographs in the loss; others weigh 1."""
    architecture: Architecture = "deeplabv3plus"
    """DeepLab-v2, DeepLabV3+, SegFormer or UPerNet."""
    backbone: str = "classifier"
    """`classifier` (the network of that section) or a timm name."""
    weights: str = "same"
    """Initial weights of its encoder: `same` (the initial ones of the classifier section), `pretrained`, `pip`,
    `random` or a path.
    """
    output_stride: Literal[8, 16, 32] = 16
    """Image pixels per cell of the deepest features. `segformer` and `upernet` have 32, `deeplabv3plus` 8 or 16."""
    decoder_channels: int = Field(default=256, ge=8)
    """Width of the decoder; `deeplabv2` has none."""
    frozen_stages: int = Field(default=0, ge=0)
    """The stem and this many stages do not learn; 0 lets all learn."""
    batch_norm: Literal["frozen", "train"] = "frozen"
    """Whether the encoder's batch norms keep their statistics; those of the decoder always learn."""
    strategy: Literal["confident", "all", "self_training", "cotrain", "consistency"] = "confident"
    """Which pixels teach, and what teaches the others."""
    unsure_weight: float = Field(default=1.0, ge=0)
    """Weight of the term on the pixels that are not trusted; with `cotrain` and `consistency`."""
    min_probability: float = Field(default=0.9, ge=0, lt=1)
    """A teacher that is less sure of a pixel does not teach it; with `self_training`, `cotrain` and `consistency`."""
    boundary_px: int = Field(default=5, ge=1)
    """Pixels this close to another label of the teacher count as boundary; with `cotrain`."""
    boundary_weight: float = Field(default=2.0, ge=1)
    """Weight of boundary pixels; with `cotrain`."""
    warmup_epochs: int = Field(default=1, ge=0)
    """Epochs before networks teach, fewer than `segmenter.epochs`; not with `confident` and `all`."""
    mask_untagged: bool = True
    """Whether a teacher may name only background and the classes of the image's tags; with `self_training`, `cotrain`
    and `consistency`.
    """
    balance: bool = False
    """Whether rare labels weigh more in the loss."""
    match_background: bool = False
    """Whether the bias of background moves, after the training, until the network labels as much of its training images
    as their masks do.
    """
    epochs: int = Field(default=20, ge=1)
    """Passes over the training images."""
    least_steps: int = Field(default=0, ge=0)
    """A small data set gets as many epochs as give this many steps."""
    most_steps: int | None = Field(default=None, ge=1)
    """A large data set gets no more epochs than give this many steps."""
    batch_size: int = Field(default=16, ge=1)
    """Images of a step, all processes together: a multiple of `engine.devices` x `engine.nodes`."""
    crop_size_px: int = Field(default=512, ge=32)
    """Side of the square crop."""
    long_side_px: LongSide = (320, 960)
    """Shortest and longest long side after the random scaling."""
    optimizer: Literal["sgd", "adamw"] = "sgd"
    """Optimizer of the network."""
    lr: float = Field(default=0.01, gt=0)
    """Initial learning rate of the encoder."""
    head_lr_factor: float = Field(default=10.0, gt=0)
    """Everything but the encoder learns at this times `lr`."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Momentum of SGD."""
    weight_decay: float = Field(default=5e-4, ge=0)
    """Weight decay of all learning parameters."""
    poly_power: float = Field(default=0.9, ge=0)
    """All rates follow (1 - step / steps) to this power."""
    clip_norm: float | None = Field(default=None, gt=0)
    """Upper bound of the gradient's norm, of each network in co-training; none for no bound."""
    flip: bool = True
    """Whether half of the crops are mirrored."""
    color_jitter: float = Field(default=0.3, ge=0, lt=1)
    """How far brightness, contrast and saturation change, as a share; 0 for no change."""
    keep: Literal["average", "last"] = "average"
    """The weights that stay: their running mean, or those of the last step."""
    ema_decay: float = Field(default=0.99, ge=0, lt=1)
    """Decay of the running mean; 0 repeats the last weights."""
    checkpoint_every_steps: int = Field(default=100, ge=1)
    """Steps between checkpoints; one more follows every epoch."""
    validation_images: int = Field(default=40, ge=0)
    """Most images scored after an epoch, for information; 0 for none."""

    @model_validator(mode="after")
    def _architecture_can_have_the_stride(self) -> "Segmenter":
        strides = STRIDES.get(self.architecture, (self.output_stride,))
        if self.output_stride not in strides:
            possible = " or ".join(map(str, strides))
            raise ValueError(
                f"output_stride of {self.architecture} is {possible}, got {self.output_stride}; set "
                f"segmenter.output_stride={strides[-1]}"
            )
        return self

    @model_validator(mode="after")
    def _corrections_have_a_use(self) -> "Segmenter":
        if self.corrections is not None and self.labels == "truth":
            raise ValueError("labels 'truth' leave nothing to correct; leave corrections out, or set labels='pseudo'")
        if self.corrections is not None and not self.enabled:
            raise ValueError("corrections teach the segmenter, and enabled is false; leave one of the two out")
        return self

    @property
    def epochs_before_the_strategy(self) -> int:
        """Epochs on the pseudo masks alone, before the term of unsure pixels enters; 0 for a strategy without one."""
        return self.warmup_epochs if self.strategy in _WARMED_UP else 0

    @model_validator(mode="after")
    def _strategy_has_what_it_needs(self) -> "Segmenter":
        if self.labels == "truth" and self.strategy not in ("all", "confident"):
            raise ValueError(f"labels 'truth' leave no pixel unsure; set strategy='all' instead of '{self.strategy}'")
        if self.strategy in _WARMED_UP and self.warmup_epochs >= self.epochs:
            raise ValueError(
                f"warmup_epochs ({self.warmup_epochs}) leaves none of epochs ({self.epochs}) for strategy "
                f"'{self.strategy}'; lower it"
            )
        return self


class Predicting(Section):
    """How the segmentation network is used: scales and flip of the test, dense CRF, size of what it looks at.

    Images whose long side exceeds ``max_side_px`` are shrunk to it for the network; their labels have full size again.
    ``auto`` is the longest side that the network was trained on, the upper one of ``segmenter.long_side_px``: objects
    larger than any that it has learned from are not found.
    """

    scales: Scales = (1.0,)
    """Factors of the image's size, each above 0 and at most 8. The probabilities of all scales are averaged."""
    flip: bool = False
    """Whether the network also sees every scale mirrored."""
    crf: bool = False
    """Whether the dense CRF refines the labels, with the constants of the paper's final test."""
    max_side_px: Annotated[int, Field(ge=32)] | Literal["auto"] = "auto"
    """Images with a longer side are shrunk to it for the network. `auto`: the upper one of `segmenter.long_side_px`."""
    batch_size: int = Field(default=8, ge=1)
    """Images of equal size that are read together; a GPU computes them at once."""


class SegmentingSections(Section):
    """What stages 5 and 6 depend on, besides the stages before them."""

    segmenter: Segmenter = Segmenter()
    prediction: Predicting = Predicting()
