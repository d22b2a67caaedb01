"""Runs to compare a run with: plain CAM, and the fully supervised upper bound, of the same seed, data and budget."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from tagseg.artifacts.layout import FULL_FOLDER, PLAIN_FOLDER, RunLayout
from tagseg.errors import RecipeError
from tagseg.pipeline.drive import Run, run_pipeline
from tagseg.progress import Progress, StageStatus, Task
from tagseg.recipe import Recipe, load_run_recipe


@dataclass(frozen=True, slots=True)
class ComparedRuns:
    """A run and those to compare it with.

    Args:
        main: the run of the recipe.
        plain: plain CAM, or None.
        full: the segmentation network taught by ground truth, or None.
    """

    main: Run
    plain: Run | None = None
    full: Run | None = None


def run_compared(
    recipe: Recipe, out: Path, *, baseline: bool, upper_bound: bool, progress: Progress, redo: bool = False
) -> ComparedRuns:
    """Run a recipe, and then what it is to be compared with.

    Args:
        recipe: all values.
        out: the run folder; plain CAM goes to ``plain`` in it, the upper bound to ``full``.
        baseline: whether to run plain CAM.
        upper_bound: whether to train the same segmentation network on ground truth.
        progress: reports what happens.
        redo: do stages again whose inputs changed.

    Raises:
        RecipeError: when the recipe is itself what it is to be compared with, or has no segmentation network.
        TagsegError: for anything else that a user can correct.
    """
    if baseline and not recipe.constraints:
        raise RecipeError(
            "--baseline compares SSC with plain CAM, got a recipe that is plain CAM itself", help="leave out --baseline"
        )
    if upper_bound and not recipe.segmenter.enabled:
        raise RecipeError(
            "--upper-bound trains the segmenter on ground truth, got a recipe with segmenter.enabled=false",
            help="leave out --upper-bound, or set segmenter.enabled=true",
        )
    if upper_bound and not recipe.needs_masks:
        raise RecipeError(
            "--upper-bound compares with ground truth as labels, got a recipe that is the upper bound itself",
            help="leave out --upper-bound",
        )
    plain = full = None
    main = run_pipeline(recipe, out, progress=progress, redo=redo)
    if baseline and not load_run_recipe(RunLayout(out).recipe_path).constraints:
        progress.note("plain CAM is left out: on so few images the recipe is plain CAM itself")
        baseline = False
    if baseline:
        progress.note(f"now plain CAM with the same seed, data and budget, in {out / PLAIN_FOLDER}")
        plain = run_pipeline(_beside(recipe.plain(), out), out / PLAIN_FOLDER, progress=progress, redo=redo)
    if upper_bound:
        progress.note(f"now the segmenter on ground truth, same seed and budget, in {out / FULL_FOLDER}")
        full = run_pipeline(_beside(recipe.supervised(), out), out / FULL_FOLDER, progress=progress, redo=redo)
    if plain or full:  # the report of the run shows the scores of the others
        run_pipeline(recipe, out, progress=_WithoutSkips(progress), only="report")
    return ComparedRuns(main, plain, full)


@dataclass(frozen=True, slots=True)
class _WithoutSkips:
    """Hands all on but the stages that are skipped: they have been named once."""

    heard: Progress

    def stage(self, name: str, status: StageStatus, detail: str) -> None:
        if status != "skip":
            self.heard.stage(name, status, detail)

    def note(self, text: str) -> None:
        self.heard.note(text)

    def warn(self, text: str) -> None:
        self.heard.warn(text)

    def task(self, title: str, *, total: int, done: int = 0, unit: str = "images") -> AbstractContextManager[Task]:
        return self.heard.task(title, total=total, done=done, unit=unit)


def _beside(recipe: Recipe, out: Path) -> Recipe:
    """Return the recipe with the pictures that the main run has drawn."""
    return recipe.model_copy(update={"data": recipe.data.with_drawn(RunLayout(out).drawn_data)})
