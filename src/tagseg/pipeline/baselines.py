"""Runs to compare a run with: plain CAM, and the fully supervised upper bound, of the same seed, data and budget."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tagseg.artifacts.layout import FULL_FOLDER, PLAIN_FOLDER, RunLayout
from tagseg.artifacts.run_scores import RunScores
from tagseg.assemble.data import read_splits
from tagseg.assemble.networks import engine_settings
from tagseg.errors import RecipeError
from tagseg.pipeline.drive import run_pipeline
from tagseg.pipeline.finished_run import Run
from tagseg.progress import Progress, StageStatus, Task
from tagseg.recipe import Recipe, load_run_recipe
from tagseg.system.apart import Apart
from tagseg.training.engine import thread_count

Others = dict[str, tuple[Recipe, Path]]
"""What a run is compared with: its name for people, its recipe and its folder."""


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

    @property
    def scored(self) -> tuple[RunScores | None, RunScores | None, RunScores | None]:
        """The scores of the three, None where there are none."""
        return self.main.scored, self.plain and self.plain.scored, self.full and self.full.scored


def run_compared(
    recipe: Recipe, out: Path, *, baseline: bool, upper_bound: bool, progress: Progress, redo: bool = False
) -> ComparedRuns:
    """Run a recipe and then what it is to be compared with.

    Args:
        recipe: all values.
        out: the run folder; plain CAM goes to ``plain`` in it, the upper bound to ``full``.
        baseline: whether to run plain CAM.
        upper_bound: whether to train the same segmentation network on ground truth.
        progress: gets what happens.
        redo: do stages again whose inputs changed.

    Raises:
        RecipeError: when the recipe is itself what it is to be compared with, or has no segmentation network.
        TagsegError: for anything else that a user can correct.
    """
    others = _others(recipe, out, baseline=baseline, upper_bound=upper_bound)
    main, runs = _run_in_turn(recipe, out, others, progress=progress, redo=redo)
    return _compared(recipe, out, main, runs, progress=progress)


def run_at_once(recipe: Recipe, out: Path, *, progress: Progress, redo: bool = False) -> ComparedRuns:
    """Run a recipe, plain CAM and the upper bound at the same time, each in a process with its share of the cores.

    Small networks gain more from that than from threads; it takes the memory of all three. What the two others print
    goes to files in the run folder.

    Args:
        recipe: all values.
        out: the run folder, as in :func:`run_compared`.
        progress: gets what happens.
        redo: do stages again whose inputs changed.

    Raises:
        RecipeError: when the recipe is itself what it is to be compared with, or has no segmentation network.
        TagsegError: for anything else that a user can correct.
    """
    others = _others(recipe, out, baseline=True, upper_bound=True)
    main, runs = _run_side_by_side(recipe, out, others, progress=progress, redo=redo)
    return _compared(recipe, out, main, runs, progress=progress)


def _compared(recipe: Recipe, out: Path, main: Run, runs: dict[str, Run], *, progress: Progress) -> ComparedRuns:
    if runs:  # the report of the run shows the scores of the others
        run_pipeline(recipe, out, progress=_WithoutSkips(progress), only="report")
    return ComparedRuns(main, runs.get(PLAIN_FOLDER), runs.get(FULL_FOLDER))


def _others(recipe: Recipe, out: Path, *, baseline: bool, upper_bound: bool) -> Others:
    _require_comparable(recipe, baseline=baseline, upper_bound=upper_bound)
    others = {"plain CAM": (recipe.plain(), out / PLAIN_FOLDER)} if baseline else {}
    return others | ({"the segmenter on ground truth": (recipe.supervised(), out / FULL_FOLDER)} if upper_bound else {})


def _require_comparable(recipe: Recipe, *, baseline: bool, upper_bound: bool) -> None:
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


def _run_in_turn(
    recipe: Recipe, out: Path, others: Others, *, progress: Progress, redo: bool
) -> tuple[Run, dict[str, Run]]:
    """Run one after the other; return the main run, and the others by the name of their folder."""
    main, runs = run_pipeline(recipe, out, progress=progress, redo=redo), dict[str, Run]()
    for name, (other, folder) in others.items():
        if folder.name == PLAIN_FOLDER and not load_run_recipe(RunLayout(out).recipe_path).constraints:
            progress.note("plain CAM is left out: on so few images the recipe is plain CAM itself")
            continue
        progress.note(f"now {name} with the same seed, data and budget, in {folder}")
        runs[folder.name] = run_pipeline(_beside(other, out), folder, progress=progress, redo=redo)
    return main, runs


def _run_side_by_side(
    recipe: Recipe, out: Path, others: Others, *, progress: Progress, redo: bool
) -> tuple[Run, dict[str, Run]]:
    """Run all at once, the others in processes of their own whose output goes to files in the run folder."""
    read_splits(recipe.data, drawn=RunLayout(out).drawn_data)  # drawn before two processes draw them
    threads = max(1, thread_count(engine_settings(recipe)) // (1 + len(others)))
    share = {"engine": recipe.engine.model_copy(update={"threads": threads})}
    apart: dict[str, Apart[Run]] = {}
    try:
        for name, (other, folder) in others.items():
            log = RunLayout(out).log_beside(folder.name)
            progress.note(f"at the same time {name}, with the same seed, data and budget; its progress is in {log}")
            shared = _beside(other, out).model_copy(update=share)
            apart[folder.name] = Apart(partial(run_pipeline, shared, folder, progress=progress, redo=redo), log=log)
        main = run_pipeline(recipe.model_copy(update=share), out, progress=progress, redo=redo)
        with progress.task("Waiting for the other runs", total=len(apart), unit="runs") as task:
            runs = dict[str, Run]()
            for name, other in apart.items():
                runs[name] = other.result()
                task.advance()
    finally:
        for other in apart.values():
            other.stop()
    return main, runs


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
