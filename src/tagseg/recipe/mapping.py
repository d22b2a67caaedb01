"""The sections of stage 2: the class activation maps, and how regions that look alike share them."""

from typing import Literal

from pydantic import Field, model_validator

from tagseg.recipe.section import Scales, Section


class Cams(Section):
    """How class activation maps are extracted and stored, and of which splits.

    ``method`` makes them: ``cam``, the paper's positive class maps.

    ``average_over_regions`` hands the maps to the next stage with every superpixel at its mean, ``region_affinity``
    with every superpixel at the mean of those that look like it; see the section of that name.
    """

    splits: tuple[Literal["train", "eval"], ...] = ("train", "eval")
    """The splits whose maps are extracted."""
    method: Literal["cam"] = "cam"
    """What makes the maps: `cam`, the positive class maps of the paper."""
    scales: Scales = (0.5, 1.0, 1.5, 2.0)
    """Factors of the image's size, each above 0 and at most 8."""
    flip: bool = True
    """Whether the network also sees every scale mirrored."""
    batch_size: int = Field(default=8, ge=1)
    """Images of equal size in one batch."""
    flat_maps: Literal["keep", "lower"] = "keep"
    """What becomes of the maps of a class that are high all over most of its pictures: with `lower` the median of each
    is taken away. It suits objects that cover less than half of their picture.
    """
    average_over_regions: bool = False
    """Whether the next stages get the maps with every region at its mean."""
    region_affinity: bool = False
    """Whether the next stages get maps in which regions that look alike share their scores."""
    dtype: Literal["uint8", "float16"] = "uint8"
    """How maps are stored; the error is at most 1/510 or 2^-12."""

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
    """Superpixels that look alike share their scores: used by ``cams.region_affinity`` and in ``masks.refine``."""

    features: str = "same"
    """The network by whose features regions look alike: `same` (that of the classifier section) or a timm name."""
    weights: str = "same"
    """Weights of that network: `same` (the initial ones of the classifier section), `trained` (those of the finished
    classifier), `pretrained`, `pip`, `random` or a path.
    """
    power: float = Field(default=3.0, gt=0)
    """Power of the cosine of two regions; the higher, the fewer regions count."""
    color_sigma: float | None = Field(default=None, gt=0)
    """How far apart in CIELAB two regions may lie and still look alike; none leaves colours out."""
    border_sigma: float | None = Field(default=None, gt=0)
    """Of the prior that weighs down regions that are connected to the border of the image; none leaves it out."""
    rounds: int = Field(default=1, ge=1, le=100)
    """How often regions share."""
    inflation: float = Field(default=1.5, ge=1)
    """Power to which the scores are raised between two rounds."""

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
