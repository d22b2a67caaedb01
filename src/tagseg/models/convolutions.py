"""How a GPU convolves images of many sizes."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch.backends import cudnn

MOST_PLANNED = 8
"""Sizes of images up to which cuDNN's plans are worth their time."""


@contextmanager
def convolutions_of(sizes: int) -> Iterator[None]:
    """Convolve by torch's own kernels inside the block when a network is to see many sizes of images.

    cuDNN makes a plan for every layer and every size that it meets: about a second for all layers of MobileNetV2. On
    the photographs of PASCAL VOC, of hundreds of sizes, an H200 made the maps of 0.8 a second with plans and of 50
    without (docs/lab_notes.md). The setting holds for the whole process; a processor does not know it.

    Args:
        sizes: different sizes of the images to come.

    >>> with convolutions_of(100):
    ...     cudnn.enabled
    False
    """
    planned = cudnn.enabled
    cudnn.enabled = planned and sizes <= MOST_PLANNED
    try:
        yield
    finally:
        cudnn.enabled = planned
