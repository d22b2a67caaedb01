"""Many images: how far reading, the network and writing run ahead of each other."""

import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from tagseg.classes import ClassTable
from tagseg.errors import TagsegError
from tagseg.models.segmentation_network import SegmenterDesign, build_segmenter
from tagseg.prediction import many_images
from tagseg.prediction.many_images import batches_of, predict_many
from tagseg.prediction.result import Prediction
from tagseg.prediction.segmenter import MAX_SIDE_PX, PredictionSettings, Segmenter


class Spy(Segmenter):
    """Labels every image by its first red value, at once; remembers its batches and its thread."""

    def __init__(self, batch_size: int = 4) -> None:
        network = build_segmenter(SegmenterDesign("deeplabv2", "test_resnet", num_labels=2), weights=None)
        settings = PredictionSettings(max_side_px=MAX_SIDE_PX, batch_size=batch_size)
        super().__init__(network, ClassTable(("cat",)), settings=settings)
        self.batches: list[list[tuple[int, int]]] = []
        self.asked: set[bool] = set()
        self.threads: set[str] = set()

    def predict_batch(self, images, *, probabilities=False):
        self.threads.add(threading.current_thread().name)
        self.asked.add(probabilities)
        self.batches.append([image.shape[:2] for image in images])
        return [
            Prediction(image[..., 0], np.ones(image.shape[:2], np.float32), self.classes, image) for image in images
        ]


class Seen:
    """Remembers what was handled and what failed, in order."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.errors: list[TagsegError] = []
        self.labels: list[int] = []
        self.threads: set[str] = set()

    def handle(self, name, image, prediction) -> None:
        self.names.append(name)
        self.labels.append(int(prediction.labels[0, 0]))
        self.threads.add(threading.current_thread().name)
        assert prediction.image is image

    def fail(self, name, error) -> None:
        self.names.append(f"{name} failed")
        self.errors.append(error)


def files(folder: Path, sizes: list[tuple[int, int]]) -> list[tuple[str, Path]]:
    """Write one image a size, the i-th of colour i."""
    items = []
    for index, (height, width) in enumerate(sizes):
        path = folder / f"{index}.png"
        PillowImage.new("RGB", (width, height), (index, 0, 0)).save(path)
        items.append((f"image {index}", path))
    return items


def test_order_batches_and_threads(tmp_path):
    sizes = [(4, 5)] * 6 + [(5, 4)] + [(4, 5)] * 2
    spy, seen = Spy(), Seen()
    predict_many(spy, files(tmp_path, sizes), handle=seen.handle, failed=seen.fail)
    assert seen.names == [f"image {index}" for index in range(9)]
    assert seen.labels == list(range(9))
    assert [len(batch) for batch in spy.batches] == [4, 2, 1, 2]
    assert all(len(set(batch)) == 1 for batch in spy.batches)
    assert spy.threads == {threading.current_thread().name}
    assert len(seen.threads) == 1 and seen.threads.isdisjoint(spy.threads)
    assert spy.asked == {False}


def test_nothing_to_do():
    spy, seen = Spy(), Seen()
    predict_many(spy, [], handle=seen.handle, failed=seen.fail)
    assert spy.batches == [] and seen.names == []


def test_an_error_of_the_network_ends_the_work(tmp_path):
    class Broken(Spy):
        def predict_batch(self, images, *, probabilities=False):
            if self.batches:
                raise RuntimeError("out of memory")
            return super().predict_batch(images, probabilities=probabilities)

    seen = Seen()
    with pytest.raises(RuntimeError, match="out of memory"):
        predict_many(Broken(batch_size=1), files(tmp_path, [(4, 5)] * 9), handle=seen.handle, failed=seen.fail)
    assert seen.names in ([], ["image 0"])


def test_the_network_waits_for_a_slow_writer(tmp_path):
    """With room for two results, the third prediction is not handed on before the first is written."""
    room = 2 * 4 * 5 * (3 + 1 + 4)
    spy, ahead, release = Spy(batch_size=1), [], threading.Event()

    def handle(name, image, prediction):
        release.wait(timeout=0.2)
        ahead.append(len(spy.batches) - int(name.split()[1]))

    predict_many(spy, files(tmp_path, [(4, 5)] * 8), handle=handle, failed=lambda *call: None, waiting_bytes=room)
    assert len(ahead) == 8
    assert max(ahead) <= 4  # the one that is written, two that wait, and one whose turn it is


def test_large_photographs_are_not_read_in_batches(tmp_path):
    batches = batches_of(files(tmp_path, [(4, 5)] * 7), batch_size=8, max_pixels=3 * 4 * 5)
    assert [len(batch) for batch in batches] == [3, 3, 1]


def test_few_images_are_held_in_memory(tmp_path, monkeypatch):
    """Reading is never more than two batches ahead of the network."""
    read, ahead = [], []
    original = many_images.read_image
    monkeypatch.setattr(many_images, "read_image", lambda path: read.append(path) or original(path))

    class Slow(Spy):
        def predict_batch(self, images, *, probabilities=False):
            threading.Event().wait(0.02)
            found = super().predict_batch(images, probabilities=probabilities)
            ahead.append(len(read) - len(self.batches))
            return found

    predict_many(Slow(batch_size=1), files(tmp_path, [(4, 5)] * 9), handle=lambda *c: None, failed=lambda *c: None)
    assert len(read) == 9
    assert max(ahead) == 2
