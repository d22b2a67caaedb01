"""From the recipe's data section to the splits of a run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tagseg.assemble.settings import settings_from
from tagseg.data.layouts.coco import CocoLayout
from tagseg.data.layouts.folder import FolderLayout
from tagseg.data.layouts.synthetic import SyntheticLayout
from tagseg.data.layouts.voc import VocLayout
from tagseg.data.preflight import shared_ids
from tagseg.data.problems import FirstError, Problem, report_problem
from tagseg.data.split_readers import Layout, SplitReaders
from tagseg.data.superpixel_cache import SuperpixelCache, SuperpixelSettings
from tagseg.errors import DataError
from tagseg.ops.spacing import evenly_spaced
from tagseg.recipe import Recipe
from tagseg.recipe.layouts import CocoData, Data, DataLayout, FolderData, SyntheticData, VocData
from tagseg.types import ImageRecord, Split

LAYOUTS: Mapping[type[DataLayout[Any]], Callable[..., Layout]] = {
    VocData: VocLayout,
    CocoData: CocoLayout,
    FolderData: FolderLayout,
    SyntheticData: SyntheticLayout,
}
"""What a section becomes; its keys, but for ``format``, are the fields of the layout."""


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


TRAINING_SHOWN = 48
"""Most photographs that the network learned from and that it labels, where there are no others to look at."""


def predicted_records(train: Split, test: Split | None) -> tuple[ImageRecord, ...]:
    """Return the images that the trained network labels: those to test on, else some that it learned from.

    Args:
        train: images to learn from.
        test: images on which the segmentation network is scored, or None.
    """
    return test.records if test else tuple(evenly_spaced(train.records, TRAINING_SHOWN))


def split_readers(data: Data, *, drawn: Path) -> SplitReaders:
    """Return what reads the splits of a recipe.

    Args:
        data: the recipe's data section.
        drawn: the folder where a data set is drawn that names no place of its own.
    """
    section = data.with_drawn(drawn)
    keys = [key for key in type(section).model_fields if key != "format"]
    return LAYOUTS[type(section)](**{key: getattr(section, key) for key in keys}).readers()


def read_splits(data: Data, *, drawn: Path, warnings: list[Problem] | None = None) -> Splits:
    """Read the training split and, where the recipe names others, those to score.

    Args:
        data: the recipe's data section.
        drawn: the folder where a data set is drawn that names no place of its own.
        warnings: gets what is worth a look and no error; None drops it.

    Raises:
        DataError: when the data set cannot be read; `tagseg check` lists everything wrong with it.
    """
    readers = split_readers(data, drawn=drawn)
    found = FirstError()
    train = evaluation = readers.train(problems=found)
    if readers.evaluation is None:
        evaluation = train if readers.scores_itself and train.has_masks else None
    elif readers.evaluation is not readers.train:
        evaluation = readers.evaluation(problems=found)
        for problem in shared_ids(train, evaluation):
            report_problem(problem, found)
    test = readers.test(problems=found) if readers.test is not None else None
    if warnings is not None:
        warnings += found
    return Splits(train, evaluation, test)


def superpixel_cache(recipe: Recipe) -> SuperpixelCache:
    """Return the cache of regions: the recipe's folder, or the user's cache folder."""
    regions = recipe.superpixels
    settings = settings_from(regions, SuperpixelSettings)
    return SuperpixelCache(regions.cache or Path.home() / ".cache" / "tagseg" / "superpixels", settings)


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
        replace(record, mask=None, seen=record.seen[:1]) if str(record.image_path) in maskless else record
        for record in split.records
        if str(record.image_path) not in bad
    )
    if not kept:
        raise DataError(
            f"split '{split.name}' holds at least one readable image, got none of {len(split)}",
            help="run 'tagseg check' on the recipe",
        )
    return replace(split, records=kept)
