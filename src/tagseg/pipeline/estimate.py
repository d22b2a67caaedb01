"""How long a run will take, by the rates that earlier runs in the same folder measured on this machine."""

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest
from pathlib import Path
from typing import Any

import torch

from tagseg.artifacts.layout import RunLayout
from tagseg.artifacts.run_folder import RunFolder
from tagseg.assemble.data import predicted_records
from tagseg.errors import ArtifactError
from tagseg.pipeline.order import needed_stages
from tagseg.pipeline.run_inputs import RunInputs
from tagseg.progress import duration_text
from tagseg.recipe.settled import training_steps
from tagseg.stages.context import Stage

TRAININGS = {"train_classifier": "training", "train_affinity": "affinity", "train_segmenter": "segmenter"}
"""Sections that say how many steps a training has."""

_AMOUNTS = frozenset(
    {"epochs", "least_steps", "most_steps", "cache", "corrections", "corrections_weight", "target_run", "flat_maps"}
)
"""Keys that change how much there is to do, or with which files, but hardly how fast it goes."""

_MOST_RUNS = 50

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StageTime:
    """The time of one stage.

    Args:
        stage: its name.
        seconds: expected, 0 or more; None where no earlier run measured it.
        run: the folder of the run that measured its rate.
    """

    stage: str
    seconds: float | None
    run: Path | None = None


def estimate_run(inputs: RunInputs) -> str:
    """Return a sentence for people: the time of what is to do, and which runs it is known from.

    A rate is taken from the newest run in the same parent folder that has the stage done on such a machine with the
    same settings. Training goes by its steps; other stages by images, and only for the same data set.
    """
    left = [stage for stage in needed_stages(inputs.recipe) if not _is_done(stage, inputs)]
    measured = list(_measured_runs(inputs.folder.root))
    return sentence([_time_of(stage, inputs, measured) for stage in left])


def sentence(times: Sequence[StageTime]) -> str:
    """Return what is known of the stages that are to do, or an empty string when there are none.

    >>> sentence([StageTime("train_classifier", 90.0, Path("runs/a")), StageTime("make_masks", None)])
    'estimate: at least 1 min 30 s by the rates of runs/a (train_classifier 1 min 30 s); not known: make_masks'
    >>> sentence([StageTime("make_masks", None)])
    'no estimate of the whole run yet; each stage says how long it takes'
    """
    known = [(time.stage, time.seconds, time.run) for time in times if time.seconds is not None]
    if not times:
        return ""
    if not known:
        return "no estimate of the whole run yet; each stage says how long it takes"
    runs = ", ".join(dict.fromkeys(str(run) for _, _, run in known))
    parts = ", ".join(f"{stage} {duration_text(seconds)}" for stage, seconds, _ in known)
    unknown = ", ".join(time.stage for time in times if time.seconds is None)
    total = duration_text(sum(seconds for _, seconds, _ in known))
    return (
        f"estimate: {'at least' if unknown else 'about'} {total} by the rates of {runs} ({parts})"
        f"{f'; not known: {unknown}' if unknown else ''}"
    )


def _is_done(stage: Stage, inputs: RunInputs) -> bool:
    status = inputs.folder.stage_status(stage.name)
    return (status.state, status.fingerprint) == ("done", inputs.fingerprint(stage))


def _measured_runs(root: Path) -> Iterator[tuple[Path, Values]]:
    """Yield the manifests of a run and of those in the same folder, the newest first, without damaged ones."""
    paths = [root / RunLayout(root).manifest_path.name, *root.parent.glob(f"*/{RunLayout(root).manifest_path.name}")]
    found = {path: path.stat().st_mtime_ns for path in dict.fromkeys(paths) if path.is_file()}
    for path in nlargest(_MOST_RUNS, found, key=lambda path: found[path]):
        try:
            yield path.parent, RunFolder(path.parent).read_manifest()
        except ArtifactError:
            continue


def _time_of(stage: Stage, inputs: RunInputs, measured: Sequence[tuple[Path, Values]]) -> StageTime:
    splits = inputs.data.splits
    images = len(splits.train)
    if stage.name == "predict":
        images = len(predicted_records(splits.train, splits.segmenter_test))
    masks = sum(record.mask is not None for record in splits.train.records)
    trained = stage.name in TRAININGS
    amount = images
    if trained:
        amount = training_steps(inputs.recipe, TRAININGS[stage.name], images, num_masks=masks)
    for run, manifest in measured:
        details = manifest["stages"].get(stage.name, {}).get("details", {})
        then = details.get("steps" if trained else "images") or manifest.get("counts", {}).get("train_images")
        if then and "total_time_s" in details and _is_alike(stage, inputs, manifest, details):
            growth = 1.0 if stage.name == "report" else amount / then  # a page draws a few dozen images of any number
            left_s = details["total_time_s"] * growth - _spent_s(stage, inputs)
            return StageTime(stage.name, max(left_s, 0.0), run)
    return StageTime(stage.name, None)


def _spent_s(stage: Stage, inputs: RunInputs) -> float:
    """Return the seconds that are spent on what a stage goes on with; of other inputs it keeps nothing."""
    status = inputs.folder.stage_status(stage.name)
    goes_on = (status.state, status.fingerprint) == ("started", inputs.fingerprint(stage))
    return inputs.folder.spent_s(stage.name) if goes_on else 0.0


def _is_alike(stage: Stage, inputs: RunInputs, manifest: Values, details: Values) -> bool:
    """Return whether a run did a stage with the same settings on such a machine."""
    recipe = manifest.get("recipe", {})
    machine = (platform.platform(), inputs.fabric.device.type, inputs.fabric.world_size, torch.get_num_threads())
    there = (manifest.get("environment", {}).get("platform"), *(details.get(key) for key in _MACHINE))
    sections = {*stage.sections, *stage.also(inputs.recipe), *(() if stage.name in TRAININGS else ("data",))}
    here = inputs.recipe.model_dump(mode="json")
    precision = recipe.get("engine", {}).get("precision") == inputs.recipe.engine.precision
    return precision and machine == there and all(_settings(here, name) == _settings(recipe, name) for name in sections)


_MACHINE = ("device", "processes", "threads")


def _settings(recipe: Values, section: str) -> Values | None:
    values = recipe.get(section)
    if not isinstance(values, Mapping):
        return None
    return {key: value for key, value in values.items() if key not in _AMOUNTS}
