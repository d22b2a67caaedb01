"""Features from the middle of a network: which they are, their grid, and what learns."""

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tagseg.models.backbone import build_backbone

SIDES = st.integers(1, 90)


def test_they_are_the_outputs_of_stages_two_and_three() -> None:
    images = torch.randn(2, 3, 64, 96)
    middle = build_backbone("test_resnet", weights=None, feature_layer="middle").eval()
    with torch.no_grad():
        features, taps = middle(images), middle.taps(images)
    assert middle.num_features == taps[2].shape[1] + taps[3].shape[1]
    pooled = taps[2].unflatten(-1, (6, 2)).unflatten(-3, (4, 2)).mean(dim=(-3, -1))
    torch.testing.assert_close(features, torch.cat([pooled, taps[3]], dim=1))


@settings(max_examples=20)
@given(height=SIDES, width=SIDES)
@example(height=64, width=8)
@example(height=9, width=5)
def test_a_cell_is_a_stride_of_any_image(height: int, width: int) -> None:
    middle = build_backbone("test_resnet", weights=None, output_stride=16, feature_layer="middle").eval()
    with torch.no_grad():
        features = middle(torch.zeros(1, 3, height, width))
    assert features.shape[-2:] == (-(-height // 16), -(-width // 16))


@pytest.mark.parametrize("stride", [8, 16])
def test_the_stride_is_that_of_the_network(stride: int) -> None:
    middle = build_backbone("mobilenetv2_100", weights=None, output_stride=stride, feature_layer="middle")
    assert (middle.output_stride, middle.num_features) == (stride, 32 + 96)
    assert middle(torch.zeros(1, 3, 64, 80)).shape == (1, 128, 64 // stride, 80 // stride)


@pytest.mark.parametrize("name", ["test_vit", "convnext_atto", "test_efficientnet"])
def test_other_families_have_a_middle_too(name: str) -> None:
    middle = build_backbone(name, weights=None, output_stride=None, feature_layer="middle").eval()
    images = torch.randn(1, 3, 70, 90)
    with torch.no_grad():
        features = middle(images)
    assert features.shape[1] == middle.num_features
    fitted = middle.fit_size(images).shape[-2:]  # of patches of the last stage
    assert features.shape[-2:] == tuple(-(-side // middle.output_stride) for side in fitted)


def test_what_lies_above_does_not_learn_and_all_that_learns_gets_a_gradient() -> None:
    middle = build_backbone("test_resnet", weights=None, feature_layer="middle")
    middle(torch.randn(1, 3, 64, 64)).sum().backward()
    learning = [parameter for parameter in middle.parameters() if parameter.requires_grad]
    assert learning and all(parameter.grad is not None for parameter in learning)
    assert not any(value.requires_grad for block in middle.stages[3] for value in block.parameters())


def test_its_weights_are_those_of_the_last_stage() -> None:
    middle, last = (
        build_backbone("mobilenetv2_100", weights=None, feature_layer=layer) for layer in ("middle", "last_stage")
    )
    last.load_state_dict(middle.state_dict())
