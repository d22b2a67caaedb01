"""The sections of a recipe: every value with its type, range and default."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class Section(BaseModel):
    """A group of recipe values: types are strict and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Data(Section):
    """Where images, tags and masks are.

    ``voc`` reads ``root`` with ``train_split`` and ``eval_split``; ``coco`` reads ``train_images`` with
    ``train_annotations`` and ``eval_images`` with ``eval_annotations``; ``folder`` reads ``root``; ``synthetic`` draws
    ``num_images`` pictures of ``image_size_px`` from ``synthetic_seed`` into the run folder.
    """

    format: Literal["voc", "coco", "folder", "synthetic"]
    root: Path | None = None
    train_split: str = "train_aug"
    eval_split: str | None = None
    classes: tuple[str, ...] | None = None
    tags: Path | None = None
    masks: Path | None = None
    train_images: Path | None = None
    train_annotations: Path | None = None
    eval_images: Path | None = None
    eval_annotations: Path | None = None
    num_images: int = Field(default=240, ge=1)
    image_size_px: int = Field(default=128, ge=32)
    synthetic_seed: int = 0

    @model_validator(mode="after")
    def _needs_paths(self) -> "Data":
        needed = {"voc": ["root"], "folder": ["root"], "coco": ["train_images", "train_annotations"], "synthetic": []}
        missing = [key for key in needed[self.format] if getattr(self, key) is None]
        if missing:
            raise ValueError(f"format '{self.format}' needs {' and '.join('data.' + key for key in missing)}")
        return self


class Superpixels(Section):
    """Regions of an image, computed once and kept in a cache (SSC, METHOD: at most 64 regions an image)."""

    method: Literal["felzenszwalb", "slic"] = "felzenszwalb"
    max_regions: int = Field(default=64, ge=1, le=65535)
    cache: Path | None = None


class Classifier(Section):
    """The tag classifier: a timm backbone and a bias-free 1x1 head.

    ``weights`` is ``pretrained`` (timm's hub, needs a network once), ``random``, or the path of a weights file.
    """

    backbone: str = "resnet50"
    weights: str = "pretrained"
    output_stride: Literal[8, 16, 32] = 16
    feature_layer: Literal["head", "last_stage"] = "head"
    frozen_stages: int = Field(default=2, ge=0)
    batch_norm: Literal["frozen", "train"] = "frozen"


class Suppression(Section):
    """Discriminative region suppression: ``min(x, delta * max(x))`` at the named positions."""

    enabled: bool = True
    delta: float = Field(default=0.55, gt=0, le=1)
    positions: tuple[Literal["features", "last_stage", "after_stage_2"], ...] = ("last_stage", "after_stage_2")


class Reconstruction(Section):
    """CAM-driven reconstruction: a decoder rebuilds the image from the class maps under a perceptual loss.

    ``pyramid`` judges the rebuilt image: ``backbone`` (a frozen copy of the classifier's own network with its initial
    weights), ``vgg19``, or a timm name; ``pyramid_weights`` is ``same`` (those of the classifier, with ``backbone``),
    ``pretrained``, ``random``, or a path.
    """

    enabled: bool = True
    beta: float = Field(default=0.1, ge=0)
    balance: bool = True
    width: int = Field(default=64, ge=8)
    target_stride: Literal[1, 2, 4, 8] = 4
    pyramid: str = "backbone"
    pyramid_weights: str = "same"
    pyramid_levels: tuple[int, ...] = Field(default=(0, 1, 2, 3), min_length=1, max_length=5)
    normalize: bool = True
    lr: float = Field(default=5e-4, gt=0)


class SelfModulation(Section):
    """Activation self-modulation: the CAM follows region means.

    ``target`` is ``warmup`` (ours: the region means of the network at the end of the warm-up, measured once on whole
    images at ``target_scales`` and their flips) or ``self`` (the paper's: the map's own, on reliably active pixels).
    """

    enabled: bool = True
    target: Literal["warmup", "self"] = "warmup"
    target_scales: tuple[float, ...] = Field(default=(0.5,), min_length=1)
    beta: float = Field(default=10.0, ge=0)
    balance: bool = False
    warmup_epochs: int = Field(default=2, ge=0)
    threshold: float = Field(default=0.3, ge=0, lt=1)
    erosion_px: int = Field(default=8, ge=1)
    normalizer: Literal["pixel", "region"] = "pixel"
    contrast: float = Field(default=10.0, ge=0)
    midpoint: float = Field(default=0.4, ge=0, le=1)


class Training(Section):
    """How the classifier is trained."""

    epochs: int = Field(default=10, ge=1)
    batch_size: int = Field(default=16, ge=1)
    crop_size_px: int = Field(default=512, ge=32)
    long_side_px: tuple[int, int] = (320, 640)
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

    @field_validator("long_side_px")
    @classmethod
    def _ordered(cls, value: tuple[int, int]) -> tuple[int, int]:
        if not 16 <= value[0] <= value[1]:
            raise ValueError("is [shortest, longest] with 16 <= shortest <= longest")
        return value


class Cams(Section):
    """How class activation maps are extracted and stored, and of which splits.

    ``average_over_regions`` hands the maps to the next stage with every superpixel at its mean.
    """

    splits: tuple[Literal["train", "eval"], ...] = ("train", "eval")
    scales: tuple[float, ...] = (0.5, 1.0, 1.5, 2.0)
    flip: bool = True
    batch_size: int = Field(default=8, ge=1)
    average_over_regions: bool = False
    dtype: Literal["uint8", "float16"] = "uint8"

    @field_validator("scales")
    @classmethod
    def _positive(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not value or min(value) <= 0 or max(value) > 8:
            raise ValueError("holds at least one scale, each above 0 and at most 8")
        return value


class Evaluation(Section):
    """Which background scores the sweep tries, and the one that the run uses (0..1)."""

    background_scores: tuple[float, ...] = tuple(round(0.05 * step, 2) for step in range(1, 15))
    background_score: float = Field(default=0.2, ge=0, le=1)

    @field_validator("background_scores")
    @classmethod
    def _in_unit_range(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not value or min(value) < 0 or max(value) > 1 or list(value) != sorted(set(value)):
            raise ValueError("are different, ascending and in 0..1")
        return value


class Engine(Section):
    """Devices, precision and processes."""

    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    devices: int = Field(default=1, ge=1)
    nodes: int = Field(default=1, ge=1)
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    workers: int = Field(default=0, ge=0)
    threads: int | None = Field(default=None, ge=1)


class Recipe(Section):
    """A whole run."""

    name: str
    preset: Literal["corrected", "release"] = "corrected"
    seed: int = Field(default=0, ge=0)
    data: Data
    superpixels: Superpixels = Superpixels()
    classifier: Classifier = Classifier()
    suppression: Suppression = Suppression()
    reconstruction: Reconstruction = Reconstruction()
    self_modulation: SelfModulation = SelfModulation()
    training: Training = Training()
    cams: Cams = Cams()
    evaluation: Evaluation = Evaluation()
    engine: Engine = Engine()

    @model_validator(mode="after")
    def _consistent(self) -> "Recipe":
        if self.self_modulation.enabled and self.self_modulation.warmup_epochs >= self.training.epochs:
            raise ValueError(
                f"self_modulation.warmup_epochs ({self.self_modulation.warmup_epochs}) leaves none of "
                f"training.epochs ({self.training.epochs}) for the term; lower it or set self_modulation.enabled=false"
            )
        if (
            self.self_modulation.enabled
            and self.self_modulation.target == "warmup"
            and not self.self_modulation.warmup_epochs
        ):
            raise ValueError(
                "self_modulation.target 'warmup' needs a warm-up; set self_modulation.warmup_epochs to at least 1"
            )
        if self.training.batch_size % (self.engine.devices * self.engine.nodes):
            raise ValueError(
                f"training.batch_size ({self.training.batch_size}) is the batch of all processes together and must be "
                f"a multiple of engine.devices x engine.nodes ({self.engine.devices * self.engine.nodes})"
            )
        return self

    def plain(self) -> "Recipe":
        """Return the plain-CAM baseline of this recipe: same seed, data and budget, none of the three SSC parts."""
        off = {"enabled": False}
        return self.model_copy(
            update={
                "name": f"{self.name}-plain",
                "suppression": self.suppression.model_copy(update=off),
                "reconstruction": self.reconstruction.model_copy(update=off),
                "self_modulation": self.self_modulation.model_copy(update=off),
                "cams": self.cams.model_copy(update={"average_over_regions": False}),
            }
        )
