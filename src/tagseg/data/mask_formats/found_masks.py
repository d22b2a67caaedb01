"""What the readers of tools' masks return, and how it becomes the masks of photographs.

Axis legend: H height, W width.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np

from tagseg.data.image_formats import IMAGE_ENDINGS, PICTURE_ENDINGS
from tagseg.data.names import composed
from tagseg.types import LabelMap

Found = TypeVar("Found")


@runtime_checkable
class Drawing(Protocol):
    """What a tool holds of one photograph; its text is what a message calls it."""

    @property
    def path(self) -> Path:
        """The file that it is read from."""
        ...

    def ids(self, photograph: Path) -> LabelMap:
        """Return the (H, W) ids: 0 background, 255 void, else places in the list of classes, from 1.

        Raises:
            DataError: when it cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class FoundMask:
    """The mask of one photograph.

    Args:
        names: relative paths that the photograph may have, the likeliest first, with or without ending.
        drawing: what was drawn.
    """

    names: tuple[str, ...]
    drawing: Drawing


@dataclass(frozen=True, slots=True)
class FoundMasks:
    """The masks of a folder or a file.

    Args:
        place: of the masks.
        classes: names of the ids 1, 2 and so on.
        masks: one for each photograph.
    """

    place: Path
    classes: tuple[str, ...]
    masks: tuple[FoundMask, ...]


@dataclass(frozen=True, slots=True)
class ToolMask:
    """The mask of a photograph in a tool's file, painted when asked.

    Args:
        drawing: what was drawn.
        photograph: whose size the mask has where the tool does not say it.
        label_ids: 256 label ids, one for each id, see :func:`tagseg.data.mask_images.label_ids`.
    """

    drawing: Drawing
    photograph: Path
    label_ids: tuple[int, ...] = field(repr=False)

    @property
    def path(self) -> Path:
        """The file that it is read from."""
        return self.drawing.path

    def read(self) -> LabelMap:
        """Return the (H, W) uint8 label ids.

        Raises:
            DataError: when the file cannot be read.
        """
        return np.array(self.label_ids, np.int16)[self.drawing.ids(self.photograph)].astype(np.uint8)


def named_photographs(photographs: Iterable[tuple[str, Path]]) -> dict[str, str]:
    """Return the ids of photographs by the names that their masks may have: the id, with the ending or without.

    >>> named_photographs([("a", Path("x/a.jpg"))])
    {'a.jpg': 'a', 'a': 'a'}
    """
    pairs = list(photographs)
    found = {composed(f"{image_id}{path.suffix}"): image_id for image_id, path in pairs}
    return found | {composed(image_id): image_id for image_id, _ in pairs}


def image_of(names: Iterable[str], photographs: Mapping[str, Found]) -> Found | None:
    """Return the first photograph that has one of the names, of each the ending may be another.

    >>> image_of(["train/a.png", "a.png"], {"a.jpg": "a", "a": "a"})
    'a'
    """
    return next((photographs[form] for name in names for form in _forms(composed(name)) if form in photographs), None)


def _forms(name: str) -> Iterator[str]:
    yield name
    stem, dot, ending = name.rpartition(".")
    if stem and f"{dot}{ending}".lower() in IMAGE_ENDINGS | PICTURE_ENDINGS:
        yield stem
