"""What ``scores.json`` holds: every score of a run, as plain numbers.

A score is a share in [0, 1], or None where its denominator is 0. An older file has less in it: what it lacks is None or
empty here. Fields have the names and the order of the file's keys, where those of ``scores`` and ``labelled`` stand one
level up, with the others.

Axes: K labels, background first.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

NETWORK, AVERAGED, AFFINITY, MASK_MAPS = "network", "averaged", "affinity", "masks"
"""Which maps a sweep is of: those of the network, averaged over regions, shared by regions that look alike, or those
that pseudo masks are cut from.
"""

SEGMENTER = "segmenter"
"""What has scores without a sweep: the segmentation network."""

SCORES_FORMAT = 2
"""Version of what the file holds; a finished run with an older one is scored again."""

Confusion = tuple[tuple[int, ...], ...]
"""Counts of pixels, (K, K): rows are the truth, columns what is scored."""

BackgroundRule = Literal["fixed", "otsu", "auto"]
"""Where the background score of pseudo masks came from; ``auto`` in a file of version 0.1 is Otsu's threshold."""


@dataclass(frozen=True, slots=True)
class LabelScores:
    """The scores of label images, all of one confusion matrix; :mod:`tagseg.evaluation.scores` defines them.

    Args:
        mean_iou: mean of ``iou`` over the labels that occur.
        precision: of the pixels predicted as any class, the share with the right class.
        recall: of the pixels that truly show any class, the share with the right class.
        pixel_accuracy: of all pixels, the share with the right label.
        iou: by label, background first.
    """

    mean_iou: float | None
    precision: float | None = None
    recall: float | None = None
    pixel_accuracy: float | None = None
    iou: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ScoredCut:
    """The scores of all maps cut at one background score.

    Args:
        background_score: in [0, 1].
        scores: over all images.
    """

    background_score: float
    scores: LabelScores


@dataclass(frozen=True, slots=True)
class ActivationScores:
    """How much of the maps of one class, or of all, lies on the object, and how much of the object they cover.

    Args:
        inside: of the activation, the share on pixels that truly show the class.
        covered: of the pixels that truly show the class, the share whose map exceeds the background score.
    """

    inside: float | None
    covered: float | None


@dataclass(frozen=True, slots=True)
class ActivationCut:
    """Over- and under-activation at one background score.

    Args:
        background_score: in [0, 1].
        overall: of all classes together.
        classes: by class, without background.
    """

    background_score: float
    overall: ActivationScores
    classes: Mapping[str, ActivationScores]


@dataclass(frozen=True, slots=True)
class SeedScores:
    """The seeds of one kind of maps.

    Args:
        best: the point of the sweep with the highest mean IoU.
        at_recipe: the point nearest to the recipe's background score.
        sweep: all points, ascending.
        activation: at the best point.
        confusion: at the best point.
    """

    best: ScoredCut
    at_recipe: ScoredCut | None = None
    sweep: tuple[ScoredCut, ...] = ()
    activation: ActivationCut | None = None
    confusion: Confusion | None = None


@dataclass(frozen=True, slots=True)
class PartScores:
    """Label images scored over a part of their pixels.

    Args:
        coverage: the share of the pixels that are scored, void ones apart, in [0, 1].
        scores: over these pixels.
        confusion: of these pixels.
    """

    coverage: float
    scores: LabelScores
    confusion: Confusion | None = None


@dataclass(frozen=True, slots=True)
class SureSeedScores:
    """The seeds that the affinity network learned from.

    Args:
        images: how many are scored; None in an older file.
        labelled: over the pixels that have a seed.
    """

    images: int | None
    labelled: PartScores


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskScores:
    """The pseudo masks.

    Args:
        images: how many are scored; None in an older file.
        refine: names of the refinements, in their order.
        background_rule: where the background score came from: ``otsu`` or ``fixed`` too where the recipe's rule found
            none.
        background_score: with which the masks were cut, in [0, 1].
        masks: over all pixels.
        confident: over the pixels that are trusted.
        best: the point of the sweep with the highest mean IoU.
        sweep: over the maps that the masks are cut from, ascending.
    """

    images: int | None
    refine: tuple[str, ...]
    background_rule: BackgroundRule
    background_score: float
    masks: PartScores
    confident: PartScores
    best: ScoredCut
    sweep: tuple[ScoredCut, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmenterScores:
    """The segmentation network on the images to test on.

    Args:
        split: name of the images.
        images: how many are scored.
        classes: names of the labels, background first.
        labels: what it learned from, ``pseudo`` or ``truth``.
        strategy: how it learned.
        architecture: what it is.
        corrected: how many masks that it learned from a person corrected.
        learned_from_them: whether one of these images is among those that it learned from.
        scores: over all their pixels.
        confusion: of all their pixels.
    """

    split: str
    images: int
    classes: tuple[str, ...] = ()
    labels: str = ""
    strategy: str = ""
    architecture: str = ""
    corrected: int = 0
    learned_from_them: bool = False
    scores: LabelScores
    confusion: Confusion | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionScores:
    """The pseudo masks of the photographs that a person corrected, held against the corrections.

    Args:
        images: how many were corrected.
        changed: share of their pixels that got another label, in [0, 1].
        scores: of the pseudo masks, with the corrections as the truth.
        confusion: of the same pixels.
    """

    images: int
    changed: float
    scores: LabelScores
    confusion: Confusion | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunScores:
    """Every score of a run.

    Args:
        format: version of the file.
        split: name of the images on which seeds and pseudo masks are scored.
        images: how many of them there are.
        classes: names of the labels, background first.
        seeds: by kind of maps, :data:`NETWORK` first; empty where nothing is scored but the segmentation network.
        sure_seeds: None where there are none, or no ground truth for them.
        pseudo_masks: None where there are none, or no ground truth for them.
        reason: why there are no ``seeds``.
        segmenter: None without network, or without ground truth for the images to test on.
        corrections: None where nobody corrected a mask.
        warnings: what the pseudo masks show to be wrong without ground truth.

    >>> scores = RunScores(split="val", images=8, seeds={"network": SeedScores(ScoredCut(0.3, LabelScores(0.5)))})
    >>> scores.seeds["network"].best.scores.mean_iou, scores.pseudo_masks
    (0.5, None)
    """

    format: int = SCORES_FORMAT
    split: str = ""
    images: int = 0
    classes: tuple[str, ...] = ()
    seeds: Mapping[str, SeedScores] = field(default_factory=dict)
    sure_seeds: SureSeedScores | None = None
    pseudo_masks: MaskScores | None = None
    reason: str = ""
    segmenter: SegmenterScores | None = None
    corrections: CorrectionScores | None = None
    warnings: tuple[str, ...] = ()

    @property
    def handed_on(self) -> SeedScores | None:
        """The seeds of the maps that the next stage gets, or None when nothing is scored."""
        return next((self.seeds[kind] for kind in (AFFINITY, AVERAGED, NETWORK) if kind in self.seeds), None)
