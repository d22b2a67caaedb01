"""The sections of stages 5 and 6: the segmentation network, and prediction with it."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from tagseg.models.architectures import STRIDES, Architecture
from tagseg.recipe.section import LongSide, Scales, Section


class Segmenter(Section):
    """The segmentation network and how it learns.

    ``labels`` are the ``pseudo`` masks, or the ``truth``: the fully supervised upper bound, for which no other stage
    runs. ``backbone`` is ``classifier`` (the network of that section) or a timm name. ``weights`` is ``same`` (the
    initial ones of the classifier section), ``pretrained``, ``random`` or a path.

    ``strategy``: ``confident`` learns the pixels that the pseudo masks trust, ``all`` every pixel; beyond the trusted
    pixels ``cotrain`` has two networks teach each other, and ``consistency`` has the running mean of the weights teach
    the network on strongly changed colours. Their term enters with ``unsure_weight`` after ``warmup_epochs``.

    ``keep`` names the weights that stay: their running ``average`` (of decay ``ema_decay``) or the ``last``. Neither
    looks at a mask.
    """

    enabled: bool = True
    labels: Literal["pseudo", "truth"] = "pseudo"
    architecture: Architecture = "deeplabv3plus"
    backbone: str = "classifier"
    weights: str = "same"
    output_stride: Literal[8, 16, 32] = 16
    decoder_channels: int = Field(default=256, ge=8)
    frozen_stages: int = Field(default=0, ge=0)
    batch_norm: Literal["frozen", "train"] = "frozen"
    strategy: Literal["confident", "all", "cotrain", "consistency"] = "confident"
    unsure_weight: float = Field(default=1.0, ge=0)
    min_probability: float = Field(default=0.9, ge=0, lt=1)
    boundary_px: int = Field(default=5, ge=1)
    boundary_weight: float = Field(default=2.0, ge=1)
    warmup_epochs: int = Field(default=1, ge=0)
    mask_untagged: bool = True
    balance: bool = False
    epochs: int = Field(default=20, ge=1)
    least_steps: int = Field(default=0, ge=0)
    most_steps: int | None = Field(default=None, ge=1)
    batch_size: int = Field(default=16, ge=1)
    crop_size_px: int = Field(default=512, ge=32)
    long_side_px: LongSide = (320, 960)
    optimizer: Literal["sgd", "adamw"] = "sgd"
    lr: float = Field(default=0.01, gt=0)
    head_lr_factor: float = Field(default=10.0, gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=5e-4, ge=0)
    poly_power: float = Field(default=0.9, ge=0)
    clip_norm: float | None = Field(default=None, gt=0)
    flip: bool = True
    color_jitter: float = Field(default=0.3, ge=0, lt=1)
    keep: Literal["average", "last"] = "average"
    ema_decay: float = Field(default=0.99, ge=0, lt=1)
    checkpoint_every_steps: int = Field(default=100, ge=1)
    validation_images: int = Field(default=40, ge=0)

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
    def _strategy_has_what_it_needs(self) -> "Segmenter":
        if self.labels == "truth" and self.strategy not in ("all", "confident"):
            raise ValueError(f"labels 'truth' leave no pixel unsure; set strategy='all' instead of '{self.strategy}'")
        if self.strategy in ("cotrain", "consistency") and self.warmup_epochs >= self.epochs:
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
    flip: bool = False
    crf: bool = False
    max_side_px: Annotated[int, Field(ge=32)] | Literal["auto"] = "auto"
    batch_size: int = Field(default=8, ge=1)


class SegmentingSections(Section):
    """What stages 5 and 6 depend on, besides the stages before them."""

    segmenter: Segmenter = Segmenter()
    prediction: Predicting = Predicting()
