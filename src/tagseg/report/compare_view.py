"""What the template of a comparison prints: scores with differences to the first run, charts with a line a run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from tagseg.report.bars import Bars, bar_rows, difference_rows, sentence, signed
from tagseg.report.comparison import Comparison
from tagseg.report.content import Activation, Report, ScoreSet, Sweep
from tagseg.report.drawings import (
    Drawing,
    KeyEntry,
    activation_dot,
    activation_scatter,
    curve_groups,
    series_css,
    sweeps_chart,
)
from tagseg.report.report_view import MAP_TITLES, PALETTE_TITLES, Cell, StageLine, difference_css, duration, stage_lines

_SECTIONS = (
    ("scores", "Scores"),
    ("classes", "Classes"),
    ("recipes", "Recipes"),
    ("sweep", "Background score"),
    ("activation", "Activation"),
    ("gallery", "Images"),
    ("curves", "Curves"),
    ("cost", "Time"),
)
_EMPTY = {
    "scores": "None of the runs has scores: their data has no ground truth, or the stage evaluate has not run yet.",
    "classes": "There are no differences to show: the runs have no result in common that was scored.",
    "recipes": "The recipes are the same.",
    "sweep": "None of the runs has a sweep.",
    "activation": "None of the runs has its activation compared with objects.",
    "gallery": "There are no images to show: the runs do not have the same images, or no maps yet.",
    "curves": "None of the runs has curves.",
}
_LAYER_TITLES = {
    "seed": "seeds",
    "cam": "CAMs",
    "sure": "sure seeds",
    "mask": "pseudo masks",
    "confident": "confident pixels",
    "prediction": "predictions",
}
_METRICS = (("mean_iou", "Mean IoU"), ("precision", "Precision"), ("recall", "Recall"))


@dataclass(frozen=True, slots=True)
class CompareRow:
    """One score of every run: ``cells`` in the order of the runs, the first without a difference."""

    title: str
    metric: str
    first: bool
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class ChanceRow:
    """A difference of mIoU of one run to the first, its 95 % interval, and what that means."""

    title: str
    run: KeyEntry
    images: int
    cell: Cell
    interval: str
    verdict: str


@dataclass(frozen=True, slots=True)
class ClassDifference:
    """Differences of each label's IoU of one result."""

    key: str
    title: str
    series: tuple[KeyEntry, ...]
    drawing: Markup

    @property
    def option(self) -> tuple[str, str]:
        """Value and text of its entry in a list to choose from."""
        return self.key, self.title


@dataclass(frozen=True, slots=True)
class ActivationKind:
    """One kind of maps of all runs, class by class."""

    title: str
    inside: Markup
    covered: Markup


@dataclass(frozen=True, slots=True)
class ActivationComparison:
    """Where all maps of all runs lie, their numbers, and each kind class by class."""

    scatter: Markup
    rows: tuple[CompareRow, ...]
    kinds: tuple[ActivationKind, ...]


@dataclass(frozen=True, slots=True)
class RunStages:
    """Time and memory of one run."""

    title: str
    stages: tuple[StageLine, ...]


@dataclass(frozen=True, slots=True)
class StageTimes:
    """The time of one stage in every run, empty where it has none."""

    name: str
    times: tuple[str, ...]


def comparison_view(comparison: Comparison) -> dict[str, Any]:
    """Return the values of ``compare.html.jinja``."""
    runs = comparison.reports
    return {
        "comparison": comparison,
        "page_title": f"{', '.join(run.title for run in runs)}: tagseg comparison",
        "written": max((run.written for run in runs), default=""),
        "sections": _SECTIONS,
        "empty": _EMPTY,
        "key": [KeyEntry(run.title, series_css(index)) for index, run in enumerate(runs)],
        "label_names": runs[0].label_names if runs else (),
        "rows": list(_score_rows(runs)),
        "chances": list(_chances(comparison)),
        "classes": list(_class_differences(runs)),
        "sweeps": list(_sweeps(runs)),
        "activation": _activation(runs),
        "curves": curve_groups({run.title: run.curves for run in runs}),
        "stages": [RunStages(run.title, tuple(stage_lines(run.stages))) for run in runs if run.stages],
        "times": list(_stage_times(runs)),
        "gallery": _gallery_choices(runs),
    }


def _score_rows(runs: Sequence[Report]) -> Iterator[CompareRow]:
    by_run = [{one.key: one for one in run.scores} for run in runs]
    for key, title in _titles(runs).items():
        for metric, metric_title in _METRICS:
            values = [getattr(scores[key], metric) if key in scores else None for scores in by_run]
            yield _row(title, metric_title, values, first=metric == "mean_iou")


def _chances(comparison: Comparison) -> Iterator[ChanceRow]:
    titles = _titles(comparison.reports)
    for each in comparison.differences:
        yield ChanceRow(
            titles.get(each.key, each.key),
            KeyEntry(comparison.reports[each.run].title, series_css(each.run)),
            each.images,
            Cell(each.difference, signed(each.difference), difference_css(each.difference)),
            f"{signed(each.low)} to {signed(each.high)}",
            each.verdict,
        )


def _row(title: str, metric: str, values: Sequence[float | int | None], *, first: bool) -> CompareRow:
    return CompareRow(title, metric, first, tuple(_cell(value, values[0]) for value in values))


def _cell(value: float | int | None, base: float | int | None) -> Cell:
    difference = None if value is None or base is None else value - base
    return Cell(value, "" if difference is None else signed(difference), difference_css(difference))


def _titles(runs: Sequence[Report]) -> dict[str, str]:
    """Return the titles of all results by key, in the order of the run that has most of them."""
    titles: dict[str, str] = {}
    for run in sorted(runs, key=lambda run: -len(run.scores)):
        for one in run.scores:
            titles.setdefault(one.key, sentence(one.title))
    return titles


def _class_differences(runs: Sequence[Report]) -> Iterator[ClassDifference]:
    """Yield every result that the first run and another one have, the last of the pipeline first."""
    base = {one.key: one for one in runs[0].scores} if runs else {}
    for key, title in reversed(_titles(runs).items()):
        others = [
            (index, run.title, one)
            for index, run in enumerate(runs[1:], start=1)
            for one in run.scores
            if one.key == key and key in base
        ]
        if others:
            series = [Bars(run, series_css(index), _differences(one, base[key])) for index, run, one in others]
            key_entries = tuple(KeyEntry(bars.title, bars.css) for bars in series)
            yield ClassDifference(
                key, title, key_entries, difference_rows(list(base[key].iou), series, title="Difference of IoU")
            )


def _differences(one: ScoreSet, base: ScoreSet) -> dict[str, float | int | None]:
    found: dict[str, float | int | None] = {}
    for name, before in base.iou.items():
        after = one.iou.get(name)
        found[name] = None if before is None or after is None else after - before
    return found


def _sweeps(runs: Sequence[Report]) -> Iterator[Drawing]:
    colors = {run.title: series_css(index) for index, run in enumerate(runs)}
    titles = {sweep.key: sweep.title for run in runs for sweep in run.sweeps}
    for key, title in titles.items():
        sweeps: dict[str, Sweep] = {run.title: sweep for run in runs for sweep in run.sweeps if sweep.key == key}
        yield sweeps_chart(title, sweeps, colors=colors)


def _activation(runs: Sequence[Report]) -> ActivationComparison | None:
    titles = {one.key: one.title for run in runs for one in run.activation}
    dots, rows, kinds = [], [], []
    for key, title in titles.items():
        found = [next((one for one in run.activation if one.key == key), None) for run in runs]
        overall = [one.shares[0] if one and one.shares else None for one in found]
        for index, share in enumerate(overall):
            name = runs[index].title if key == next(iter(titles)) else f"{runs[index].title}, {key}"
            dots.append(activation_dot(share, css=series_css(index), title=name) if share else None)
        cut = ", ".join(f"{run.title} {one.background_score:g}" for run, one in zip(runs, found, strict=True) if one)
        rows += [
            _row(sentence(title), "Inside", [share and share.inside for share in overall], first=True),
            _row(sentence(title), "Covered", [share and share.covered for share in overall], first=False),
        ]
        kinds.append(
            ActivationKind(
                f"{sentence(title)}; covered above {cut}",
                _share_bars(runs, found, "inside"),
                _share_bars(runs, found, "covered"),
            )
        )
    scatter = activation_scatter("all runs", [dot for dot in dots if dot])
    return ActivationComparison(scatter, tuple(rows), tuple(kinds)) if titles else None


def _share_bars(runs: Sequence[Report], found: Sequence[Activation | None], name: str) -> Markup:
    """Return one share of every class, a bar a run."""
    series = [
        Bars(run.title, series_css(index), {share.name: getattr(share, name) for share in one.shares})
        for index, (run, one) in enumerate(zip(runs, found, strict=True))
        if one
    ]
    names = dict.fromkeys(share for bars in series for share in bars.values)
    return bar_rows(list(names), series, title=name.capitalize())


def _stage_times(runs: Sequence[Report]) -> Iterator[StageTimes]:
    by_run = [{stage.name: stage.time_s for stage in run.stages} for run in runs]
    for name in dict.fromkeys(stage.name for run in runs for stage in run.stages):
        yield StageTimes(name, tuple(duration(times.get(name)) for times in by_run))
    totals = [sum(time for time in times.values() if time is not None) for times in by_run]
    if any(totals):
        yield StageTimes("all stages", tuple(duration(total) for total in totals))


def _gallery_choices(runs: Sequence[Report]) -> dict[str, Any]:
    images = [image for run in runs for image in run.gallery]
    present = {name for image in images for name in image.labels} | ({"cam", "seed"} if images else set())
    tags = sorted({tag for image in images for tag in image.tags})
    classes = [(str(tag), runs[0].label_names[tag]) for tag in tags]
    kinds = {kind for image in images for kind in image.cams}
    scored = any(image.mean_iou is not None for image in images)
    gains = [("gain", "largest gain first"), ("loss", "largest loss first")] if scored and len(runs) > 1 else []
    return {
        "layers": [(key, title) for key, title in _LAYER_TITLES.items() if key in present],
        "orders": [*gains, ("id", "image id")],
        "classes": [("", "all"), *classes],
        "cam_classes": [("", "all tags"), *classes],
        "maps": [(kind, title) for kind, title in MAP_TITLES.items() if kind in kinds],
        "palettes": PALETTE_TITLES,
    }
