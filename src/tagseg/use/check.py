"""Before stage 1, without a run folder: everything that is wrong with the data, and whether all else can be had."""

import tempfile
from pathlib import Path

from tagseg.artifacts.layout import STAGE_OUTPUTS
from tagseg.assemble.data import read_splits, split_readers
from tagseg.assemble.earlier_run import open_earlier_run
from tagseg.assemble.first_weights import require_first_weights
from tagseg.data.corrections import require_place
from tagseg.data.preflight import CheckReport, check_split, never_absent, shared_ids
from tagseg.data.problems import Problem
from tagseg.progress import Progress
from tagseg.recipe import Recipe
from tagseg.recipe.layouts import Data, SyntheticData
from tagseg.recipe.needs import why_unneeded
from tagseg.training.loggers import require_loggers
from tagseg.types import Split


def check_data(data: Data, *, progress: Progress) -> list[CheckReport]:
    """Read and decode every split of a recipe and report what is wrong with each.

    Args:
        data: the recipe's data section; a synthetic data set is drawn into a temporary folder.
        progress: reports what is looked at.

    Returns:
        One report a split: the one to train on, and those to score and to test on when they are others.

    Raises:
        DataError: when there is nothing to look at, such as a root folder that does not exist.
    """
    reports: list[CheckReport] = []
    train: Split | None = None
    with tempfile.TemporaryDirectory(prefix="tagseg-check-") as scratch:
        readers = split_readers(data, drawn=Path(scratch))
        for reader in readers.different():
            problems: list[Problem] = []
            split = reader(problems=problems)
            if reader is readers.train:
                train = split
                problems += never_absent(split)
            elif train is not None and reader is readers.evaluation:
                problems += shared_ids(train, split)
            progress.note(f"split '{split.name}': {len(split)} images, {split.classes.num_classes} classes")
            reports.append(check_split(split, reader_problems=problems, progress=progress))
    return reports


def require_data(data: Data) -> None:
    """Look whether the folders and files that a recipe names are there, before a run imports what takes seconds.

    Raises:
        DataError: when one is missing, in the words of a run.
    """
    places = [] if isinstance(data, SyntheticData) else [getattr(data, key) for key in data.path_keys()]
    if any(place is not None and not place.exists() for place in places):
        read_splits(data, drawn=Path())  # knows what it needs, and says which is missing


def check_needs(recipe: Recipe) -> None:
    """Look whether what a recipe names besides its data can be had: weights, earlier run, corrections, loggers.

    Raises:
        ArtifactError: when the earlier run is none, or without maps.
        TrainingError: for the first logger whose package is not installed.
        DataError: when there are no corrections where the recipe says.
        ModelError: for the first file of weights that is not there, and the first download that cannot be made.
    """
    require_loggers(recipe.engine.loggers)
    if recipe.self_modulation.earlier_run is not None:
        open_earlier_run(recipe.self_modulation.earlier_run)
    if recipe.segmenter.corrections is not None:
        require_place(recipe.segmenter.corrections)
    require_first_weights(recipe, [stage for stage in STAGE_OUTPUTS if not why_unneeded(stage, recipe)])
