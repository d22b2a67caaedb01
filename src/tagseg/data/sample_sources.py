"""Where the parts of a training sample come from, besides the photograph."""

from pathlib import Path
from typing import Protocol, runtime_checkable

from tagseg.data.augment import Confidence, Regions
from tagseg.types import ImageRecord, LabelMap


@runtime_checkable
class RegionSource(Protocol):
    """Where the superpixels of an image come from, such as ``SuperpixelCache``."""

    def read(self, image_path: Path) -> Regions:
        """Return the (H, W) region ids of the image at ``image_path``."""
        ...


@runtime_checkable
class LabelSource(Protocol):
    """Where the labels to learn from come from, such as seeds or pseudo masks; never ground truth."""

    def read(self, record: ImageRecord) -> LabelMap:
        """Return the (H, W) label ids of an image, 255 where nothing is known."""
        ...


@runtime_checkable
class ConfidenceSource(Protocol):
    """Which of these labels to trust."""

    def read(self, record: ImageRecord) -> Confidence:
        """Return (H, W) for an image, True where its label is to be trusted."""
        ...
