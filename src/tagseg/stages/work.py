"""Work on many images that several processes divide, and that goes on with what is missing after an interruption."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

import torch
from lightning_fabric import Fabric

from tagseg.cams.batches import Batch, batches_by_shape, read_ahead
from tagseg.data.images import image_size
from tagseg.models.convolutions import convolutions_of
from tagseg.progress import Task
from tagseg.stages.context import StageContext
from tagseg.types import Image, ImageRecord

T = TypeVar("T")

Rest = Callable[[], object] | None
"""What is left of the work on an image once no network is needed any more, or nothing."""

GPU_THREADS = 4
"""Threads that do the rest of the work beside a GPU: while one waits for its file, the next image is in the network."""


def compute_superpixels(context: StageContext) -> None:
    """Fill the superpixel cache for the images to train on and to score, before a stage reads it; the first process."""
    if context.fabric.is_global_zero:
        splits = [split for split in (context.train, context.evaluation) if split]
        records = {record.image_path: record for split in splits for record in split.records}
        context.regions.compute_missing(list(records.values()), workers=None, progress=context.progress)
    context.fabric.barrier()


def convolutions_for(records: Iterable[ImageRecord]) -> AbstractContextManager[None]:
    """Return a block in which a network sees these images one by one, see :func:`convolutions_of`."""
    paths = {record.image_path for record in records}
    return convolutions_of(len({image_size(path) for path in paths}))


def count_gone(paths: Iterable[Path]) -> int:
    """Count the files that are not there."""
    return sum(not path.exists() for path in paths)


def do_missing(
    context: StageContext,
    title: str,
    *,
    records: Sequence[ImageRecord],
    outputs: Callable[[ImageRecord], Sequence[Path]],
    work: Callable[[ImageRecord], Rest],
) -> None:
    """Do the work on every image of which a file is missing; each process takes its share.

    Args:
        context: the run.
        title: of the progress.
        records: all images.
        outputs: the files that the work on an image leaves.
        work: leaves them, or returns what does; that runs in another thread on a GPU, several at once.
    """
    fabric = context.fabric
    missing = [record for record in records if not all(path.exists() for path in outputs(record))]
    fabric.barrier()  # every process has looked before any of them writes
    left = len(missing)
    with context.progress.task(title, total=len(records), done=len(records) - left) as task:
        begun = ((record, work(record)) for record in missing[fabric.global_rank :: fabric.world_size])
        for record in finished_in_order(begun, threads=_threads(fabric)):
            context.folder.seals.note(outputs(record))
            left -= _advance(task, fabric.world_size, left=left)
        fabric.barrier()
        task.advance(left)  # what other processes did after this one


def do_missing_batches(
    context: StageContext,
    title: str,
    *,
    records: Sequence[ImageRecord],
    batch_size: int,
    output: Callable[[ImageRecord], Path],
    work: Callable[[Batch, list[Image]], Rest],
) -> None:
    """Do the work on every batch of images of one size of which a file is missing; each process takes its share.

    Whole batches are taken or left: a processor may round differently in batches of another length.

    Args:
        context: the run.
        title: of the progress.
        records: all images.
        batch_size: of the largest batch.
        output: the file that the work leaves of an image.
        work: given a batch and its images, leaves them, or returns what does, as in :func:`do_missing`.
    """
    fabric = context.fabric
    batches = batches_by_shape(records, batch_size=batch_size)
    missing = [batch for batch in batches if not all(output(record).exists() for record in batch)]
    fabric.barrier()  # every process has looked before any of them writes
    left = sum(len(batch) for batch in missing)
    # Counted in all batches: a resumed run convolves as the undisturbed one.
    sizes = len({image_size(batch[0].image_path) for batch in batches})
    with context.progress.task(title, total=len(records), done=len(records) - left) as task, convolutions_of(sizes):
        ahead = read_ahead(missing[fabric.global_rank :: fabric.world_size])
        begun = ((batch, work(batch, images)) for batch, images in ahead)
        for batch in finished_in_order(begun, threads=_threads(fabric)):
            context.folder.seals.note(output(record) for record in batch)
            left -= _advance(task, len(batch) * fabric.world_size, left=left)
        fabric.barrier()
        task.advance(left)  # what other processes did after this one


def _advance(task: Task, count: int, *, left: int) -> int:
    """Count what all processes did meanwhile, as much as this one, but no more than is left; return how much."""
    counted = min(count, left)
    task.advance(counted)
    return counted


def finished_in_order(begun: Iterable[tuple[T, Rest]], *, threads: int) -> Iterator[T]:
    """Do the rest of the work on every item, and yield the items in their order, each when its work is done.

    Args:
        begun: items with the rest of their work; what comes before happens while they are drawn, here.
        threads: that do the rest, and how many items are drawn ahead; with 0 it is done here.

    Raises:
        Exception: the first one that the work raised, in the order of the items; nothing new is begun after it.

    >>> list(finished_in_order([("a", lambda: print("rest of a")), ("b", None)], threads=0))
    rest of a
    ['a', 'b']
    """
    if not threads:
        for item, rest in begun:
            if rest is not None:
                rest()
            yield item
        return
    with ThreadPoolExecutor(threads) as pool:
        under_way: deque[tuple[T, Future[None]]] = deque()
        try:
            for item, rest in begun:
                under_way.append((item, pool.submit(_do, rest, torch.is_grad_enabled())))
                if len(under_way) > threads:
                    yield _first_finished(under_way)
            while under_way:
                yield _first_finished(under_way)
        finally:
            for _, waiting in under_way:
                waiting.cancel()


def _do(rest: Rest, gradients: bool) -> None:
    """Do the rest of some work in a thread, with gradients as in the one that began it."""
    with torch.set_grad_enabled(gradients):
        if rest is not None:
            rest()


def _first_finished(under_way: deque[tuple[T, Future[None]]]) -> T:
    item, working = under_way.popleft()
    working.result()
    return item


def _threads(fabric: Fabric) -> int:
    return GPU_THREADS if fabric.device.type == "cuda" else 0
