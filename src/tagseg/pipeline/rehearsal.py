"""Weights and networks of all stages, looked at before the first: what cannot be had is said before hours of work."""

from collections.abc import Callable
from functools import partial

import torch

from tagseg.assemble.first_weights import require_first_weights
from tagseg.assemble.networks import build_affinity_network, build_region_affinity
from tagseg.assemble.segmenter import build_segmentation_network
from tagseg.pipeline.order import needed_stages
from tagseg.pipeline.run_inputs import RunInputs
from tagseg.training.loggers import require_loggers


def rehearse(inputs: RunInputs, *, only: str | None = None) -> None:
    """Look whether weights can be had; build the networks of later stages that are still to do, and forget them.

    Stage 1, which comes first, builds its own. The state of torch's generator stays.

    Args:
        inputs: of the run.
        only: the one stage that is done: no network is built then; None for all.

    Raises:
        ModelError: for a network that is unknown or does not suit, and weights that cannot be had or do not fit.
        TrainingError: when a logger is named whose package is not installed.
    """
    _require_weights(inputs, only=only)
    if only is not None:
        return
    require_loggers(inputs.recipe.engine.loggers)
    recipe, num_labels = inputs.recipe, inputs.data.splits.train.classes.num_labels
    learned = recipe.affinity.weights == "trained"  # from stage 1: not there yet
    builders: dict[str, Callable[[], object]] = {
        "train_affinity": lambda: build_affinity_network(recipe, trained=None, pretrained=not learned),
        "train_segmenter": lambda: build_segmentation_network(recipe, num_labels=num_labels),
    }
    shares = {"extract_cams": recipe.cams.region_affinity, "make_masks": "region_affinity" in recipe.masks.refine}
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
