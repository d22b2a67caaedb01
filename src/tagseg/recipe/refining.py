"""The sections of stages 3 and 4: confident seeds, dense CRF, affinity network, pseudo masks."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from tagseg.recipe.section import LongSide, Section


class Crf(Section):
    """The dense CRF of seeds and pseudo masks; the defaults are those of IRN's affinity labels."""

    iterations: int = Field(default=10, ge=0)
    gaussian_sigma_px: float = Field(default=3.0, gt=0)
    gaussian_weight: float = Field(default=3.0, ge=0)
    bilateral_sigma_px: float = Field(default=50.0, gt=0)
    bilateral_sigma_rgb: float = Field(default=5.0, gt=0)
    bilateral_weight: float = Field(default=10.0, ge=0)
    certainty: float = Field(default=0.7, gt=0, lt=1)


class Seeds(Section):
    """Which pixels teach the affinity network: sure foreground, sure background, and the rest unknown.

    ``crf`` sharpens both labellings before they are compared.
    """

    foreground_score: float = Field(default=0.30, gt=0, lt=1)
    background_score: float = Field(default=0.10, ge=0, lt=1)
    crf: bool = True

    @model_validator(mode="after")
    def _ordered(self) -> "Seeds":
        if self.background_score >= self.foreground_score:
            raise ValueError(
                f"background_score ({self.background_score}) must lie below foreground_score ({self.foreground_score})"
            )
        return self


class Affinity(Section):
    """The affinity network (IRN) and its training; used when ``masks.refine`` walks.

    ``backbone`` is ``classifier`` (the network of that section) or a timm name. ``weights`` is ``same`` (the initial
    ones of the classifier section), ``trained`` (those of the finished classifier), ``pretrained``, ``random`` or a
    path. The backbone is frozen.
    """

    backbone: str = "classifier"
    weights: str = "same"
    output_stride: Literal[8, 16, 32] = 16
    radius: int = Field(default=10, ge=2)
    epochs: int = Field(default=3, ge=1)
    least_steps: int = Field(default=0, ge=0)
    most_steps: int | None = Field(default=None, ge=1)
    batch_size: int = Field(default=16, ge=1)
    crop_size_px: int = Field(default=512, ge=64)
    long_side_px: LongSide = (250, 750)
    optimizer: Literal["sgd", "adamw"] = "sgd"
    lr: float = Field(default=0.1, gt=0)
    displacement_lr_factor: float = Field(default=10.0, gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=1e-4, ge=0)
    poly_power: float = Field(default=0.9, ge=0)
    clip_norm: float | None = Field(default=None, gt=0)
    flip: bool = True
    checkpoint_every_steps: int = Field(default=100, ge=1)

    @model_validator(mode="after")
    def _pairs_fit(self) -> "Affinity":
        least = 4 * (2 * self.radius - 1)
        if self.crop_size_px < least:
            raise ValueError(
                f"radius ({self.radius}) needs crops of at least {least} px, got crop_size_px ({self.crop_size_px})"
            )
        return self


BEFORE_CUT = frozenset({"walk", "region_affinity"})
"""Steps of ``masks.refine`` that work on the maps, before the background is cut off; they come first."""


class Masks(Section):
    """How maps become pseudo masks, and of which splits.

    ``maps`` are those of the ``seeds``, averaged over regions or shared by regions where ``cams`` says so, or the
    ``network``'s own.

    ``refine`` names what is done to the maps, in order: ``walk`` (random walk of the affinity network),
    ``region_affinity`` (superpixels that look alike share their scores), ``crf``, ``superpixels`` (majority by region),
    ``pixel_adaptive``; none of them leaves the maps as they are.
    """

    splits: tuple[Literal["train", "eval"], ...] = ("train", "eval")
    maps: Literal["seeds", "network"] = "seeds"
    refine: tuple[Literal["walk", "region_affinity", "crf", "superpixels", "pixel_adaptive"], ...] = ("walk",)
    background_rule: Literal["fixed", "auto"] = "fixed"
    background_score: float = Field(default=0.25, ge=0, le=1)
    keep_fraction: float = Field(default=0.5, ge=0, le=1)
    walk_radius: int = Field(default=5, ge=2)
    walk_beta: float = Field(default=10.0, gt=0)
    walk_doublings: int = Field(default=8, ge=0, le=16)
    soft_scores: bool = False
    instances: bool = False

    @property
    def walks(self) -> bool:
        """Whether the maps walk, for which an affinity network has to be trained."""
        return "walk" in self.refine

    @property
    def uses_regions(self) -> bool:
        """Whether superpixels are needed for a step."""
        return "superpixels" in self.refine or "region_affinity" in self.refine

    @property
    def before_cut(self) -> tuple[str, ...]:
        """The steps that work on the maps of the classes."""
        return tuple(name for name in self.refine if name in BEFORE_CUT)

    @property
    def after_cut(self) -> tuple[str, ...]:
        """The steps that work on the scores of the labels, background among them."""
        return tuple(name for name in self.refine if name not in BEFORE_CUT)

    @field_validator("refine")
    @classmethod
    def _once_and_walk_first(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        late = [name not in BEFORE_CUT for name in value]
        if len(set(value)) != len(value) or late != sorted(late):
            raise ValueError(f"names each step at most once, and {' and '.join(map(repr, sorted(BEFORE_CUT)))} first")
        return value

    @model_validator(mode="after")
    def _instances_walk(self) -> "Masks":
        if self.instances and not self.walks:
            raise ValueError("instances need the affinity network; add 'walk' to refine, or set instances=false")
        if self.instances and self.background_score == 1:
            raise ValueError("background_score lies below 1 with instances, got 1.0")
        return self


class RefiningSections(Section):
    """What stages 3 and 4 depend on, besides the stages before them."""

    seeds: Seeds = Seeds()
    crf: Crf = Crf()
    affinity: Affinity = Affinity()
    masks: Masks = Masks()
