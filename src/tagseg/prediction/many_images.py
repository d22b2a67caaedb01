"""Many images: reading and writing go on in threads while the network works, in the order of the items."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from tagseg.data.images import image_size, read_image
from tagseg.errors import DataError, TagsegError
from tagseg.models.convolutions import convolutions_of
from tagseg.prediction.result import Prediction
from tagseg.prediction.segmenter import Segmenter
from tagseg.system.allocator import keep_freed_memory
from tagseg.types import Image

Item = tuple[str, Path]
"""The name of an image, whatever the caller calls it, and its file."""

Handle = Callable[[str, Image, Prediction], object]
Failed = Callable[[str, TagsegError], object]

LOOKAHEAD = 2
"""Batches read ahead of the one in the network."""

BATCH_PIXELS = 8_000_000
"""Most pixels in a batch of several images, so that read-ahead of large photographs stays small."""

WAITING_BYTES = 128_000_000
"""Results that may wait for the writer; with more, the network waits, too."""


def predict_many(
    segmenter: Segmenter,
    items: Sequence[Item],
    *,
    handle: Handle,
    failed: Failed,
    probabilities: bool = False,
    waiting_bytes: int = WAITING_BYTES,
) -> None:
    """Predict images one after the other, and give each to ``handle`` or, when it cannot be read, to ``failed``.

    Consecutive images of one size go through the network together. ``handle`` and ``failed`` are called in the order of
    the items, from one thread that is not the caller's; what they raise ends the work and is raised here. On a CPU, the
    process keeps freed memory at hand from now on (:func:`keep_freed_memory`).

    Args:
        segmenter: with the settings to use; the network runs in the caller's thread.
        items: images, each with a name.
        handle: gets name, upright image and prediction; writing belongs here.
        failed: gets name and the reason: that it cannot be read, or that the network cannot look at its size.
        probabilities: whether predictions hold those of every label.
        waiting_bytes: results that may wait for ``handle``; with more, the network waits, too.

    Raises:
        Exception: what ``handle`` or ``failed`` raised, or the network.
    """
    on_gpu = segmenter.device.type == "cuda"
    if segmenter.device.type == "cpu":
        keep_freed_memory()
    with _in_order(waiting_bytes) as put, convolutions_of(_count_sizes(items) if on_gpu else 1):
        for batch in _read_ahead(batches_of(items, batch_size=segmenter.settings.batch_size)):
            images = [image for _, image in batch if not isinstance(image, TagsegError)]
            predictions = iter(_predict(segmenter, images, probabilities=probabilities))
            for name, image in batch:
                prediction = image if isinstance(image, TagsegError) else next(predictions)
                if isinstance(prediction, TagsegError):
                    put(0, lambda name=name, error=prediction: failed(name, error))
                elif not isinstance(image, TagsegError):
                    size = image.nbytes + _size(prediction)
                    put(size, lambda name=name, image=image, prediction=prediction: handle(name, image, prediction))


def _predict(segmenter: Segmenter, images: list[Image], *, probabilities: bool) -> list[Prediction] | list[DataError]:
    """Return the predictions of images of one size, or why the network cannot look at that size."""
    try:
        return segmenter.predict_batch(images, probabilities=probabilities)
    except DataError as error:
        return [error] * len(images)


def _count_sizes(items: Iterable[Item]) -> int:
    return len({_size_of(path) for _, path in items} - {None})


def _size_of(path: Path) -> tuple[int, int] | None:
    """Return (height, width) of an image, None where it cannot be opened."""
    try:
        return image_size(path)
    except TagsegError:
        return None


def batches_of(items: Iterable[Item], *, batch_size: int, max_pixels: int = BATCH_PIXELS) -> Iterator[list[Item]]:
    """Yield runs of consecutive items of one size; what cannot be opened comes alone, and fails when it is read.

    Args:
        items: images, each with a name.
        batch_size: most images in a run, 1 or more.
        max_pixels: in a run of several images.
    """
    batch: list[Item] = []
    shared: tuple[int, int] | None = None
    for item in items:
        size = _size_of(item[1])
        fits = size is not None and size == shared and (len(batch) + 1) * size[0] * size[1] <= max_pixels
        if batch and (not fits or len(batch) == batch_size):
            yield batch
            batch = []
        batch.append(item)
        shared = size
    if batch:
        yield batch


def _read_ahead(batches: Iterator[list[Item]]) -> Iterator[list[tuple[str, Image | TagsegError]]]:
    """Yield the images of each batch, or the reasons why they cannot be read, while the next ones are read."""
    with ThreadPoolExecutor(1, thread_name_prefix="read") as pool:
        pending = deque(pool.submit(_read, batch) for batch in islice(batches, LOOKAHEAD))
        while pending:
            ready = pending.popleft().result()
            pending.extend(pool.submit(_read, batch) for batch in islice(batches, 1))
            yield ready


def _read(batch: list[Item]) -> list[tuple[str, Image | TagsegError]]:
    return [(name, _image_or_reason(path)) for name, path in batch]


def _image_or_reason(path: Path) -> Image | TagsegError:
    try:
        return read_image(path)
    except TagsegError as error:
        return error


def _size(prediction: Prediction) -> int:
    """Return the bytes of what belongs to a prediction alone."""
    probabilities = 0 if prediction.probabilities is None else prediction.probabilities.nbytes
    return prediction.labels.nbytes + prediction.score.nbytes + probabilities


@contextmanager
def _in_order(max_bytes: int) -> Iterator[Callable[[int, Callable[[], object]], None]]:
    """Lend a function that runs calls one after the other in a thread, while those waiting hold ``max_bytes`` or less.

    No call runs after one that failed; its error is raised by a later use of the function, or when the block ends.
    """
    stopped = threading.Event()

    def unless_stopped(call: Callable[[], object]) -> None:
        if stopped.is_set():
            return
        try:
            call()
        except BaseException:
            stopped.set()
            raise

    with ThreadPoolExecutor(1, thread_name_prefix="write") as pool:
        waiting: deque[tuple[int, Future[None]]] = deque()

        def put(size: int, call: Callable[[], object]) -> None:
            while waiting and (waiting[0][1].done() or size + sum(held for held, _ in waiting) > max_bytes):
                waiting.popleft()[1].result()
            waiting.append((size, pool.submit(unless_stopped, call)))

        try:
            yield put
            while waiting:
                waiting.popleft()[1].result()
        except BaseException:
            stopped.set()  # what waits is dropped
            raise
