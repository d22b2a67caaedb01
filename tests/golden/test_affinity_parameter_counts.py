"""Parameter counts of the affinity network on ResNet-50."""

import pytest
from torch import nn

from tagseg.models.affinity import AffinityNetwork
from tagseg.models.backbone import build_backbone


def count(module, *, learning=False):
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad or not learning)


@pytest.fixture(scope="module")
def paper_network():
    return AffinityNetwork(build_backbone("resnet50", weights=None, output_stride=16))


def test_total(paper_network):
    assert count(paper_network) == 24_902_561
    assert count(paper_network.backbone) == 23_508_032


def test_branches_and_nothing_else_learn(paper_network):
    assert count(paper_network.boundary_branch, learning=True) == 125_409
    assert count(paper_network.displacement_branch, learning=True) == 1_269_120
    assert count(paper_network, learning=True) == 125_409 + 1_269_120


def test_groups_of_the_norms(paper_network):
    def groups(branch):
        return [module.num_groups for module in branch.modules() if isinstance(module, nn.GroupNorm)]

    assert groups(paper_network.boundary_branch) == [4] * 5
    assert groups(paper_network.displacement_branch) == [8] + [16] * 6
