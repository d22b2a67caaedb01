"""From the scores of a run to what a report shows of them."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from tagseg.artifacts.run_scores import (
    AFFINITY,
    AVERAGED,
    MASK_MAPS,
    NETWORK,
    Confusion,
    LabelScores,
    MaskScores,
    RunScores,
    ScoredCut,
    SegmenterScores,
)
from tagseg.evaluation.scores import label_sums, scores_by_label
from tagseg.report.content import Activation, ActivationShare, LabelRow, ScoreSet, Sweep, SweepPoint

SEED_TITLES = {
    NETWORK: "seeds from the network",
    AVERAGED: "seeds averaged over regions",
    AFFINITY: "seeds shared by regions that look alike",
}
MAP_TITLES = {
    NETWORK: "maps of the network",
    AVERAGED: "maps averaged over regions",
    AFFINITY: "maps shared by regions that look alike",
}

_RULES = {"fixed": "fixed", "otsu": "found without masks", "auto": "found without masks"}


def score_sets(scores: RunScores | None) -> tuple[ScoreSet, ...]:
    """Return what is scored, in the order of the stages."""
    return tuple(_score_sets(scores)) if scores else ()


def _score_sets(scores: RunScores) -> Iterator[ScoreSet]:
    for kind, seeds in scores.seeds.items():
        yield _score_set(
            (f"seeds_{kind}", SEED_TITLES[kind]),
            of=(scores.split, scores.images),
            scores=seeds.best.scores,
            confusion=seeds.confusion,
            note=f"cut at {seeds.best.background_score:.2f}, the best background score of the sweep",
        )
    if sure := scores.sure_seeds:
        yield _score_set(
            ("sure_seeds", "sure seeds"),
            of=(scores.split, scores.images if sure.images is None else sure.images),
            scores=sure.labelled.scores,
            confusion=sure.labelled.confusion,
            note=f"over the {100 * sure.labelled.coverage:.1f} % of the pixels whose label is sure",
        )
    if made := scores.pseudo_masks:
        yield from _mask_sets(made, of=(scores.split, scores.images if made.images is None else made.images))
    if tested := scores.segmenter:
        yield _score_set(
            ("segmenter", "segmentation network"),
            of=(tested.split, tested.images),
            scores=tested.scores,
            confusion=tested.confusion,
            note=_segmenter_note(tested),
        )


def correction_set(scores: RunScores | None) -> ScoreSet | None:
    """Return the scores of the pseudo masks that a person corrected, with the corrections as the truth."""
    if scores is None or (found := scores.corrections) is None:
        return None
    return _score_set(
        ("corrections", "pseudo masks that were corrected"),
        of=("train", found.images),
        scores=found.scores,
        confusion=found.confusion,
        note=f"{100 * found.changed:.1f} % of the pixels got another label",
    )


def corrected_labels(scores: RunScores | None) -> tuple[LabelRow, ...]:
    """Return the scores of :func:`correction_set` label by label, background first."""
    if scores is None or (found := scores.corrections) is None or found.confusion is None:
        return ()
    by_label = scores_by_label(label_sums(np.array(found.confusion, np.int64)), tuple(found.scores.iou))
    return tuple(LabelRow(name, *map(_number, each)) for name, each in by_label.items())


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _mask_sets(made: MaskScores, *, of: tuple[str, int]) -> Iterator[ScoreSet]:
    steps = " + ".join(made.refine) or "no refinement"
    yield _score_set(
        ("pseudo_masks", "pseudo masks"),
        of=of,
        scores=made.masks.scores,
        confusion=made.masks.confusion,
        note=f"{steps}; cut at {made.background_score:.2f} ({_RULES[made.background_rule]})",
    )
    yield _score_set(
        ("confident", "pseudo masks where trusted"),
        of=of,
        scores=made.confident.scores,
        confusion=made.confident.confusion,
        note=f"over the {100 * made.confident.coverage:.1f} % of the pixels that are trusted",
    )


def _segmenter_note(tested: SegmenterScores) -> str:
    note = "taught by ground truth" if tested.labels == "truth" else "taught by pseudo masks"
    if tested.strategy:
        note += f", strategy {tested.strategy}"
    if tested.corrected:
        note += f", corrected {tested.corrected}"
    if tested.learned_from_them:
        note += "; it learned from some of these images"
    return note


def _score_set(
    named: tuple[str, str], *, of: tuple[str, int], scores: LabelScores, confusion: Confusion | None, note: str
) -> ScoreSet:
    """Return scores as they are shown: ``named`` by key and title, ``of`` so many images of a split."""
    (key, title), (split, images) = named, of
    return ScoreSet(
        key=key,
        title=title,
        split=split,
        images=images,
        mean_iou=scores.mean_iou,
        precision=scores.precision,
        recall=scores.recall,
        pixel_accuracy=scores.pixel_accuracy,
        iou=scores.iou,
        confusion=confusion,
        note=note,
    )


def sweeps(scores: RunScores | None) -> tuple[Sweep, ...]:
    """Return the sweeps over background scores."""
    return tuple(_sweeps(scores)) if scores else ()


def _sweeps(scores: RunScores) -> Iterator[Sweep]:
    for kind, seeds in scores.seeds.items():
        if seeds.sweep:
            yield Sweep(kind, SEED_TITLES[kind], _sweep_points(seeds.sweep), seeds.best.background_score)
    made = scores.pseudo_masks
    if made and made.sweep:
        title = "maps that pseudo masks are cut from"
        yield Sweep(MASK_MAPS, title, _sweep_points(made.sweep), made.best.background_score)


def _sweep_points(sweep: Sequence[ScoredCut]) -> tuple[SweepPoint, ...]:
    return tuple(
        SweepPoint(cut.background_score, cut.scores.mean_iou, cut.scores.precision, cut.scores.recall) for cut in sweep
    )


def activation(scores: RunScores | None) -> tuple[Activation, ...]:
    """Return over- and under-activation of the maps."""
    return tuple(_activation(scores)) if scores else ()


def _activation(scores: RunScores) -> Iterator[Activation]:
    for kind, seeds in scores.seeds.items():
        if found := seeds.activation:
            shares = [("all classes", found.overall), *found.classes.items()]
            shown = tuple(ActivationShare(name, of.inside, of.covered) for name, of in shares)
            yield Activation(kind, MAP_TITLES[kind], found.background_score, shown)
