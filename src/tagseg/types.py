"""Records that pass between the layers: one photograph, and a named list of them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tagseg.classes import ClassTable

LabelMap = NDArray[np.uint8]
"""(H, W) label ids: 0 background, 1..C classes, 255 void."""

Image = NDArray[np.uint8]
"""(H, W, 3) RGB, 0..255, upright (EXIF rotation applied)."""


FileStamp = tuple[str, int, int]
"""Path, size in bytes and time of change in ns of a file."""


@runtime_checkable
class MaskSource(Protocol):
    """Where the ground-truth mask of one image comes from; it is decoded only when asked."""

    def read(self) -> LabelMap:
        """Return the (H, W) label ids, in the frame of the upright image."""
        ...


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """One image of a data set.

    Args:
        image_id: unique name inside the data set: the path below its root without the ending, with ``/``.
        image_path: the image file.
        tags: label ids (1..C) present in the image, ascending; empty when it shows none of the classes.
        mask: ground truth for scores, or None. Never read in training.
        seen: its files as a run found them when it began, see :mod:`tagseg.data.seen_files`; none of a record that no
            run holds.
    """

    image_id: str
    image_path: Path
    tags: tuple[int, ...]
    mask: MaskSource | None = None
    seen: tuple[FileStamp, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Split:
    """A named list of images with one class table.

    Args:
        name: the split's name, such as ``train``; printed with every score.
        classes: the foreground classes.
        records: the images, sorted by ``image_id``.
        has_tags: whether tags were read; False where none are needed, as of images to test on.
    """

    name: str
    classes: ClassTable
    records: tuple[ImageRecord, ...]
    has_tags: bool = True

    def __len__(self) -> int:
        return len(self.records)

    @property
    def has_masks(self) -> bool:
        """True when at least one image has ground truth."""
        return any(record.mask is not None for record in self.records)
