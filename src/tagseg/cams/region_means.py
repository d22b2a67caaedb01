"""The mean of every tag's map over every superpixel of its image: the target of self-modulation, and region affinity.

Axes: C_t tagged classes of one image, H W image pixels, R regions.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, Integer
from numpy import ndarray
from torch import Tensor

from tagseg.artifacts.region_scores import RegionScores
from tagseg.cams.batches import Batch
from tagseg.data.augment import normalize_image
from tagseg.data.seen_files import read_regions as regions_of
from tagseg.models.region_transitions import RegionTransitions
from tagseg.ops.regions import region_mean
from tagseg.types import Image

ReadRegions = Callable[[Path], Integer[ndarray, "H W"]]
"""Reads the regions 0..R-1 of an image file."""

ReadMaps = Callable[[Batch, list[Image]], Sequence[Float32[ndarray, "_ H W"]]]
"""Gives the maps, in [0, 1], of the tagged classes of each image of a batch."""


def measure_region_scores(
    maps: ReadMaps,
    batch: Batch,
    images: list[Image],
    read_regions: ReadRegions,
    *,
    affinity: RegionTransitions | None = None,
) -> RegionScores:
    """Return the mean of each tagged class's map over each region of whole images.

    Args:
        maps: gives those of a batch, such as :func:`tagseg.cams.batches.batch_cams` of a network.
        batch: records of images of one size.
        images: theirs.
        read_regions: of an image file.
        affinity: with it, regions that look alike share their scores.

    Returns:
        In [0, 1], by image id.
    """
    cams = maps(batch, images)
    regions = [regions_of(record, read_regions) for record in batch]
    if affinity is None:
        means = [mean_by_region(torch.from_numpy(cam), each) for cam, each in zip(cams, regions, strict=True)]
    else:
        means = spread_maps(affinity, images, cams, regions)
    return {record.image_id: each for record, each in zip(batch, means, strict=True)}


def spread_maps(
    affinity: RegionTransitions,
    images: Sequence[Image],
    cams: Sequence[Float32[ndarray, "_ H W"]],
    regions: Sequence[Integer[ndarray, "H W"]],
) -> list[Float32[ndarray, "_ _"]]:
    """Return the score (C_t, R) of each tagged class in each region of each image, shared by regions that look alike.

    Args:
        affinity: says how much each region listens to every other.
        images: all of one size.
        cams: maps of each image's tags, in [0, 1].
        regions: of each image.

    Returns:
        In [0, 1], each class with a peak of 1.
    """
    backbone = affinity.backbone
    pixels = torch.stack([normalize_image(image, mean=backbone.mean, std=backbone.std) for image in images])
    labels = [torch.from_numpy(each.astype(np.int64)) for each in regions]
    sharing = affinity(pixels.to(next(backbone.parameters()).device), labels)
    means = [mean_by_region(torch.from_numpy(cam), each) for cam, each in zip(cams, regions, strict=True)]
    with torch.autocast("cpu", enabled=False):  # the scores lie there; half precision is for the network
        return [share(torch.from_numpy(each)).numpy() for share, each in zip(sharing, means, strict=True)]


def mean_by_region(cam: Float[Tensor, "C_t H W"], regions: Integer[ndarray, "H W"]) -> Float32[ndarray, "C_t R"]:
    """Return the mean of each map over each region of an image.

    >>> mean_by_region(torch.tensor([[[0.0, 1.0, 1.0]]]), np.array([[0, 0, 1]]))
    array([[0.5, 1. ]], dtype=float32)
    """
    labels = torch.from_numpy(regions.astype(np.int64))[None]
    return region_mean(cam[None], labels, num_regions=int(labels.max()) + 1)[0].numpy()
