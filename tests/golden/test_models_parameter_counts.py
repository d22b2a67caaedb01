"""Parameter counts of the paper's networks, at 20 classes."""

import pytest

from tagseg.models.backbone import build_backbone
from tagseg.models.classifier import TagClassifier
from tagseg.models.perceptual import vgg19_pyramid
from tagseg.models.reconstructor import Reconstructor
from tagseg.models.suppression import suppress_backbone


def count(module, *, learning=False):
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad or not learning)


@pytest.fixture(scope="module")
def paper_classifier():
    backbone = build_backbone("resnet50", weights=None, output_stride=16, frozen_stages=2, batch_norm="frozen")
    return TagClassifier(backbone, num_classes=20)


def test_cam_network(paper_classifier):
    assert count(paper_classifier) == 23_548_992


def test_gradient_parameters_of_the_cam_network(paper_classifier):
    network = paper_classifier.backbone.network
    assert count(paper_classifier, learning=True) == 22_104_064
    assert count(network.layer3, learning=True) == 7_098_368
    assert count(network.layer4, learning=True) == 14_964_736
    assert count(paper_classifier.head, learning=True) == 40_960


def test_suppression_after_stage_2_alone_leaves_the_same_parameters_learning():
    classifier = TagClassifier(build_backbone("resnet50", weights=None), num_classes=20)
    assert count(classifier, learning=True) == 23_548_992
    suppress_backbone(classifier.backbone)
    assert (count(classifier), count(classifier, learning=True)) == (23_548_992, 22_104_064)


def test_decoder():
    assert count(Reconstructor(20, width=256, target_stride=1, output_stride=16), learning=True) == 4_631_811


def test_vgg19_up_to_relu5_1():
    pyramid = vgg19_pyramid(None)
    assert (count(pyramid), count(pyramid, learning=True)) == (12_944_960, 0)
