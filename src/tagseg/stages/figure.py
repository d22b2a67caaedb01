"""A picture of finished runs: photographs with their maps, seeds, masks and ground truth, runs side by side.

It is no stage of the pipeline: it reads run folders and leaves one PNG file where it is asked to.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from tagseg.artifacts.atomic import atomic_write
from tagseg.classes import VOID, nearest_name_help
from tagseg.data.images import read_image
from tagseg.errors import ArtifactError, DataError
from tagseg.progress import Progress, SilentProgress
from tagseg.report.figures import (
    cam_legend,
    encode_png,
    label_legend,
    overlay_cam,
    overlay_known,
    overlay_mask,
    shrink,
    unknown_legend,
)
from tagseg.report.panel import panel
from tagseg.report.panel_layout import PanelRow
from tagseg.stages.finished_runs import MADE, FinishedRun, open_runs
from tagseg.types import Image, ImageRecord, LabelMap

COLUMNS = ("image", "cam", "seed", "sure", "mask", "confident", "truth")
"""What a figure can show; all but ``image`` and ``truth`` once for each run."""

DEFAULT_COLUMNS = ("image", "cam", "seed", "mask", "truth")
"""What a figure shows unless it is asked for other columns, as far as there are pseudo masks and ground truth."""

_TITLES = {
    "image": "image",
    "cam": "map",
    "seed": "seeds",
    "sure": "sure seeds",
    "mask": "pseudo mask",
    "confident": "confident",
    "truth": "ground truth",
}
_PARTIAL = ("sure", "confident")
"""Columns that leave pixels unknown."""


@dataclass(frozen=True, slots=True)
class FigureChoice:
    """What a figure shows.

    Args:
        image_ids: the images, in this order; none for ``count`` of them, evenly spaced over those that all runs have
            the asked columns of, and of these over those with ground truth (over all when none has any), sorted by id.
        count: at least 1.
        columns: some of :data:`COLUMNS`, in this order; None for :data:`DEFAULT_COLUMNS`, without ``mask`` when a run
            has no pseudo masks of the images, and without ``truth`` when there is none.
        background_score: cuts the seeds, in [0, 1]; None for each run's best one of its sweep, or, in a run without
            scores, the one of its recipe.
        width_px: of the picture.
    """

    image_ids: tuple[str, ...] = ()
    count: int = 12
    columns: tuple[str, ...] | None = None
    background_score: float | None = None
    width_px: int = 900


def write_figure(
    roots: Sequence[Path], out: Path, *, choice: FigureChoice | None = None, progress: Progress | None = None
) -> tuple[str, ...]:
    """Draw images of one or more runs of the same data and write them as one PNG file.

    The column ``cam`` shows, at every pixel, the strongest map as the network gave it; ``seed`` shows the seeds as the
    next stage gets them: from maps averaged over regions where the recipe says so. ``sure`` shows the seeds that the
    affinity network learned from, ``mask`` the pseudo mask, ``confident`` the part of it to be trusted; pixels without
    a sure label are striped. A cell is empty where a run made no such mask of the image.

    Args:
        roots: run folders with extracted maps; the first one's masks are the ground truth.
        out: the ``.png`` file.
        choice: what to show.
        progress: told how the seeds of each run are cut, and after every image.

    Returns:
        The ids of the images, from top to bottom.

    Raises:
        ArtifactError: when a folder holds no run, maps are missing, a run has no masks for a column, or the runs are of
            different data.
        DataError: when an image or a column does not exist, or an image cannot be read.
    """
    choice, progress = choice or FigureChoice(), progress or SilentProgress()
    if out.suffix.lower() != ".png":
        raise ArtifactError(f"figure {out} is a PNG file, got the ending '{out.suffix}'", help="end its name in .png")
    runs = open_runs(roots, background_score=choice.background_score, progress=progress)
    image_ids = choice.image_ids or _evenly_spaced(runs, choice)
    for image_id in image_ids:
        _require_image(image_id, runs)
    columns = _columns(choice, runs, image_ids)
    rows, shown = [], set()
    with progress.task("Drawing", total=len(image_ids)) as task:
        for image_id in image_ids:
            row, label_ids = _draw_row(image_id, runs, columns, width_px=choice.width_px)
            rows.append(row)
            shown |= label_ids
            task.advance()
    titles = [title for column in columns for title in _column_titles(column, runs)]
    legend = label_legend(shown, runs[0].classes)
    legend += [unknown_legend()] if set(columns) & set(_PARTIAL) else []
    legend += [cam_legend()] if "cam" in columns else []
    atomic_write(out, encode_png(panel(titles, rows, legend=legend, width_px=choice.width_px)))
    return tuple(image_ids)


def _evenly_spaced(runs: Sequence[FinishedRun], choice: FigureChoice) -> tuple[str, ...]:
    """Return ``choice.count`` ids of images that all runs have, or all of them when there are fewer."""
    first = runs[0].records
    ids = [image_id for image_id in first if all(image_id in run.records for run in runs)]
    for run in runs:
        for column in choice.columns or ():
            if column in MADE:
                ids = [image_id for image_id in ids if run.has(column, image_id)] or ids
    ids = [image_id for image_id in ids if first[image_id].mask is not None] or ids
    if not ids:
        raise ArtifactError(
            f"{' and '.join(str(run.folder.root) for run in runs)} have images in common, got none",
            help="draw a figure for each of them",
        )
    count = min(choice.count, len(ids))
    return tuple(ids[(2 * position + 1) * len(ids) // (2 * count)] for position in range(count))


def _require_image(image_id: str, runs: Sequence[FinishedRun]) -> None:
    for run in runs:
        if image_id not in run.records:
            near = get_close_matches(image_id, run.records, n=1, cutoff=0.6)
            raise DataError(
                f"'{image_id}' is no image of {run.folder.root}",
                help=f"did you mean '{near[0]}'?"
                if near
                else f"an id is the name of a file in {run.folder.output('extract_cams')}, without .npz",
            )


def _columns(choice: FigureChoice, runs: Sequence[FinishedRun], image_ids: Sequence[str]) -> tuple[str, ...]:
    has_truth = any(runs[0].records[image_id].mask is not None for image_id in image_ids)
    if choice.columns is None:
        has_masks = all(any(run.has("mask", image_id) for image_id in image_ids) for run in runs)
        there = {"mask": has_masks, "truth": has_truth}
        return tuple(column for column in DEFAULT_COLUMNS if there.get(column, True))
    for name in choice.columns:
        if name not in COLUMNS:
            raise DataError(f"'{name}' is no column of a figure", help=nearest_name_help(name, COLUMNS))
    for name in choice.columns:
        if name in MADE:
            for run in runs:
                run.require(name, image_ids)
    if "truth" in choice.columns and not has_truth:
        raise DataError("column 'truth' shows masks, got images without any", help="leave it out of --columns")
    return choice.columns


def _column_titles(column: str, runs: Sequence[FinishedRun]) -> list[str]:
    if column in ("image", "truth"):
        return [_TITLES[column]]
    return [f"{_TITLES[column]}\n{run.title}" if len(runs) > 1 else _TITLES[column] for run in runs]


def _draw_row(
    image_id: str, runs: Sequence[FinishedRun], columns: Sequence[str], *, width_px: int
) -> tuple[PanelRow, set[int]]:
    """Return the row of one image, and the label ids that its masks show."""
    record, classes = runs[0].records[image_id], runs[0].classes
    image = read_image(record.image_path)
    size = (image.shape[0], image.shape[1])
    cells: list[Image | None] = []
    shown: set[int] = set()
    for column in columns:
        if column == "image":
            cells.append(image)
            continue
        if column == "cam":
            maps = [run.maps(image_id, size=size, as_seeds=False) for run in runs]
            cells += [overlay_cam(image, cams.strongest()[1]) for cams in maps]
            continue
        partial = column in _PARTIAL
        masks = _read_masks(column, record, runs, size=size)
        overlay = overlay_known if partial else overlay_mask
        cells += [None if labels is None else overlay(image, labels, classes) for labels in masks]
        ids = {int(label) for labels in masks if labels is not None for label in np.unique(labels)}
        shown |= ids - {VOID} if partial else ids
    tags = ", ".join(classes.name(label) for label in record.tags) or "no tags"
    # A photograph of a hundred megapixels is not kept while the other rows are drawn.
    small = tuple(None if cell is None else shrink(cell, side_px=width_px) for cell in cells)
    return PanelRow(image_id, tags, small), shown


def _read_masks(
    column: str, record: ImageRecord, runs: Sequence[FinishedRun], *, size: tuple[int, int]
) -> list[LabelMap | None]:
    """Return what a column shows of an image of this size: the ground truth, or a label map of each run."""
    if column == "truth":
        return [_read_truth(record, size=size)]
    return [run.labels(column, record.image_id, size=size) for run in runs]


def _read_truth(record: ImageRecord, *, size: tuple[int, int]) -> LabelMap | None:
    """Return the ground truth of an image of this size, or None when it has none."""
    if record.mask is None:
        return None
    truth = record.mask.read()
    if truth.shape != size:
        raise DataError(
            f"mask of {record.image_path} has the image's size {size[0]} x {size[1]}, "
            f"got {truth.shape[0]} x {truth.shape[1]}",
            help="correct it; 'tagseg check' lists everything wrong with a data set",
        )
    return truth
