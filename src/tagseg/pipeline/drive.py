"""How a run goes through the stages: skip what is done, continue what is half done."""

import shlex
import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from lightning_fabric import Fabric

from tagseg.artifacts.run_folder import RunFolder, describe_environment
from tagseg.artifacts.scores_file import read_scores
from tagseg.assemble.networks import engine_settings
from tagseg.errors import ArtifactError
from tagseg.pipeline.cost import StageCost, noting_progress
from tagseg.pipeline.estimate import estimate_run
from tagseg.pipeline.finished_run import Run
from tagseg.pipeline.order import PIPELINE, needed_stages
from tagseg.pipeline.rehearsal import rehearse
from tagseg.pipeline.run_inputs import FINGERPRINTS, RunInputs, open_inputs
from tagseg.pipeline.screening import load_splits, with_corrections
from tagseg.progress import Progress, SilentProgress
from tagseg.recipe import Recipe, flat_values, load_recipe, load_run_recipe, to_toml
from tagseg.recipe.needs import why_unneeded
from tagseg.recipe.settled import settle
from tagseg.stages.context import Stage, StageContext
from tagseg.stages.write_report import show_progress
from tagseg.system.atomic import atomic_write
from tagseg.system.notebook import default_progress
from tagseg.system.orphans import leave_if_worker_imports_script
from tagseg.training.engine import launch


def run(recipe: str | Path, out: str | Path, *, overrides: Sequence[str] = (), progress: Progress | None = None) -> Run:
    """Run every stage of a recipe; a second call does what is missing.

    A script calls it below ``if __name__ == "__main__":``, since worker processes import the script again.

    Args:
        recipe: the name of a packaged recipe, or a TOML file.
        out: the run folder, made when missing.
        overrides: ``section.key=value`` settings that win over the file.
        progress: reports what happens; by default bars in a notebook, and nothing elsewhere
            (:class:`tagseg.progress.SilentProgress` is silent anywhere).

    Returns:
        The finished run.

    Raises:
        TagsegError: one sentence with the next move, for anything that a user can correct.
    """
    leave_if_worker_imports_script()
    return run_pipeline(load_recipe(recipe, list(overrides)), Path(out), progress=progress or default_progress())


def run_pipeline(recipe: Recipe, out: Path, *, progress: Progress, only: str | None = None, redo: bool = False) -> Run:
    """Go through the stages in order.

    Args:
        recipe: all values.
        out: the run folder.
        progress: reports what happens.
        only: run this stage alone; the stages before it must be done.
        redo: do stages again whose inputs changed, instead of refusing to overwrite costly results.

    Raises:
        TagsegError: for anything that a user can correct.
    """
    launch(engine_settings(recipe), _run_in_process, recipe, out, progress, only, redo)
    return Run(folder=out, scored=read_scores(RunFolder(out).scores_path))


def _run_in_process(
    fabric: Fabric, recipe: Recipe, out: Path, progress: Progress, only: str | None, redo: bool
) -> None:
    """Go through the stages in one process of the run; the first one looks after the folder."""
    folder, first = RunFolder(out), fabric.is_global_zero
    with folder.lock() if first else nullcontext():
        heard = noting_progress(progress, folder) if first else SilentProgress()
        loaded = load_splits(recipe, folder, progress=heard) if first else None
        fabric.barrier()  # the others find the images looked through
        loaded = loaded or load_splits(recipe, folder, progress=heard)
        train = loaded.splits.train
        recipe, reasons = settle(recipe, len(train), num_masks=sum(record.mask is not None for record in train.records))
        for reason in reasons:
            heard.note(reason)
        if recipe.self_modulation.target_run is not None and not recipe.self_modulation.enabled:
            heard.warn("self_modulation.target_run has no effect, since self_modulation.enabled is false")
        inputs = open_inputs(fabric, recipe, folder, with_corrections(loaded, recipe))
        if first:
            _check_inputs(inputs, progress=progress, redo=redo)
            _require_own_files(inputs)
            rehearse(inputs, only=only)
            if only is None and (expected := estimate_run(inputs)):
                heard.note(expected)
            _describe(inputs)
        for stage in PIPELINE:
            _step(inputs, stage, only=only, progress=progress if first else heard)


def _step(inputs: RunInputs, stage: Stage, *, only: str | None, progress: Progress) -> None:
    """Do, continue or skip one stage and say why."""
    folder, fabric = inputs.folder, inputs.fabric
    if reason := why_unneeded(stage.name, inputs.recipe):
        progress.stage(stage.name, "skip", reason)
        return
    context = inputs.context(stage, progress=progress)
    named = context.made_of
    # One process decides for all: the others might look at the manifest a moment later.
    done, reason = fabric.broadcast(_is_done(context, stage, named))
    if done:
        progress.stage(stage.name, "skip", reason)
        return
    if only is not None and stage.name != only:
        _require_before(stage.name, only=only, reason=reason)
        return
    if fabric.is_global_zero:
        progress.stage(stage.name, "resume" if reason == "it was interrupted" else "start", reason)
        folder.mark_started(stage.name, named, data=inputs.data.fingerprint)
    with StageCost(fabric, folder, stage.name, progress=progress) as cost:
        details = stage.run(replace(context, progress=cost.progress))
    if fabric.is_global_zero:
        _require_same_files(inputs, stage)
        folder.mark_done(stage.name, named, {**details, **cost.figures()})
        progress.stage(stage.name, "done", f"{cost.seconds:.0f} s")
        # The last stage is the page itself, and it follows the one before at once.
        if stage not in (PIPELINE[-2:] if only is None else PIPELINE[-1:]):
            show_progress(context)
    fabric.barrier()


def _is_done(context: StageContext, stage: Stage, named: str) -> tuple[bool, str]:
    """Return whether the stage finished with these inputs and its files are still there, and the reason for people."""
    done, reason = context.folder.is_done(stage.name, named)
    if done and (gone := stage.missing(context)):
        return False, f"{gone} of its files are gone"
    if done and (why := stage.outdated(context)):
        return False, why
    if done and not stage.costly and _changed_files(context.folder, stage):
        return False, "its files are not as it left them"
    return done, reason


def _changed_files(folder: RunFolder, stage: Stage) -> list[Path]:
    sealed = [folder.output(stage.name), *([folder.scores_table_path] if stage.name == "evaluate" else [])]
    return [path for output in sealed for path in folder.seals.changed(output)]


def _require_own_files(inputs: RunInputs) -> None:
    """Refuse to go on with a costly file that is not the one that a stage of this run wrote."""
    folder = inputs.folder
    for stage in needed_stages(inputs.recipe):
        if stage.costly and (changed := _changed_files(folder, stage)):
            raise _other_file(folder, stage, changed[0])


def _require_same_files(inputs: RunInputs, done: Stage) -> None:
    """Refuse what a stage made while a file that it may have read became another; nothing of it is kept."""
    folder, stages = inputs.folder, needed_stages(inputs.recipe)
    for stage in stages[: stages.index(done)]:
        if changed := _changed_files(folder, stage):
            _remove(folder.output(done.name))
            raise _other_file(folder, stage, changed[0])


def _other_file(folder: RunFolder, stage: Stage, path: Path) -> ArtifactError:
    return ArtifactError(
        f"{path} must be the file that stage '{stage.name}' wrote, got another",
        help=f"delete it and run the same command again; to keep files that you changed, delete {folder.seals_path}",
    )


def _require_before(name: str, *, only: str, reason: str) -> None:
    """Refuse to run stage ``only`` when the unfinished stage ``name`` comes before it."""
    names = [entry.name for entry in PIPELINE]
    if names.index(name) < names.index(only):
        alone = "" if name == "predict" else f"'tagseg {name.replace('_', '-')}' or "  # that command takes any images
        raise ArtifactError(
            f"stage '{only}' needs a finished '{name}': {reason}",
            help=f"run {alone}'tagseg run' first",
        )


def _check_inputs(inputs: RunInputs, *, progress: Progress, redo: bool) -> None:
    """Refuse to mix results of different recipes in one folder, or clear what is out of date when asked to."""
    folder, stages = inputs.folder, needed_stages(inputs.recipe)
    _require_known_files(inputs, redo=redo)
    made = [stage for stage in stages if _is_made(folder, stage)]
    older = folder.read_manifest().get("fingerprints", 1) != FINGERPRINTS and any(stage.costly for stage in made)
    changed = [stage for stage in made if folder.stage_status(stage.name).fingerprint != inputs.fingerprint(stage)]
    if not changed:
        return
    first = stages.index(changed[0])
    again = f"{', '.join(stage.name for stage in stages[first:])} will be done again"
    if changed[0].costly and not redo:
        changes, other_data = _changes(inputs), "the images, tags, corrections, weights or the earlier run changed"
        found = f"one of an earlier version, which named the inputs of a stage in another way: {again}"
        words = (shlex.quote(str(path)) for path in (folder.recipe_path, folder.root))
        go_on = "run 'tagseg run {} --out {}' to go on with the values that it has, ".format(*words)
        raise ArtifactError(
            f"{folder.root} holds '{changed[0].name}' of the same recipe, "
            f"got {found if older else f'other values: {changes or other_data}'}",
            help=(go_on if changes and not older else "")
            + "choose another --out, or add --redo to do this stage and the later ones again",
        )
    if older:
        progress.note(f"the run was made by an earlier version: {again}")
    for outdated in stages[first:]:
        _remove(folder.output(outdated.name))


def _require_known_files(inputs: RunInputs, *, redo: bool) -> None:
    """Refuse to take over costly files that the manifest does not know, or clear them when asked to."""
    folder = inputs.folder
    for stage in needed_stages(inputs.recipe):
        if stage.costly and folder.stage_status(stage.name).state == "missing" and folder.lasting_files(stage.name):
            if not redo:
                raise ArtifactError(
                    f"{folder.manifest_path} must tell how the files of {folder.output(stage.name)} were made, "
                    f"got no entry of '{stage.name}'",
                    help="choose another --out, or add --redo to make them again",
                )
            _remove(folder.output(stage.name))


def _is_made(folder: RunFolder, stage: Stage) -> bool:
    """Return whether there is something to lose; a --redo that was stopped may have deleted what the manifest names."""
    return folder.stage_status(stage.name).state != "missing" and folder.output(stage.name).exists()


def _changes(inputs: RunInputs) -> str:
    """Name the recipe values that differ from those of the run folder, empty when none is known to."""
    path = inputs.folder.recipe_path
    if not path.exists():
        return ""
    old, new = (flat_values(recipe) for recipe in (load_run_recipe(path), inputs.recipe))
    matters = [key for key in new if not key.startswith(("name", "engine.", "superpixels.cache", "small_set."))]
    changed = [f"{key} {old.get(key)} -> {new[key]}" for key in matters if old.get(key) != new[key]]
    return ", ".join(changed)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _describe(inputs: RunInputs) -> None:
    """Write the recipe as it runs, and what a reader needs to repeat it."""
    folder, recipe, splits = inputs.folder, inputs.recipe, inputs.data.splits
    atomic_write(folder.recipe_path, to_toml(recipe).encode())
    manifest = folder.read_manifest()
    folder.update_manifest(
        recipe=recipe.model_dump(mode="json"),
        seed=recipe.seed,
        fingerprints=FINGERPRINTS,
        weights=inputs.weights,
        environment=describe_environment(),
        created=manifest.get("created", datetime.now(UTC).isoformat(timespec="seconds")),
        counts={
            "train_images": len(splits.train),
            "eval_images": len(splits.evaluation) if splits.evaluation else 0,
            "classes": splits.train.classes.num_classes,
        },
    )
