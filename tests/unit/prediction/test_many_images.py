"""Many images: in order, each one once, whatever some of them hold."""

import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage
from torch import nn

from tagseg.classes import ClassTable
from tagseg.errors import DataError, ModelError
from tagseg.models.segmentation_network import SegmentationNetwork, SegmenterDesign, build_segmenter
from tagseg.prediction.many_images import batches_of, predict_many
from tagseg.prediction.segmenter import MAX_SIDE_PX, PredictionSettings, Segmenter

CLASSES = ClassTable(("cat", "dog"))
SMALL, LARGE = (20, 30), (33, 25)
GREY = (0.5, 0.5, 0.5)


class Pixels(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Conv2d(3, CLASSES.num_labels, 3, padding=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.encoder(images)


def build(*, batch_size: int = 2) -> Segmenter:
    torch.manual_seed(0)
    design = SegmenterDesign("deeplabv2", "test_resnet", num_labels=3, output_stride=8)
    network = SegmentationNetwork(Pixels(), design=design, mean=GREY, std=GREY, batch_norm="frozen")
    return Segmenter(network, CLASSES, settings=PredictionSettings(max_side_px=MAX_SIDE_PX, batch_size=batch_size))


def write_items(folder: Path, sizes: list[tuple[int, int] | str]) -> list[tuple[str, Path]]:
    """Write one image a size; ``missing`` writes none, ``text`` no image, ``cut`` only the first half of one."""
    rng, items = np.random.default_rng(0), []
    for index, size in enumerate(sizes):
        path = folder / f"{index}.png"
        if size == "text":
            path.write_text("no image")
        elif size != "missing":
            height, width = SMALL if isinstance(size, str) else size
            PillowImage.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)).save(path)
        if size == "cut":
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        items.append((f"photo {index}", path))
    return items


class Record:
    """What came back, in the order in which it came."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        self.found, self.errors, self.threads = {}, {}, set()

    def handle(self, name, image, prediction) -> None:
        self.events.append(("handled", name))
        self.found[name] = (image, prediction)
        self.threads.add(threading.current_thread())

    def failed(self, name, error) -> None:
        self.events.append(("failed", name))
        self.errors[name] = error
        self.threads.add(threading.current_thread())


MIXED = [SMALL, SMALL, "cut", SMALL, LARGE, "missing", LARGE, "text", SMALL, SMALL, SMALL]


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_images_are_handled_or_failed_in_the_order_of_the_items(tmp_path: Path, batch_size: int):
    items, record = write_items(tmp_path, MIXED), Record()
    predict_many(build(batch_size=batch_size), items, handle=record.handle, failed=record.failed)
    assert record.events == [
        ("failed" if isinstance(size, str) else "handled", name) for (name, _), size in zip(items, MIXED, strict=True)
    ]
    assert all(isinstance(error, DataError) for error in record.errors.values())
    assert all(str(items[int(name.split()[1])][1]) in str(error) for name, error in record.errors.items())


@pytest.mark.parametrize("probabilities", [False, True])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_predictions_are_those_of_one_image_at_a_time(tmp_path: Path, batch_size: int, probabilities: bool):
    items, record, segmenter = write_items(tmp_path, MIXED), Record(), build(batch_size=batch_size)
    predict_many(segmenter, items, handle=record.handle, failed=record.failed, probabilities=probabilities)
    assert len(record.found) == 8
    for name, path in items:
        if name not in record.found:
            continue
        image, found = record.found[name]
        alone = segmenter.predict(path, probabilities=True)
        np.testing.assert_array_equal(image, alone.image)
        assert (found.labels == alone.labels).mean() >= 0.999
        np.testing.assert_allclose(found.score, alone.score, rtol=1e-4)
        assert (found.probabilities is not None) == probabilities
        if probabilities:
            torch.testing.assert_close(found.probabilities, alone.probabilities)


def test_predictions_of_a_network_of_real_parts_are_those_of_one_image_at_a_time(tmp_path: Path):
    network = build_segmenter(SegmenterDesign("deeplabv2", "test_resnet", num_labels=2), weights=None)
    model = Segmenter(network, ClassTable(("cat",)))
    items, found = write_items(tmp_path, [(30, 40), (30, 40), (7, 3)]), {}
    predict_many(
        model,
        items,
        handle=lambda name, image, prediction: found.update({name: prediction}),
        failed=lambda name, error: pytest.fail(str(error)),
        probabilities=True,
    )
    for name, path in items:
        alone = model.predict(path, probabilities=True)
        np.testing.assert_array_equal(found[name].labels, alone.labels)
        assert found[name].probabilities.equal(alone.probabilities)


def batch_sizes(segmenter: Segmenter, items, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    sizes, predict_batch = [], segmenter.predict_batch

    def count(images, **options):
        sizes.append(len(images))
        return predict_batch(images, **options)

    monkeypatch.setattr(segmenter, "predict_batch", count)
    record = Record()
    predict_many(segmenter, items, handle=record.handle, failed=record.failed)
    return [size for size in sizes if size]


def test_only_neighbours_of_one_size_share_a_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    items = write_items(tmp_path, [SMALL, SMALL, SMALL, LARGE, SMALL, LARGE, LARGE])
    assert batch_sizes(build(batch_size=2), items, monkeypatch) == [2, 1, 1, 1, 2]


def test_large_images_come_alone(tmp_path: Path):
    items = write_items(tmp_path, [SMALL, SMALL, SMALL, LARGE, LARGE])
    batches = list(batches_of(items, batch_size=8, max_pixels=2 * 20 * 30))
    assert [len(batch) for batch in batches] == [2, 1, 1, 1]
    assert [item for batch in batches for item in batch] == items


def test_the_network_runs_in_the_callers_thread_and_results_are_handled_in_one_other(tmp_path: Path):
    segmenter, record, threads = build(), Record(), set()
    segmenter.network.register_forward_hook(lambda *_: threads.add(threading.current_thread()))
    items = write_items(tmp_path, [SMALL, "missing", LARGE, SMALL])
    predict_many(segmenter, items, handle=record.handle, failed=record.failed)
    assert threads == {threading.current_thread()}
    assert len(record.threads) == 1 and record.threads.isdisjoint(threads)


def test_the_network_waits_for_a_writer_that_is_behind(tmp_path: Path):
    segmenter, record, behind = build(batch_size=1), Record(), []
    started = iter(range(100))
    segmenter.network.register_forward_pre_hook(lambda *_: behind.append(next(started) - len(record.found)))
    items = write_items(tmp_path, [SMALL] * 8)
    predict_many(segmenter, items, handle=record.handle, failed=record.failed, waiting_bytes=1)
    assert len(behind) == len(record.found) == 8
    assert max(behind) <= 1  # only the result before may still be with the writer


@pytest.mark.parametrize("place", ["handle", "failed"])
def test_an_error_of_the_caller_ends_the_work_and_is_raised(tmp_path: Path, place: str):
    record = Record()

    def refuse(*_: object) -> None:
        record.events.append(("refused", place))
        raise OSError("disk full")

    calls = {"handle": record.handle, "failed": record.failed, place: refuse}
    items = write_items(tmp_path, ["missing", SMALL, SMALL, "missing", SMALL])
    with pytest.raises(OSError, match="disk full"):
        predict_many(build(), items, **calls)
    assert record.events[-1] == ("refused", place)
    assert sum(event == "refused" for event, _ in record.events) == 1


def test_an_error_of_the_last_image_is_raised_too(tmp_path: Path):
    def refuse(*_: object) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        predict_many(build(), write_items(tmp_path, [SMALL]), handle=refuse, failed=refuse)


def test_an_error_of_the_network_is_raised_and_leaves_no_thread(tmp_path: Path):
    segmenter, record, before = build(), Record(), threading.active_count()
    for parameter in segmenter.network.parameters():
        nn.init.constant_(parameter, float("nan"))
    with pytest.raises(ModelError):
        predict_many(segmenter, write_items(tmp_path, [SMALL] * 9), handle=record.handle, failed=record.failed)
    assert record.events == []
    assert threading.active_count() == before


def test_no_images():
    record = Record()
    predict_many(build(), [], handle=record.handle, failed=record.failed)
    assert record.events == []


def test_a_size_that_the_network_cannot_look_at_is_that_image_s_failure(tmp_path, monkeypatch):
    segmenter = build()
    forward = segmenter.network.network.forward

    def refuse_large(images: torch.Tensor) -> torch.Tensor:
        if images.shape[-1] > SMALL[1] + 8:
            raise RuntimeError("Sizes of tensors must match\nmore")
        return forward(images)

    monkeypatch.setattr(segmenter.network.network, "forward", refuse_large)
    record = Record()
    items = write_items(tmp_path, [SMALL, (9, 200), (9, 200), SMALL])
    predict_many(segmenter, items, handle=record.handle, failed=record.failed)
    assert [kind for kind, _ in record.events] == ["handled", "failed", "failed", "handled"]
    assert record.errors["photo 1"].problem == (
        "image of 9 x 200 px must suit the network at scales 1, got: Sizes of tensors must match"
    )


def test_memory_that_does_not_suffice_is_no_fault_of_the_image(tmp_path, monkeypatch):
    segmenter = build()

    def refuse(images: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried")

    monkeypatch.setattr(segmenter.network.network, "forward", refuse)
    record = Record()
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        predict_many(segmenter, write_items(tmp_path, [SMALL]), handle=record.handle, failed=record.failed)
    assert record.events == []
