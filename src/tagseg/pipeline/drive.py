"""How a run goes through the stages: skip what is done, continue what is half done."""

import json
import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric

from tagseg.artifacts.run_folder import RunFolder, describe_environment
from tagseg.assemble.data import load_splits
from tagseg.assemble.networks import engine_settings
from tagseg.errors import ArtifactError
from tagseg.pipeline.cost import Sitting, noting_progress
from tagseg.pipeline.order import PIPELINE, needed_stages
from tagseg.pipeline.rehearsal import rehearse
from tagseg.progress import Progress, SilentProgress
from tagseg.recipe import Recipe, load_recipe, to_toml
from tagseg.stages import evaluate
from tagseg.stages.context import RunContext, Stage, stage_fingerprint
from tagseg.stages.write_report import show_progress
from tagseg.system.atomic import atomic_write
from tagseg.training.engine import launch


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run.

    Args:
        folder: the run folder.
        scores: the content of ``scores.json``.
    """

    folder: Path
    scores: dict[str, Any]

    @property
    def seed_mean_iou(self) -> float | None:
        """Best mIoU (0..1) of the seeds as the next stage gets them, or None without ground truth."""
        seeds = self.scores.get("seeds")
        if not seeds:
            return None
        return seeds.get(evaluate.AVERAGED, seeds[evaluate.NETWORK])["best"]["mean_iou"]

    @property
    def pseudo_mask_mean_iou(self) -> float | None:
        """The mIoU (0..1) of the pseudo masks as they were made, or None without ground truth."""
        made = self.scores.get("pseudo_masks")
        return made["masks"]["mean_iou"] if made else None

    @property
    def segmenter_mean_iou(self) -> float | None:
        """The mIoU (0..1) of the segmentation network on the images to test on, or None without ground truth."""
        made = self.scores.get("segmenter")
        return made["mean_iou"] if made else None


def run(recipe: str | Path, out: str | Path, *, overrides: Sequence[str] = (), progress: Progress | None = None) -> Run:
    """Run every stage of a recipe; a second call does what is missing.

    A script calls it below ``if __name__ == "__main__":``, since worker processes import the script again.

    Args:
        recipe: the TOML file.
        out: the run folder, made when missing.
        overrides: ``section.key=value`` settings that win over the file.
        progress: told what happens; silent by default.

    Returns:
        The finished run.

    Raises:
        TagsegError: one sentence with the next move, for anything that a user can correct.
    """
    return run_pipeline(load_recipe(recipe, list(overrides)), Path(out), progress=progress or SilentProgress())


def run_pipeline(recipe: Recipe, out: Path, *, progress: Progress, only: str | None = None, redo: bool = False) -> Run:
    """Go through the stages in order.

    Args:
        recipe: all values.
        out: the run folder.
        progress: told what happens.
        only: run this stage alone; the stages before it must be done.
        redo: do stages again whose inputs changed, instead of refusing to overwrite costly results.

    Raises:
        TagsegError: for anything that a user can correct.
    """
    launch(engine_settings(recipe), _run_in_process, recipe, out, progress, only, redo)
    scores_path = RunFolder(out).scores_path
    scores = json.loads(scores_path.read_text(encoding="utf-8")) if scores_path.exists() else {}
    return Run(folder=out, scores=scores)


def _run_in_process(
    fabric: Fabric, recipe: Recipe, out: Path, progress: Progress, only: str | None, redo: bool
) -> None:
    """Go through the stages in one process of the run; the first one looks after the folder."""
    folder, first = RunFolder(out), fabric.is_global_zero
    with folder.lock() if first else nullcontext():
        heard = noting_progress(progress, folder) if first else SilentProgress()
        loaded = load_splits(recipe, folder, progress=heard) if first else None
        fabric.barrier()  # the others find the images looked through
        data = loaded or load_splits(recipe, folder, progress=heard)
        context = RunContext(
            fabric,
            recipe,
            folder,
            data.splits.train,
            data.splits.evaluation,
            data.fingerprint,
            progress if first else heard,
            test=data.splits.segmenter_test,
            test_fingerprint=data.test_fingerprint,
        )
        if first:
            _check_inputs(context, redo=redo)
            if only is None:
                rehearse(context)
            _describe(context)
        for stage in PIPELINE:
            _step(context, stage, only=only)


def _step(context: RunContext, stage: Stage, *, only: str | None) -> None:
    """Do, continue or skip one stage and say why."""
    folder, progress, fabric = context.folder, context.progress, context.fabric
    if reason := stage.unneeded(context.recipe):
        progress.stage(stage.name, "skip", reason)
        return
    inputs = stage_fingerprint(needed_stages(context.recipe), stage.name, context)
    # One process decides for all: the others might look at the manifest a moment later.
    done, reason = fabric.broadcast(_is_done(context, stage, inputs))
    if done:
        progress.stage(stage.name, "skip", reason)
        return
    if only is not None and stage.name != only:
        _require_before(stage.name, only=only, reason=reason)
        return
    if fabric.is_global_zero:
        progress.stage(stage.name, "resume" if reason == "it was interrupted" else "start", reason)
        folder.mark_started(stage.name, inputs)
    with Sitting(context, stage.name) as sitting:
        details = stage.run(replace(context, progress=sitting.progress))
    if fabric.is_global_zero:
        folder.mark_done(stage.name, inputs, {**details, **sitting.figures()})
        progress.stage(stage.name, "done", f"{sitting.seconds:.0f} s")
        # The last stage is the page itself, and it follows the one before at once.
        if stage not in (PIPELINE[-2:] if only is None else PIPELINE[-1:]):
            show_progress(context)
    fabric.barrier()


def _is_done(context: RunContext, stage: Stage, inputs: str) -> tuple[bool, str]:
    """Return whether the stage finished with these inputs and its files are still there, and the reason for people."""
    done, reason = context.folder.is_done(stage.name, inputs)
    if done and (gone := stage.missing(context)):
        return False, f"{gone} of its files are gone"
    if done and (why := stage.outdated(context)):
        return False, why
    return done, reason


def _require_before(name: str, *, only: str, reason: str) -> None:
    """Refuse to run stage ``only`` when the unfinished stage ``name`` comes before it."""
    names = [entry.name for entry in PIPELINE]
    if names.index(name) < names.index(only):
        alone = "" if name == "predict" else f"'tagseg {name.replace('_', '-')}' or "  # that command takes any images
        raise ArtifactError(
            f"stage '{only}' follows a finished '{name}', got one that is not ({reason})",
            help=f"run {alone}'tagseg run' first",
        )


def _check_inputs(context: RunContext, *, redo: bool) -> None:
    """Refuse to mix results of different recipes in one folder, or clear what is out of date when asked to."""
    stages = needed_stages(context.recipe)
    for position, stage in enumerate(stages):
        status = context.folder.stage_status(stage.name)
        if status.state == "missing" or status.fingerprint == stage_fingerprint(stages, stage.name, context):
            continue
        if not context.folder.output(stage.name).exists():
            continue  # deleted by a --redo that was stopped before it came here: there is nothing to lose
        if stage.costly and not redo:
            raise ArtifactError(
                f"{context.folder.root} holds '{stage.name}' of the same recipe, got other values: {_changes(context)}",
                help="choose another --out, or add --redo to do this stage and the later ones again",
            )
        for outdated in stages[position:]:
            _remove(context.folder.output(outdated.name))
        return


def _changes(context: RunContext) -> str:
    """Name the recipe values that differ from those of the run folder."""
    path = context.folder.recipe_path
    if not path.exists():
        return "the recipe of the folder is gone"
    old, new = (flat_values(recipe) for recipe in (load_recipe(path), context.recipe))
    matters = [key for key in new if not key.startswith(("name", "engine.", "superpixels.cache"))]
    changed = [f"{key} {old.get(key)} -> {new[key]}" for key in matters if old.get(key) != new[key]]
    return ", ".join(changed) or "the images or tags changed"


def flat_values(recipe: Recipe) -> dict[str, Any]:
    """Return all values of a recipe by ``section.key``, as JSON has them."""
    flat = {}
    for key, value in recipe.model_dump(mode="json").items():
        flat |= {f"{key}.{name}": item for name, item in value.items()} if isinstance(value, dict) else {key: value}
    return flat


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _describe(context: RunContext) -> None:
    """Write the recipe as it runs, and what a reader needs to repeat it."""
    folder, recipe = context.folder, context.recipe
    atomic_write(folder.recipe_path, to_toml(recipe).encode())
    manifest = folder.read_manifest()
    folder.update_manifest(
        recipe=recipe.model_dump(mode="json"),
        seed=recipe.seed,
        environment=describe_environment(),
        created=manifest.get("created", datetime.now(UTC).isoformat(timespec="seconds")),
        counts={
            "train_images": len(context.train),
            "eval_images": len(context.evaluation) if context.evaluation else 0,
            "classes": context.train.classes.num_classes,
        },
    )
