"""Runs compared with a first run as rows of text: scores, classes, activation, and what differs in the recipes."""

from collections.abc import Iterator, Mapping

from tagseg.cli.tables import percent, points
from tagseg.report.comparison import Comparison, ScoreDifference
from tagseg.report.content import Report, ScoreSet
from tagseg.results.score_sets import SEED_TITLES

_SHOWN = {
    **{f"seeds_{kind}": title for kind, title in SEED_TITLES.items()},
    "pseudo_masks": "pseudo masks",
    "segmenter": "segmenter",
}
"""The results that are compared, from the first stage to the last."""

Row = tuple[str, ...]


def comparison_title(comparison: Comparison) -> str:
    """Return what the scores are of: the splits of the first run that has scores."""
    for report in comparison.reports:
        sets = _by_key(report)
        parts = [sets[key] for key in ("seeds_network", "segmenter") if key in sets]
        if parts:
            where = "; ".join(dict.fromkeys(f"split '{each.split}', {each.images} images" for each in parts))
            return f"Scores on {where}; differences are to {comparison.reports[0].title}"
    return "Nothing is scored yet"


def comparison_columns(comparison: Comparison) -> Row:
    """Return the columns: what is compared, the first run, then every other run with its difference.

    >>> reports = tuple(Report(title, "", "", ("background", "cat")) for title in ("plain", "ssc"))
    >>> comparison_columns(Comparison(reports))
    ('what', 'plain', 'ssc', 'difference')
    """
    first, *others = (report.title for report in comparison.reports)
    return ("what", first, *(column for title in others for column in (title, "difference")))


def comparison_rows(comparison: Comparison) -> list[Row]:
    """Return the mIoU of each result, then the activation of the maps, then the IoU of each label, in per cent."""
    return [
        *_score_rows(comparison),
        *_activation_rows(comparison),
        *_class_rows(comparison),
    ]


def change_lines(comparison: Comparison) -> list[str]:
    """Return one line for each recipe value in which the runs differ."""
    if not comparison.changes:
        return ["recipes: the same, but for names and places of files"]
    return ["recipes differ in:", *(f"  {change.key}: {' | '.join(change.values)}" for change in comparison.changes)]


def chance_lines(comparison: Comparison) -> list[str]:
    """Return one line for each difference that has an interval, and how the intervals were made."""
    lines = [
        f"{_SHOWN[each.key]}: {points(each.difference)} points of mIoU for {comparison.reports[each.run].title} on "
        f"{each.images} images, 95 % interval {points(each.low)} to {points(each.high)}: {each.verdict}"
        for each in comparison.differences
    ]
    if lines:
        drawn = f"{comparison.resamples:,} resamples, seed {comparison.seed}"
        lines.append(f"intervals: paired bootstrap over images, {drawn}; each run is one training")
    return lines


def _score_rows(comparison: Comparison) -> Iterator[Row]:
    for key, title in _SHOWN.items():
        sets = [_by_key(report).get(key) for report in comparison.reports]
        if any(sets):
            yield _row(f"mIoU %, {title}", [each.mean_iou if each else None for each in sets])
            if found := comparison.differences_of(key):
                yield _interval_row(found, num_runs=len(sets))


def _interval_row(found: Mapping[int, ScoreDifference], *, num_runs: int) -> Row:
    """Return a row of the intervals below the differences that they belong to."""
    cells = ["", *("" for _ in range(2 * (num_runs - 1)))]
    for run, each in found.items():
        cells[2 * run] = f"{points(each.low)} to {points(each.high)}"
    return ("  95 % interval of the difference", *cells)


def _class_rows(comparison: Comparison) -> Iterator[Row]:
    """Yield a row a label, of the latest result that all runs have."""
    shared = [key for key in _SHOWN if all(key in _by_key(report) for report in comparison.reports)]
    if shared:
        sets = [_by_key(report)[shared[-1]] for report in comparison.reports]
        for name in comparison.reports[0].label_names:
            yield _row(f"IoU % of {name}, {_SHOWN[shared[-1]]}", [each.iou.get(name) for each in sets])


def _activation_rows(comparison: Comparison) -> Iterator[Row]:
    titles = {each.key: each.title for report in comparison.reports for each in report.activation}
    for key, title in titles.items():
        overall = [
            next((each.shares[0] for each in report.activation if each.key == key), None)
            for report in comparison.reports
        ]
        yield _row(f"activation inside the object %, {title}", [each.inside if each else None for each in overall])
        yield _row(f"object covered %, {title}", [each.covered if each else None for each in overall])


def _row(what: str, values: list[float | None]) -> Row:
    """Return a row of values in [0, 1] and of their differences to the first one; a missing one leaves a dash."""
    first, *others = values
    cells = [percent(first)]
    for value in others:
        cells += [percent(value), "-" if value is None or first is None else points(value - first)]
    return (what, *cells)


def _by_key(report: Report) -> dict[str, ScoreSet]:
    return {each.key: each for each in report.scores}
