"""Masks as PASCAL VOC has them: palette PNG, a list of images, a list of classes.

Source: the folders ``SegmentationClass`` and ``ImageSets/Segmentation`` of the VOC 2012 development kit
(Everingham et al., "The PASCAL Visual Object Classes Challenge 2012 (VOC2012) Development Kit"). VOC keeps its classes
in the kit's code: here they are in ``classes.txt`` and, with ids, in ``labels.json``.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tagseg.artifacts.json_file import json_bytes
from tagseg.artifacts.label_formats.labelled_image import About, AddImage, LabelledImage, labels_by_id
from tagseg.artifacts.mask_file import write_mask
from tagseg.classes import ClassTable


@contextmanager
def voc_folder(folder: Path, classes: ClassTable, about: About) -> Iterator[AddImage]:
    """Lend a function that writes the mask of a photograph: ids by palette, 255 is void."""
    names: list[str] = []

    def add(image: LabelledImage) -> None:
        write_mask(folder / "SegmentationClass" / f"{image.name}.png", image.labels, classes)
        names.append(image.name)

    yield add
    listing = folder / "ImageSets" / "Segmentation" / f"{about.split}.txt"
    listing.parent.mkdir(parents=True, exist_ok=True)
    listing.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    (folder / "classes.txt").write_text("".join(f"{name}\n" for name in classes.names), encoding="utf-8")
    (folder / "labels.json").write_bytes(json_bytes(labels_by_id(classes)))
