"""Whether what runs score apart is more than chance: their label images counted image by image, and resampled."""

from collections.abc import Iterator, Sequence

from tagseg.errors import ArtifactError, DataError
from tagseg.evaluation.bootstrap import LEAST_IMAGES, paired_interval
from tagseg.evaluation.image_sums import ImageSums
from tagseg.progress import Progress
from tagseg.report.comparison import ScoreDifference
from tagseg.results.report_images import ReportImages

RESAMPLED = {"mask": ("pseudo_masks", "pseudo masks"), "prediction": ("segmenter", "predictions of the segmenter")}
"""Results that are label images: their key among the scores, and their name for people. Seeds are cut at the background
score that is best for all images, which would have to be found again in every resample.
"""


def score_differences(
    runs: Sequence[ReportImages], *, resamples: int, progress: Progress
) -> tuple[ScoreDifference, ...]:
    """Return the difference of every result of every run to that of the first, with its 95 % interval.

    They are over the scored images that all runs have the result of. A result of fewer than 20 such images is left out.

    Args:
        runs: of the same data; the first is compared with.
        resamples: of the bootstrap, at least 1; 0 for no differences.
        progress: moves on after every image, and is told of those that cannot be read.
    """
    return tuple(_differences(runs, resamples, progress)) if resamples else ()


def _differences(runs: Sequence[ReportImages], resamples: int, progress: Progress) -> Iterator[ScoreDifference]:
    for kind, (key, title) in RESAMPLED.items():
        common = sorted(name for name in runs[0].scored if all(_has(run, kind, name) for run in runs))
        if len(common) < LEAST_IMAGES:
            continue
        first, *others = _sums_of_all(runs, kind, common, title=title, progress=progress)
        for position, other in enumerate(others, start=1):
            found = paired_interval(first.array(), other.array(), resamples=resamples) if first.image_ids else None
            if found:
                images = len(first.image_ids)
                yield ScoreDifference(key, position, images, found.difference, found.low, found.high)


def _has(run: ReportImages, kind: str, image_id: str) -> bool:
    return image_id in run.scored and run.results.has(kind, image_id)


def _sums_of_all(
    runs: Sequence[ReportImages], kind: str, image_ids: Sequence[str], *, title: str, progress: Progress
) -> list[ImageSums]:
    """Return the sums of the same images of every run; an image that one run cannot read is left out of all."""
    sums, unreadable = [ImageSums() for _ in runs], []
    with progress.task(f"Counting {title}", total=len(image_ids)) as task:
        for image_id in image_ids:
            try:
                counts = [run.confusion(image_id, kind) for run in runs]
            except (ArtifactError, DataError):
                unreadable.append(image_id)
            else:
                for each, found in zip(sums, counts, strict=True):
                    each.add(image_id, found)
            task.advance()
    if unreadable:
        progress.warn(
            f"{title}: {len(unreadable)} images cannot be read, such as {unreadable[0]}: left out of intervals"
        )
    return sums
