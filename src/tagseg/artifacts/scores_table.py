"""``scores.csv``: every score of a run as rows, for a spreadsheet."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from tagseg.artifacts.run_scores import MASK_MAPS, SEGMENTER, LabelScores, RunScores, ScoredCut
from tagseg.artifacts.spreadsheet import as_cell
from tagseg.system.atomic import atomic_write

Row = tuple[str, str, float | str, str, str]
"""Split, maps, background score (empty for the segmentation network), name of a score, value."""


def write_scores_table(path: Path, scores: RunScores) -> None:
    """Write every score of every point of the sweeps, and those of the segmentation network, atomically."""
    rows = [("split", "maps", "background_score", "score", "value"), *_rows(scores)]
    atomic_write(path, table_text(rows).encode("utf-8", "backslashreplace"))


def table_text(rows: Sequence[Sequence[float | str]]) -> str:
    r"""Return rows as a table of values with commas between; no text in them is a formula of a spreadsheet.

    >>> table_text([("score", "value"), ("mean_iou", "0.5")])
    'score,value\nmean_iou,0.5\n'
    """
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(
        [as_cell(value) if isinstance(value, str) else value for value in row] for row in rows
    )
    return buffer.getvalue()


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
