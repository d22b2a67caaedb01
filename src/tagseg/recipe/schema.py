"""A whole recipe: every value with its type, range and default, and the rules between sections."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field, field_validator, model_validator

from tagseg.recipe.layouts import Data
from tagseg.recipe.learning import Constraint, LearningSections
from tagseg.recipe.mapping import MapSections
from tagseg.recipe.refining import RefiningSections
from tagseg.recipe.section import SWEPT_SCORES, BackgroundScores, Section
from tagseg.recipe.segmenting import SegmentingSections

_LONGEST_NAME = 200  # bytes; file systems take 255


class Superpixels(Section):
    """Regions of an image, computed once and kept in a cache (SSC: at most 64 regions an image)."""

    method: Literal["felzenszwalb", "slic"] = "felzenszwalb"
    """How an image is cut before regions are merged."""
    max_regions: int = Field(default=64, ge=1, le=65535)
    """Most regions of an image after merging."""
    cache: Path | None = None
    """Folder of the cache; none is `~/.cache/tagseg/superpixels`."""


class Evaluation(Section):
    """Which background scores the sweep tries, and the one that the run uses (0..1)."""

    background_scores: BackgroundScores = SWEPT_SCORES
    """Background scores that the sweep tries, ascending, in 0..1."""
    background_score: float = Field(default=0.2, ge=0, le=1)
    """The background score of the run; `scores.json` shows the nearest of the sweep."""


class Engine(Section):
    """Devices, precision and processes."""

    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """`auto` takes CUDA, else Apple's GPU, else the CPU."""
    devices: int = Field(default=1, ge=1)
    """Processes on each machine, one device each; on a CPU they share it."""
    nodes: int = Field(default=1, ge=1)
    """Number of machines; more than one needs torchrun or SLURM."""
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    """`bf16-mixed` runs the networks that learn under autocast."""
    workers: int = Field(default=0, ge=0)
    """Processes that read and augment training images; 0 reads in the training process."""
    threads: int | None = Field(default=None, ge=1)
    """CPU threads of a process. With none: `OMP_NUM_THREADS`, or the number of cores, divided by `devices`."""
    loggers: tuple[Literal["tensorboard", "mlflow", "wandb", "trackio"], ...] = ("tensorboard",)
    """Programs that get the curves in addition to `curves.csv`. TensorBoard's log is left out without its package."""


_SETTLED_BEFORE = frozenset({"data", "engine", "small_set"})
"""Sections that are read before the images are known."""


class SmallSet(Section):
    """What changes for a small data set: with fewer than ``below`` training images, the settings of ``set`` apply.

    They are written as those of ``--set``, which win over them.
    """

    below: int = Field(default=0, ge=0)
    """With fewer training images than this, `small_set.set` applies."""
    set: tuple[str, ...] = ()
    """Settings as those of `--set`. What the command line sets wins over them; the log names those that apply."""

    def without(self, keys: Collection[str]) -> "SmallSet":
        """Return the same without the settings of some ``section.key``: what was decided elsewhere stays decided.

        >>> SmallSet(below=500, set=("training.lr=1e-3", "masks.refine=[]")).without(["masks.refine"]).set
        ('training.lr=1e-3',)
        """
        given = tuple(f"{key}." for key in keys)
        kept = tuple(setting for setting in self.set if not f"{key_of(setting)}.".startswith(given))
        return self.model_copy(update={"set": kept})

    @field_validator("set")
    @classmethod
    def _of_sections_that_may_change(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for setting in value:
            section, dot, name = key_of(setting).partition(".")
            if not dot or not name or section in _SETTLED_BEFORE:
                raise ValueError(
                    "holds settings as 'section.key=value', of sections that are read after the images "
                    f"(not {', '.join(sorted(_SETTLED_BEFORE))})"
                )
        return value


def key_of(setting: str) -> str:
    """Return the dotted key of a ``section.key=value`` setting.

    >>> key_of("training.lr = 1e-3")
    'training.lr'
    """
    return setting.partition("=")[0].strip()


def _folder_name(value: str) -> str:
    """Check that a folder can be called so: a run's folder is called after its recipe."""
    length = len(value.encode(errors="surrogatepass"))
    if not 1 <= length <= _LONGEST_NAME or "\0" in value:
        raise ValueError(
            f"is a name that a folder can have, of 1 to {_LONGEST_NAME} bytes without NUL, got {length} bytes"
        )
    return value


class InputSections(Section):
    """What a run is called and starts from."""

    name: Annotated[str, AfterValidator(_folder_name)]
    """Name of the run. The default run folder is `runs/<name>`."""
    preset: Literal["corrected", "release"] = "corrected"
    """The set of constants that the recipe starts from."""
    seed: int = Field(default=0, ge=0, le=10**18)
    """Seed of the initial weights, of the order of the images and of their augmentation."""
    data: Data
    superpixels: Superpixels = Superpixels()
    small_set: SmallSet = SmallSet()


# The bases stand from the last to the first: that is the order in which pydantic takes their fields up.
class Recipe(SegmentingSections, RefiningSections, MapSections, LearningSections, InputSections):
    """A whole run: the sections of all stages, and the rules between them."""

    evaluation: Evaluation = Evaluation()
    engine: Engine = Engine()

    @model_validator(mode="after")
    def _consistent(self) -> "Recipe":
        processes = self.engine.devices * self.engine.nodes
        batches = {"training": self.training.batch_size}
        if self.needs_affinity:
            batches["affinity"] = self.affinity.batch_size
        if self.segmenter.enabled:
            batches["segmenter"] = self.segmenter.batch_size
        for section, size in batches.items():
            if size % processes:
                raise ValueError(
                    f"{section}.batch_size ({size}) is the batch of all processes together and must be a multiple of "
                    f"engine.devices x engine.nodes ({processes})"
                )
        if "region_affinity" in self.self_modulation.refines_target and self.region_affinity.weights == "trained":
            raise ValueError(
                "self_modulation.target_refine has 'region_affinity', and the target is made before the classifier is "
                "trained; set region_affinity.weights='same', or leave the step out"
            )
        missing = [name for name in self.masks.splits if name not in self.cams.splits]
        if missing:
            raise ValueError(f"masks.splits names '{missing[0]}', of which cams.splits makes no maps; add it there")
        if self.needs_affinity and "train" not in self.cams.splits:
            raise ValueError(
                "masks.refine walks, and the affinity network learns from the maps of the training images; "
                "add 'train' to cams.splits, or leave 'walk' out of masks.refine"
            )
        named = self.affinity.backbone not in ("classifier", self.classifier.backbone)
        if self.needs_affinity and self.affinity.weights == "trained" and named:
            raise ValueError(
                f"affinity.weights 'trained' are the classifier's, got affinity.backbone '{self.affinity.backbone}'; "
                "set affinity.weights to a file, or to 'pretrained'"
            )
        if self.affinity.corrections and self.segmenter.corrections is None:
            raise ValueError(
                "affinity.corrections learns from the masks of segmenter.corrections, which names none; "
                "set segmenter.corrections, or leave affinity.corrections out"
            )
        if self.segmenter.enabled and self.needs_masks and "train" not in self.masks.splits:
            raise ValueError(
                "the segmenter learns from the pseudo masks of the training images; add 'train' to masks.splits, "
                "or set segmenter.enabled=false"
            )
        return self

    @property
    def needs_affinity(self) -> bool:
        """Whether the pseudo masks walk, so that an affinity network has to be trained."""
        return self.needs_masks and self.masks.walks

    @property
    def needs_masks(self) -> bool:
        """Whether maps and pseudo masks are made: the fully supervised upper bound does without."""
        return not (self.segmenter.enabled and self.segmenter.labels == "truth")

    def plain(self) -> "Recipe":
        """Return the plain-CAM baseline of this recipe: same seed, data and budget, none of the parts of SSC."""
        parts = [name for name, section in self if isinstance(section, Constraint)]
        off = {name: getattr(self, name).model_copy(update={"enabled": False}) for name in parts}
        off["self_modulation"] = off["self_modulation"].model_copy(update={"target_run": None})
        maps = {"flat_maps": "keep", "average_over_regions": False, "region_affinity": False}
        decided = [*(f"{name}.enabled" for name in parts), *(f"cams.{name}" for name in maps)]
        changed = {**off, "cams": self.cams.model_copy(update=maps), "small_set": self.small_set.without(decided)}
        return self.model_copy(update={"name": f"{self.name}-plain", **changed})

    def supervised(self) -> "Recipe":
        """Return the upper bound of this recipe: the same segmentation network and budget, taught by ground truth."""
        taught = {"enabled": True, "labels": "truth", "strategy": "all", "corrections": None}
        decided = [*(f"segmenter.{name}" for name in taught), "affinity.corrections"]
        changed = {
            "segmenter": self.segmenter.model_copy(update=taught),
            "affinity": self.affinity.model_copy(update={"corrections": False}),
            "small_set": self.small_set.without(decided),
        }
        return self.model_copy(update={"name": f"{self.name}-full", **changed})


def kinds_of_section(name: str) -> tuple[str, Mapping[str, type[Section]]]:
    """Return the key that tells the kinds of a recipe's section apart, and the kinds by its values.

    >>> key, kinds = kinds_of_section("data")
    >>> key, list(kinds)
    ('format', ['voc', 'coco', 'folder', 'synthetic'])
    >>> kinds_of_section("training")  # there is one kind of it
    ('', {})
    """
    field = Recipe.model_fields.get(name)
    if field is None or not isinstance(key := field.discriminator, str):
        return "", {}
    return key, {get_args(kind.model_fields[key].annotation)[0]: kind for kind in get_args(field.annotation)}
