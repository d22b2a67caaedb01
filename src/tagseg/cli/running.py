"""What commands share: opening a recipe, running stages, printing what came out."""

import json
import os
from pathlib import Path

from tagseg.artifacts.layout import RunLayout
from tagseg.artifacts.run_scores import RunScores
from tagseg.cli import tables
from tagseg.cli.console import ConsoleProgress, open_console, print_table
from tagseg.data.preflight import CheckReport
from tagseg.recipe import Recipe, load_recipe
from tagseg.system.lock import require_free
from tagseg.use.check import require_data


def open_recipe(
    recipe: str,
    *,
    out: Path | None,
    settings: list[str] | None,
    devices: int | None = None,
    precision: str | None = None,
) -> tuple[Recipe, Path]:
    """Load a recipe, by name or file, with all that the command line sets.

    Returns:
        The recipe, and the run folder.
    """
    overrides = list(settings or [])
    overrides += [f"engine.devices={devices}"] if devices is not None else []
    overrides += [f"engine.precision={precision}"] if precision is not None else []
    loaded = load_recipe(recipe, overrides)
    return loaded, out or Path("runs") / loaded.name


def overrides_of(settings: list[str] | None, *, weights: Path | None) -> list[str]:
    """Return the settings of a command line with those that have an option of their own.

    >>> overrides_of(None, weights=Path("a b.safetensors"))
    ['classifier.weights="a b.safetensors"']
    """
    named = [] if weights is None else [f"classifier.weights={json.dumps(str(weights), ensure_ascii=False)}"]
    return [*(settings or []), *named]


def run_stages(recipe: Recipe, folder: Path, *, only: str | None = None, redo: bool = False) -> RunScores | None:
    """Run all stages, or one, and return the scores of the run, None when nothing is scored yet."""
    _require_early(recipe, folder)
    from tagseg.pipeline import run_pipeline

    return run_pipeline(recipe, folder, progress=ConsoleProgress(), only=only, redo=redo).scored


def compare_runs(recipe: Recipe, folder: Path, *, baseline: bool, upper_bound: bool, redo: bool = False) -> None:
    """Run all stages, then what it is to be compared with, and print the scores of all."""
    _require_early(recipe, folder)
    from tagseg.pipeline import run_compared

    runs = run_compared(
        recipe, folder, baseline=baseline, upper_bound=upper_bound, progress=ConsoleProgress(), redo=redo
    )
    print_compared(*runs.scored)


def compare_at_once(recipe: Recipe, folder: Path) -> None:
    """Do as :func:`compare_runs` with both comparisons, all at the same time."""
    _require_early(recipe, folder)
    from tagseg.pipeline import run_at_once

    print_compared(*run_at_once(recipe, folder, progress=ConsoleProgress()).scored)


def _require_early(recipe: Recipe, folder: Path) -> None:
    """Refuse missing data and a folder in use before torch is imported.

    Of processes that a launcher starts, the first one locks the folder.
    """
    require_data(recipe.data)
    if not any(name in os.environ for name in ("WORLD_SIZE", "SLURM_NTASKS")):
        require_free(RunLayout(folder).lock_path)


def print_report(report: CheckReport, *, show: int) -> None:
    """Print what was found in a split: images of each class, then every kind of problem with its first ``show``."""
    rows = [(name, str(count)) for name, count in report.images_by_class.items()]
    title = f"Split '{report.split_name}', {report.num_images} images"
    if rows:
        print_table(title, ("class", "images"), rows)
    else:
        open_console().print(f"\n{title}, of which no tags are read\n")
    for line in tables.problem_lines(report, show=show):
        open_console().print(line)


def print_scores(scores: RunScores | None) -> None:
    """Print the scores of a run's seeds, pseudo masks and segmentation network, if it has any."""
    if scores and tables.shown_scores(scores):
        rows = tables.score_rows("this run", scores)
        print_table(tables.score_title(scores), tables.SCORE_COLUMNS, rows, num_text_columns=2)


def print_compared(scores: RunScores | None, plain: RunScores | None, full: RunScores | None) -> None:
    """Print the scores of SSC with those of plain CAM and of the upper bound, if there are any."""
    if scores and tables.shown_scores(scores):
        columns = (*tables.SCORE_COLUMNS, tables.DIFFERENCE_COLUMN)
        rows = tables.compared_rows(scores, plain, full)
        print_table(tables.score_title(scores), columns, rows, num_text_columns=2)
        for sentence in tables.comparison_sentences(scores, plain, full):
            open_console().print(sentence)
