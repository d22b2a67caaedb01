"""Finished run folders, opened to be looked at: recipe, images, maps, masks, and the score that cuts the seeds."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tagseg.artifacts.cam_file import CamFile
from tagseg.artifacts.mask_file import read_confidence, read_mask
from tagseg.artifacts.run_folder import RunFolder
from tagseg.classes import VOID, ClassTable
from tagseg.errors import ArtifactError
from tagseg.progress import Progress
from tagseg.recipe import Recipe, load_recipe
from tagseg.stages.evaluate import AVERAGED, NETWORK
from tagseg.stages.extract_cams import cam_path, cam_records, read_seed_maps
from tagseg.stages.load_data import read_splits, without_bad_files
from tagseg.stages.mask_folder import MaskFolder
from tagseg.stages.seeds import FOLDER_NAME, SeedFolder
from tagseg.types import ImageRecord, LabelMap

MADE = {
    "sure": ("sure seeds", "train_affinity"),
    "mask": ("pseudo masks", "make_masks"),
    "confident": ("confidence masks", "make_masks"),
}
"""Label maps that not every run has, nor of every image: what they are, and the stage that leaves them."""


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
    """

    folder: RunFolder
    recipe: Recipe
    classes: ClassTable
    records: dict[str, ImageRecord]
    background_score: float
    title: str

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
        record, folder = self.records[image_id], self.folder.output("extract_cams")
        maps = read_seed_maps(folder, record, self.recipe, averaged=False)
        if maps.size != size:
            raise ArtifactError(
                f"CAM file {cam_path(folder, record)} has the image's size {_text(size)}, got {_text(maps.size)}",
                help="put the image back that it was made from, or delete it and run the stage extract-cams again",
            )
        if as_seeds and self.recipe.cams.average_over_regions:
            return read_seed_maps(folder, record, self.recipe, averaged=True)
        return maps

    def has(self, column: str, image_id: str) -> bool:
        """Return whether the run made the label map ``column``, one of :data:`MADE`, of an image."""
        if column == "sure" and not self.recipe.needs_affinity:
            return False  # a folder may keep those of an older recipe
        return self._made_path(column, image_id).exists()

    def require(self, column: str, image_ids: Sequence[str]) -> None:
        """Require the label map ``column``, one of :data:`MADE`, of at least one of the images.

        Raises:
            ArtifactError: when there is none.
        """
        if any(self.has(column, image_id) for image_id in image_ids):
            return
        what, stage = MADE[column]
        found, help = "with none of these images", "name others with --image"
        if column == "sure" and not self.recipe.needs_affinity:
            found, help = "whose recipe does not walk", "run it with 'walk' in masks.refine"
        elif self.folder.stage_status(stage).state != "done" or not self.folder.output(stage).exists():
            found, help = "without any", f"run the stage {stage.replace('_', '-')} first"
        elif column == "sure":
            help = "name training images with --image"
        raise ArtifactError(
            f"column '{column}' shows {what}, got {self.folder.root} {found}",
            help=f"{help}, or leave it out of --columns",
        )

    def labels(self, column: str, image_id: str, *, size: tuple[int, int]) -> LabelMap | None:
        """Read or cut a label map of an image, 255 where the label is not known.

        Args:
            column: ``seed``, all pixels of the maps cut at ``background_score``; ``sure``, the seeds that the affinity
                network learned from; ``mask``, the pseudo mask; ``confident``, the part of it to be trusted.
            image_id: one of ``records``.
            size: (height, width) of the image.

        Returns:
            The label map, or None when the run made none of this image.

        Raises:
            ArtifactError: when a file is missing, damaged, or of another size.
        """
        if column == "seed":
            return self.maps(image_id, size=size, as_seeds=True).labels(self.background_score)
        if not self.has(column, image_id):
            return None
        path = self._made_path(column, image_id)
        if column != "confident":
            return _of_size(read_mask(path), size, path=path)
        trusted = _of_size(read_confidence(path), size, path=path)
        path = self._made_path("mask", image_id)
        return np.where(trusted, _of_size(read_mask(path), size, path=path), np.uint8(VOID))

    def _made_path(self, column: str, image_id: str) -> Path:
        record, output = self.records[image_id], self.folder.output(MADE[column][1])
        if column == "sure":
            return SeedFolder(output / FOLDER_NAME).path(record)
        return MaskFolder(output).labels(record) if column == "mask" else MaskFolder(output).confidence(record)


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
    recipes = [_read_recipe(root) for root in roots]
    runs = []
    for root, recipe, title in zip(roots, recipes, _run_titles(roots, recipes), strict=True):
        folder = RunFolder(root)
        asked = (background_score, "asked for") if background_score is not None else None
        score, reason = asked or best_background_score(folder, recipe)
        classes, records = _records(folder, recipe)
        runs.append(FinishedRun(folder, recipe, classes, records, score, title))
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


def _read_recipe(root: Path) -> Recipe:
    path = RunFolder(root).recipe_path
    if not path.is_file():
        raise ArtifactError(
            f"{root} is the folder of a run, got no {path.name} in it", help="give the folder that 'tagseg run' printed"
        )
    return load_recipe(path)


def _run_titles(roots: Sequence[Path], recipes: Sequence[Recipe]) -> list[str]:
    """Return short different names: the method where that tells runs apart, else the folder's name, else its path."""
    methods = ["SSC" if _has_constraints(recipe) else "plain CAM" for recipe in recipes]
    folders = [root.resolve().name for root in roots]
    for titles in (methods, folders):
        if max(Counter(titles).values()) == 1:
            return titles
    return [str(root) for root in roots]


def _has_constraints(recipe: Recipe) -> bool:
    return any(part.enabled for part in (recipe.suppression, recipe.reconstruction, recipe.self_modulation))


def best_background_score(folder: RunFolder, recipe: Recipe) -> tuple[float, str]:
    """Return the score above which a pixel of the run's seeds is no background, and where it comes from.

    Raises:
        ArtifactError: when the scores cannot be read.
    """
    path = folder.scores_path
    if path.exists():
        try:
            seeds = json.loads(path.read_text(encoding="utf-8"))["seeds"]
            if seeds:
                kind = AVERAGED if recipe.cams.average_over_regions else NETWORK
                return float(seeds[kind]["best"]["background_score"]), "best of its sweep"
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArtifactError(
                f"{path} must be scores that tagseg wrote, got a file that cannot be read as such",
                help="delete it and run the stage evaluate again",
            ) from error
    return recipe.evaluation.background_score, "of its recipe, since nothing is scored"


def _records(folder: RunFolder, recipe: Recipe) -> tuple[ClassTable, dict[str, ImageRecord]]:
    """Return the class table and the readable images that the run extracts maps of, by id."""
    splits = read_splits(recipe.data, run_root=folder.root)
    train, evaluation = splits.train, splits.evaluation
    known = folder.read_manifest().get("data")
    if known:
        train = without_bad_files(train, known)
        evaluation = without_bad_files(evaluation, known) if evaluation else None
    return train.classes, {record.image_id: record for record in cam_records(recipe, train, evaluation)}


def _of_size(pixels: np.ndarray, size: tuple[int, int], *, path: Path) -> np.ndarray:
    """Return the pixels of a mask, or raise when they are not as many as those of its image."""
    if pixels.shape != size:
        raise ArtifactError(
            f"mask {path} has the image's size {_text(size)}, got {_text(pixels.shape)}",
            help="put the image back that it was made from, or run 'tagseg run' again with --redo",
        )
    return pixels


def _text(size: tuple[int, ...]) -> str:
    return " x ".join(str(side) for side in size)
