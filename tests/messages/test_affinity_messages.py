import pytest
import torch

from tagseg.errors import ModelError, RecipeError
from tagseg.models.affinity import AffinityNetwork
from tagseg.models.backbone import Backbone, build_backbone
from tagseg.refine.instances import InstanceSettings


def message(kind, action):
    with pytest.raises(kind) as caught:
        action()
    return str(caught.value)


def build(name):
    return build_backbone(name, weights=None, output_stride=None)


def test_backbone_without_four_stages():
    expected = (
        "taps of a backbone need four stages, got 0 in hrnet_w18_small; "
        "choose a network of four stages, such as resnet50, mobilenetv2_100 or convnext_tiny"
    )
    backbone = build("hrnet_w18_small")
    assert message(ModelError, lambda: backbone.taps(torch.zeros(1, 3, 64, 64))) == expected
    assert message(ModelError, lambda: AffinityNetwork(backbone)) == expected


def test_backbone_whose_first_stage_takes_no_maps(monkeypatch):
    monkeypatch.setattr(Backbone, "taps", lambda *_: [torch.zeros(1, 16, 32, 32)])
    assert message(ModelError, lambda: AffinityNetwork(build("test_resnet"))) == (
        "taps of an affinity network are maps of the image's shape, got (16, 32, 32) at tap 0 of test_resnet "
        "for 64 x 128 px; choose a backbone such as resnet50, mobilenetv2_100 or convnext_tiny"
    )


def test_steps_of_the_displacement():
    assert message(RecipeError, lambda: InstanceSettings(steps=0)) == (
        "steps of the displacement are at least 1, got 0; take IRN's 300"
    )


def test_centroid_cells():
    assert message(RecipeError, lambda: InstanceSettings(centroid_cells=0.0)) == (
        "centroid_cells is above 0, got 0.0; take IRN's 2.5"
    )


@pytest.mark.parametrize("score", [-0.1, 1.0])
def test_background_score_of_instances(score):
    assert message(RecipeError, lambda: InstanceSettings(background_score=score)) == (
        f"background_score of instances lies in [0, 1), got {score}; take IRN's 0.25"
    )
