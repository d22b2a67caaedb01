"""From the recipe's data section to splits of readable images."""

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from tagseg.artifacts.layout import RunLayout
from tagseg.artifacts.run_folder import RunFolder, fingerprint
from tagseg.data.drawn_pictures import write_dataset
from tagseg.data.images import content_fingerprint, read_image
from tagseg.data.layouts.coco import read_coco
from tagseg.data.layouts.folder import listed_classes, read_folder, read_untagged_folder
from tagseg.data.layouts.voc import read_voc
from tagseg.data.problems import Problem
from tagseg.data.superpixel_cache import SuperpixelCache, SuperpixelSettings
from tagseg.errors import DataError
from tagseg.progress import Progress
from tagseg.recipe import Recipe
from tagseg.recipe.schema import Data
from tagseg.types import ImageRecord, Split

SplitReader = Callable[..., Split]
"""Reads one split; with ``problems=[]`` it goes on past bad rows and files and collects them there."""


@dataclass(frozen=True, slots=True)
class Splits:
    """The images of a run.

    Args:
        train: images to learn from, by their tags.
        evaluation: images with ground truth on which seeds and pseudo masks are scored, often the same, or None.
        test: images that no stage learns from, on which the segmentation network is scored, or None.
    """

    train: Split
    evaluation: Split | None
    test: Split | None = None

    @property
    def segmenter_test(self) -> Split | None:
        """The images on which the segmentation network is scored: those apart, else those of the evaluation."""
        return self.test or self.evaluation


@dataclass(frozen=True, slots=True)
class LoadedData:
    """Splits of readable images.

    Args:
        splits: the images.
        fingerprint: name of content and tags of the images to train on and to evaluate.
        test_fingerprint: the same of the images to test on.
    """

    splits: Splits
    fingerprint: str
    test_fingerprint: str


def split_readers(data: Data, *, run_root: Path) -> dict[str, SplitReader]:
    """Return what reads the splits ``train`` and, where the recipe names others, ``eval`` and ``test``.

    Args:
        data: the recipe's data section.
        run_root: the folder where a synthetic data set without a root of its own is drawn.
    """
    if data.format == "voc":
        assert data.root is not None
        named = {"train": data.train_split, "eval": data.eval_split, "test": data.test_split}
        common = {"classes": data.classes, "tags_file": data.tags}
        readers = {key: partial(read_voc, data.root, split=name, **common) for key, name in named.items() if name}
        if data.eval_split == data.train_split:
            del readers["eval"]
        return readers
    if data.format == "coco":
        sources = {
            "train": (data.train_images, data.train_annotations),
            "eval": (data.eval_images, data.eval_annotations),
        }
        return {
            name: partial(read_coco, images, annotations, classes=data.classes, split_name=name)
            for name, (images, annotations) in sources.items()
            if images is not None and annotations is not None
        }
    if data.format == "synthetic":
        return _synthetic_readers(data, data.root or RunLayout(run_root).drawn_data)
    assert data.root is not None
    readers = {"train": partial(read_folder, data.root, tags=data.tags, masks=data.masks, classes=data.classes)}
    if data.test_root is not None:
        readers["test"] = partial(read_test_folder, data, readers["train"])
    return readers


def _synthetic_readers(data: Data, root: Path) -> dict[str, SplitReader]:
    """Draw the data set where it is missing, and return what reads it; the test pictures follow those to train on."""
    size = (data.image_size_px, data.image_size_px)
    named = f"seed{data.synthetic_seed}-{data.num_images}x{data.image_size_px}px"
    ranges = {"train": (named, 0, data.num_images)}
    if data.test_num_images:
        ranges["test"] = (f"{named}-test{data.test_num_images}", data.num_images, data.test_num_images)
    readers = {}
    for split, (name, first, count) in ranges.items():
        if not (root / name / "tags.csv").exists():  # the tags come last: with them the data set is whole
            write_dataset(root / name, num_images=count, size=size, seed=data.synthetic_seed, first_index=first)
        split_name = {"split_name": split} if split == "test" else {}
        common = {"tags": data.tags, "masks": root / name / "masks", "classes": data.classes}
        readers[split] = partial(read_folder, root / name, **common, **split_name)
    return readers


def read_test_folder(data: Data, read_train: SplitReader, *, problems: list[Problem] | None = None) -> Split:
    """Return the images to test on, with the class table of those to train on; they need no tags."""
    assert data.test_root is not None and data.root is not None
    names = read_train(problems=[]).classes.names
    known = listed_classes(data.root) or names
    masks = data.test_masks
    return read_untagged_folder(
        data.test_root, masks=masks, known=known, classes=names, split_name="test", problems=problems
    )


def read_splits(data: Data, *, run_root: Path) -> Splits:
    """Read the training split and, where the recipe names others, those to score.

    A folder and a synthetic data set are scored on themselves when they have masks.

    Args:
        data: the recipe's data section.
        run_root: the run folder, where a synthetic data set is drawn.

    Raises:
        DataError: when the data set cannot be read; `tagseg check` lists everything wrong with it.
    """
    read = {name: reader() for name, reader in split_readers(data, run_root=run_root).items()}
    train, evaluation = read["train"], read.get("eval")
    if evaluation is None:
        is_scored = {"voc": data.eval_split is not None, "coco": False}.get(data.format, train.has_masks)
        evaluation = train if is_scored else None
    return Splits(train, evaluation, read.get("test"))


def superpixel_cache(recipe: Recipe) -> SuperpixelCache:
    """Return the cache of regions: the recipe's folder, or the user's cache folder."""
    regions = recipe.superpixels
    settings = SuperpixelSettings(method=regions.method, max_regions=regions.max_regions)
    return SuperpixelCache(regions.cache or Path.home() / ".cache" / "tagseg" / "superpixels", settings)


def load_splits(recipe: Recipe, folder: RunFolder, *, progress: Progress) -> LoadedData:
    """Read the splits, leave out the images that cannot be read, and name the content of the rest.

    Every image is decoded once, before any training: a bad file in the last batch of the tenth epoch must not end a
    run. What was found is kept in the manifest, with the files' sizes and times, and trusted while those stay.

    Raises:
        DataError: when no image of the training split can be read.
    """
    splits = read_splits(recipe.data, run_root=folder.root)
    known = _look_through([splits.train, splits.evaluation], folder, key="data", progress=progress)
    test, test_name = splits.test, known["fingerprint"]
    if test is not None:
        test_known = _look_through([test], folder, key="test_data", progress=progress)
        test, test_name = without_bad_files(test, test_known), test_known["fingerprint"]
    evaluation = without_bad_files(splits.evaluation, known) if splits.evaluation else None
    return LoadedData(Splits(without_bad_files(splits.train, known), evaluation, test), known["fingerprint"], test_name)


def _look_through(splits: list[Split | None], folder: RunFolder, *, key: str, progress: Progress) -> dict[str, Any]:
    """Return what is known of the files of some splits: from the manifest's section ``key``, or by decoding them."""
    records = {record.image_path: record for split in splits if split for record in split.records}
    listing = _listing(records.values())
    known = folder.read_manifest().get(key, {})
    if known.get("listing") != listing:
        known = {"listing": listing, **_screen(list(records.values()), progress=progress)}
        folder.update_manifest(**{key: known})
    bad, maskless = len(known["bad_files"]), len(known.get("bad_masks", []))
    if bad:
        progress.warn(f"{bad} of {len(records)} images cannot be read and are left out; see manifest.json")
    if maskless:
        progress.warn(f"{maskless} masks cannot be used and their images are not scored; see manifest.json")
    return known


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
