"""Networks without batch norms: the same values, or the network as it was."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from timm.layers import Conv2dSame, StdConv2d
from timm.layers.norm_act import BatchNormAct2d
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from tagseg.models.folding import fold_batch_norms
from tagseg.models.segmentation_network import SegmenterDesign, build_segmenter

IMAGES = torch.randn(2, 3, 50, 70, generator=torch.Generator().manual_seed(1))

DESIGNS = {
    "deeplabv2": SegmenterDesign("deeplabv2", "test_resnet", num_labels=4, output_stride=8),
    "deeplabv3plus": SegmenterDesign("deeplabv3plus", "mobilenetv2_100", num_labels=4, decoder_channels=32),
    "tensorflow padding": SegmenterDesign("deeplabv3plus", "tf_efficientnet_b0", num_labels=4, decoder_channels=32),
    "segformer": SegmenterDesign("segformer", "test_resnet", num_labels=4, output_stride=32, decoder_channels=32),
    "upernet": SegmenterDesign("upernet", "test_convnext", num_labels=4, output_stride=32, decoder_channels=32),
}


def norms(network: nn.Module) -> list[nn.Module]:
    return [module for module in network.modules() if isinstance(module, _BatchNorm)]


def as_trained(network: nn.Module) -> nn.Module:
    """Give batch norms what training leaves: their first values, 0 and 1, hide mistakes."""
    torch.manual_seed(2)
    for norm in norms(network):
        for values, low, high in ((norm.running_var, 0.5, 1.5), (norm.running_mean, -0.2, 0.2)):
            values.uniform_(low, high)
        if norm.affine:
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.uniform_(norm.bias, -0.2, 0.2)
    return network


def small(*layers: nn.Module) -> nn.Sequential:
    return as_trained(nn.Sequential(*layers)).eval()


@torch.no_grad()
def check_same_values(folded: nn.Module, network: nn.Module) -> None:
    expected = network.eval()(IMAGES)
    torch.testing.assert_close(folded(IMAGES), expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize("name", DESIGNS)
def test_every_architecture_loses_its_batch_norms_and_keeps_its_values(name: str):
    network = as_trained(build_segmenter(DESIGNS[name], weights=None))
    before = copy.deepcopy(network.state_dict())
    folded = fold_batch_norms(network)
    assert network.training and not folded.training
    assert norms(network) and not norms(folded)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
    check_same_values(folded, network)


def test_known_answer():
    network = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2, eps=0.0)).eval()
    convolution, norm = network
    with torch.no_grad():
        convolution.weight.copy_(torch.tensor([[1.0, 2.0, 3.0], [0.0, 1.0, 0.0]]).view(2, 3, 1, 1))
        convolution.bias.copy_(torch.tensor([5.0, 6.0]))
        norm.running_mean.copy_(torch.tensor([1.0, 2.0]))
        norm.running_var.copy_(torch.tensor([4.0, 0.25]))
        norm.weight.copy_(torch.tensor([3.0, 1.0]))
        norm.bias.copy_(torch.tensor([-1.0, 7.0]))
    folded = fold_batch_norms(network)
    assert folded[0].weight.flatten(1).tolist() == [[1.5, 3.0, 4.5], [0.0, 2.0, 0.0]]  # times 3 / 2 and 1 / 0.5
    assert folded[0].bias.tolist() == [5.0, 15.0]  # (5 - 1) 3 / 2 - 1 and (6 - 2) 2 + 7
    assert isinstance(folded[1], nn.Identity)


@settings(max_examples=30, deadline=None)
@given(
    groups=st.sampled_from([1, 3]),
    bias=st.booleans(),
    affine=st.booleans(),
    stride=st.integers(1, 3),
    kind=st.sampled_from([nn.Conv2d, Conv2dSame]),
    channels_last=st.booleans(),
)
def test_any_convolution(groups: int, bias: bool, affine: bool, stride: int, kind: type, channels_last: bool):
    network = small(kind(3, 6, 3, stride=stride, groups=groups, bias=bias), nn.BatchNorm2d(6, affine=affine))
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    network = network.to(memory_format=memory_format)
    folded = fold_batch_norms(network)
    assert not norms(folded)
    assert folded[0].weight.is_contiguous(memory_format=memory_format)
    check_same_values(folded, network)


def test_the_activation_of_a_norm_stays():
    network = small(nn.Conv2d(3, 4, 3), BatchNormAct2d(4))
    folded = fold_batch_norms(network)
    assert not norms(folded)
    assert float(folded(IMAGES).detach().min()) == 0
    check_same_values(folded, network)


def test_a_chain_of_pairs():
    network = small(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Conv2d(4, 2, 1), nn.BatchNorm2d(2))
    folded = fold_batch_norms(network)
    assert not norms(folded)
    check_same_values(folded, network)


def test_other_weights_are_shared():
    network = small(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1))
    folded = fold_batch_norms(network)
    assert folded[2].weight is network[2].weight
    assert folded[0].weight is not network[0].weight


def test_nothing_to_fold():
    network = small(nn.Conv2d(3, 4, 3), nn.ReLU())
    assert fold_batch_norms(network) is network


@pytest.mark.parametrize(
    "between",
    [
        pytest.param(nn.ReLU(inplace=True), id="an activation in place"),
        pytest.param(nn.ReLU(), id="an activation"),
        pytest.param(nn.AvgPool2d(2), id="a pooling"),
    ],
)
def test_a_norm_that_does_not_follow_a_convolution_at_once_stays(between: nn.Module):
    network = small(nn.Conv2d(3, 4, 3), between, nn.BatchNorm2d(4))
    assert fold_batch_norms(network) is network


def test_a_norm_of_the_batch_stays():
    network = small(nn.Conv2d(3, 4, 3)).append(nn.BatchNorm2d(4, track_running_stats=False)).eval()
    assert fold_batch_norms(network) is network


def test_a_convolution_that_makes_its_weights_anew_stays():
    network = small(StdConv2d(3, 4, 3), nn.BatchNorm2d(4))
    assert fold_batch_norms(network) is network


class Twice(nn.Module):
    """One layer at two places."""

    def __init__(self, twice: str) -> None:
        super().__init__()
        first, second = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
        self.convolutions = nn.ModuleList([first, first] if twice == "convolution" else [first, second])
        first, second = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
        self.norms = nn.ModuleList([first, first] if twice == "norm" else [first, second])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            images = norm(convolution(images))
        return images


@pytest.mark.parametrize("twice", ["convolution", "norm"])
def test_a_layer_used_twice_stays(twice: str):
    network = as_trained(Twice(twice)).eval()
    assert fold_batch_norms(network) is network
    assert not norms(fold_batch_norms(as_trained(Twice("nothing"))))


class Shortcut(nn.Module):
    """What a convolution gives goes to its norm and past it."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.convolution(images)
        return features + self.norm(features)


def test_a_network_whose_copy_gives_other_values_is_used_itself():
    network = as_trained(Shortcut()).eval()
    assert fold_batch_norms(network) is network


def test_the_other_pairs_of_such_a_network_are_folded():
    network = as_trained(nn.Sequential(Shortcut(), nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))).eval()
    folded = fold_batch_norms(network)
    assert len(norms(folded)) == 1
    check_same_values(folded, network)


def test_a_network_of_values_that_are_not_finite_is_used_itself():
    network = small(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    nn.init.constant_(network[0].weight, float("nan"))
    assert fold_batch_norms(network) is network
