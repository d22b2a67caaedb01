"""Before stage 1: everything that is wrong with the data of a recipe, in one pass and without a run folder."""

import tempfile
from pathlib import Path

from tagseg.assemble.data import split_readers
from tagseg.data.preflight import CheckReport, check_split, never_absent
from tagseg.data.problems import Problem
from tagseg.progress import Progress
from tagseg.recipe.layouts import Data


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
    reports = []
    with tempfile.TemporaryDirectory(prefix="tagseg-check-") as scratch:
        readers = split_readers(data, drawn=Path(scratch))
        for reader in readers.different():
            problems: list[Problem] = []
            split = reader(problems=problems)
            problems += never_absent(split) if reader is readers.train else []
            progress.note(f"split '{split.name}': {len(split)} images, {split.classes.num_classes} classes")
            reports.append(check_split(split, reader_problems=problems, progress=progress))
    return reports
