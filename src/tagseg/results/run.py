"""Finished run folders, opened to be looked at: recipe, images, maps, masks, and the score that cuts the seeds."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from tagseg.artifacts.cam_file import CamFile
from tagseg.artifacts.mask_file import read_confidence, read_mask
from tagseg.artifacts.run_folder import RunFolder
from tagseg.artifacts.run_scores import AVERAGED, NETWORK
from tagseg.artifacts.scores_file import read_scores
from tagseg.assemble.data import Splits, read_splits, superpixel_cache, without_bad_files
from tagseg.assemble.maps import chosen_records, read_maps
from tagseg.classes import VOID, ClassTable
from tagseg.errors import ArtifactError
from tagseg.progress import Progress
from tagseg.recipe import Recipe, load_run_recipe
from tagseg.types import ImageRecord, LabelMap

MADE = {
    "cam": ("maps", "extract_cams"),
    "seed": ("seeds", "extract_cams"),
    "sure": ("sure seeds", "train_affinity"),
    "mask": ("pseudo masks", "make_masks"),
    "confident": ("confidence masks", "make_masks"),
    "prediction": ("predictions", "predict"),
}
"""What not every run has, nor of every image: what it is, and the stage that leaves it or what it is cut from."""

_IMAGES_OF = {"sure": "training images", "prediction": "images to test on"}

TEST_PREFIX = "test:"
"""Before the id of an image to test on whose id is that of another image, too."""


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A run folder with extracted maps.

    Args:
        folder: where its files are.
        recipe: as it ran.
        classes: its class table.
        records: its images with maps, by id.
        background_score: cuts its seeds.
        title: tells it apart from the others, in a few words.
        tested: its images to test on, by the id of the same image in ``records``, else by their own, behind
            :data:`TEST_PREFIX` where another image has it.
    """

    folder: RunFolder
    recipe: Recipe
    classes: ClassTable
    records: dict[str, ImageRecord]
    background_score: float
    title: str
    tested: dict[str, ImageRecord] = field(default_factory=dict)

    @property
    def images(self) -> dict[str, ImageRecord]:
        """All its images by id: those with maps, then those to test on."""
        return {**self.tested, **self.records}

    def maps(self, image_id: str, *, size: tuple[int, int], as_seeds: bool) -> CamFile:
        """Read an image's maps.

        Args:
            image_id: one of ``records``.
            size: (height, width) of the image.
            as_seeds: whether to return those that the seeds are cut from, averaged over regions where the recipe says
                so, instead of the network's own.

        Raises:
            ArtifactError: when they are missing, damaged, or of another size.
        """
        record = self.records[image_id]
        maps = read_maps(self.folder, record, regions=None)
        if maps.size != size:
            raise ArtifactError(
                f"CAM file {self.folder.cam(record)} has the image's size {_text(size)}, got {_text(maps.size)}",
                help="put the image back that it was made from, or delete it and run the stage extract-cams again",
            )
        if as_seeds and self.recipe.cams.average_over_regions:
            return read_maps(self.folder, record, regions=superpixel_cache(self.recipe))
        return maps

    def has(self, column: str, image_id: str) -> bool:
        """Return whether the run made what the column ``column``, one of :data:`MADE`, shows of an image."""
        if column in ("cam", "seed"):
            return image_id in self.records  # a map that should be there and is not is an error, no empty cell
        if self._unneeded(column):
            return False  # a folder may keep those of an older recipe
        return image_id in self._records_of(column) and self._made_path(column, image_id).exists()

    def require(self, column: str, image_ids: Sequence[str]) -> None:
        """Require what the column ``column``, one of :data:`MADE`, shows of at least one of the images.

        Raises:
            ArtifactError: when there is none.
        """
        if any(self.has(column, image_id) for image_id in image_ids):
            return
        what, stage = MADE[column]
        found, help = "with none of these images", "name others with --images"
        if unneeded := self._unneeded(column):
            found, help = unneeded
        elif column == "prediction" and not self.tested:
            found, help = "without images to test on", "label photographs with 'tagseg predict'"
        elif self.folder.stage_status(stage).state != "done" or not self.folder.output(stage).exists():
            found, help = "without any", f"run the stage {stage.replace('_', '-')} first"
            help = "let 'tagseg run' come to its end" if column == "prediction" else help
        elif column in _IMAGES_OF:
            help = f"name {_IMAGES_OF[column]} with --images"
        raise ArtifactError(
            f"column '{column}' shows {what}, got {self.folder.root} {found}",
            help=f"{help}, or leave it out of --columns",
        )

    def labels(self, column: str, image_id: str, *, size: tuple[int, int]) -> LabelMap | None:
        """Read or cut a label map of an image, 255 where the label is not known.

        Args:
            column: ``seed``, all pixels of the maps cut at ``background_score``; ``sure``, the seeds that the affinity
                network learned from; ``mask``, the pseudo mask; ``confident``, the part of it to be trusted;
                ``prediction``, what the segmentation network says of an image to test on.
            image_id: one of ``images``.
            size: (height, width) of the image.

        Returns:
            The label map, or None when the run made none of this image.

        Raises:
            ArtifactError: when a file is missing, damaged, or of another size.
        """
        if not self.has(column, image_id):
            return None
        if column == "seed":
            return self.maps(image_id, size=size, as_seeds=True).labels(self.background_score)
        path = self._made_path(column, image_id)
        if column != "confident":
            return of_image_size(read_mask(path), size, path=path)
        trusted = of_image_size(read_confidence(path), size, path=path)
        path = self._made_path("mask", image_id)
        return np.where(trusted, of_image_size(read_mask(path), size, path=path), np.uint8(VOID))

    def _unneeded(self, column: str) -> tuple[str, str] | None:
        """Return why the recipe does without what a column shows, and the next move; None when it does not."""
        if column == "sure" and not self.recipe.needs_affinity:
            return "whose recipe does not walk", "run it with 'walk' in masks.refine"
        if column == "prediction" and not self.recipe.segmenter.enabled:
            return "whose recipe trains no segmenter", "run it with segmenter.enabled=true"
        return None

    def _records_of(self, column: str) -> dict[str, ImageRecord]:
        return self.tested if column == "prediction" else self.records

    def _made_path(self, column: str, image_id: str) -> Path:
        paths = {
            "sure": self.folder.seeds,
            "mask": self.folder.pseudo_mask,
            "confident": self.folder.confidence,
            "prediction": self.folder.prediction,
        }
        return paths[column](self._records_of(column)[image_id])


def open_runs(roots: Sequence[Path], *, background_score: float | None, progress: Progress) -> list[FinishedRun]:
    """Open run folders of the same data to be compared.

    Args:
        roots: the folders.
        background_score: cuts the seeds, in [0, 1]; None for each run's best one of its sweep, or, in a run without
            scores, the one of its recipe.
        progress: told how the seeds of each run are cut.

    Raises:
        ArtifactError: when a folder holds no run, or the runs have different classes.
        DataError: when the data set cannot be read.
    """
    recipes = [read_run_recipe(root) for root in roots]
    runs = []
    for root, recipe, title in zip(roots, recipes, run_titles(roots, recipes), strict=True):
        folder = RunFolder(root)
        asked = (background_score, "asked for") if background_score is not None else None
        score, reason = asked or best_background_score(folder, recipe)
        splits = readable_splits(folder, recipe)
        records = {
            record.image_id: record for record in chosen_records(recipe.cams.splits, splits.train, splits.evaluation)
        }
        tested = tested_images(splits, records)
        runs.append(FinishedRun(folder, recipe, splits.train.classes, records, score, title, tested))
        kind = "maps averaged over regions" if recipe.cams.average_over_regions else "the network's maps"
        progress.note(f"{title} ({root}): seeds from {kind} above {score:.2f} [{reason}]")
    for run in runs[1:]:
        if run.classes != runs[0].classes:
            raise ArtifactError(
                f"{run.folder.root} has the classes of {roots[0]} ({', '.join(runs[0].classes.names)}), "
                f"got {', '.join(run.classes.names)}",
                help="draw a figure for each of them",
            )
    return runs


def read_run_recipe(root: Path) -> Recipe:
    """Return the recipe of a run folder as it ran.

    Raises:
        ArtifactError: when the folder holds no run.
    """
    path = RunFolder(root).recipe_path
    if not path.is_file():
        raise ArtifactError(
            f"{root} is the folder of a run, got no {path.name} in it", help="give the folder that 'tagseg run' printed"
        )
    return load_run_recipe(path)


def run_titles(roots: Sequence[Path], recipes: Sequence[Recipe]) -> list[str]:
    """Return short different names: the method where that tells runs apart, else the folder's name, else its path."""
    methods = ["SSC" if recipe.constraints else "plain CAM" for recipe in recipes]
    folders = [root.resolve().name for root in roots]
    for titles in (methods, folders):
        if max(Counter(titles).values()) == 1:
            return titles
    return [str(root) for root in roots]


def best_background_score(folder: RunFolder, recipe: Recipe) -> tuple[float, str]:
    """Return the score above which a pixel of the run's seeds is no background, and where it comes from.

    Raises:
        ArtifactError: when the scores cannot be read.
    """
    scores = read_scores(folder.scores_path)
    seeds = scores.seeds.get(AVERAGED if recipe.cams.average_over_regions else NETWORK) if scores else None
    if seeds:
        return seeds.best.background_score, "best of its sweep"
    return recipe.evaluation.background_score, "of its recipe, since nothing is scored"


def readable_splits(folder: RunFolder, recipe: Recipe) -> Splits:
    """Return the images of a run without those that it left out."""
    splits, manifest = read_splits(recipe.data, drawn=folder.drawn_data), folder.read_manifest()
    if known := manifest.get("data"):
        evaluation = without_bad_files(splits.evaluation, known) if splits.evaluation else None
        splits = replace(splits, train=without_bad_files(splits.train, known), evaluation=evaluation)
    if splits.test and (known := manifest.get("test_data")):
        splits = replace(splits, test=without_bad_files(splits.test, known))
    return splits


def tested_images(splits: Splits, records: dict[str, ImageRecord]) -> dict[str, ImageRecord]:
    """Return the images to test on, by ids that no other image of the run has."""
    ids = {record.image_path: image_id for image_id, record in records.items()}
    tested = {}
    for record in splits.segmenter_test.records if splits.segmenter_test else ():
        free = f"{TEST_PREFIX}{record.image_id}" if record.image_id in records else record.image_id
        tested[ids.get(record.image_path, free)] = record
    return tested


def of_image_size(pixels: np.ndarray, size: tuple[int, int], *, path: Path) -> np.ndarray:
    """Return the pixels of a mask, or raise when they are not as many as those of its image."""
    if pixels.shape != size:
        raise ArtifactError(
            f"mask {path} has the image's size {_text(size)}, got {_text(pixels.shape)}",
            help="put the image back that it was made from, or run 'tagseg run' again with --redo",
        )
    return pixels


def _text(size: tuple[int, ...]) -> str:
    return " x ".join(str(side) for side in size)
