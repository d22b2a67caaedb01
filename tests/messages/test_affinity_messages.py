"""The errors of the affinity network and of its instances, word for word."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from kit.messages import ROW, assert_says, row

from tagseg.errors import ModelError, RecipeError
from tagseg.models.affinity import AffinityNetwork
from tagseg.models.backbone import Backbone, build_backbone
from tagseg.refine.instances import InstanceSettings

NO_STAGES = "taps of a backbone need four stages, got 0 in hrnet_w18_small"
FOUR_STAGES = "choose a network of four stages, such as resnet50, mobilenetv2_100 or convnext_tiny"


def build(name: str) -> Backbone:
    return build_backbone(name, weights=None, output_stride=None)


@pytest.mark.parametrize(
    ROW,
    [
        row("taps", lambda: build("hrnet_w18_small").taps(torch.zeros(1, 3, 64, 64)), NO_STAGES, FOUR_STAGES),
        row("four_stages", lambda: AffinityNetwork(build("hrnet_w18_small")), NO_STAGES, FOUR_STAGES),
    ],
)
def test_backbones(call: Callable[[], object], problem: str, help: str) -> None:
    assert_says(call, ModelError, problem, help)


def test_a_backbone_whose_first_stage_takes_no_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Backbone, "taps", lambda *_: [torch.zeros(1, 16, 32, 32)])
    assert_says(
        lambda: AffinityNetwork(build("test_resnet")),
        ModelError,
        "taps of an affinity network are maps of the image's shape, got (16, 32, 32) at tap 0 of test_resnet "
        "for 64 x 128 px",
        "choose a backbone such as resnet50, mobilenetv2_100 or convnext_tiny",
    )


@pytest.mark.parametrize(
    ("values", "problem", "help"),
    [
        row("steps", {"steps": 0}, "steps of the displacement are at least 1, got 0", "take IRN's 300"),
        row("cells", {"centroid_cells": 0.0}, "centroid_cells is above 0, got 0.0", "take IRN's 2.5"),
        row(
            "negative_score",
            {"background_score": -0.1},
            "background_score of instances lies in [0, 1), got -0.1",
            "take IRN's 0.25",
        ),
        row(
            "score_of_one",
            {"background_score": 1.0},
            "background_score of instances lies in [0, 1), got 1.0",
            "take IRN's 0.25",
        ),
        row("share", {"share": 1.5}, "share of walked maps lies in [0, 1], got 1.5", "take IRN's 1"),
    ],
)
def test_settings_of_instances(values: dict[str, Any], problem: str, help: str) -> None:
    assert_says(lambda: InstanceSettings(**values), RecipeError, problem, help)
