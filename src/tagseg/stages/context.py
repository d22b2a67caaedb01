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
        test: images on which the segmentation network is scored, or None.
        test_fingerprint: name of their content.
    """

    fabric: Fabric
    recipe: Recipe
    folder: RunFolder
    train: Split
    evaluation: Split | None
    data_fingerprint: str
    progress: Progress
    test: Split | None = None
    test_fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the pipeline.

    Args:
        name: its name on the command line, with underscores.
        sections: the recipe's sections that its result depends on, besides those of the stages before it.
        run: does or continues the work, in every process of the run; the first one's details go to the manifest.
        costly: whether a finished result is kept from being overwritten when the recipe changes.
        unneeded: returns why a recipe does without the stage, or an empty string when it needs it.
        outdated: returns why a finished result is made again although its inputs are the same, or an empty string.
        missing: counts the files of a finished stage that are gone, so that whoever deletes a damaged one gets it back.
        tests: whether it looks at the images to test on.
    """

    name: str
    sections: tuple[str, ...]
    run: Callable[[RunContext], dict[str, Any]]
    costly: bool
    unneeded: Callable[[Recipe], str] = lambda recipe: ""
    outdated: Callable[[RunContext], str] = lambda context: ""
    missing: Callable[[RunContext], int] = lambda context: 0
    tests: bool = False


def stage_fingerprint(stages: tuple[Stage, ...], name: str, context: RunContext) -> str:
    """Name the inputs of a stage: data, seed, precision, and all recipe sections of it and of the stages before it."""
    values = context.recipe.model_dump(mode="json")
    before = stages[: [stage.name for stage in stages].index(name) + 1]
    sections = sorted({section for stage in before for section in stage.sections})
    # Neither where regions are kept nor the images to test on change what the earlier stages make.
    values["superpixels"].pop("cache")
    tested = {key: values["data"].pop(key) for key in list(values["data"]) if key.startswith("test_")}
    inputs = {section: values[section] for section in (*sections, "superpixels")}
    tested = (tested, context.test_fingerprint) if any(stage.tests for stage in before) else ()
    return fingerprint(inputs, context.recipe.seed, context.recipe.engine.precision, context.data_fingerprint, *tested)
