"""Scores and problems as rows and lines of text, for a person."""

from collections.abc import Mapping, Sequence
from typing import Any

from tagseg.data.preflight import CheckReport

Scores = Mapping[str, Any]
"""The content of ``scores.json``."""

SEED_COLUMNS = ("run", "maps", "background score", "mIoU %", "precision %", "recall %")
DIFFERENCE_COLUMN = "mIoU against plain"

_MAPS = {"network": "from the network", "averaged": "averaged over regions"}


def percent(value: float | None) -> str:
    """Return a score in 0..1 as per cent with one digit; a score that is not defined is a dash.

    >>> percent(0.48349), percent(None)
    ('48.3', '-')
    """
    return "-" if value is None else f"{100 * value:.1f}"


def points(value: float) -> str:
    """Return a difference of two scores in 0..1 as per cent points with its sign.

    >>> points(0.0512), points(-0.2)
    ('+5.1', '-20.0')
    """
    return f"{100 * value:+.1f}"


def seed_title(scores: Scores) -> str:
    """Return the title of a table of seed scores: the split that they belong to, and how the threshold was chosen."""
    return f"Seeds on split '{scores['split']}', {scores['images']} images, best background score of the sweep"


def seed_rows(name: str, scores: Scores) -> list[tuple[str, ...]]:
    """Return one row per kind of maps: the run's name, the maps, and the best point of the sweep."""
    return [
        (
            name,
            _MAPS[kind],
            f"{best['background_score']:.2f}",
            percent(best["mean_iou"]),
            percent(best["precision"]),
            percent(best["recall"]),
        )
        for kind, best in _best_points(scores)
    ]


def compared_rows(scores: Scores, plain: Scores) -> list[tuple[str, ...]]:
    """Return the rows of plain CAM and of SSC, each with its difference to plain CAM in points of mIoU."""
    reference = _best_points(plain)[0][1]["mean_iou"]
    differences = ["", *(points(best["mean_iou"] - reference) for _, best in _best_points(scores))]
    rows = [*seed_rows("plain CAM", plain)[:1], *seed_rows("SSC", scores)]
    return [(*row, difference) for row, difference in zip(rows, differences, strict=True)]


def comparison_sentence(scores: Scores, plain: Scores) -> str:
    """Return one sentence: how far the seeds that the next stage gets are from those of plain CAM.

    >>> best = lambda value: {"seeds": {"network": {"best": {"mean_iou": value}}}}
    >>> comparison_sentence(best(0.53), best(0.48))
    'SSC 53.0 % against plain CAM 48.0 %: +5.0 points of mIoU on the same seed and budget'
    """
    ours, reference = _best_points(scores)[-1][1]["mean_iou"], _best_points(plain)[0][1]["mean_iou"]
    return (
        f"SSC {percent(ours)} % against plain CAM {percent(reference)} %: "
        f"{points(ours - reference)} points of mIoU on the same seed and budget"
    )


def class_columns(scores: Scores) -> tuple[str, ...]:
    """Return the columns of the table of classes: the label, and the IoU of each kind of maps."""
    return ("label", *(f"IoU % {_MAPS[kind]}" for kind, _ in _best_points(scores)))


def class_rows(scores: Scores) -> list[tuple[str, ...]]:
    """Return one row per label, background first."""
    best_points: Sequence[Mapping[str, Any]] = [best for _, best in _best_points(scores)]
    return [(label, *(percent(best["iou"][label]) for best in best_points)) for label in best_points[0]["iou"]]


def problem_lines(report: CheckReport, *, show: int) -> list[str]:
    """Return every kind of problem with its count, its first ``show`` problems and the next move, then a verdict."""
    lines: list[str] = []
    for kind, problems in report.by_kind().items():
        lines.append(f"{'error' if kind.is_error else 'warning'}: {kind.value}: {len(problems)}")
        lines += [f"  {problem.problem}" for problem in problems[:show]]
        lines += [f"  and {len(problems) - show} more"] if show and len(problems) > show else []
        lines.append(f"  help: {problems[0].help}")
    errors = sum(problem.kind.is_error for problem in report.problems)
    warnings = len(report.problems) - errors
    verdict = "ready to run" if report.is_clean else "correct the errors before a run"
    return [*lines, f"split '{report.split_name}': {errors} errors, {warnings} warnings, {verdict}"]


def _best_points(scores: Scores) -> list[tuple[str, Mapping[str, Any]]]:
    return [(kind, swept["best"]) for kind, swept in scores["seeds"].items()]
