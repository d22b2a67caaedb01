"""What the training loop draws from: samples addressed by (epoch, image), and the order in which they come.

Axis legend: N images of a batch, C classes, S side of the crop, s = S // 2 side of the regions.

Nothing here keeps random state. A sample depends on (seed, epoch, index) and a batch on (seed, epoch, step), so neither
the number of workers, nor the number of processes, nor an interruption changes what the network sees.
"""

import multiprocessing
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from multiprocessing.context import BaseContext
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from tagseg.data.augment import Regions, TrainTransform
from tagseg.data.sample_sources import ConfidenceSource, LabelSource, RegionSource
from tagseg.data.seen_files import read_photograph, read_regions
from tagseg.errors import ArtifactError, DataError, DeviceError, TagsegError
from tagseg.ops.resize import resize_labels
from tagseg.types import ImageRecord, Split

Address = tuple[int, int]
"""(epoch, index): which pass over the data, and which record of the split."""

REGIONS_STRIDE = 2
"""Self-modulation works at half the crop's side. Source: the release of SSC."""


# First words of the seeds, so that an order and an augmentation never share a stream.
_ORDER, _AUGMENTATION = 1, 2


@dataclass(eq=False, repr=False)
class TrainingSet(Dataset[dict[str, Tensor]]):
    """Map an address (epoch, index) to one augmented sample.

    An image that cannot be read raises :class:`DataError`: the loop must not train on other data than the manifest
    says. The stages read every image once beforehand and leave bad ones out of the split.

    Args:
        split: the images and their tags; masks are never read.
        transform: the joint augmentation.
        seed: at least 0; with the address it decides the augmentation.
        regions: source of superpixels, or None when no loss term needs them.
        region_scores: per image id the (C_t, R) scores of its tagged classes and regions, or None.
        labels: source of the label maps to learn from, or None.
        confidence: source of what to trust of them, or None.
        corrected: ids of the images whose labels a person corrected, or None when there are none.
    """

    split: Split
    transform: TrainTransform
    _: KW_ONLY
    seed: int
    regions: RegionSource | None = None
    region_scores: Mapping[str, np.ndarray] | None = None
    labels: LabelSource | None = None
    confidence: ConfidenceSource | None = None
    corrected: Collection[str] | None = None

    def __post_init__(self) -> None:
        self._most_regions = max((scores.shape[1] for scores in (self.region_scores or {}).values()), default=0)

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, address: Address) -> dict[str, Tensor]:
        """Return the sample at ``address``.

        Returns:
            ``image`` float32 (3, S, S), normalised; ``tags`` float32 (C,) in {0, 1}; ``index`` int64 (); with a
            region source, ``regions`` int64 (s, s), -1 = padding; and with region scores, ``region_scores`` float32
            (C, R), 0 for classes without tag, R the most regions of any image; with a label source, ``mask`` int64
            (S, S), 255 = unknown or padding; with a confidence source, ``confidence`` bool (S, S), False = padding;
            with a strong transform, ``strong`` like ``image``; with corrected images, ``corrected`` bool ().

        Raises:
            DataError: when the image cannot be read, or its superpixels have another size.
        """
        epoch, index = address
        record = self.split.records[index]
        image = read_photograph(record)
        regions = self._read_regions(record, image.shape[:2])
        sample = self.transform(
            image,
            rng=np.random.default_rng((_AUGMENTATION, self.seed, epoch, index)),
            regions=regions,
            mask=self.labels.read(record) if self.labels else None,
            confidence=self.confidence.read(record) if self.confidence else None,
        )
        if "regions" in sample:
            side = max(1, self.transform.crop_size // REGIONS_STRIDE)
            sample["regions"] = resize_labels(sample["regions"][None], (side, side))[0]
        sample["tags"] = tag_vector(record.tags, num_classes=self.split.classes.num_classes)
        sample["index"] = torch.tensor(index)
        if self.corrected is not None:
            sample["corrected"] = torch.tensor(record.image_id in self.corrected)
        if self.region_scores is not None:
            sample["region_scores"] = self._all_scores(record, self.region_scores)
        return sample

    def _all_scores(self, record: ImageRecord, region_scores: Mapping[str, np.ndarray]) -> Float[Tensor, "C R"]:
        """Return the scores of all classes, 0 where there is no tag, for as many regions as any image has."""
        scores = torch.zeros(self.split.classes.num_classes, self._most_regions)
        known = torch.from_numpy(region_scores[record.image_id])
        scores[[label_id - 1 for label_id in record.tags], : known.shape[1]] = known
        return scores

    def _read_regions(self, record: ImageRecord, size: tuple[int, int]) -> Regions | None:
        if self.regions is None:
            return None
        regions = read_regions(record, self.regions.read)
        if regions.shape != size:
            raise DataError(
                f"{record.image_path}: superpixels have the image's size {size[0]} x {size[1]}, "
                f"got {regions.shape[0]} x {regions.shape[1]}",
                help="delete the superpixel cache and run again",
            )
        count, scores = int(regions.max()) + 1, self.region_scores
        if scores is not None and (known := scores[record.image_id].shape[1]) != count:
            raise ArtifactError(
                f"region scores of {record.image_path} must be one for each of {count} superpixels, got {known}",
                help="delete the folder of the stage to train again",
            )
        return regions


class EpochSampler(Sampler[list[Address]]):
    """Yield the batches of one epoch, for one process, as lists of addresses.

    The epoch's order is a permutation drawn from (seed, epoch), cut into global batches of ``batch_size`` images; the
    rest that fills no batch is dropped for this epoch. Process ``rank`` takes its contiguous share of every global
    batch, so that any number of processes sees the same global batches. With fewer images than ``batch_size``, the
    batch shrinks to all images.

    Args:
        num_images: at least 1.
        batch_size: images of a global batch (all processes together), at least 1.
        seed: at least 0.
        rank: this process, 0..world_size-1.
        world_size: number of processes.
        setting: what sets the batch size, for the message about one that does not divide.

    Raises:
        DataError: when there is no image.
        DeviceError: when the global batch does not divide by the processes.

    >>> sampler = EpochSampler(5, batch_size=2, seed=0)
    >>> sampler.set_position(epoch=3, step=1)
    >>> len(sampler), [[epoch for epoch, index in batch] for batch in sampler]
    (1, [[3, 3]])
    """

    def __init__(
        self,
        num_images: int,
        *,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        setting: str = "training.batch_size",
    ) -> None:
        if num_images < 1:
            raise DataError("a training set holds at least 1 image, got 0", help="check the split and data.classes")
        self.batch_size = min(batch_size, num_images)
        if self.batch_size % world_size:
            raise DeviceError(
                f"a batch of {self.batch_size} images must divide by the number of processes, got {world_size}",
                help=f"change {setting} or --devices",
            )
        self.num_images = num_images
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0
        self.start_step = 0

    @property
    def steps_per_epoch(self) -> int:
        """Global batches of a whole epoch."""
        return self.num_images // self.batch_size

    def set_position(self, *, epoch: int, step: int = 0) -> None:
        """Let the next iteration begin at ``step`` (0..steps_per_epoch) of ``epoch`` (from 0)."""
        self.epoch = epoch
        self.start_step = step

    def __len__(self) -> int:
        return self.steps_per_epoch - self.start_step

    def __iter__(self) -> Iterator[list[Address]]:
        # The position is read once, here: a change of it during the epoch belongs to the next iteration.
        epoch, order = self.epoch, epoch_order(self.num_images, seed=self.seed, epoch=self.epoch)
        share = self.batch_size // self.world_size
        for step in range(self.start_step, self.steps_per_epoch):
            first = step * self.batch_size + self.rank * share
            yield [(epoch, int(index)) for index in order[first : first + share]]


class TrainingLoader(DataLoader[dict[str, Tensor]]):
    """A DataLoader whose workers hand their :class:`TagsegError` to the caller as it is.

    A plain DataLoader would turn it into a RuntimeError around a printed traceback.

    Args:
        dataset: the samples.
        sampler: the batches, kept as ``epoch_sampler``; set its position before every epoch.
        workers: worker processes; 0 reads in this process.
        pin_memory: whether batches go to page-locked memory, for a GPU.
    """

    def __init__(
        self, dataset: TrainingSet, sampler: EpochSampler, *, workers: int = 0, pin_memory: bool = False
    ) -> None:
        super().__init__(
            _ErrorsAsValues(dataset),
            batch_sampler=sampler,
            num_workers=workers,
            collate_fn=_collate_or_error,
            worker_init_fn=worker_init,
            pin_memory=pin_memory,
            persistent_workers=workers > 0,
            multiprocessing_context=_worker_context() if workers else None,
        )
        self.epoch_sampler = sampler

    def __iter__(self) -> Iterator[dict[str, Tensor]]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Yield batches: ``image`` (N, 3, S, S), ``tags`` (N, C), ``index`` (N) and what the data set adds."""
        for batch in super().__iter__():
            if isinstance(batch, TagsegError):
                raise batch
            yield batch


def _worker_context() -> BaseContext:
    """Return how workers start; a fork of a process that runs threads may hang.

    A spawned worker imports torch before it takes the data set from this process, so one starts after the other: four
    took 38 s where a fork server, which imports once, took 11 s. Windows has no fork server.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


class _ErrorsAsValues(Dataset[Any]):
    def __init__(self, dataset: TrainingSet) -> None:
        self.dataset = dataset

    def __getitem__(self, address: Address) -> dict[str, Tensor] | TagsegError:
        try:
            return self.dataset[address]
        except TagsegError as error:
            return error


def collate(samples: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Stack samples to a batch: ``image`` (N, 3, S, S), ``tags`` (N, C), ``index`` (N) and, if any, ``regions``."""
    return {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}


def _collate_or_error(samples: list[Any]) -> dict[str, Tensor] | TagsegError:
    errors = [sample for sample in samples if isinstance(sample, TagsegError)]
    return errors[0] if errors else collate(samples)


def worker_init(worker_id: int) -> None:
    """Give a loader's worker process one thread: the workers are the parallelism."""
    torch.set_num_threads(1)


def tag_vector(tags: Sequence[int], *, num_classes: int) -> Float[Tensor, " C"]:
    """Return label ids (1..C) as a {0, 1} vector whose entry ``c`` stands for label ``c + 1``.

    >>> tag_vector((1, 3), num_classes=3).tolist()
    [1.0, 0.0, 1.0]
    """
    vector = torch.zeros(num_classes)
    vector[[label_id - 1 for label_id in tags]] = 1
    return vector


def epoch_order(num_images: int, *, seed: int, epoch: int) -> np.ndarray:
    """Return the permutation of 0..num_images-1 in which ``epoch`` visits the images.

    >>> sorted(epoch_order(4, seed=0, epoch=1).tolist())
    [0, 1, 2, 3]
    """
    return np.random.default_rng((_ORDER, seed, epoch)).permutation(num_images)
