"""Work on many images, in turn and by several threads at once."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from kit.contexts import stage_context
from lightning_fabric import Fabric
from PIL import Image

from tagseg.cams.batches import Batch
from tagseg.classes import ClassTable
from tagseg.progress import SilentProgress, Task
from tagseg.recipe import make_recipe
from tagseg.stages.work import convolutions_for, do_missing, do_missing_batches, finished_in_order
from tagseg.types import ImageRecord, Split


def with_rest(work: Callable[[int], object], items: Iterable[int]) -> Iterator[tuple[int, Callable[[], object]]]:
    return ((item, partial(work, item)) for item in items)


@pytest.mark.parametrize("threads", [0, 3, 8])
def test_items_come_back_in_order_when_their_work_is_done(threads: int) -> None:
    done: list[int] = []

    def work(item: int) -> None:
        time.sleep(0.01 * (5 - item))  # later ones are done sooner
        done.append(item)

    for item in finished_in_order(with_rest(work, range(5)), threads=threads):
        assert item in done and set(range(item)) <= set(done)
    assert sorted(done) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("threads", [0, 4])
def test_the_first_error_ends_the_work(threads: int) -> None:
    begun: list[int] = []

    def work(item: int) -> None:
        begun.append(item)
        if item == 2:
            raise ValueError(f"item {item}")

    seen: list[int] = []
    with pytest.raises(ValueError, match="item 2"):
        seen.extend(finished_in_order(with_rest(work, range(100)), threads=threads))
    assert len(begun) <= 3 + 2 * threads


def test_several_threads_are_at_work_at_once() -> None:
    together = threading.Barrier(3, timeout=30)  # which breaks unless three are there
    assert list(finished_in_order(with_rest(lambda _: together.wait(), range(3)), threads=3)) == [0, 1, 2]


def test_items_are_not_read_further_ahead_than_there_are_threads() -> None:
    read: list[int] = []

    def begun() -> Iterator[tuple[int, None]]:
        for item in range(20):
            read.append(item)
            yield item, None

    for item in finished_in_order(begun(), threads=2):
        assert len(read) <= item + 3


@pytest.mark.parametrize("gradients", [False, True])
def test_threads_keep_gradients_as_they_were(gradients: bool) -> None:
    seen: list[bool] = []
    with torch.set_grad_enabled(gradients):
        for _ in finished_in_order(with_rest(lambda _: seen.append(torch.is_grad_enabled()), range(4)), threads=2):
            pass
    assert seen == [gradients] * 4


def test_images_of_many_sizes_are_convolved_without_plans(tmp_path: Path) -> None:
    records = []
    for side in range(20, 30):
        path = tmp_path / f"{side}.png"
        Image.new("RGB", (side, 20)).save(path)
        records += [ImageRecord(str(side), path, ())] * 3
    with convolutions_for(records[:24]):
        assert torch.backends.cudnn.enabled
    with convolutions_for(records):
        assert not torch.backends.cudnn.enabled
    assert torch.backends.cudnn.enabled


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("batched", [True, False])
def test_what_two_processes_do_is_counted_once(tmp_path: Path, rank: int, batched: bool) -> None:
    """Five images, one of them done before: the first process does more of them, or fewer, than the second."""
    records = []
    for number in range(5):
        path = tmp_path / f"{number}.png"
        Image.new("RGB", (8, 8)).save(path)
        records.append(ImageRecord(str(number), path, (1,)))
    counted: list[int] = []

    class Counting(SilentProgress):
        @contextmanager
        def task(self, title: str, *, total: int, done: int = 0, unit: str = "images") -> Iterator[Task]:
            counted.append(done)
            yield SimpleNamespace(advance=lambda count=1, **_: counted.append(count))  # pyright: ignore
            assert sum(counted) == total == len(records)

    class OneOfTwo(Fabric):
        @property
        def world_size(self) -> int:
            return 2

        @property
        def global_rank(self) -> int:
            return rank

        def barrier(self, name: str | None = None) -> None:
            """The other process is always there."""

    recipe = make_recipe({"name": "mine", "data": {"format": "folder", "root": str(tmp_path)}})
    split = Split("train", ClassTable(("cat",)), tuple(records))
    context = stage_context("extract_cams", recipe, tmp_path / "run", split, progress=Counting())
    context = replace(context, fabric=OneOfTwo(accelerator="cpu", devices=1))
    made = tmp_path / "run" / "made"
    made.mkdir(parents=True)

    def output(record: ImageRecord) -> Path:
        return made / record.image_id

    def leave(record: ImageRecord) -> None:
        output(record).write_bytes(b"1")

    if batched:

        def work_on(batch: Batch, images: list[np.ndarray]) -> None:
            for record in batch:
                leave(record)

        do_missing_batches(context, "Working", records=records, batch_size=3, output=output, work=work_on)
        assert len(counted) == 3  # what was done, the batch of this process, and the other one's
    else:
        leave(records[0])
        do_missing(
            context,
            "Working",
            records=records,
            outputs=lambda each: [output(each)],
            work=leave,
        )
