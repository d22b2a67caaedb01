"""Every word of ``masks.refine`` gives a refinement."""

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import pytest
import torch

from tagseg.artifacts.checkpoint import save_checkpoint
from tagseg.artifacts.layout import RunLayout
from tagseg.assemble.networks import build_affinity_network
from tagseg.assemble.refinements import build_refinements
from tagseg.data.superpixel_cache import SuperpixelCache, SuperpixelSettings
from tagseg.recipe import make_recipe
from tagseg.recipe.refining import BEFORE_CUT, Masks
from tagseg.refine.crf import CrfRefiner
from tagseg.refine.refinement import Refinement
from tagseg.refine.shared_regions import SharedRegions
from tagseg.refine.walk import Walk, WalkSettings

WORDS = get_args(get_args(Masks.model_fields["refine"].annotation)[0])
SMALL = {
    "name": "small",
    "data": {"format": "synthetic"},
    "classifier": {"backbone": "test_resnet", "weights": "random"},
    "masks": {"walk_radius": 3, "walk_beta": 4.0, "walk_doublings": 2, "walk_share": 0.5},
    "crf": {"certainty": 0.6},
}


@pytest.fixture
def layout(tmp_path: Path) -> RunLayout:
    """A run folder with an affinity network."""
    network = build_affinity_network(make_recipe(SMALL), trained=None)
    layout = RunLayout(tmp_path)
    save_checkpoint(layout.affinity_weights, tensors={"affinity": network.state_dict()}, state={})
    return layout


def build(names: Sequence[str], layout: RunLayout) -> tuple[Refinement, ...]:
    regions = SuperpixelCache(layout.root / "regions", SuperpixelSettings())
    return build_refinements(make_recipe(SMALL), names, layout=layout, regions=regions, device=torch.device("cpu"))


@pytest.mark.parametrize("name", WORDS)
def test_a_step_of_the_recipe(name: str, layout: RunLayout) -> None:
    steps = build((name,), layout)
    assert len(steps) == 1
    assert isinstance(steps[0], Refinement)


def test_steps_come_in_order_with_the_values_of_the_recipe(layout: RunLayout) -> None:
    walk, crf = build(("walk", "crf"), layout)
    assert isinstance(walk, Walk) and isinstance(crf, CrfRefiner)
    assert walk.settings == WalkSettings(radius=3, beta=4.0, doublings=2, share=0.5)
    assert not walk.network.training
    assert crf.certainty == 0.6


def test_a_random_network_of_region_affinity_is_the_same_in_every_stage(tmp_path: Path) -> None:
    weights = []
    for draws in range(2):
        torch.rand(draws)  # a resumed stage finds the generator elsewhere
        (step,) = build(("region_affinity",), RunLayout(tmp_path))
        assert isinstance(step, SharedRegions)
        weights.append(step.transitions.backbone.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_network_is_loaded_only_where_a_step_needs_it(tmp_path: Path) -> None:
    names = [name for name in WORDS if name not in BEFORE_CUT]
    steps = build(names, RunLayout(tmp_path))
    assert len(steps) == len(names)


def test_the_recipe_parts_the_steps_at_the_cut() -> None:
    masks = make_recipe(SMALL, ["masks.refine=['walk', 'crf', 'superpixels']"]).masks
    assert masks.before_cut == ("walk",)
    assert masks.after_cut == ("crf", "superpixels")
