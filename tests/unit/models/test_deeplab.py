import pytest
import torch

from tagseg.models.backbone import build_backbone
from tagseg.models.deeplab import RATES, AtrousPyramid, DeepLabV2


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_papers_network_has_the_known_number_of_parameters():
    with torch.device("meta"):
        network = DeepLabV2(build_backbone("resnet101", weights=None, output_stride=8), num_labels=21)
    assert (count(network), count(network.head), count(network.encoder)) == (44_048_532, 1_548_372, 42_500_160)


@pytest.mark.parametrize(
    ("stride", "size", "cells"), [(8, (1, 1), (1, 1)), (8, (37, 61), (5, 8)), (32, (37, 61), (2, 2))]
)
@torch.no_grad()
def test_logits_have_the_backbones_stride(stride, size, cells):
    backbone = build_backbone("test_resnet", weights=None, output_stride=stride)
    assert DeepLabV2(backbone, num_labels=3).eval()(torch.randn(2, 3, *size)).shape == (2, 3, *cells)


@torch.no_grad()
def test_a_cell_sees_the_cells_at_the_rates_and_no_others():
    pyramid = AtrousPyramid(1, num_labels=2)
    for parameter in pyramid.parameters():
        parameter.fill_(1.0)
    features = torch.zeros(1, 1, 61, 61)
    empty = pyramid(features)
    assert torch.equal(empty, torch.full_like(empty, len(RATES)))  # the biases alone
    features[0, 0, 30, 30] = 1.0
    reach = (pyramid(features) - empty)[0, 0]
    assert reach[30, 30] == len(RATES)
    offsets = {(row, column) for rate in RATES for row in (-rate, 0, rate) for column in (-rate, 0, rate)}
    assert {(row - 30, column - 30) for row, column in reach.nonzero().tolist()} == offsets


def test_the_head_starts_small():
    torch.manual_seed(0)
    head = AtrousPyramid(512, num_labels=21)
    for branch in head.branches:
        assert branch.weight.std().item() == pytest.approx(0.01, rel=0.02)
        assert abs(branch.weight.mean().item()) < 1e-4
        assert branch.bias.count_nonzero() == 0


def test_every_branch_learns():
    network = DeepLabV2(build_backbone("test_resnet", weights=None), num_labels=3, rates=(1, 2))
    network(torch.randn(2, 3, 64, 64)).square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in network.head.parameters())
    assert any(parameter.grad.abs().sum() > 0 for parameter in network.encoder.parameters())
