"""Scores and problems as rows and lines of text, for a person."""

from collections.abc import Mapping
from typing import Any

from tagseg.data.preflight import CheckReport

Scores = Mapping[str, Any]
"""The content of ``scores.json``."""

SCORE_COLUMNS = ("run", "what", "background score", "mIoU %", "precision %", "recall %")
FOLDER_COLUMNS = ("label", "IoU %")
DIFFERENCE_COLUMN = "mIoU against plain"

_KINDS = {
    "network": "seeds from the network",
    "averaged": "seeds averaged over regions",
    "masks": "pseudo masks",
    "segmenter": "segmenter",
}


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


def score_title(scores: Scores) -> str:
    """Return the title of a table of scores: the splits that they belong to, and how the thresholds were chosen."""
    tested, parts = scores.get("segmenter"), []
    if scores.get("seeds"):
        masks = ", pseudo masks as made" if scores.get("pseudo_masks") else ""
        parts = [f"on split '{scores['split']}', {scores['images']} images; seeds at the best background score{masks}"]
    if tested:
        parts.append(f"segmenter on split '{tested['split']}', {tested['images']} images")
    return f"Scores {'; '.join(parts)}"


def score_rows(name: str, scores: Scores) -> list[tuple[str, ...]]:
    """Return one row a kind of maps or masks: the run's name, what is scored, and its scores."""
    return [
        (
            name,
            _KINDS[kind],
            f"{point['background_score']:.2f}" if "background_score" in point else "-",
            percent(point["mean_iou"]),
            percent(point["precision"]),
            percent(point["recall"]),
        )
        for kind, point in scored_points(scores).items()
    ]


def compared_rows(scores: Scores, plain: Scores | None, full: Scores | None = None) -> list[tuple[str, ...]]:
    """Return the rows of plain CAM, of SSC and of the upper bound, with the difference to plain CAM in points of mIoU.

    Seeds of every kind are compared with those of the plain network, pseudo masks with pseudo masks, segmenter with
    segmenter.

    Args:
        scores: of the run.
        plain: of plain CAM, or None.
        full: of the segmentation network taught by ground truth, or None.
    """
    reference = scored_points(plain) if plain else {}
    rows = [(*row, "") for row in score_rows("plain CAM", plain)] if plain else []
    runs = {"SSC": scores, **({"ground truth": full} if full else {})}
    for name, run in runs.items():
        for row, (kind, point) in zip(score_rows(name, run), scored_points(run).items(), strict=True):
            base = reference.get(kind if kind in ("masks", "segmenter") else "network")
            rows.append((*row, points(point["mean_iou"] - base["mean_iou"]) if base else ""))
    return rows


def comparison_sentences(scores: Scores, plain: Scores | None, full: Scores | None = None) -> list[str]:
    """Return one sentence a stage against plain CAM, and one on the share of the upper bound that tags alone reach.

    >>> best = lambda value: {"seeds": {"network": {"best": {"mean_iou": value}}}}
    >>> comparison_sentences(best(0.53), best(0.48))
    ['seeds: SSC 53.0 % against plain CAM 48.0 %: +5.0 points of mIoU on the same seed and budget']
    """
    ours, base = scored_points(scores), scored_points(plain) if plain else {}
    pairs = [("seeds", ours.get("averaged", ours.get("network")), base.get("network"))]
    pairs += [(what, ours.get(what), base.get(what)) for what in ("masks", "segmenter")]
    sentences = [
        f"{_KINDS.get(what, what)}: SSC {percent(mine['mean_iou'])} % against plain CAM "
        f"{percent(reference['mean_iou'])} %: {points(mine['mean_iou'] - reference['mean_iou'])} points of mIoU "
        "on the same seed and budget"
        for what, mine, reference in pairs
        if mine and reference
    ]
    bound = scored_points(full).get("segmenter") if full else None
    if bound and "segmenter" in ours and bound["mean_iou"]:
        weak, strong = ours["segmenter"]["mean_iou"], bound["mean_iou"]
        sentences.append(
            f"segmenter: tags alone reach {percent(weak / strong)} % of the same network taught by ground truth "
            f"({percent(weak)} % of {percent(strong)} %)"
        )
    return sentences


def class_columns(scores: Scores) -> tuple[str, ...]:
    """Return the columns of the table of classes: the label, and the IoU of each kind of maps and of the masks."""
    return ("label", *(f"IoU % {_KINDS[kind]}" for kind in scored_points(scores)))


def class_rows(scores: Scores) -> list[tuple[str, ...]]:
    """Return one row per label, background first."""
    shown = list(scored_points(scores).values())
    return [(label, *(percent(point["iou"][label]) for point in shown)) for label in shown[0]["iou"]]


def folder_title(scores: Scores) -> str:
    """Return the title of the scores of one folder against another."""
    return (
        f"{scores['images']} images: mIoU {percent(scores['mean_iou'])} %, precision {percent(scores['precision'])} %, "
        f"recall {percent(scores['recall'])} %, pixel accuracy {percent(scores['pixel_accuracy'])} %"
    )


def folder_rows(scores: Scores) -> list[tuple[str, ...]]:
    """Return one row per label, background first."""
    return [(label, percent(value)) for label, value in scores["iou"].items()]


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


def scored_points(scores: Scores) -> dict[str, Mapping[str, Any]]:
    """Return what is scored by kind: the best point of each sweep of seeds, pseudo masks and segmenter as they are."""
    shown = {kind: swept["best"] for kind, swept in (scores.get("seeds") or {}).items()}
    if made := scores.get("pseudo_masks"):
        shown["masks"] = {**made["masks"], "background_score": made["background_score"]}
    if tested := scores.get("segmenter"):
        shown["segmenter"] = tested
    return shown
