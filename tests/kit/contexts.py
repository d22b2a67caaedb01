"""What a stage is given, made by hand."""

from pathlib import Path

from lightning_fabric import Fabric

from tagseg.artifacts.run_folder import RunFolder
from tagseg.assemble.data import Splits
from tagseg.pipeline.order import PIPELINE
from tagseg.pipeline.run_inputs import RunInputs
from tagseg.pipeline.screening import LoadedData
from tagseg.progress import Progress, SilentProgress
from tagseg.recipe import Recipe
from tagseg.stages.context import StageContext
from tagseg.types import Split


def run_inputs(recipe: Recipe, root: Path, train: Split, evaluation: Split | None = None) -> RunInputs:
    """Return what a run on a CPU starts from."""
    data = LoadedData(Splits(train, evaluation), "", "")
    return RunInputs(Fabric(accelerator="cpu", devices=1), recipe, RunFolder(root), data)


def stage_context(
    stage: str,
    recipe: Recipe,
    root: Path,
    train: Split,
    evaluation: Split | None = None,
    *,
    progress: Progress | None = None,
) -> StageContext:
    """Return what a stage of such a run is given: the sections that it and those before it declare."""
    (found,) = (each for each in PIPELINE if each.name == stage)
    return run_inputs(recipe, root, train, evaluation).context(found, progress=progress or SilentProgress())
