"""The scores of every image of a run by itself: its pseudo mask, and what the segmenter says of it."""

from collections.abc import Iterator
from pathlib import Path

from tagseg.artifacts.image_scores_csv import ImageRow, write_image_scores
from tagseg.errors import ArtifactError
from tagseg.evaluation.image_sums import ImageSums, image_rows
from tagseg.progress import Progress
from tagseg.results.differences import RESAMPLED
from tagseg.results.report_images import ReportImages, report_images
from tagseg.results.source import open_source


def write_image_table(root: Path, out: Path, *, progress: Progress) -> None:
    """Write a row for each label image of a run that has ground truth.

    Args:
        root: a run folder.
        out: ends in ``.csv``.
        progress: moves on after every image.

    Raises:
        ArtifactError: when the folder holds no run, nothing of it is scored, or a mask is damaged.
        DataError: when ground truth cannot be read.
    """
    source = open_source(root)
    rows = list(_rows(report_images(source), progress))
    if not rows:
        raise ArtifactError(
            f"a table of images takes a run with ground truth for masks or predictions, got {root}",
            help="name the folder of the ground truth in the recipe, or leave --by-image out",
        )
    write_image_scores(out, rows, source.classes.label_names)


def _rows(run: ReportImages, progress: Progress) -> Iterator[ImageRow]:
    for kind, (_, title) in RESAMPLED.items():
        image_ids = sorted(name for name in run.scored if run.results.has(kind, name))
        sums = ImageSums()
        with progress.task(f"Counting {title}", total=len(image_ids)) as task:
            for image_id in image_ids:
                sums.add(image_id, run.confusion(image_id, kind))
                task.advance()
        if image_ids:
            yield from image_rows(sums, run.source.classes.label_names, what=title)
