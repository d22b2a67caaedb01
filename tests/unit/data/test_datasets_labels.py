"""Labels to learn from go the way of their image, and ground truth is never asked for."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tagseg.artifacts.layout import RunLayout
from tagseg.artifacts.mask_file import write_mask
from tagseg.classes import VOID, ClassTable
from tagseg.data.augment import TrainTransform
from tagseg.data.datasets import EpochSampler, TrainingLoader, TrainingSet
from tagseg.data.sample_sources import ConfidenceSource, LabelSource
from tagseg.errors import ArtifactError
from tagseg.stages.train_affinity import Seeds
from tagseg.types import ImageRecord, Split

HEIGHT, WIDTH, CROP = 6, 10, 8
PIXELS = np.arange(HEIGHT * WIDTH, dtype=np.uint8).reshape(HEIGHT, WIDTH)


class GroundTruth:
    """Ground truth that must not be looked at."""

    def read(self) -> np.ndarray:
        raise AssertionError("training read ground truth")


class LabelsByPixel:
    """Labels that are the red of each pixel of the image."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def read(self, record: ImageRecord) -> np.ndarray:
        self.asked.append(record.image_id)
        return np.array(Image.open(record.image_path))[..., 0]


class OddPixels:
    """Trust in the pixels whose label by :class:`LabelsByPixel` is odd."""

    def read(self, record: ImageRecord) -> np.ndarray:
        return LabelsByPixel().read(record) % 2 == 1


@pytest.fixture
def split(tmp_path: Path) -> Split:
    """Three images of 6 x 10; the red of each pixel is its number, with 60 or 120 added in the second and third."""
    made = []
    for index in range(3):
        pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        pixels[..., 0] = 1 + PIXELS + 60 * index
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
        made.append(ImageRecord(str(index), tmp_path / f"{index}.png", (1,), GroundTruth()))
    return Split("train", ClassTable(("cat",)), tuple(made))


def transform(*, long_side_range=(WIDTH, WIDTH), crop_size=CROP, color_jitter=0.0, **options) -> TrainTransform:
    unchanged: dict[str, Any] = {"mean": (0.0,) * 3, "std": (1.0,) * 3, "color_jitter": color_jitter}
    return TrainTransform(crop_size=crop_size, long_side_range=long_side_range, **unchanged, **options)


def samples(split: Split, way: TrainTransform, *, epochs: int = 12, labels: LabelSource | None = None):
    dataset = TrainingSet(split, way, seed=5, labels=labels or LabelsByPixel())
    return [dataset[epoch, index] for epoch in range(epochs) for index in range(len(split))]


def test_the_mask_is_cut_and_mirrored_with_its_image(split: Split) -> None:
    places, mirrored = set(), set()
    for sample in samples(split, transform()):
        red, mask = (255 * sample["image"][0]).round().long(), sample["mask"]
        inside = mask != VOID
        # The image is 6 rows high and the crop 8: two rows are padding, and no pixel of the image is 0.
        assert inside.sum() == HEIGHT * CROP
        torch.testing.assert_close(mask[inside], red[inside])
        assert (red[~inside] == 0).all()
        rows = mask[inside].view(HEIGHT, CROP)
        places.add((int(rows.min()), int(inside.any(dim=1).int().argmax())))
        mirrored.add(bool(rows[0, 0] > rows[0, 1]))
    assert len(places) > 3
    assert mirrored == {True, False}


def test_without_flip_no_mask_is_mirrored(split: Split) -> None:
    for sample in samples(split, transform(flip=False)):
        rows = sample["mask"][sample["mask"] != VOID].view(HEIGHT, CROP)
        assert (rows[:, 1:] == rows[:, :-1] + 1).all()


def test_the_mask_is_scaled_with_its_image_by_picking_labels(split: Split) -> None:
    halves = np.zeros((HEIGHT, WIDTH), np.uint8)
    halves[:, 5:], halves[:2] = 1, VOID

    class Halves:
        def read(self, record: ImageRecord) -> np.ndarray:
            return halves

    for record in split.records:
        Image.fromarray(np.stack([(halves == 1) * np.uint8(255)] * 3, axis=2)).save(record.image_path)
    sides = set()
    way = transform(long_side_range=(20, 60), crop_size=64)
    for sample in samples(split, way, labels=Halves()):
        image, mask = sample["image"][0], sample["mask"]
        assert set(mask.unique().tolist()) == {0, 1, VOID}
        assert ((mask == 1)[image > 0.9] | (mask == VOID)[image > 0.9]).all()
        assert not (mask == 1)[image < 0.1].any()
        width = int((mask == 1).any(dim=0).sum())
        known = int((mask != VOID).any(dim=0).sum())
        assert abs(2 * width - known) <= 1  # the right half stays half
        # Two of six rows are unknown besides the padding.
        assert abs(int((mask != VOID).any(dim=1).sum()) / known - 4 / 10) < 0.06
        sides.add(known)
    assert len(sides) > 8


def test_the_crop_is_the_same_with_and_without_labels(split: Split) -> None:
    plain = TrainingSet(split, transform(), seed=5)
    assert "mask" not in plain[0, 0]
    for epoch in range(4):
        torch.testing.assert_close(
            plain[epoch, 1]["image"], TrainingSet(split, transform(), seed=5, labels=LabelsByPixel())[epoch, 1]["image"]
        )


def test_each_image_is_asked_for_by_its_record(split: Split) -> None:
    source = LabelsByPixel()
    dataset = TrainingSet(split, transform(), seed=5, labels=source)
    masks = [dataset[0, index]["mask"] for index in (2, 0, 1)]
    assert source.asked == ["2", "0", "1"]
    assert [set(((mask[mask != VOID] - 1) // 60).tolist()) for mask in masks] == [{2}, {0}, {1}]


def test_a_batch_stacks_the_masks(split: Split) -> None:
    dataset = TrainingSet(split, transform(), seed=5, labels=LabelsByPixel())
    (batch,) = TrainingLoader(dataset, EpochSampler(3, batch_size=3, seed=0))
    assert batch["mask"].shape == (3, CROP, CROP)
    assert batch["mask"].dtype == torch.int64


def test_seeds_on_disk_are_a_source_of_labels(split: Split, tmp_path: Path) -> None:
    seeds = Seeds(RunLayout(tmp_path))
    assert isinstance(seeds, LabelSource)
    labels = np.where(PIXELS % 3 == 0, VOID, PIXELS % 2).astype(np.uint8)
    for record in split.records:
        write_mask(seeds.layout.seeds(record), labels, split.classes)
    sample = TrainingSet(split, transform(crop_size=WIDTH, flip=False), seed=5, labels=seeds)[0, 0]
    found = sample["mask"][sample["image"][0] > 0].view(HEIGHT, WIDTH)
    np.testing.assert_array_equal(found.numpy(), labels)


def test_missing_seeds_end_the_training_with_their_own_error(split: Split, tmp_path: Path) -> None:
    dataset = TrainingSet(split, transform(), seed=5, labels=Seeds(RunLayout(tmp_path)))
    with pytest.raises(ArtifactError, match=r"mask .*/seeds/\d\.png must exist, got no such file"):
        list(TrainingLoader(dataset, EpochSampler(3, batch_size=3, seed=0)))


def test_confidence_goes_the_way_of_its_labels(split: Split) -> None:
    assert isinstance(OddPixels(), ConfidenceSource)
    way = transform(long_side_range=(6, 20))
    dataset = TrainingSet(split, way, seed=5, labels=LabelsByPixel(), confidence=OddPixels())
    for epoch in range(12):
        sample = dataset[epoch, epoch % 3]
        known = sample["mask"] != VOID
        assert torch.equal(sample["confidence"], known & (sample["mask"] % 2 == 1))
    assert "confidence" not in TrainingSet(split, way, seed=5, labels=LabelsByPixel())[0, 0]


def test_a_batch_stacks_confidence_and_strong_views(split: Split) -> None:
    dataset = TrainingSet(split, transform(strong=True), seed=5, labels=LabelsByPixel(), confidence=OddPixels())
    (batch,) = TrainingLoader(dataset, EpochSampler(3, batch_size=3, seed=0))
    assert batch["confidence"].shape == (3, CROP, CROP)
    assert batch["confidence"].dtype == torch.bool
    assert batch["strong"].shape == batch["image"].shape == (3, 3, CROP, CROP)
    again = TrainingSet(split, transform(strong=True), seed=5)[0, int(batch["index"][0])]
    torch.testing.assert_close(again["strong"], batch["strong"][0])
