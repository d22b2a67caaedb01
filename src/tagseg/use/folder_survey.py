"""One look at a folder of photographs, for whoever writes a recipe for it: layout, classes, masks, sizes."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tagseg.assemble.data import split_readers
from tagseg.data.folder_tags import find_tags_file, split_folders
from tagseg.data.images import read_header
from tagseg.data.problems import Problem
from tagseg.errors import DataError
from tagseg.recipe.layouts import CocoData, Data, FolderData, VocData
from tagseg.system.near_paths import near_path_help
from tagseg.types import ImageRecord

MOST_HEADERS = 200
"""Photographs whose size is looked up: enough to know their kind, and quick on a network drive."""

_VOC_TRAIN_LISTS = ("train_aug", "trainaug", "train", "trainval")


@dataclass(frozen=True, slots=True)
class FolderSurvey:
    """What lies in a folder.

    Args:
        data: the data section of a recipe for it.
        num_images: photographs to learn from.
        num_masks: those of them that have a mask.
        images_by_class: number of photographs of each class, in label order.
        sizes: (height, width) of some photographs, from the smallest area to the largest.
        num_problems: what is wrong with single files and rows; ``tagseg check`` lists them.
    """

    data: Data
    num_images: int
    num_masks: int
    images_by_class: dict[str, int]
    sizes: tuple[tuple[int, int], ...]
    num_problems: int


def survey_folder(root: Path) -> FolderSurvey:
    """Look at a folder of photographs in any layout that is read.

    Args:
        root: the folder.

    Raises:
        DataError: when it does not exist, or holds no photographs or no tags.
    """
    if not root.is_dir():
        raise DataError(
            f"{root} must be a folder of photographs, got none",
            help=near_path_help(root, "check the path", wanted=os.path.isdir),
        )
    data = find_layout(root)
    problems: list[Problem] = []
    split = split_readers(data, drawn=root).train(problems=problems)
    counts = Counter(tag for record in split.records for tag in record.tags)
    by_class = {name: counts[label_id] for label_id, name in enumerate(split.classes.names, start=1)}
    num_masks = sum(record.mask is not None for record in split.records)
    sizes = sorted(_sizes(split.records), key=lambda size: (size[0] * size[1], size))
    return FolderSurvey(data, len(split), num_masks, by_class, tuple(sizes), len(problems))


def find_layout(root: Path) -> Data:
    """Return the data section for a folder: PASCAL VOC's layout, COCO's, or a folder of one's own.

    Args:
        root: the folder, which exists.

    Raises:
        DataError: when it is in VOC's layout and has no list to learn from.
    """
    if (root / "JPEGImages").is_dir() and (root / "ImageSets").is_dir():
        return _voc_section(root)
    pairs = {images.name: (images, annotations) for images, annotations in _coco_pairs(root)}
    train = next((pairs[name] for name in pairs if name.lower().startswith("train")), None)
    if train is None and len(pairs) == 1:
        (train,) = pairs.values()
    if train is None:
        return _folder_section(root)
    images, annotations = next((pairs[name] for name in pairs if name.lower().startswith("val")), (None, None))
    return CocoData(
        format="coco",
        train_images=train[0],
        train_annotations=train[1],
        eval_images=images,
        eval_annotations=annotations,
    )


def _folder_section(root: Path) -> FolderData:
    """Return the section of a folder of one's own, which may be split into ``train`` and ``val``."""
    splits = None if find_tags_file(root, None) else split_folders(root)
    learn, test = splits or (root, None)
    return FolderData(format="folder", root=learn, test_root=test)


def _voc_section(root: Path) -> VocData:
    lists = {path.stem for path in (root / "ImageSets" / "Segmentation").glob("*.txt")}
    train = next((name for name in _VOC_TRAIN_LISTS if name in lists), None)
    if train is None:
        found = ", ".join(sorted(lists)) or "no list"
        raise DataError(
            f"{root / 'ImageSets' / 'Segmentation'} must hold a list {', '.join(_VOC_TRAIN_LISTS)}, got {found}",
            help="write train.txt there, one image id a line, or a recipe with data.train_split",
        )
    masks = any((root / name).is_dir() for name in ("SegmentationClass", "SegmentationClassAug"))
    return VocData(
        format="voc",
        root=root,
        train_split=train,
        eval_split="train" if masks and "train" in lists else None,
        test_split="val" if masks and "val" in lists and train != "trainval" else None,
    )


def _coco_pairs(root: Path) -> Iterator[tuple[Path, Path]]:
    """Yield folders of images and the JSON files of COCO's layout that go with them."""
    for path in sorted((root / "annotations").glob("*.json")):
        name = path.stem.removeprefix("instances_")
        for images in (root / name, root / "images" / name):
            if images.is_dir():
                yield images, path
                break
    for path in sorted([*root.glob("_annotations.coco.json"), *root.glob("*/_annotations.coco.json")]):
        yield path.parent, path


def _sizes(records: tuple[ImageRecord, ...]) -> Iterator[tuple[int, int]]:
    """Yield the sizes of photographs evenly spaced over all; one that cannot be read is passed over."""
    step = max(1, -(-len(records) // MOST_HEADERS))
    for record in records[::step]:
        try:
            yield read_header(record.image_path).size
        except DataError:
            continue
