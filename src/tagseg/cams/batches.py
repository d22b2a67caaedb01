"""Images in batches of one size, read ahead, and their class activation maps: for whoever looks at a whole split."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray

from tagseg.cams.extract import extract_cams, shape_batches
from tagseg.data.augment import normalize_image
from tagseg.data.datasets import tag_vector
from tagseg.data.images import image_size, read_image
from tagseg.models.classifier import TagClassifier
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
    classifier: TagClassifier, batch: Batch, images: list[Image], *, scales: Sequence[float], flip: bool
) -> list[NDArray[np.float32]]:
    """Return the maps (C_t, H, W) in [0, 1] of the tagged classes of each image of a batch of one size."""
    backbone, device = classifier.backbone, classifier.head.weight.device
    pixels = torch.stack([normalize_image(image, mean=backbone.mean, std=backbone.std) for image in images])
    num_classes = classifier.head.out_channels
    tags = torch.stack([tag_vector(record.tags, num_classes=num_classes) for record in batch])
    cams = extract_cams(classifier, pixels.to(device), tags, scales=scales, flip=flip)
    return [cam.cpu().numpy() for cam in cams]


def _read_batch(batch: Batch) -> list[Image]:
    return [read_image(record.image_path) for record in batch]
