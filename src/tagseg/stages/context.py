"""What every stage is given, and how a stage is described."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lightning_fabric import Fabric

from tagseg.artifacts.run_folder import RunFolder
from tagseg.assemble.earlier_run import EarlierRun
from tagseg.data.superpixel_cache import SuperpixelCache
from tagseg.progress import Progress
from tagseg.recipe import Recipe
from tagseg.recipe.view import RecipeView
from tagseg.training.loggers import Logged
from tagseg.types import ImageRecord, Split


@dataclass(frozen=True, slots=True)
class StageContext:
    """What one stage of one run works with: what it declared, the images, and where to write.

    Every process of a run has its own; only the first one's progress is heard.

    Args:
        fabric: devices, precision and processes.
        recipe: the sections that the stage and those before it declare; reading another one is an error.
        folder: the run folder.
        train: images to train on; unreadable ones are left out.
        evaluation: images to score, or None.
        test: images on which the segmentation network is scored, or None.
        earlier: the run whose maps are the target of self-modulation, or None.
        corrected: training images with a mask that a person corrected, as their mask.
        made_of: name of the stage's inputs; it tells its results from those of other inputs.
        stages: names of the stages that the recipe needs.
        regions: superpixels of images, wherever they are kept.
        workers: processes that read batches ahead; 0 reads them here.
        logged: the loggers of a training, and what they get of this one.
        place: what it runs on, and why, for the log.
        progress: reports what happens.
    """

    fabric: Fabric
    recipe: RecipeView
    folder: RunFolder
    train: Split
    evaluation: Split | None
    test: Split | None
    earlier: EarlierRun | None
    corrected: tuple[ImageRecord, ...]
    made_of: str
    stages: tuple[str, ...]
    regions: SuperpixelCache
    workers: int
    logged: Logged
    place: str
    progress: Progress


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the pipeline.

    Args:
        name: its name on the command line, with underscores.
        sections: the recipe's sections that it reads, besides those of the stages before it. It is handed these and no
            others, and its fingerprint is made of these.
        run: does or continues the work, in every process of the run; the first one's details go to the manifest.
        costly: whether a finished result is kept from being overwritten when the recipe changes.
        outdated: returns why a finished result is made again although its inputs are the same, or an empty string.
        missing: counts the files of a finished stage that are gone, so that whoever deletes a damaged one gets it back.
        tests: whether it looks at the images to test on.
        scores: whether it shows how good the results are: then it is done again when the ground truth changed.
        also: returns sections that it reads only with some recipes.
    """

    name: str
    sections: tuple[str, ...]
    run: Callable[[StageContext], dict[str, Any]]
    costly: bool
    outdated: Callable[[StageContext], str] = lambda context: ""
    missing: Callable[[StageContext], int] = lambda context: 0
    tests: bool = False
    scores: bool = False
    also: Callable[[Recipe], tuple[str, ...]] = lambda recipe: ()
