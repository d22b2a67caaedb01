"""The sections of stages 3 and 4: confident seeds, dense CRF, affinity network, pseudo masks."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from tagseg.recipe.section import LongSide, Section


class Crf(Section):
    """The dense CRF of seeds and pseudo masks; the defaults are those of IRN's affinity labels."""

    iterations: int = Field(default=10, ge=0)
    """Mean-field iterations."""
    gaussian_sigma_px: float = Field(default=3.0, gt=0)
    """Reach of the kernel that smooths."""
    gaussian_weight: float = Field(default=3.0, ge=0)
    """Weight of the kernel that smooths."""
    bilateral_sigma_px: float = Field(default=50.0, gt=0)
    """Reach of the kernel that follows colours."""
    bilateral_sigma_rgb: float = Field(default=5.0, gt=0)
    """How unlike two colours may be for that kernel, in grey levels."""
    bilateral_weight: float = Field(default=10.0, ge=0)
    """Weight of the kernel that follows colours."""
    certainty: float = Field(default=0.7, gt=0.5, lt=1)
    """Probability of a pixel's own label before the CRF starts."""


class Seeds(Section):
    """Which pixels teach the affinity network: sure foreground, sure background, and the rest unknown.

    ``crf`` sharpens both labellings before they are compared.
    """

    foreground_score: float = Field(default=0.30, gt=0, lt=1)
    """A pixel that exceeds this background score is surely foreground."""
    background_score: float = Field(default=0.10, ge=0, lt=1)
    """A pixel that does not exceed this one is surely background; lower than `seeds.foreground_score`."""
    crf: bool = True
    """Whether the dense CRF draws both labellings to the edges of the image before they are compared."""

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
    ones of the classifier section), ``trained`` (those of the finished classifier), ``pretrained``, ``pip``,
    ``random`` or a path. The backbone is frozen.
    """

    backbone: str = "classifier"
    """`classifier` (the network of that section) or a timm name; frozen."""
    weights: str = "same"
    """`same` (the initial ones of the classifier section), `trained` (those of the finished classifier), `pretrained`,
    `pip`, `random` or a path.
    """
    output_stride: Literal[8, 16, 32] = 16
    """Image pixels per cell of the backbone's last stage."""
    radius: int = Field(default=10, ge=2)
    """Pairs of cells closer than this teach, in cells of 4 px."""
    epochs: int = Field(default=3, ge=1)
    """Passes over the training images."""
    least_steps: int = Field(default=0, ge=0)
    """A small data set gets as many epochs as give this many steps."""
    most_steps: int | None = Field(default=None, ge=1)
    """A large data set gets no more epochs than give this many steps."""
    batch_size: int = Field(default=16, ge=1)
    """Images of a step, all processes together."""
    crop_size_px: int = Field(default=512, ge=64)
    """Side of the square crop."""
    long_side_px: LongSide = (250, 750)
    """Shortest and longest long side after the random scaling."""
    optimizer: Literal["sgd", "adamw"] = "sgd"
    """Optimizer of the two branches."""
    lr: float = Field(default=0.1, gt=0)
    """Learning rate of the boundary branch."""
    displacement_lr_factor: float = Field(default=10.0, gt=0)
    """The displacement branch learns at this times `lr`."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Momentum of SGD."""
    weight_decay: float = Field(default=1e-4, ge=0)
    """Weight decay of both branches."""
    poly_power: float = Field(default=0.9, ge=0)
    """All rates follow (1 - step / steps) to this power."""
    clip_norm: float | None = Field(default=None, gt=0)
    """Upper bound of the gradient's norm; none for no bound."""
    flip: bool = True
    """Whether half of the crops are mirrored."""
    corrections: bool = False
    """Whether the masks of `segmenter.corrections` teach this network too, in the place of seeds."""
    checkpoint_every_steps: int = Field(default=100, ge=1)
    """Steps between checkpoints; one more follows every epoch."""

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
    """Splits to make pseudo masks of; `cams.splits` must have them."""
    maps: Literal["seeds", "network"] = "seeds"
    """Maps to start from: those of the `seeds`, as `cams` hands them on, or the `network`'s own."""
    refine: tuple[Literal["walk", "region_affinity", "crf", "superpixels", "pixel_adaptive"], ...] = ("walk",)
    """What is done to the maps, in order. `walk` and `region_affinity` come first. An empty list leaves the maps as
    they are.
    """
    background_rule: Literal["fixed", "otsu", "auto"] = "fixed"
    """`fixed`: `masks.background_score`. `otsu`: Otsu's threshold on the maps, which needs no masks. `auto`: the score
    whose masks promise the highest mean IoU by what frozen features say; Otsu's threshold with fewer than 100 images,
    or where features say too little.
    """
    background_score: float = Field(default=0.25, ge=0, le=1)
    """A pixel is background where no class exceeds this score; with the rule `fixed`, or where the others find none."""
    crf_temperature: float | None = Field(default=None, gt=0)
    """The CRF of `masks.refine` starts from the softmax of the scores over this; none for their labels with
    `crf.certainty`.
    """
    keep_fraction: float = Field(default=0.5, ge=0, le=1)
    """Share of each label's pixels that the confidence mask keeps."""
    walk_radius: int = Field(default=5, ge=2)
    """How far a step of the walk reaches, in cells of 4 px."""
    walk_beta: float = Field(default=10.0, gt=0)
    """Power of the affinities."""
    walk_doublings: int = Field(default=8, ge=0, le=16)
    """The walk takes 2 to this power steps."""
    walk_share: float = Field(default=1.0, gt=0, le=1)
    """Share of the walked maps in their mean with the maps that walked; 1 as in IRN."""
    soft_scores: bool = False
    """Whether the scores from which the labels were picked are kept too."""
    instances: bool = False
    """Whether instance masks are made too, one for each object that the displacement field tells apart. Steps of
    `masks.refine` after `walk` do not touch them.
    """

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
