"""A run as a report sees it: its folder, its recipe, and the readable images; at work or finished."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tagseg.artifacts.run_folder import RunFolder
from tagseg.assemble.data import Splits
from tagseg.classes import ClassTable
from tagseg.errors import ArtifactError, DataError
from tagseg.recipe import Recipe
from tagseg.results.run import read_run_recipe, readable_splits
from tagseg.stages.context import RunContext


@dataclass(frozen=True, slots=True)
class ReportSource:
    """What a report is gathered from.

    Args:
        folder: the run folder.
        recipe: as it runs.
        classes: its class table.
        splits: its readable images, or None when the data set is not there.
        missing: why there are no splits, else an empty string.
    """

    folder: RunFolder
    recipe: Recipe
    classes: ClassTable
    splits: Splits | None
    missing: str = ""


def running_source(context: RunContext) -> ReportSource:
    """Return the source of a run at work."""
    # Images to test on are those of the evaluation where none are apart; Splits knows that itself.
    test = context.test if context.test is not context.evaluation else None
    splits = Splits(context.train, context.evaluation, test)
    return ReportSource(context.folder, context.recipe, context.train.classes, splits)


def open_source(root: Path) -> ReportSource:
    """Return the source of a run folder; without its data set, the report has no pictures.

    Raises:
        ArtifactError: when the folder holds no run, or its files are not those of tagseg.
        DataError: when the data set cannot be read and nothing in the folder tells the classes.
    """
    folder, recipe = RunFolder(root), read_run_recipe(root)
    try:
        splits = readable_splits(folder, recipe)
    except DataError as error:
        names = read_scores(folder).get("classes") or ["background", *(recipe.data.classes or ())]
        if len(names) < 2:
            raise
        return ReportSource(folder, recipe, ClassTable(tuple(names[1:])), None, str(error))
    return ReportSource(folder, recipe, splits.train.classes, splits)


def read_scores(folder: RunFolder) -> dict[str, Any]:
    """Return the content of ``scores.json``, empty when nothing is scored yet.

    Raises:
        ArtifactError: when the file is not one that tagseg wrote.
    """
    path = folder.scores_path
    if not path.exists():
        return {}
    try:
        scores = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        scores = None
    if not isinstance(scores, dict):
        raise ArtifactError(
            f"{path} must be scores that tagseg wrote, got a file that cannot be read as such",
            help="delete it and run the stage evaluate again",
        )
    return scores
