"""``scores.csv``: every score of a run as rows, for a spreadsheet."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from tagseg.artifacts.run_scores import MASK_MAPS, SEGMENTER, LabelScores, RunScores, ScoredCut
from tagseg.artifacts.spreadsheet import write_table

Row = tuple[str, str, float | str, str, str]
"""Split, maps, background score (empty for the segmentation network), name of a score, value."""


def write_scores_table(path: Path, scores: RunScores) -> None:
    """Write every score of every point of the sweeps, and those of the segmentation network, atomically."""
    rows = [("split", "maps", "background_score", "score", "value"), *_rows(scores)]
    write_table(path, rows)


def label_rows(scores: LabelScores) -> list[tuple[str, str]]:
    """Return the name and the value of each score: all digits, or nothing where it is not defined.

    >>> label_rows(LabelScores(0.5, iou={"background": 0.5, "cat": None}))[-2:]
    [('iou of background', '0.5'), ('iou of cat', '')]
    """
    named = {
        "mean_iou": scores.mean_iou,
        "precision": scores.precision,
        "recall": scores.recall,
        "pixel_accuracy": scores.pixel_accuracy,
        **{f"iou of {label}": value for label, value in scores.iou.items()},
    }
    return [(name, "" if value is None else repr(value)) for name, value in named.items()]


def _rows(scores: RunScores) -> Iterator[Row]:
    for kind, seeds in scores.seeds.items():
        yield from _sweep_rows(scores.split, kind, seeds.sweep)
    if scores.pseudo_masks:
        yield from _sweep_rows(scores.split, MASK_MAPS, scores.pseudo_masks.sweep)
    if tested := scores.segmenter:
        for name, value in label_rows(tested.scores):
            yield tested.split, SEGMENTER, "", name, value


def _sweep_rows(split: str, kind: str, sweep: Sequence[ScoredCut]) -> Iterator[Row]:
    for cut in sweep:
        for name, value in label_rows(cut.scores):
            yield split, kind, cut.background_score, name, value
