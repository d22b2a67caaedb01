"""Weights and networks of all stages, looked at before the first: what cannot be had is said before hours of work."""

from collections.abc import Callable
from functools import partial

import torch

from tagseg.assemble.first_weights import require_first_weights
from tagseg.assemble.networks import build_affinity_network, build_region_affinity
from tagseg.assemble.segmenter import build_segmentation_network
from tagseg.errors import ArtifactError
from tagseg.pipeline.order import needed_stages
from tagseg.pipeline.run_inputs import RunInputs
from tagseg.training.loggers import require_loggers


def rehearse(inputs: RunInputs, *, only: str | None = None) -> None:
    """Look whether weights and the maps of an earlier run can be had; build networks of what is to do, and forget them.

    Stage 1 builds its classifier first of all. The state of torch's generator stays.

    Args:
        inputs: of the run.
        only: the one stage that is done: no network is built then; None for all.

    Raises:
        ArtifactError: when files of the earlier run are gone whose maps are still to be learned from.
        ModelError: for a network that is unknown or does not suit, and weights that cannot be had or do not fit.
        TrainingError: when a logger is named whose package is not installed.
    """
    _require_weights(inputs, only=only)
    _require_earlier_maps(inputs)
    if only is not None:
        return
    require_loggers(inputs.recipe.engine.loggers)
    recipe, num_labels = inputs.recipe, inputs.data.splits.train.classes.num_labels
    learned = recipe.affinity.weights == "trained"  # from stage 1: not there yet
    builders: dict[str, Callable[[], object]] = {
        "train_affinity": lambda: build_affinity_network(recipe, trained=None, pretrained=not learned),
        "train_segmenter": lambda: build_segmentation_network(recipe, num_labels=num_labels),
    }
    shares = {
        "train_classifier": "region_affinity" in recipe.self_modulation.refines_target,
        "extract_cams": recipe.cams.region_affinity,
        "make_masks": "region_affinity" in recipe.masks.refine,
    }
    if recipe.region_affinity.weights != "trained":  # else it is the classifier
        share = partial(build_region_affinity, recipe, inputs.folder, device=torch.device("cpu"))
        builders |= {stage: share for stage, used in shares.items() if used}
    with torch.random.fork_rng(devices=()):
        for stage in needed_stages(recipe):
            if stage.name in builders and inputs.folder.stage_status(stage.name).state == "missing":
                builders[stage.name]()


def _require_weights(inputs: RunInputs, *, only: str | None) -> None:
    """Refuse weights that cannot be had, of the stages that are to do."""
    status = inputs.folder.stage_status
    left = [stage.name for stage in needed_stages(inputs.recipe) if status(stage.name).state != "done"]
    require_first_weights(inputs.recipe, [name for name in left if only in (None, name)])


def _require_earlier_maps(inputs: RunInputs) -> None:
    """Refuse an earlier run without all of its maps, unless they were learned from already."""
    earlier, records = inputs.earlier, inputs.data.splits.train.records
    if earlier is None or inputs.folder.stage_status("train_classifier").state == "done":
        return
    if gone := earlier.count_gone(records):
        raise ArtifactError(
            f"self_modulation.target_run must have maps of all {len(records)} training images, got "
            f"{earlier.folder.root} without those of {gone}",
            help="run it again first: it makes what is gone",
        )
