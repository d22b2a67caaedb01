"""From the recipe's data section to splits of readable images."""

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from tagseg.artifacts.run_folder import RunFolder, fingerprint
from tagseg.data.coco import read_coco
from tagseg.data.folder import read_folder
from tagseg.data.images import content_fingerprint, read_image
from tagseg.data.synthetic import write_dataset
from tagseg.data.voc import read_voc
from tagseg.errors import DataError
from tagseg.progress import Progress
from tagseg.recipe import Recipe
from tagseg.recipe.schema import Data
from tagseg.types import ImageRecord, Split

SYNTHETIC_FOLDER = "0_data"


SplitReader = Callable[..., Split]
"""Reads one split; with ``problems=[]`` it goes on past bad rows and files and collects them there."""


def split_readers(data: Data, *, run_root: Path) -> list[SplitReader]:
    """Return what reads the split to train on and, where the recipe names another, the split to score.

    Args:
        data: the recipe's data section.
        run_root: the folder where a synthetic data set without a root of its own is drawn.
    """
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
    root = data.root or run_root / SYNTHETIC_FOLDER
    masks = data.masks
    if data.format == "synthetic":
        root = root / f"seed{data.synthetic_seed}-{data.num_images}x{data.image_size_px}px"
        if not (root / "tags.csv").exists():  # the tags come last: with them the data set is whole
            size = (data.image_size_px, data.image_size_px)
            write_dataset(root, num_images=data.num_images, size=size, seed=data.synthetic_seed)
        masks = root / "masks"
    return [partial(read_folder, root, tags=data.tags, masks=masks, classes=data.classes)]


def read_splits(data: Data, *, run_root: Path) -> tuple[Split, Split | None]:
    """Read the training split and, where the recipe names one, the split to score.

    A folder and a synthetic data set are scored on themselves when they have masks.

    Args:
        data: the recipe's data section.
        run_root: the run folder, where a synthetic data set is drawn.

    Raises:
        DataError: when the data set cannot be read; `tagseg check` lists everything wrong with it.
    """
    train, *others = (reader() for reader in split_readers(data, run_root=run_root))
    if others:
        return train, others[0]
    is_scored = {"voc": data.eval_split is not None, "coco": False}.get(data.format, train.has_masks)
    return train, train if is_scored else None


def load_splits(recipe: Recipe, folder: RunFolder, *, progress: Progress) -> tuple[Split, Split | None, str]:
    """Read the splits, leave out the images that cannot be read, and name the content of the rest.

    Every image is decoded once, before any training: a bad file in the last batch of the tenth epoch must not end a
    run. What was found is kept in the manifest, with the files' sizes and times, and trusted while those stay.

    Returns:
        The training split, the split to score or None, and the fingerprint of contents and tags.

    Raises:
        DataError: when no image of the training split can be read.
    """
    train, evaluation = read_splits(recipe.data, run_root=folder.root)
    records = {record.image_path: record for split in (train, evaluation) if split for record in split.records}
    listing = _listing(records.values())
    known = folder.read_manifest().get("data", {})
    if known.get("listing") != listing:
        known = {"listing": listing, **_screen(list(records.values()), progress=progress)}
        folder.update_manifest(data=known)
    bad, maskless = len(known["bad_files"]), len(known.get("bad_masks", []))
    if bad:
        progress.warn(f"{bad} of {len(records)} images cannot be read and are left out; see manifest.json")
    if maskless:
        progress.warn(f"{maskless} masks cannot be used and their images are not scored; see manifest.json")
    kept = without_bad_files(evaluation, known) if evaluation else None
    return without_bad_files(train, known), kept, known["fingerprint"]


def _screen(records: list[ImageRecord], *, progress: Progress) -> dict[str, object]:
    """Decode every image and mask once; return those that fail, and one name for contents and tags of the others."""
    digest, bad, bad_masks = hashlib.sha256(), [], []
    with ThreadPoolExecutor(os.cpu_count()) as pool, progress.task("Reading images", total=len(records)) as task:
        for record, (found, mask_problem) in zip(records, pool.map(_probe, records), strict=True):
            task.advance()
            if isinstance(found, DataError):
                bad.append({"path": str(record.image_path), "reason": str(found)})
                continue
            digest.update(repr((record.image_id, record.tags, found)).encode())
            if mask_problem:
                bad_masks.append({"path": str(record.image_path), "reason": mask_problem})
    return {
        "images": len(records),
        "fingerprint": digest.hexdigest()[:16],
        "bad_files": bad,
        "bad_masks": bad_masks,
    }


def _probe(record: ImageRecord) -> tuple[str | DataError, str]:
    """Return the image's fingerprint or what is wrong with it, and what is wrong with its mask or an empty string."""
    try:
        size = read_image(record.image_path).shape[:2]
        found = content_fingerprint(record.image_path)
    except DataError as error:
        return error, ""
    try:
        mask_size = record.mask.read().shape if record.mask else size
    except DataError as error:
        return found, str(error)
    return found, "" if mask_size == size else f"the mask has {mask_size} pixels and the upright image {size}"


def _listing(records: Iterable[ImageRecord]) -> str:
    """Name the files by path, size and time of change: cheap to compute at every start."""
    rows = []
    for record in records:
        path = record.image_path
        stat = path.stat() if path.exists() else None
        rows.append((record.image_id, record.tags, *((stat.st_size, stat.st_mtime_ns) if stat else (0, 0))))
    return fingerprint(sorted(rows))


def without_bad_files(split: Split, known: Mapping[str, Any]) -> Split:
    """Return the split without its bad images, and without the masks that cannot be used.

    Args:
        split: as it was read.
        known: the manifest's ``data`` section.

    Raises:
        DataError: when no image is left.
    """
    bad = {item["path"] for item in known["bad_files"]}
    maskless = {item["path"] for item in known.get("bad_masks", [])}
    kept = tuple(
        replace(record, mask=None) if str(record.image_path) in maskless else record
        for record in split.records
        if str(record.image_path) not in bad
    )
    if not kept:
        raise DataError(
            f"split '{split.name}' holds at least one readable image, got none of {len(split)}",
            help="run 'tagseg check' on the recipe",
        )
    return replace(split, records=kept)
