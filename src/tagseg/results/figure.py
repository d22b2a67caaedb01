"""A picture of finished runs: photographs with their maps, seeds, masks and ground truth, runs side by side.

It is not a stage of the pipeline: it reads run folders and leaves one file where it is asked to.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from tagseg.artifacts.run_scores import NETWORK
from tagseg.classes import VOID, nearest_name_help
from tagseg.data.images import read_image
from tagseg.errors import ArtifactError, DataError
from tagseg.ops.spacing import evenly_spaced
from tagseg.progress import Progress, SilentProgress
from tagseg.report.colors import PALETTES
from tagseg.report.figures import (
    cam_legend,
    label_legend,
    overlay_cam,
    overlay_known,
    overlay_mask,
    shrink,
    unknown_legend,
)
from tagseg.report.panel_layout import PanelRow
from tagseg.results.figure_file import FigureFile
from tagseg.results.image_results import MADE, ImageResults
from tagseg.results.open_run import open_runs
from tagseg.types import Image, ImageRecord, LabelMap

COLUMNS = ("image", "cam", "seed", "sure", "mask", "confident", "prediction", "truth")
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
    "prediction": "prediction",
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
            Images to test on are among them when the column ``prediction`` is asked for.
        count: at least 1.
        columns: some of :data:`COLUMNS`, in this order; None for :data:`DEFAULT_COLUMNS`, without ``mask`` when a run
            has no pseudo masks of the images, and without ``truth`` when there is none.
        background_score: cuts the seeds, in [0, 1]; None for each run's best one of its sweep, or, in a run without
            scores, the one of its recipe.
        width_px: of a PNG file; None for 900.
        width_mm: of a PDF or SVG file; None for 170.
        palette: of the classes, one of :data:`tagseg.report.colors.PALETTES`.
    """

    image_ids: tuple[str, ...] = ()
    count: int = 12
    columns: tuple[str, ...] | None = None
    background_score: float | None = None
    width_px: int | None = None
    width_mm: float | None = None
    palette: str = "voc"


def write_figure(
    roots: Sequence[Path], out: Path, *, choice: FigureChoice | None = None, progress: Progress | None = None
) -> tuple[str, ...]:
    """Draw images of one or more runs of the same data and write them as one PNG, PDF or SVG file.

    The column ``cam`` shows, at every pixel, the strongest map as the network gave it; ``seed`` shows the seeds as the
    next stage gets them: from maps averaged over regions where the recipe says so. ``sure`` shows the seeds that the
    affinity network learned from, ``mask`` the pseudo mask, ``confident`` the part of it to be trusted; pixels without
    a sure label are striped. ``prediction`` shows what the segmentation network says of an image to test on. A cell is
    empty where a run made nothing of the kind of the image, and ``progress`` says so.

    Args:
        roots: run folders with extracted maps; the first one's masks are the ground truth.
        out: the file; its ending says what it becomes: ``.png``, ``.pdf`` or ``.svg``. In the last two, images keep
            their pixels up to 600 dots an inch.
        choice: what to show.
        progress: says how the seeds of each run are cut and which cells stay empty, and moves on after every image.

    Returns:
        The ids of the images, from top to bottom.

    Raises:
        ArtifactError: when the file has another ending or a width in the other unit, a folder holds no run, maps are
            missing, a run has nothing for a column, or the runs are of different data.
        DataError: when an image or a column does not exist, or an image cannot be read.
    """
    choice, progress = choice or FigureChoice(), progress or SilentProgress()
    file = FigureFile(out, width_px=choice.width_px, width_mm=choice.width_mm)
    if choice.palette not in PALETTES:
        raise DataError(f"'{choice.palette}' is not a palette", help=nearest_name_help(choice.palette, PALETTES))
    runs = open_runs(roots, background_score=choice.background_score, progress=progress)
    image_ids = choice.image_ids or _choose_images(runs, choice)
    for image_id in image_ids:
        _require_image(image_id, runs)
    columns = _columns(choice, runs, image_ids)
    _note_empty_cells(columns, runs, image_ids, progress=progress)
    titles = [title for column in columns for title in _column_titles(column, runs)]
    side_px = file.side_px(len(titles))
    rows, shown = [], set()
    with progress.task("Drawing", total=len(image_ids)) as task:
        for image_id in image_ids:
            row, label_ids = _draw_row(image_id, runs, columns, side_px=side_px, palette=choice.palette)
            rows.append(row)
            shown |= label_ids
            task.advance()
    legend = label_legend(shown, runs[0].classes, palette=choice.palette)
    legend += [unknown_legend()] if set(columns) & set(_PARTIAL) else []
    legend += [cam_legend()] if "cam" in columns else []
    file.write(titles, rows, legend=legend)
    return tuple(image_ids)


def _choose_images(runs: Sequence[ImageResults], choice: FigureChoice) -> tuple[str, ...]:
    """Return ``choice.count`` ids of images that all runs have, evenly spaced, or all of them when there are fewer."""
    first, columns = runs[0].images, choice.columns or DEFAULT_COLUMNS
    ids = [image_id for image_id in first if all(image_id in run.images for run in runs)]
    if "prediction" not in columns:
        ids = [image_id for image_id in ids if all(image_id in run.records for run in runs)]
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
    return evenly_spaced(ids, choice.count)


def _require_image(image_id: str, runs: Sequence[ImageResults]) -> None:
    for run in runs:
        if image_id not in run.images:
            near = get_close_matches(image_id, run.images, n=1, cutoff=0.6)
            raise DataError(
                f"'{image_id}' is not an image of {run.folder.root}",
                help=f"did you mean '{near[0]}'?"
                if near
                else f"an id is the name of a file in {run.folder.output('extract_cams')}, without .npz",
            )


def _columns(choice: FigureChoice, runs: Sequence[ImageResults], image_ids: Sequence[str]) -> tuple[str, ...]:
    has_truth = any(runs[0].images[image_id].mask is not None for image_id in image_ids)
    if choice.columns is None:
        has_masks = all(any(run.has("mask", image_id) for image_id in image_ids) for run in runs)
        there = {"mask": has_masks, "truth": has_truth}
        return tuple(column for column in DEFAULT_COLUMNS if there.get(column, True))
    for name in choice.columns:
        if name not in COLUMNS:
            raise DataError(f"'{name}' is not a column of a figure", help=nearest_name_help(name, COLUMNS))
    for name in choice.columns:
        if name in MADE:
            for run in runs:
                run.require(name, image_ids)
    if "truth" in choice.columns and not has_truth:
        raise DataError("column 'truth' shows masks, got images without any", help="leave it out of --columns")
    return choice.columns


def _note_empty_cells(
    columns: Sequence[str], runs: Sequence[ImageResults], image_ids: Sequence[str], *, progress: Progress
) -> None:
    for column in columns:
        if column not in MADE:
            continue
        for run in runs:
            empty = [image_id for image_id in image_ids if not run.has(column, image_id)]
            if empty:
                of = f"{len(empty)} of {len(image_ids)} images, such as {empty[0]}"
                progress.note(f"{run.title}: no {MADE[column][0]} of {of}; their cells of '{column}' are empty")


def _column_titles(column: str, runs: Sequence[ImageResults]) -> list[str]:
    if column in ("image", "truth"):
        return [_TITLES[column]]
    return [f"{_TITLES[column]}\n{run.title}" if len(runs) > 1 else _TITLES[column] for run in runs]


def _draw_row(
    image_id: str, runs: Sequence[ImageResults], columns: Sequence[str], *, side_px: int, palette: str
) -> tuple[PanelRow, set[int]]:
    """Return the row of one image, and the label ids that its masks show."""
    record, classes = runs[0].images[image_id], runs[0].classes
    image = read_image(record.image_path)
    size = (image.shape[0], image.shape[1])
    cells: list[Image | None] = []
    shown: set[int] = set()
    for column in columns:
        if column == "image":
            cells.append(image)
            continue
        if column == "cam":
            cells += [_overlay_maps(image, image_id, run) for run in runs]
            continue
        partial = column in _PARTIAL
        if column == "truth":
            masks = [_read_truth(record, size=size)]
        else:
            masks = [run.labels(column, image_id, size=size) for run in runs]
        overlay = overlay_known if partial else overlay_mask
        cells += [None if labels is None else overlay(image, labels, classes, palette=palette) for labels in masks]
        ids = {int(label) for labels in masks if labels is not None for label in np.unique(labels)}
        shown |= ids - {VOID} if partial else ids
    tags = ", ".join(classes.name(label) for label in record.tags) or "no tags"
    # A photograph of a hundred megapixels is not kept while the other rows are drawn.
    small = tuple(None if cell is None else shrink(cell, side_px=side_px) for cell in cells)
    return PanelRow(image_id, tags, small), shown


def _overlay_maps(image: Image, image_id: str, run: ImageResults) -> Image | None:
    """Return the photograph under its strongest map, or None when the run makes no maps of it."""
    if not run.has("cam", image_id):
        return None
    size = (image.shape[0], image.shape[1])
    return overlay_cam(image, run.maps(image_id, size=size, kind=NETWORK).strongest()[1])


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
