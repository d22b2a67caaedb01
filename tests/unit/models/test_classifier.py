import torch

from tagseg.models.backbone import build_backbone
from tagseg.models.classifier import TagClassifier
from tagseg.ops.activation import tag_logits


def build():
    torch.manual_seed(0)
    return TagClassifier(build_backbone("test_resnet", weights=None), num_classes=3).eval()


@torch.no_grad()
def test_class_maps_are_the_linear_head_at_every_cell():
    classifier, images = build(), torch.randn(2, 3, 48, 64)
    features = classifier.backbone(images)
    weight = classifier.head.weight[:, :, 0, 0]
    torch.testing.assert_close(
        classifier(images), torch.einsum("cd,ndhw->nchw", weight, features), rtol=1e-4, atol=1e-5
    )


@torch.no_grad()
def test_tag_logits_equal_classifying_the_averaged_features():
    classifier, images = build(), torch.randn(2, 3, 48, 64)
    pooled = classifier.backbone(images).mean((2, 3))
    torch.testing.assert_close(
        tag_logits(classifier(images)), pooled @ classifier.head.weight[:, :, 0, 0].T, rtol=1e-4, atol=1e-5
    )


def test_the_head_has_no_bias_and_all_learning_parameters_are_in_two_groups():
    classifier = build()
    assert classifier.head.bias is None
    groups = [*classifier.backbone.parameters(), *classifier.head.parameters()]
    assert {id(value) for value in groups} == {id(value) for value in classifier.parameters()}


@torch.no_grad()
def test_class_maps_keep_their_sign():
    assert (build()(torch.randn(2, 3, 64, 64)) < 0).any()


def test_a_level_is_saved_only_where_one_is_measured():
    backbone = build_backbone("test_resnet", weights=None)
    assert "level" not in build().state_dict()
    leveled = TagClassifier(backbone, num_classes=3, leveled=True)
    assert torch.equal(leveled.state_dict()["level"], torch.zeros(3))
