"""Work on many images that several processes divide, and that goes on with what is missing after an interruption."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tagseg.cams.batches import Batch, batches_by_shape, read_ahead
from tagseg.stages.context import StageContext
from tagseg.types import Image, ImageRecord


def compute_superpixels(context: StageContext) -> None:
    """Fill the superpixel cache for the images to train on and to score, before a stage reads it; the first process."""
    if context.fabric.is_global_zero:
        splits = [split for split in (context.train, context.evaluation) if split]
        records = {record.image_path: record for split in splits for record in split.records}
        context.regions.compute_missing(list(records.values()), workers=None, progress=context.progress)
    context.fabric.barrier()


def count_gone(paths: Iterable[Path]) -> int:
    """Count the files that are not there."""
    return sum(not path.exists() for path in paths)


def do_missing(
    context: StageContext,
    title: str,
    *,
    records: Sequence[ImageRecord],
    outputs: Callable[[ImageRecord], Sequence[Path]],
    work: Callable[[ImageRecord], None],
) -> None:
    """Do the work on every image of which a file is missing; each process takes its share.

    Args:
        context: the run.
        title: of the progress.
        records: all images.
        outputs: the files that the work on an image leaves.
        work: leaves them.
    """
    fabric = context.fabric
    missing = [record for record in records if not all(path.exists() for path in outputs(record))]
    fabric.barrier()  # every process has looked before any of them writes
    with context.progress.task(title, total=len(records), done=len(records) - len(missing)) as task:
        for record in missing[fabric.global_rank :: fabric.world_size]:
            work(record)
            context.folder.seals.note(outputs(record))
            task.advance(fabric.world_size)
    fabric.barrier()


def do_missing_batches(
    context: StageContext,
    title: str,
    *,
    records: Sequence[ImageRecord],
    batch_size: int,
    output: Callable[[ImageRecord], Path],
    work: Callable[[Batch, list[Image]], None],
) -> None:
    """Do the work on every batch of images of one size of which a file is missing; each process takes its share.

    Whole batches are taken or left: a processor may round differently in batches of another length.

    Args:
        context: the run.
        title: of the progress.
        records: all images.
        batch_size: of the largest batch.
        output: the file that the work leaves of an image.
        work: given a batch and its images, leaves them.
    """
    fabric = context.fabric
    batches = batches_by_shape(records, batch_size=batch_size)
    missing = [batch for batch in batches if not all(output(record).exists() for record in batch)]
    fabric.barrier()  # every process has looked before any of them writes
    done = len(records) - sum(len(batch) for batch in missing)
    with context.progress.task(title, total=len(records), done=done) as task:
        for batch, images in read_ahead(missing[fabric.global_rank :: fabric.world_size]):
            work(batch, images)
            context.folder.seals.note(output(record) for record in batch)
            task.advance(len(batch) * fabric.world_size)
    fabric.barrier()
