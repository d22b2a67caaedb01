"""What the template of a report's page prints: headlines, tables and charts, and why a part is empty."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from tagseg.report.bars import bar, percent, sentence, signed
from tagseg.report.content import Beside, Fact, Report, ScoreSet, StageRow
from tagseg.report.drawings import (
    ACTIVATION_KEY,
    SWEEP_KEY,
    activation_drawing,
    class_bars,
    curve_groups,
    sweep_chart,
)
from tagseg.report.matrix import confusion_table

_NO_TRUTH = "no image of the evaluation split has ground truth, or the stage evaluate has not run yet"
_EMPTY = {
    "scores": f"There are no scores: {_NO_TRUTH}.",
    "sweep": f"There is no sweep: {_NO_TRUTH}.",
    "activation": f"Activation is not compared with objects: {_NO_TRUTH}.",
    "curves": "There are no curves: no training has written one yet.",
    "stages": "No stage has started yet.",
    "gallery": "There are no images to show: no maps have been written yet, or the data set is not where it was.",
    "facts": "Nothing is known of what ran.",
}

_WITHOUT_TRUTH = ("gallery", "shares", "corrections", "problems", "curves", "cost", "facts")
"""Parts of a page without ground truth, in order: pictures first, and none that needs scores."""

_SECTIONS = (
    ("scores", "Scores"),
    ("beside", "Compared"),
    ("shares", "Classes"),
    ("corrections", "Corrections"),
    ("sweep", "Background score"),
    ("activation", "Activation"),
    ("curves", "Curves"),
    ("cost", "Time"),
    ("gallery", "Images"),
    ("problems", "Problems"),
    ("facts", "What ran"),
)

_ORDERS = {
    "worst": "worst first",
    "best": "best first",
    "uncertain": "most uncertain first",
    "random": "random",
    "id": "image id",
}
_WHYS = (("", "all"), ("worst", "worst"), ("best", "best"), ("uncertain", "uncertain"), ("random", "random"))
MAP_TITLES = {
    "affinity": "shared by regions that look alike",
    "averaged": "averaged over regions",
    "network": "of the network",
}
PALETTE_TITLES = (("voc", "VOC"), ("safe", "colour-blind safe"))


@dataclass(frozen=True, slots=True)
class Headline:
    """A number at the head of the page."""

    title: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Matrix:
    """A confusion matrix that can be chosen."""

    key: str
    title: str
    table: Markup

    @property
    def option(self) -> tuple[str, str]:
        """Value and text of its entry in a list to choose from."""
        return self.key, self.title


@dataclass(frozen=True, slots=True)
class Cell:
    """A score of another run and its difference to this one's."""

    value: float | int | None
    difference: str
    css: str


@dataclass(frozen=True, slots=True)
class BesideRow:
    """One result in this run and in the others."""

    title: str
    own: float | int | None
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class BesideTable:
    """Mean IoU of this run and of those to compare with."""

    titles: tuple[str, ...]
    rows: tuple[BesideRow, ...]


@dataclass(frozen=True, slots=True)
class StageLine:
    """One stage with its figures for people."""

    row: StageRow
    time: str
    bar: Markup
    images: str
    rate: str
    memory: str


def report_view(report: Report) -> dict[str, Any]:
    """Return the values of ``report.html.jinja``."""
    key, bars = class_bars(report.label_names, report.scores)
    beside = _beside_table(report)
    return {
        "report": report,
        "page_title": f"{report.title}: tagseg report",
        "written": report.written,
        "sections": _sections(report, beside=bool(beside)),
        "empty": _EMPTY,
        "headlines": list(_headlines(report)),
        "class_bars": {"series": key, "drawing": bars},
        "matrices": [
            Matrix(one.key, sentence(one.title), confusion_table(report.label_names, one.confusion))
            for one in reversed(report.scores)
            if one.confusion is not None
        ],
        "beside": beside,
        "sweeps": [sweep_chart(sweep) for sweep in report.sweeps],
        "sweep_key": SWEEP_KEY,
        "activation": [activation_drawing(one) for one in report.activation],
        "activation_key": ACTIVATION_KEY,
        "curves": curve_groups({"": report.curves}),
        "stages": stage_lines(report.stages),
        "gallery": _gallery_choices(report),
        "facts": _grouped(report.facts),
    }


def _sections(report: Report, *, beside: bool) -> list[tuple[str, str]]:
    """Return the parts of the page in order: anchor, and name in the navigation."""
    there = {"beside": beside, "shares": bool(report.class_shares), "corrections": report.corrections is not None}
    order = [anchor for anchor, _ in _SECTIONS] if report.has_truth else _WITHOUT_TRUTH
    names = dict(_SECTIONS)
    return [(anchor, names[anchor]) for anchor in order if there.get(anchor, True)]


def difference_css(difference: float | int | None) -> str:
    """Return the CSS class of a difference: a gain, a loss, or neither when it rounds to nothing."""
    if difference is None or round(100 * difference, 1) == 0:
        return ""
    return "gain" if difference > 0 else "loss"


def stage_lines(stages: Sequence[StageRow]) -> list[StageLine]:
    """Return the stages with a bar each, as long as its share of the longest time."""
    longest = max((stage.time_s or 0 for stage in stages), default=0) or 1
    return [
        StageLine(
            row=stage,
            time=duration(stage.time_s),
            bar=bar(stage.time_s / longest, css="s0", title=f"{stage.name}: {duration(stage.time_s)}")
            if stage.time_s is not None
            else Markup(),
            images="" if stage.images is None else f"{stage.images:,}",
            rate="" if stage.images_per_s is None else f"{stage.images_per_s:,.1f}",
            memory="" if stage.peak_memory_bytes is None else f"{stage.peak_memory_bytes / 2**30:.2f} GiB",
        )
        for stage in stages
    ]


def duration(seconds: float | int | None) -> str:
    """Return a time for people.

    >>> duration(4.21), duration(95), duration(7322), duration(None)
    ('4.2 s', '1 min 35 s', '2 h 2 min', '')
    """
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {rest} s"


def _headlines(report: Report) -> Iterator[Headline]:
    """Yield mean IoU from seeds to segmentation network, and the share of what full supervision reaches.

    Without ground truth, yield how well held-out tags were found.
    """
    held_out = [share.held_out for share in report.class_shares if share.held_out is not None]
    if held_out:
        yield Headline("Held-out tags", percent(sum(held_out) / len(held_out)), "mean average precision")
    by_key = {scores.key: scores for scores in report.scores}
    for key in ("seeds_network", "seeds_averaged", "seeds_affinity", "pseudo_masks", "segmenter"):
        scores = by_key.get(key)
        if scores and scores.mean_iou is not None:
            yield Headline(sentence(scores.title), percent(scores.mean_iou), f"mean IoU, {scores.split}")
    bound = next((beside for beside in report.beside if beside.upper_bound), None)
    full = _score(bound.scores, "segmenter") if bound else None
    weak = _score(report.scores, "segmenter")
    if full and weak is not None:
        yield Headline("Of full supervision", percent(weak / full), f"{percent(weak)} of {percent(full)}")


def _score(scores: Sequence[ScoreSet], key: str) -> float | int | None:
    return next((one.mean_iou for one in scores if one.key == key), None)


def _beside_table(report: Report) -> BesideTable | None:
    if not report.beside:
        return None
    titles: dict[str, str] = {}
    for scores in (report.scores, *(beside.scores for beside in report.beside)):
        for one in scores:
            titles.setdefault(one.key, sentence(one.title))
    rows = []
    for key, title in titles.items():
        own = _score(report.scores, key)
        rows.append(BesideRow(title, own, tuple(_cell(beside, key, own) for beside in report.beside)))
    return BesideTable(tuple(beside.title for beside in report.beside), tuple(rows))


def _cell(beside: Beside, key: str, own: float | int | None) -> Cell:
    value = _score(beside.scores, key)
    difference = None if value is None or own is None else value - own
    return Cell(value, "" if difference is None else signed(difference), difference_css(difference))


def _gallery_choices(report: Report) -> dict[str, Any]:
    tags = sorted({tag for image in report.gallery for tag in image.tags})
    classes = [(str(tag), report.label_names[tag]) for tag in tags]
    kinds = {kind for image in report.gallery for kind in image.cams}
    scored = any(image.mean_iou is not None for image in report.gallery)
    uncertain = any(image.uncertainty is not None for image in report.gallery)
    left_out = (set() if scored else {"worst", "best"}) | (set() if uncertain else {"uncertain"})
    whys = {why for image in report.gallery for why in image.why}
    return {
        "orders": [(key, text) for key, text in _ORDERS.items() if key not in left_out],
        "classes": [("", "all"), *classes],
        "whys": [(key, text) for key, text in _WHYS if not key or key in whys],
        "cam_classes": [("", "all tags"), *classes],
        "maps": [(kind, title) for kind, title in MAP_TITLES.items() if kind in kinds],
        "palettes": PALETTE_TITLES,
    }


def _grouped(facts: Sequence[Fact]) -> list[tuple[str, list[Fact]]]:
    groups: dict[str, list[Fact]] = {}
    for fact in facts:
        groups.setdefault(fact.group, []).append(fact)
    return list(groups.items())
