"""What a run starts from, and what of it each stage is handed: the stage's fingerprint is made of the same."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning_fabric import Fabric

from tagseg.artifacts.run_folder import RunFolder, fingerprint
from tagseg.assemble.data import superpixel_cache
from tagseg.assemble.earlier_run import EarlierRun, open_earlier_run
from tagseg.assemble.first_weights import is_file_of_weights
from tagseg.errors import ArtifactError
from tagseg.pipeline.order import declared_sections, needed_stages
from tagseg.pipeline.screening import LoadedData
from tagseg.progress import Progress
from tagseg.recipe import Recipe
from tagseg.recipe.view import view_of
from tagseg.stages.context import Stage, StageContext
from tagseg.training.accelerator import choose_accelerator
from tagseg.training.loggers import Logged

FINGERPRINTS = 3
"""Version of how the inputs of a stage are named; results of a run with another one are made again."""


@dataclass(frozen=True, slots=True)
class RunInputs:
    """One run: what to do, on what, where.

    Args:
        fabric: devices, precision and processes.
        recipe: all values.
        folder: the run folder.
        data: the readable images, and names of their content.
    """

    fabric: Fabric
    recipe: Recipe
    folder: RunFolder
    data: LoadedData

    def context(self, stage: Stage, *, progress: Progress) -> StageContext:
        """Return what a stage works with.

        Args:
            stage: one of the pipeline.
            progress: reports what happens.
        """
        splits = self.data.splits
        _, reason = choose_accelerator(self.recipe.engine.accelerator)
        return StageContext(
            fabric=self.fabric,
            recipe=view_of(self.recipe, declared_sections(stage, self.recipe)),
            folder=self.folder,
            train=splits.train,
            evaluation=splits.evaluation,
            test=splits.segmenter_test,
            corrected=self.data.corrections.records,
            made_of=self.fingerprint(stage),
            stages=tuple(each.name for each in needed_stages(self.recipe)),
            regions=superpixel_cache(self.recipe),
            workers=self.recipe.engine.workers,
            logged=self._logged(stage, warn=progress.warn),
            place=f"{self.fabric.device.type} ({reason}), {torch.get_num_threads()} thread(s) a process",
            progress=progress,
        )

    def _logged(self, stage: Stage, *, warn: Callable[[str], None]) -> Logged:
        """Return what loggers get: the name of the run folder, and values without the places of the user's files."""
        sections = [name for name in declared_sections(stage, self.recipe) if name not in ("data", "superpixels")]
        values = self.recipe.model_dump(mode="json", include=set(sections))
        flat = {f"{section}.{key}": value for section in sections for key, value in values[section].items()}
        for place in ("segmenter.corrections", "self_modulation.target_run"):
            flat.pop(place, None)
        for key, value in flat.items():
            if key.endswith("weights") and isinstance(value, str) and is_file_of_weights(value):
                flat[key] = "file"
        name = f"{self.folder.root.resolve().name}/{self.folder.output(stage.name).name}"
        return Logged(self.recipe.engine.loggers, name, flat | {"seed": self.recipe.seed}, warn)

    def fingerprint(self, stage: Stage) -> str:
        """Name what a stage is made of: images, tags, masks if it reads them, seed, precision, and its sections.

        Corrections are named by what they show, and an earlier run by what the stage of its maps was made of, wherever
        they lie. A run without them is named as before there were any.
        """
        values = self.recipe.model_dump(mode="json")
        # Where regions are kept changes nothing; the images to test on, nothing that the earlier stages make.
        values["superpixels"].pop("cache")
        values["segmenter"].pop("corrections")
        weight = values["segmenter"].pop("corrections_weight")
        draws = values["affinity"].pop("corrections")
        values["self_modulation"].pop("target_run")
        tested = {key: values["data"].pop(key) for key in list(values["data"]) if key.startswith("test_")}
        inputs = {section: values[section] for section in (*declared_sections(stage, self.recipe), "data")}
        parts = [inputs, self.recipe.seed, self.recipe.engine.precision, self.data.fingerprint]
        # Masks are read for scores, and by what learns from them.
        taught = "segmenter" in inputs and self.recipe.segmenter.labels == "truth"
        parts += [self.data.truth] if stage.scores or taught else []
        corrections = self.data.corrections.fingerprint
        parts += [corrections, weight] if "segmenter" in inputs and corrections else []
        parts += ["affinity", corrections] if "affinity" in inputs and corrections and draws else []
        earlier = self.recipe.self_modulation.earlier_run
        parts += [["target_run", self._earlier(earlier).made_of]] if earlier and "self_modulation" in inputs else []
        return fingerprint(*parts, *((tested, self.data.test_fingerprint) if stage.tests else ()))

    def _earlier(self, root: Path) -> EarlierRun:
        """Open the run whose maps are learned from, before anything is trained or deleted.

        Raises:
            ArtifactError: when it is this run, or one of other photographs or tags.
        """
        if root.resolve() == self.folder.root.resolve():
            raise ArtifactError(
                f"self_modulation.target_run must be another run, got {root}, the folder of this one",
                help="choose another --out",
            )
        earlier = open_earlier_run(root)
        if earlier.data != self.data.fingerprint:
            raise ArtifactError(
                f"self_modulation.target_run must be a run of the same photographs and tags, got {root} with others",
                help="run it again on this data first",
            )
        return earlier
