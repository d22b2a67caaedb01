"""What a report shows, as plain values: gathered by the stage, drawn by the page, without torch on either side.

Axes: h w pixels of a picture in the gallery, K labels with background.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Why = Literal["worst", "best", "uncertain", "random"]
"""Why an image was chosen for the gallery."""


@dataclass(frozen=True, slots=True)
class ScoreSet:
    """The scores of one result of a run.

    Args:
        key: ``seeds_network``, ``seeds_averaged``, ``sure_seeds``, ``pseudo_masks``, ``confident`` or ``segmenter``.
        title: the same for people.
        split: what was scored.
        images: how many.
        mean_iou: in [0, 1], None where it is not defined; so the others.
        precision: of the pixels predicted as any class, the share with the right class.
        recall: of the pixels that truly show any class, the share with the right class.
        pixel_accuracy: of all pixels, the share with the right label.
        iou: by label name, background first.
        confusion: pixels, rows are the truth and columns the prediction, background first; None when not counted.
        note: the condition of the numbers, such as the background score; may be empty.
    """

    key: str
    title: str
    split: str
    images: int
    mean_iou: float | int | None
    precision: float | int | None
    recall: float | int | None
    pixel_accuracy: float | int | None
    iou: Mapping[str, float | int | None]
    confusion: tuple[tuple[int, ...], ...] | None = None
    note: str = ""


class LabelRow(NamedTuple):
    """The scores of one label, background among them, each in [0, 1] or None where it is not defined."""

    name: str
    iou: float | None
    precision: float | None
    recall: float | None


@dataclass(frozen=True, slots=True)
class SweepPoint:
    """Scores of the seeds at one background score, all in [0, 1]."""

    background_score: float | int
    mean_iou: float | int | None
    precision: float | int | None
    recall: float | int | None


@dataclass(frozen=True, slots=True)
class Sweep:
    """Scores over background scores, ascending.

    Args:
        key: ``network`` or ``averaged`` (seeds), or ``masks`` (the maps that pseudo masks are cut from).
        title: the same for people.
        points: at least one.
        best: background score of the point with the highest mean IoU.
    """

    key: str
    title: str
    points: tuple[SweepPoint, ...]
    best: float | int


@dataclass(frozen=True, slots=True)
class ActivationShare:
    """How far the maps of one class, or of all, cover the object and stay on it.

    Args:
        name: of the class, ``all classes`` for the pixels of all.
        inside: share of the activation that lies on the object, in [0, 1]: low means over-activation.
        covered: share of the object's pixels whose map exceeds the background score: low means under-activation.
    """

    name: str
    inside: float | int | None
    covered: float | int | None


@dataclass(frozen=True, slots=True)
class Activation:
    """Over- and under-activation of one kind of maps; ``shares`` starts with all classes.

    Args:
        key: ``network`` or ``averaged``.
        title: the same for people.
        background_score: above which a pixel counts as covered.
        shares: all classes together, then class by class.
    """

    key: str
    title: str
    background_score: float | int
    shares: tuple[ActivationShare, ...]


@dataclass(frozen=True, slots=True)
class Curve:
    """One figure of a training over its steps, thinned to a few hundred points.

    Args:
        stage: ``train_classifier``, ``train_affinity`` or ``train_segmenter``.
        name: as in ``curves.csv``, such as ``loss_classification``.
        steps: ascending.
        values: one a step.
    """

    stage: str
    name: str
    steps: tuple[int, ...]
    values: tuple[float | int, ...]


@dataclass(frozen=True, slots=True)
class StageRow:
    """What is known of one stage.

    Args:
        name: as on the command line.
        state: ``done``, ``started``, ``missing``, or ``not needed``.
        started: ISO time, or an empty string.
        time_s: of the sitting that finished it, None when unfinished.
        images: that it worked on, None when it does not say.
        images_per_s: throughput, None when unknown.
        peak_memory_bytes: of the process during the stage, None when unknown.
        device: ``cpu``, ``cuda``, ...; empty when unknown.
        commit: of tagseg's source, empty when unknown.
        note: anything else for people; may be empty.
    """

    name: str
    state: str
    started: str = ""
    time_s: float | int | None = None
    images: int | None = None
    images_per_s: float | int | None = None
    peak_memory_bytes: int | None = None
    device: str = ""
    commit: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of what ran: ``group`` is such as ``data``, ``recipe``, ``versions`` or ``machine``."""

    group: str
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Problem:
    """A file that was left out, or a warning.

    Args:
        kind: ``bad image``, ``bad mask`` or ``warning``.
        what: the file, or what is warned of.
        reason: one sentence.
    """

    kind: str
    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class GalleryImage:
    """One image of the gallery; every picture of it has the same (h, w).

    Args:
        image_id: of the data set.
        tags: label ids, ascending.
        size: (h, w) of the pictures.
        photo: JPEG.
        cams: maps by kind (``network``, ``averaged``) and label id: grey PNG, ``round(255 * A)``.
        labels: label maps as grey PNG of label ids, 255 void or unknown, by name: ``sure``, ``mask``, ``confident``,
            ``prediction``, ``truth``; those that the run has not made are absent.
        mean_iou: of the image alone, in [0, 1], None without ground truth. Of what: see ``Report.gallery_score``.
        uncertainty: in [0, 1], larger is less certain, None when unknown.
        why: why it was chosen; several reasons may meet.
    """

    image_id: str
    tags: tuple[int, ...]
    size: tuple[int, int]
    photo: bytes = field(repr=False)
    cams: Mapping[str, Mapping[int, bytes]] = field(repr=False)
    labels: Mapping[str, bytes] = field(repr=False)
    mean_iou: float | int | None = None
    uncertainty: float | int | None = None
    why: tuple[Why, ...] = ()


class ClassShare(NamedTuple):
    """What pseudo masks show of one label.

    Args:
        name: of the label, background among them.
        tagged: images with the tag, None for background.
        shown: images whose mask shows it.
        share: of all pixels.
        held_out: average precision of held-out tags in [0, 1], None where nobody has looked.
    """

    name: str
    tagged: int | None
    shown: int
    share: float | int
    held_out: float | int | None = None


@dataclass(frozen=True, slots=True)
class Beside:
    """A run to compare this one with (plain CAM, the upper bound), and its scores.

    Args:
        title: of the run.
        scores: of its results.
        upper_bound: whether ground truth taught its segmentation network: what full supervision reaches, which this
            run's is a share of.
    """

    title: str
    scores: tuple[ScoreSet, ...]
    upper_bound: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """All that a page shows of one run.

    Args:
        title: of the run, such as its recipe's name.
        folder: where it is, for people.
        written: ISO time.
        label_names: of the K labels, background first.
        facts: what ran, in groups.
        stages: in order.
        scores: from the first stage to the last.
        sweeps: over background scores.
        activation: over- and under-activation.
        curves: of every training.
        gallery: images, in the order of their ids.
        gallery_rule: how they were chosen, one or two sentences.
        gallery_score: what ``GalleryImage.mean_iou`` scores, such as ``pseudo mask``; empty without ground truth.
        problems: files left out, warnings.
        beside: runs to compare this one with.
        recipe: TOML.
        background_score: at which the gallery starts when nothing was swept, None when unknown.
        has_truth: whether any image has ground truth; without it the page begins with pictures.
        class_shares: of pseudo masks.
        corrections: of the pseudo masks that a person corrected, with the corrections as the truth.
        corrected_labels: the same label by label.
    """

    title: str
    folder: str
    written: str
    label_names: tuple[str, ...]
    facts: tuple[Fact, ...] = ()
    stages: tuple[StageRow, ...] = ()
    scores: tuple[ScoreSet, ...] = ()
    sweeps: tuple[Sweep, ...] = ()
    activation: tuple[Activation, ...] = ()
    curves: tuple[Curve, ...] = ()
    gallery: tuple[GalleryImage, ...] = ()
    gallery_rule: str = ""
    gallery_score: str = ""
    problems: tuple[Problem, ...] = ()
    beside: tuple[Beside, ...] = ()
    recipe: str = field(default="", repr=False)
    background_score: float | int | None = None
    has_truth: bool = True
    class_shares: tuple[ClassShare, ...] = ()
    corrections: ScoreSet | None = None
    corrected_labels: tuple[LabelRow, ...] = ()
