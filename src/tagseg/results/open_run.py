"""Run folders opened to be looked at: recipe, readable images, titles, and the score that cuts the seeds."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tagseg.artifacts.run_folder import RunFolder
from tagseg.artifacts.run_scores import AFFINITY, AVERAGED, NETWORK
from tagseg.artifacts.scores_file import read_scores
from tagseg.assemble.data import Splits, predicted_records, read_splits, without_bad_files
from tagseg.assemble.maps import chosen_records
from tagseg.errors import ArtifactError
from tagseg.progress import Progress
from tagseg.recipe import Recipe, load_run_recipe
from tagseg.results.image_results import TEST_PREFIX, ImageResults
from tagseg.system.near_paths import near_path_help
from tagseg.types import ImageRecord

_MAPS = {
    NETWORK: "the network's maps",
    AVERAGED: "maps averaged over regions",
    AFFINITY: "maps shared by regions that look alike",
}


def open_runs(roots: Sequence[Path], *, background_score: float | None, progress: Progress) -> list[ImageResults]:
    """Open run folders of the same data to be compared.

    Args:
        roots: the folders.
        background_score: cuts the seeds, in [0, 1]; None for each run's best one of its sweep, or, in a run without
            scores, the one of its recipe.
        progress: says how the seeds of each run are cut.

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
        runs.append(ImageResults(folder, recipe, splits.train.classes, records, score, title, tested))
        kind = _MAPS[recipe.cams.kinds[-1]]
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
        help = "give the folder that 'tagseg run' printed"
        raise ArtifactError(
            f"{root} must be the folder of a run, got no {path.name} in it",
            help=help if root.exists() else near_path_help(root, help, wanted=os.path.isdir),
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
    """Return the score above which a pixel of the run's seeds is not background, and where it comes from.

    Raises:
        ArtifactError: when the scores cannot be read.
    """
    scores = read_scores(folder.scores_path)
    seeds = scores.seeds.get(recipe.cams.kinds[-1]) if scores else None
    if seeds:
        return seeds.best.background_score, "best of its sweep"
    cut = _cut_of_masks(folder, recipe)
    if cut is not None:
        return cut, "of its pseudo masks, since nothing is scored"
    return recipe.evaluation.background_score, "of its recipe, since nothing is scored"


def _cut_of_masks(folder: RunFolder, recipe: Recipe) -> float | None:
    """Return the background score of finished pseudo masks, None where they were cut from other maps than the seeds."""
    status = folder.stage_status("make_masks")
    if status.state != "done" or recipe.masks.before_cut or recipe.masks.maps != "seeds":
        return None
    return status.details.get("background_score")


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
    """Return the images that the network labels, by ids that no other image of the run has.

    They are those to test on, or some that it learned from where there are no others.
    """
    ids = {record.image_path: image_id for image_id, record in records.items()}
    tested: dict[str, ImageRecord] = {}
    for record in predicted_records(splits.train, splits.segmenter_test):
        free = f"{TEST_PREFIX}{record.image_id}" if record.image_id in records else record.image_id
        tested[ids.get(record.image_path, free)] = record
    return tested
