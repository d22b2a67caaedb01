"""Work on many images that several processes divide, and that goes on with what is missing after an interruption."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import torch
from lightning_fabric import Fabric

from tagseg.cams.batches import Batch, batches_by_shape, read_ahead
from tagseg.stages.context import StageContext
from tagseg.types import Image, ImageRecord

T = TypeVar("T")

GPU_THREADS = 4
"""Images that a process with a GPU has in hand at once: while one waits for its file, another keeps the GPU busy."""


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
        work: leaves them; on a GPU several threads are in it at once.
    """
    fabric = context.fabric
    missing = [record for record in records if not all(path.exists() for path in outputs(record))]
    fabric.barrier()  # every process has looked before any of them writes
    with context.progress.task(title, total=len(records), done=len(records) - len(missing)) as task:
        mine = missing[fabric.global_rank :: fabric.world_size]
        for record in done_in_order(work, mine, threads=_threads(fabric)):
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
        work: given a batch and its images, leaves them; on a GPU several threads are in it at once.
    """
    fabric = context.fabric
    batches = batches_by_shape(records, batch_size=batch_size)
    missing = [batch for batch in batches if not all(output(record).exists() for record in batch)]
    fabric.barrier()  # every process has looked before any of them writes
    done = len(records) - sum(len(batch) for batch in missing)
    with context.progress.task(title, total=len(records), done=done) as task:
        mine = read_ahead(missing[fabric.global_rank :: fabric.world_size])
        for batch, _ in done_in_order(lambda batch: work(*batch), mine, threads=_threads(fabric)):
            context.folder.seals.note(output(record) for record in batch)
            task.advance(len(batch) * fabric.world_size)
    fabric.barrier()


def done_in_order(work: Callable[[T], object], items: Iterable[T], *, threads: int) -> Iterator[T]:
    """Do the work on every item, and yield each item when its work and that of all before it is done.

    Args:
        work: what several threads may do at once.
        items: read as far ahead as there are threads.
        threads: 1 does everything here.

    Raises:
        Exception: the first one that the work raised, in the order of the items; nothing new is begun after it.

    >>> list(done_in_order(print, "ab", threads=1))
    a
    b
    ['a', 'b']
    """
    if threads == 1:
        for item in items:
            work(item)
            yield item
        return
    gradients = torch.is_grad_enabled()  # a thread begins with them

    def in_thread(item: T) -> None:
        with torch.set_grad_enabled(gradients):
            work(item)

    with ThreadPoolExecutor(threads) as pool:
        under_way: deque[tuple[T, Future[None]]] = deque()
        try:
            for item in items:
                under_way.append((item, pool.submit(in_thread, item)))
                if len(under_way) > threads:
                    yield _finished(under_way)
            while under_way:
                yield _finished(under_way)
        finally:
            for _, waiting in under_way:
                waiting.cancel()


def _finished(under_way: deque[tuple[T, Future[None]]]) -> T:
    item, working = under_way.popleft()
    working.result()
    return item


def _threads(fabric: Fabric) -> int:
    """Return how many images to have in hand at once; on a CPU every thread would take from the others."""
    return GPU_THREADS if fabric.device.type == "cuda" else 1
