"""Scores and problems as rows and lines of text, for a person."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from tagseg.artifacts.run_scores import MASK_MAPS, NETWORK, SEGMENTER, LabelScores, RunScores
from tagseg.data.preflight import CheckReport
from tagseg.results.score_sets import SEED_TITLES

SCORE_COLUMNS = ("run", "what", "background score", "mIoU %", "precision %", "recall %")
FOLDER_COLUMNS = ("label", "IoU %")
DIFFERENCE_COLUMN = "mIoU against plain"

_KINDS = {**SEED_TITLES, MASK_MAPS: "pseudo masks", SEGMENTER: "segmenter"}


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


def score_title(scores: RunScores) -> str:
    """Return the title of a table of scores: the splits that they belong to, and how the thresholds were chosen."""
    tested, parts = scores.segmenter, []
    if scores.seeds:
        masks = ", pseudo masks as made" if scores.pseudo_masks else ""
        parts = [f"on split '{scores.split}', {scores.images} images; seeds at the best background score{masks}"]
    if tested:
        parts.append(f"segmenter on split '{tested.split}', {tested.images} images")
    return f"Scores {'; '.join(parts)}"


def score_rows(name: str, scores: RunScores | None) -> list[tuple[str, ...]]:
    """Return one row a kind of maps or masks: the run's name, what is scored, and its scores."""
    return [
        (
            name,
            _KINDS[kind],
            "-" if shown.background_score is None else f"{shown.background_score:.2f}",
            percent(shown.scores.mean_iou),
            percent(shown.scores.precision),
            percent(shown.scores.recall),
        )
        for kind, shown in shown_scores(scores).items()
    ]


def compared_rows(scores: RunScores, plain: RunScores | None, full: RunScores | None = None) -> list[tuple[str, ...]]:
    """Return the rows of plain CAM, of SSC and of the upper bound, with the difference to plain CAM in points of mIoU.

    Seeds of every kind are compared with those of the plain network, pseudo masks with pseudo masks, segmenter with
    segmenter.

    Args:
        scores: of the run.
        plain: of plain CAM, or None.
        full: of the segmentation network taught by ground truth, or None.
    """
    reference = mean_ious(plain)
    rows = [(*row, "") for row in score_rows("plain CAM", plain)]
    for name, run in (("SSC", scores), ("ground truth", full)):
        for row, (kind, shown) in zip(score_rows(name, run), shown_scores(run).items(), strict=True):
            base = reference.get(kind if kind in (MASK_MAPS, SEGMENTER) else NETWORK)
            mine = shown.scores.mean_iou
            rows.append((*row, "" if base is None or mine is None else points(mine - base)))
    return rows


def comparison_sentences(scores: RunScores, plain: RunScores | None, full: RunScores | None = None) -> list[str]:
    """Return one sentence a stage against plain CAM, and one on the share of the upper bound that tags alone reach.

    Seeds have two where the maps that are handed on are not those of the network: both against the plain network.

    >>> from tagseg.artifacts.run_scores import SeedScores, ScoredCut
    >>> run = lambda value: RunScores(seeds={"network": SeedScores(ScoredCut(0.3, LabelScores(value)))})
    >>> comparison_sentences(run(0.53), run(0.48))
    ['seeds from the network: SSC 53.0 % against plain CAM 48.0 %: +5.0 points of mIoU on the same seed and budget']
    """
    ours, base = mean_ious(scores), mean_ious(plain)
    seeds = [kind for kind in ours if kind not in (MASK_MAPS, SEGMENTER)]
    named = dict.fromkeys([*seeds[:1], *seeds[-1:]], NETWORK) | {kind: kind for kind in (MASK_MAPS, SEGMENTER)}
    pairs = [(_KINDS[kind], ours.get(kind), base.get(against)) for kind, against in named.items()]
    sentences = [
        f"{what}: SSC {percent(mine)} % against plain CAM {percent(reference)} %: {points(mine - reference)} points "
        "of mIoU on the same seed and budget"
        for what, mine, reference in pairs
        if mine is not None and reference is not None
    ]
    weak, strong = ours.get(SEGMENTER), mean_ious(full).get(SEGMENTER)
    if weak is not None and strong:
        sentences.append(
            f"segmenter: tags alone reach {percent(weak / strong)} % of the same network taught by ground truth "
            f"({percent(weak)} % of {percent(strong)} %)"
        )
    return sentences


def class_columns(scores: RunScores) -> tuple[str, ...]:
    """Return the columns of the table of classes: the label, and the IoU of each kind of maps and of the masks."""
    return ("label", *(f"IoU % {_KINDS[kind]}" for kind in shown_scores(scores)))


def class_rows(scores: RunScores) -> list[tuple[str, ...]]:
    """Return one row per label, background first."""
    ious = [shown.scores.iou for shown in shown_scores(scores).values()]
    return [(label, *(percent(iou[label]) for iou in ious)) for label in ious[0]]


def folder_title(scores: Mapping[str, Any]) -> str:
    """Return the title of the scores of one folder against another."""
    return (
        f"{scores['images']} images: mIoU {percent(scores['mean_iou'])} %, precision {percent(scores['precision'])} %, "
        f"recall {percent(scores['recall'])} %, pixel accuracy {percent(scores['pixel_accuracy'])} %"
    )


def folder_rows(scores: Mapping[str, Any]) -> list[tuple[str, ...]]:
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
    verdict = "in order" if report.is_clean else "correct the errors before a run"
    return [*lines, f"split '{report.split_name}': {errors} errors, {warnings} warnings, {verdict}"]


class Shown(NamedTuple):
    """One row of a table: scores, and at which background score, None where there is none."""

    background_score: float | None
    scores: LabelScores


def shown_scores(scores: RunScores | None) -> dict[str, Shown]:
    """Return what is scored by kind: the best point of each sweep of seeds, pseudo masks and segmenter as they are."""
    shown: dict[str, Shown] = {}
    if scores is None:
        return shown
    for kind, seeds in scores.seeds.items():
        shown[kind] = Shown(seeds.best.background_score, seeds.best.scores)
    if made := scores.pseudo_masks:
        shown[MASK_MAPS] = Shown(made.background_score, made.masks.scores)
    if tested := scores.segmenter:
        shown[SEGMENTER] = Shown(None, tested.scores)
    return shown


def mean_ious(scores: RunScores | None) -> dict[str, float]:
    """Return the mIoU of what is scored by kind, where it is defined."""
    found = {kind: shown.scores.mean_iou for kind, shown in shown_scores(scores).items()}
    return {kind: value for kind, value in found.items() if value is not None}
