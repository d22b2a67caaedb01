"""What the loop draws: batches that depend on seed, epoch and step only."""

from pathlib import Path

import numpy as np
import pytest
import torch
from kit.messages import assert_says
from PIL import Image

from tagseg.classes import ClassTable
from tagseg.data.augment import TrainTransform
from tagseg.data.datasets import (
    EpochSampler,
    TrainingLoader,
    TrainingSet,
    collate,
    epoch_order,
    tag_vector,
    worker_init,
)
from tagseg.errors import ArtifactError, DataError
from tagseg.types import ImageRecord, Split

TRANSFORM = TrainTransform(crop_size=8, long_side_range=(6, 12), mean=(0.0,) * 3, std=(1.0,) * 3, color_jitter=0.0)


class RegionsByPixel:
    """Regions that name each pixel of an image of 6 x 10."""

    def read(self, image_path: Path) -> np.ndarray:
        return np.arange(60, dtype=np.int32).reshape(6, 10)


@pytest.fixture
def split(tmp_path: Path) -> Split:
    """Seven images of 6 x 10 whose colour is their index, tagged 1, 2 or both."""
    made = []
    for index in range(7):
        path = tmp_path / f"{index}.png"
        Image.new("RGB", (10, 6), (30 * index + 20, 0, 0)).save(path)
        made.append(ImageRecord(str(index), path, ((1,), (2,), (1, 2))[index % 3]))
    return Split("train", ClassTable(("cat", "dog", "owl")), tuple(made))


def batches_of(sampler: EpochSampler, *, epoch: int, step: int = 0) -> list[list[tuple[int, int]]]:
    sampler.set_position(epoch=epoch, step=step)
    return list(sampler)


def assert_equal_batches(first: list[dict[str, torch.Tensor]], second: list[dict[str, torch.Tensor]]) -> None:
    assert len(first) == len(second) > 0
    for one, other in zip(first, second, strict=True):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_sample_holds_image_tags_and_index(split: Split) -> None:
    sample = TrainingSet(split, TRANSFORM, seed=0)[4, 2]
    assert sorted(sample) == ["image", "index", "tags"]
    assert sample["tags"].tolist() == [1, 1, 0]
    assert sample["index"].item() == 2
    assert sample["image"].shape == (3, 8, 8)
    assert sample["image"][0].max().item() == pytest.approx(80 / 255)


def test_regions_come_at_half_the_crop(split: Split) -> None:
    sample = TrainingSet(split, TRANSFORM, seed=0, regions=RegionsByPixel())[0, 0]
    assert sample["regions"].shape == (4, 4)
    assert sample["regions"].dtype == torch.int64
    whole = TRANSFORM(
        np.zeros((6, 10, 3), np.uint8),
        rng=np.random.default_rng((2, 0, 0, 0)),
        regions=RegionsByPixel().read(split.records[0].image_path),
    )["regions"]
    torch.testing.assert_close(sample["regions"], whole[1::2, 1::2])


def test_a_sample_depends_on_seed_epoch_and_index_only(split: Split) -> None:
    def sample(seed: int, epoch: int, index: int = 0) -> torch.Tensor:
        return TrainingSet(split, TRANSFORM, seed=seed, regions=RegionsByPixel())[epoch, index]["regions"]

    first = sample(0, 1)
    np.random.seed(7)  # noqa: NPY002 - the global state must not matter
    torch.manual_seed(7)
    torch.testing.assert_close(sample(0, 1), first)
    assert any(not torch.equal(sample(0, epoch), first) for epoch in range(2, 6))
    assert any(not torch.equal(sample(seed, 1), first) for seed in range(1, 5))


def test_an_epoch_visits_every_image_once() -> None:
    sampler = EpochSampler(12, batch_size=4, seed=0)
    batches = batches_of(sampler, epoch=2)
    assert len(batches) == len(sampler) == sampler.steps_per_epoch == 3
    assert sorted(index for batch in batches for _, index in batch) == list(range(12))
    assert {epoch for batch in batches for epoch, _ in batch} == {2}


def test_epochs_and_seeds_have_different_orders_that_come_again() -> None:
    def indices(seed: int, epoch: int) -> list[int]:
        return [
            index for batch in batches_of(EpochSampler(50, batch_size=5, seed=seed), epoch=epoch) for _, index in batch
        ]

    assert indices(0, 0) == indices(0, 0) == epoch_order(50, seed=0, epoch=0).tolist()
    assert len({tuple(indices(seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}) == 4


def test_the_rest_is_dropped_and_varies_with_the_epoch() -> None:
    sampler = EpochSampler(7, batch_size=3, seed=0)
    dropped = set()
    for epoch in range(10):
        batches = batches_of(sampler, epoch=epoch)
        assert [len(batch) for batch in batches] == [3, 3]
        dropped |= set(range(7)) - {index for batch in batches for _, index in batch}
    assert len(dropped) > 3


def test_fewer_images_than_a_batch_make_one_smaller_batch() -> None:
    sampler = EpochSampler(3, batch_size=16, seed=0)
    assert sampler.batch_size == 3
    (batch,) = batches_of(sampler, epoch=0)
    assert sorted(batch) == [(0, 0), (0, 1), (0, 2)]


@pytest.mark.parametrize("step", [0, 1, 3, 4])
def test_resuming_gives_the_rest_of_the_epoch(step: int) -> None:
    sampler = EpochSampler(13, batch_size=3, seed=5)
    whole = batches_of(sampler, epoch=6)
    assert batches_of(sampler, epoch=6, step=step) == whole[step:]
    assert len(sampler) == 4 - step


@pytest.mark.parametrize("world_size", [1, 2, 3, 6])
def test_processes_share_the_global_batches(world_size: int) -> None:
    whole = batches_of(EpochSampler(25, batch_size=6, seed=1), epoch=3)
    shares = [
        batches_of(EpochSampler(25, batch_size=6, seed=1, rank=rank, world_size=world_size), epoch=3)
        for rank in range(world_size)
    ]
    joined = [[address for share in step for address in share] for step in zip(*shares, strict=True)]
    assert joined == whole


def test_moving_during_an_epoch_belongs_to_the_next_iteration() -> None:
    sampler = EpochSampler(6, batch_size=2, seed=0)
    running = iter(sampler)
    first = next(running)
    sampler.set_position(epoch=9)
    assert [epoch for batch in (first, *running) for epoch, _ in batch] == [0] * 6


def test_the_loader_gives_what_the_samples_give(split: Split) -> None:
    dataset = TrainingSet(split, TRANSFORM, seed=3, regions=RegionsByPixel())
    sampler = EpochSampler(len(split), batch_size=3, seed=3)
    expected = [collate([dataset[address] for address in batch]) for batch in batches_of(sampler, epoch=1)]
    assert expected[0]["image"].shape == (3, 3, 8, 8)
    assert expected[0]["tags"].shape == (3, 3)
    assert expected[0]["index"].shape == (3,)
    assert_equal_batches(list(TrainingLoader(dataset, sampler)), expected)


def test_workers_change_nothing_and_hand_over_errors(split: Split) -> None:
    dataset = TrainingSet(split, TRANSFORM, seed=3, regions=RegionsByPixel())
    sampler = EpochSampler(len(split), batch_size=3, seed=3)
    alone, workers = TrainingLoader(dataset, sampler), TrainingLoader(dataset, sampler, workers=2)
    for epoch, step in ((0, 0), (1, 1), (2, 0)):
        sampler.set_position(epoch=epoch, step=step)
        assert_equal_batches(list(workers), list(alone))
    for record in split.records:
        record.image_path.write_bytes(b"")
    for loader in (alone, workers):
        with pytest.raises(DataError) as caught:
            list(loader)
        assert caught.value.help
        assert str(split.records[0].image_path.parent) in caught.value.problem


def test_a_batch_without_the_bad_image_still_comes(split: Split) -> None:
    split.records[0].image_path.write_bytes(b"")
    dataset = TrainingSet(split, TRANSFORM, seed=0)
    loader = iter(TrainingLoader(dataset, EpochSampler(7, batch_size=1, seed=0)))
    order = epoch_order(7, seed=0, epoch=0).tolist()
    for index in order[: order.index(0)]:
        assert next(loader)["index"].tolist() == [index]
    with pytest.raises(DataError):
        next(loader)


def test_tag_vector_marks_labels_from_one() -> None:
    assert tag_vector((), num_classes=2).tolist() == [0, 0]
    assert tag_vector((2,), num_classes=2).tolist() == [0, 1]


def test_a_worker_has_one_thread() -> None:
    before = torch.get_num_threads()
    try:
        worker_init(0)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("count", [1, 59, 61])
def test_region_scores_of_other_superpixels_are_refused(split: Split, count: int) -> None:
    scores = {record.image_id: np.ones((len(record.tags), 60), np.float32) for record in split.records}
    assert TrainingSet(split, TRANSFORM, seed=0, regions=RegionsByPixel(), region_scores=scores)[0, 1] is not None
    scores["1"] = np.ones((1, count), np.float32)
    dataset = TrainingSet(split, TRANSFORM, seed=0, regions=RegionsByPixel(), region_scores=scores)
    assert_says(
        lambda: dataset[0, 1],
        ArtifactError,
        f"region scores of {split.records[1].image_path} must be one for each of 60 superpixels, got {count}",
        "delete the folder of the stage to train again",
    )
