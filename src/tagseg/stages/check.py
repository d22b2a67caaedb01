"""Before stage 1: everything that is wrong with the data of a recipe, in one pass and without a run folder."""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tagseg.data.coco import read_coco
from tagseg.data.folder import read_folder
from tagseg.data.preflight import CheckReport, check_split
from tagseg.data.problems import Problem
from tagseg.data.synthetic import write_dataset
from tagseg.data.voc import read_voc
from tagseg.progress import Progress
from tagseg.recipe.schema import Data
from tagseg.types import Split

SplitReader = Callable[..., Split]
"""Reads one split; with ``problems=[]`` it goes on past bad rows and files and collects them there."""


def check_data(data: Data, *, progress: Progress) -> list[CheckReport]:
    """Read and decode every split of a recipe and report what is wrong with each.

    Args:
        data: the recipe's data section; a synthetic data set is drawn into a temporary folder.
        progress: told what is looked at.

    Returns:
        One report a split: the one to train on, and the one to score when it is another.

    Raises:
        DataError: when there is nothing to look at, such as a root folder that does not exist.
    """
    reports = []
    with tempfile.TemporaryDirectory(prefix="tagseg-check-") as scratch:
        for reader in split_readers(data, scratch=Path(scratch)):
            problems: list[Problem] = []
            split = reader(problems=problems)
            progress.note(f"split '{split.name}': {len(split)} images, {split.classes.num_classes} classes")
            reports.append(check_split(split, reader_problems=problems, progress=progress))
    return reports


def split_readers(data: Data, *, scratch: Path) -> list[SplitReader]:
    """Return what reads the split to train on and, where the recipe names another, the split to score."""
    if data.format == "voc":
        assert data.root is not None
        names = [data.train_split, *([data.eval_split] if data.eval_split is not None else [])]
        common = {"classes": data.classes, "tags_file": data.tags}
        return [partial(read_voc, data.root, split=name, **common) for name in dict.fromkeys(names)]
    if data.format == "coco":
        sources = {
            "train": (data.train_images, data.train_annotations),
            "eval": (data.eval_images, data.eval_annotations),
        }
        return [
            partial(read_coco, images, annotations, classes=data.classes, split_name=name)
            for name, (images, annotations) in sources.items()
            if images is not None and annotations is not None
        ]
    if data.format == "synthetic" and data.root is None:
        size = (data.image_size_px, data.image_size_px)
        write_dataset(scratch, num_images=data.num_images, size=size, seed=data.synthetic_seed)
        return [partial(read_folder, scratch, masks=scratch / "masks", classes=data.classes)]
    assert data.root is not None
    return [partial(read_folder, data.root, tags=data.tags, masks=data.masks, classes=data.classes)]
