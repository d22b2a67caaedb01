"""A run as a report sees it: its folder, its recipe, and the readable images; at work or finished."""

from dataclasses import dataclass
from pathlib import Path

from tagseg.artifacts.run_folder import RunFolder
from tagseg.artifacts.scores_file import read_scores
from tagseg.assemble.data import Splits
from tagseg.classes import ClassTable
from tagseg.errors import DataError
from tagseg.recipe import Recipe
from tagseg.results.open_run import read_run_recipe, readable_splits


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

    @property
    def without_pictures(self) -> str:
        """Why there are none, in a sentence for the reader; empty where there are."""
        return f"no pictures are shown: {self.missing}" if self.missing else ""


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
        scores = read_scores(folder.scores_path)
        names = scores.classes[1:] if scores and scores.classes else tuple(recipe.data.classes or ())
        if not names:
            raise
        return ReportSource(folder, recipe, ClassTable(names), None, str(error))
    return ReportSource(folder, recipe, splits.train.classes, splits)
