"""What the server exports: the formats of ``tagseg export``, and how their files are called."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

EXPORT_FORMATS: Mapping[str, str] = {
    "coco": "COCO, polygons",
    "coco-rle": "COCO, run lengths",
    "coco-rle-plain": "COCO, plain run lengths",
    "voc": "PASCAL VOC",
    "ids": "label ids as grey PNG",
    "yolo": "YOLO, polygons",
    "yolo-masks": "YOLO, masks",
    "label-studio": "Label Studio, brush",
    "label-studio-polygons": "Label Studio, polygons",
    "cvat": "CVAT",
    "labelme": "LabelMe",
    "huggingface": "Hugging Face",
}
"""Names of formats, and what people call them. Those of VOC's test server stay out: they are for its own images."""

ONE_FILE: Mapping[str, str] = dict.fromkeys(("coco", "coco-rle", "coco-rle-plain"), "annotations.json")
"""Formats of one file, which comes as it is; other formats come as a ZIP archive."""


def unique_file_names(names: Sequence[str]) -> list[str]:
    """Return names of files that any file system tells apart: the second of one name has a number.

    >>> unique_file_names(["a.jpg", "A.jpg", "b.jpg"])
    ['a.jpg', 'A (2).jpg', 'b.jpg']
    """
    found: list[str] = []
    taken: set[str] = set()
    for name in names:
        stem, ending = PurePosixPath(name).stem, PurePosixPath(name).suffix
        chosen, number = name, 1
        while chosen.casefold() in taken:
            number += 1
            chosen = f"{stem} ({number}){ending}"
        taken.add(chosen.casefold())
        found.append(chosen)
    return found


def label_names(file_names: Sequence[str]) -> list[str]:
    """Return what is made of each photograph is called: the name without ending where that is enough, as in a folder.

    >>> label_names(["a.jpg", "a.png", "b.jpg"])
    ['a.jpg', 'a.png', 'b']
    """
    stems = [PurePosixPath(name).stem for name in file_names]
    counts = Counter(stem.casefold() for stem in stems)
    return [name if counts[stem.casefold()] > 1 else stem for name, stem in zip(file_names, stems, strict=True)]
