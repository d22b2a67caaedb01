"""What a run starts from, and what of it each stage is handed: the stage's fingerprint is made of the same."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from lightning_fabric import Fabric

from tagseg.artifacts.run_folder import RunFolder, fingerprint
from tagseg.artifacts.segmenter_file import file_sha256
from tagseg.assemble.data import superpixel_cache
from tagseg.assemble.earlier_run import EarlierRun, open_earlier_run
from tagseg.assemble.first_weights import first_weights, is_file_of_weights
from tagseg.errors import ArtifactError
from tagseg.pipeline.order import declared_sections, needed_stages
from tagseg.pipeline.screening import LoadedData
from tagseg.progress import Progress
from tagseg.recipe import Recipe
from tagseg.recipe.view import view_of
from tagseg.stages.context import Stage, StageContext
from tagseg.training.accelerator import choose_accelerator
from tagseg.training.loggers import Logged

FINGERPRINTS = 4
"""Version of how the inputs of a stage are named; results of a run with another one are made again."""


@dataclass(frozen=True, slots=True)
class RunInputs:
    """One run: what to do, on what, where.

    Args:
        fabric: devices, precision and processes.
        recipe: all values.
        folder: the run folder.
        data: the readable images, and names of their content.
        earlier: the run whose maps are the target of self-modulation, or None.
        weights: SHA-256 of each file of first weights, by the path that the recipe names.
    """

    fabric: Fabric
    recipe: Recipe
    folder: RunFolder
    data: LoadedData
    earlier: EarlierRun | None = None
    weights: Mapping[str, str] = field(default_factory=dict)

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
            earlier=self.earlier,
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
        they lie. Files of weights are named by their path and their content. A run without them is named as before
        there were any.
        """
        values = self.recipe.model_dump(mode="json")
        # Where regions are kept changes nothing; the images to test on, nothing that the earlier stages make.
        values["superpixels"].pop("cache")
        values["segmenter"].pop("corrections")
        weight = values["segmenter"].pop("corrections_weight")
        draws = values["affinity"].pop("corrections")
        values["self_modulation"].pop("target_run")
        flat = values["cams"].pop("flat_maps")
        tested = {key: values["data"].pop(key) for key in list(values["data"]) if key.startswith("test_")}
        inputs = {section: values[section] for section in (*declared_sections(stage, self.recipe), "data")}
        parts = [inputs, self.recipe.seed, self.recipe.engine.precision, self.data.fingerprint]
        # Masks are read for scores, and by what learns from them.
        taught = "segmenter" in inputs and self.recipe.segmenter.labels == "truth"
        parts += [self.data.truth] if stage.scores or taught else []
        corrections = self.data.corrections.fingerprint
        parts += [corrections, weight] if "segmenter" in inputs and corrections else []
        parts += ["affinity", corrections] if "affinity" in inputs and corrections and draws else []
        parts += [["target_run", self.earlier.made_of]] if self.earlier and "self_modulation" in inputs else []
        parts += [["weights", contents]] if (contents := self._contents(stage)) else []
        parts += [["flat_maps", flat]] if "cams" in inputs and flat != "keep" else []
        # The rule was another one before (Otsu's threshold, which has a name of its own now).
        parts += [["background", 2]] if "masks" in inputs and self.recipe.masks.background_rule == "auto" else []
        return fingerprint(*parts, *((tested, self.data.test_fingerprint) if stage.tests else ()))

    def _contents(self, stage: Stage) -> dict[str, str]:
        """Return the SHA-256 of each file of weights that a stage or one before it starts from, by its key."""
        names = [each.name for each in needed_stages(self.recipe)]
        used = names[: names.index(stage.name) + 1] if stage.name in names else []
        found = first_weights(self.recipe, used)
        return {each.key: self.weights[each.named] for each in found if each.named in self.weights}


def open_inputs(fabric: Fabric, recipe: Recipe, folder: RunFolder, data: LoadedData) -> RunInputs:
    """Return what a run starts from, with the earlier run that it learns from and the contents of files of weights.

    A file of weights that is gone counts as the one that the run folder knows: a finished training needs it no more.

    Raises:
        ArtifactError: when the earlier run is this one or one of other photographs or tags, or a file of weights
            cannot be read.
    """
    named = {each.named for each in first_weights(recipe, [each.name for each in needed_stages(recipe)])}
    known = folder.read_manifest().get("weights", {})
    files = {path: Path(path) for path in sorted(named) if is_file_of_weights(path)}
    contents = {path: file_sha256(file) if file.is_file() else known.get(path, "") for path, file in files.items()}
    root = recipe.self_modulation.earlier_run
    return RunInputs(fabric, recipe, folder, data, _open_earlier(root, folder, data) if root else None, contents)


def _open_earlier(root: Path, folder: RunFolder, data: LoadedData) -> EarlierRun:
    """Open the run whose maps are learned from, before anything is trained or deleted."""
    if root.resolve() == folder.root.resolve():
        raise ArtifactError(
            f"self_modulation.target_run must be another run, got {root}, the folder of this one",
            help="choose another --out",
        )
    earlier = open_earlier_run(root)
    if earlier.data != data.fingerprint:
        raise ArtifactError(
            f"self_modulation.target_run must be a run of the same photographs and tags, got {root} with others",
            help="run it again on this data first",
        )
    return earlier
