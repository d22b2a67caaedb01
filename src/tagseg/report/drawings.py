"""Which charts a page shows of a run's sweeps, activation and curves; how they are drawn is in ``charts``."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from tagseg.report.axes import PERCENT, UNIT, percent_axis, step_axis, value_axis
from tagseg.report.bars import Bars, bar_rows, percent, sentence
from tagseg.report.charts import Dot, Frame, Line, Mark, line_chart, scatter_chart
from tagseg.report.content import Activation, ActivationShare, Curve, ScoreSet, Sweep

NUM_SERIES_COLORS = 8

MAX_LABELLED_DOTS = 13
"""Names beside more dots than these would lie over one another; each has its name when one points at it."""

_LABEL_LETTERS = 20

STAGE_TITLES = {
    "train_classifier": "Classification network",
    "train_affinity": "Affinity network",
    "train_segmenter": "Segmentation network",
}
_CURVE_PREFIXES = {"loss_": "loss of ", "grad_": "gradient norm of ", "val_": "validation "}
_CURVE_NAMES = {"loss": "total loss", "lr": "learning rate"}
_ABBREVIATIONS = {"miou": "mIoU", "map": "mAP"}


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """One entry of a chart's key: a title and the CSS class that gives its colour."""

    title: str
    css: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart with its title."""

    title: str
    drawing: Markup


@dataclass(frozen=True, slots=True)
class CurveGroup:
    """The curves of one training."""

    title: str
    charts: tuple[Drawing, ...]


@dataclass(frozen=True, slots=True)
class ActivationDrawing:
    """Both charts of one kind of maps."""

    title: str
    scatter: Markup
    bars: Markup


SWEEP_KEY = (KeyEntry("mean IoU", "s0"), KeyEntry("precision", "s1"), KeyEntry("recall", "s2"))
ACTIVATION_KEY = (KeyEntry("inside", "s0"), KeyEntry("covered", "s1"))


def series_css(index: int) -> str:
    """Return the CSS class of the colour of a series; after eight they repeat."""
    return f"s{index % NUM_SERIES_COLORS}"


def class_bars(names: Sequence[str], scores: Sequence[ScoreSet]) -> tuple[tuple[KeyEntry, ...], Markup]:
    """Return the key and the bars of each label's IoU, one bar for each result."""
    series = [Bars(sentence(one.title), series_css(index), one.iou) for index, one in enumerate(scores)]
    key = tuple(KeyEntry(bars.title, bars.css) for bars in series)
    return key, bar_rows(names, series, title="IoU")


def sweep_chart(sweep: Sweep) -> Drawing:
    """Return mean IoU, precision and recall over the background score, its best and the slider's place marked."""
    x = [point.background_score for point in sweep.points]
    lines = [
        Line("mean IoU", "s0 strong", x, [point.mean_iou for point in sweep.points]),
        Line("precision", "s1", x, [point.precision for point in sweep.points]),
        Line("recall", "s2", x, [point.recall for point in sweep.points]),
    ]
    best = next((point.mean_iou for point in sweep.points if point.background_score == sweep.best), None)
    description = f"The best mean IoU, {percent(best)}, is at background score {sweep.best:g}."
    frame = Frame(f"Scores of {sweep.title} over the background score", description, UNIT, PERCENT, height_px=220)
    marks = [Mark(sweep.best, "best"), Mark(sweep.best, "cursor")]
    title = f"{sentence(sweep.title)}: best {percent(best)} at {sweep.best:g}"
    return Drawing(title, line_chart(frame, lines, marks=marks))


def sweeps_chart(title: str, sweeps: Mapping[str, Sweep], *, colors: Mapping[str, str]) -> Drawing:
    """Return the mean IoU of several runs over the background score.

    Args:
        title: of the chart.
        sweeps: by the title of the run.
        colors: CSS class by the title of the run.
    """
    lines = [
        Line(run, colors[run], [p.background_score for p in sweep.points], [p.mean_iou for p in sweep.points])
        for run, sweep in sweeps.items()
    ]
    best = ", ".join(f"{run} at {sweep.best:g}" for run, sweep in sweeps.items())
    y = percent_axis(value for line in lines for value in line.y)
    frame = Frame(f"Mean IoU of {title} over the background score", f"Best: {best}.", UNIT, y, height_px=220)
    start = next(iter(sweeps.values())).best
    return Drawing(sentence(title), line_chart(frame, lines, marks=[Mark(start, "cursor")]))


def activation_drawing(activation: Activation) -> ActivationDrawing:
    """Return how much of the object the maps cover against how much of them lies on it, and both class by class."""
    inside = Bars("inside", "s0", {share.name: share.inside for share in activation.shares})
    covered = Bars("covered", "s1", {share.name: share.covered for share in activation.shares})
    names = [share.name for share in activation.shares]
    title = f"{sentence(activation.title)}, covered above background score {activation.background_score:g}"
    labelled = len(names) <= MAX_LABELLED_DOTS
    dots = [
        activation_dot(share, css="all" if index == 0 else "s0", title=share.name, labelled=labelled or index == 0)
        for index, share in enumerate(activation.shares)
    ]
    drawn = [dot for dot in reversed(dots) if dot]  # all classes last, above the others
    return ActivationDrawing(
        title, activation_scatter(title, drawn), bar_rows(names, [inside, covered], title="Shares")
    )


def activation_dot(share: ActivationShare, *, css: str, title: str, labelled: bool = True) -> Dot | None:
    """Return the place of one pair of shares, None where one of them is not defined."""
    if share.covered is None or share.inside is None:
        return None
    text = f"{title}: covered {percent(share.covered)}, inside {percent(share.inside)}"
    return Dot(text, css, share.covered, share.inside, label=_shortened(title) if labelled else "")


def _shortened(name: str) -> str:
    return name if len(name) <= _LABEL_LETTERS else f"{name[: _LABEL_LETTERS - 1]}\u2026"


def activation_scatter(title: str, dots: Iterable[Dot]) -> Markup:
    """Return the share covered (across) against the share inside (up), corners named after what is wrong there."""
    frame = Frame(
        f"Activation of {title}",
        "To the right more of the object is covered, upwards less of the activation is outside.",
        PERCENT,
        PERCENT,
        height_px=260,
        x_name="covered",
    )
    below = -36 / frame.height_px  # beside the axis' name: dots of maps that flood lie near the bottom
    corners = ((0.03, 0.94, "holds a part only"), (1.06, below, "floods the background"), (0.97, 0.94, "fits"))
    return scatter_chart(frame, dots, corners=corners)


def curve_groups(runs: Mapping[str, Sequence[Curve]]) -> tuple[CurveGroup, ...]:
    """Return a chart for every curve, one line a run, grouped by training.

    Args:
        runs: curves by the title of the run; for one run the title is not shown.
    """
    found: dict[str, dict[str, list[tuple[str, str, Curve]]]] = {}
    for index, (run, curves) in enumerate(runs.items()):
        for curve in curves:
            lines = found.setdefault(curve.stage, {}).setdefault(curve.name, [])
            lines.append((run, series_css(index), curve))
    return tuple(
        CurveGroup(
            STAGE_TITLES.get(stage, stage),
            tuple(_curve_chart(name, by_name[name]) for name in sorted(by_name, key=_curve_order)),
        )
        for stage, by_name in found.items()
    )


def curve_title(name: str) -> str:
    """Return a curve's name for people.

    >>> curve_title("loss_self_modulation"), curve_title("val_seed_miou"), curve_title("lr")
    ('Loss of self modulation', 'Validation seed mIoU', 'Learning rate')
    """
    words = _CURVE_NAMES.get(name, name)
    for prefix, text in _CURVE_PREFIXES.items():
        if name.startswith(prefix):
            words = text + name.removeprefix(prefix)
    words = " ".join(_ABBREVIATIONS.get(word, word) for word in words.replace("_", " ").split())
    return sentence(words)


def _curve_order(name: str) -> tuple[int, str]:
    """Losses first, then their gradients, then what is validated, then the rest."""
    ranks = ("loss", "grad_", "val_")
    rank = next((index for index, prefix in enumerate(ranks) if name.startswith(prefix)), len(ranks))
    return rank, name


def _curve_chart(name: str, lines: Sequence[tuple[str, str, Curve]]) -> Drawing:
    title = curve_title(name)
    steps = [step for _, _, curve in lines for step in curve.steps]
    y = value_axis([value for _, _, curve in lines for value in curve.values])
    last = ", ".join(f"{curve.values[-1]:.4g}" for _, _, curve in lines if curve.values)
    description = f"Over training steps, {'logarithmic' if y.log else 'linear'}; last value {last}."
    frame = Frame(title, description, step_axis(steps), y, height_px=130)
    drawn = [Line(run or title, css, curve.steps, curve.values) for run, css, curve in lines]
    return Drawing(f"{title}, log scale" if y.log else title, line_chart(frame, drawn))
