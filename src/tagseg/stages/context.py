"""What every stage is given, and how a stage is described."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lightning_fabric import Fabric

from tagseg.artifacts.run_folder import RunFolder, fingerprint
from tagseg.progress import Progress
from tagseg.recipe import Recipe
from tagseg.types import Split


@dataclass(frozen=True, slots=True)
class RunContext:
    """One run: what to do, on what, where, and who is told.

    Every process of a run has its own context; only the first one's progress is heard.

    Args:
        fabric: devices, precision and processes.
        recipe: all values.
        folder: the run folder.
        train: images to train on; unreadable ones are left out.
        evaluation: images to score, or None.
        data_fingerprint: name of the images' content and tags.
        progress: told what happens.
    """

    fabric: Fabric
    recipe: Recipe
    folder: RunFolder
    train: Split
    evaluation: Split | None
    data_fingerprint: str
    progress: Progress


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the pipeline.

    Args:
        name: its name on the command line, with underscores.
        sections: the recipe's sections that its result depends on, besides those of the stages before it.
        run: does or continues the work, in every process of the run; the first one's details go to the manifest.
        costly: whether a finished result is kept from being overwritten when the recipe changes.
        unneeded: returns why a recipe does without the stage, or an empty string when it needs it.
        missing: counts the files of a finished stage that are gone, so that whoever deletes a damaged one gets it back.
    """

    name: str
    sections: tuple[str, ...]
    run: Callable[[RunContext], dict[str, Any]]
    costly: bool
    unneeded: Callable[[Recipe], str] = lambda recipe: ""
    missing: Callable[[RunContext], int] = lambda context: 0


def stage_fingerprint(stages: tuple[Stage, ...], name: str, context: RunContext) -> str:
    """Name the inputs of a stage: data, seed, precision, and all recipe sections of it and of the stages before it."""
    values = context.recipe.model_dump(mode="json")
    names = [stage.name for stage in stages]
    sections = sorted({section for stage in stages[: names.index(name) + 1] for section in stage.sections})
    cache_free = {key: value for key, value in values["superpixels"].items() if key != "cache"}
    inputs = {**{section: values[section] for section in sections}, "superpixels": cache_free}
    return fingerprint(inputs, context.recipe.seed, context.recipe.engine.precision, context.data_fingerprint)
