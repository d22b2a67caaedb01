"""Masks from a file in COCO's format, of every image that it lists."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tagseg.data.coco_listing import list_file
from tagseg.data.layouts.coco import CocoMask
from tagseg.data.mask_formats.found_masks import FoundMask, FoundMasks
from tagseg.data.names import is_background
from tagseg.types import LabelMap


@dataclass(frozen=True, slots=True)
class CocoDrawing:
    """The objects of one image.

    Args:
        mask: paints them.
        name: of the image in the file.
    """

    mask: CocoMask
    name: str

    def __str__(self) -> str:
        return f"'{self.name}' of {self.path}"

    @property
    def path(self) -> Path:
        """The file of annotations."""
        return self.mask.annotations

    def ids(self, photograph: Path) -> LabelMap:
        """Return the (H, W) ids."""
        return self.mask.read()


def coco_masks(path: Path) -> FoundMasks:
    """Return the masks of a file; an image without annotations shows none of the classes.

    Args:
        path: JSON file with ``images``, ``annotations`` and ``categories``.

    Raises:
        DataError: when it is no such file, or an element cannot be used.
    """
    listing = list_file(path, None)
    classes = tuple(name for name in listing.categories.values() if not is_background(name))
    ids = {key: classes.index(name) + 1 for key, name in listing.categories.items() if name in classes}
    masks = []
    for key, image in listing.images.items():
        mask = CocoMask(path, key, image.size, tuple(listing.spans.get(key, ())), ids)
        names = dict.fromkeys((image.file_name, PurePosixPath(image.file_name).name))
        masks.append(FoundMask(tuple(names), CocoDrawing(mask, image.file_name)))
    return FoundMasks(path, classes, tuple(masks))
