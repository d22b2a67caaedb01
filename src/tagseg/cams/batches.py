"""Images in batches of one size, read ahead, and their class activation maps: for whoever looks at a whole split.

Axes: C classes, C_t those tagged in one image, H W image pixels.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from jaxtyping import Float, Float32
from numpy import ndarray
from numpy.typing import NDArray
from torch import Tensor

from tagseg.artifacts.cam_file import CamFile
from tagseg.cams.extract import add_views, extract_cams, shape_batches
from tagseg.cams.map_method import MapMethod
from tagseg.data.augment import normalize_image
from tagseg.data.datasets import tag_vector
from tagseg.data.images import image_size
from tagseg.data.seen_files import read_photograph
from tagseg.types import Image, ImageRecord

LOOKAHEAD = 2
"""Batches read ahead of the one in the network."""

Batch = tuple[ImageRecord, ...]


def batches_by_shape(records: Sequence[ImageRecord], *, batch_size: int) -> list[Batch]:
    """Return the records in batches of images of one size; they depend on nothing but the records."""
    sizes = [image_size(record.image_path) for record in records]
    return [tuple(records[i] for i in batch) for batch in shape_batches(sizes, batch_size=batch_size)]


def read_ahead(batches: Sequence[Batch]) -> Iterator[tuple[Batch, list[Image]]]:
    """Yield batches with their images, reading the next ones while the network works on this one."""
    with ThreadPoolExecutor(1) as pool:
        pending: list[Future[list[Image]]] = []
        for position, batch in enumerate(batches):
            while len(pending) < LOOKAHEAD + 1 and position + len(pending) < len(batches):
                pending.append(pool.submit(_read_batch, batches[position + len(pending)]))
            yield batch, pending.pop(0).result()


def batch_cams(
    method: MapMethod, batch: Batch, images: list[Image], *, scales: Sequence[float], flip: bool
) -> list[NDArray[np.float32]]:
    """Return the maps (C_t, H, W) in [0, 1] of the tagged classes of each image of a batch of one size."""
    pixels = torch.stack([_normalized(method, image) for image in images])
    tags = torch.stack([_tags(method, record) for record in batch])
    cams = extract_cams(method, pixels.to(_device(method)), tags, scales=scales, flip=flip)
    return [cam.cpu().numpy() for cam in cams]


def look(method: MapMethod, record: ImageRecord) -> tuple[Float32[ndarray, " C"], CamFile]:
    """Return the tag logits of one image, and the maps of its tags, at its own scale."""
    image = read_photograph(record)
    found = method(_normalized(method, image)[None].to(_device(method)), _tags(method, record)[None])
    cam = add_views([found.maps], image.shape[:2])
    return found.tag_logits[0].cpu().numpy(), CamFile(cam.cpu().numpy(), record.tags)


def _normalized(method: MapMethod, image: Image) -> Float[Tensor, "3 H W"]:
    backbone = method.classifier.backbone
    return normalize_image(image, mean=backbone.mean, std=backbone.std)


def _tags(method: MapMethod, record: ImageRecord) -> Float[Tensor, " C"]:
    return tag_vector(record.tags, num_classes=method.classifier.head.out_channels)


def _device(method: MapMethod) -> torch.device:
    return method.classifier.head.weight.device


def _read_batch(batch: Batch) -> list[Image]:
    return [read_photograph(record) for record in batch]
