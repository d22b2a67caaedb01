"""The paper's map method: the positive class maps of the tags."""

import torch

from tagseg.cams.map_method import MapMethod
from tagseg.cams.methods.cam import ClassActivation
from tagseg.models.backbone import build_backbone
from tagseg.models.classifier import TagClassifier
from tagseg.ops.activation import tag_logits


def make_method(num_classes: int = 3) -> ClassActivation:
    torch.manual_seed(0)
    return ClassActivation(TagClassifier(build_backbone("test_resnet", weights=None), num_classes=num_classes).eval())


def pictures(count: int) -> torch.Tensor:
    return torch.randn(count, 3, 48, 32, generator=torch.Generator().manual_seed(1))


def test_it_is_a_map_method() -> None:
    assert isinstance(make_method(), MapMethod)


def test_maps_are_the_positive_class_maps_of_the_tags_image_by_image() -> None:
    method, images = make_method(), pictures(3)
    with torch.no_grad():
        class_maps = method.classifier(images)
    found = method(images, torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
    torch.testing.assert_close(found.tag_logits, tag_logits(class_maps))
    expected = torch.stack([class_maps[0, 0], class_maps[0, 2], class_maps[2, 1]]).clamp_min(0)
    torch.testing.assert_close(found.maps, expected)
    assert expected.max() > 0 and not found.maps.requires_grad


def test_logits_come_without_any_tag() -> None:
    found = make_method()(pictures(2), torch.zeros(2, 3))
    assert found.tag_logits.shape == (2, 3)
    assert found.maps.shape == (0, 3, 2)


def test_the_mode_of_the_classifier_comes_back() -> None:
    method = make_method()
    quiet = method(pictures(2), torch.ones(2, 3))
    method.classifier.train()
    again = method(pictures(2), torch.ones(2, 3))
    assert method.classifier.training
    torch.testing.assert_close(again.maps, quiet.maps)


def test_half_precision_ends_in_float32() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = make_method()(pictures(1), torch.ones(1, 3))
    assert found.tag_logits.dtype == found.maps.dtype == torch.float32


def test_each_map_is_lowered_by_the_level_of_its_class_and_the_logits_are_not() -> None:
    method, images, tags = make_method(), pictures(2), torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    with torch.no_grad():
        class_maps = method.classifier(images)
    logits = method(images, tags).tag_logits
    method.classifier.level.copy_(torch.tensor([0.1, -0.2, 0.3]))
    found = method(images, tags)
    expected = torch.stack([class_maps[0, 0] - 0.1, class_maps[0, 2] - 0.3, class_maps[1, 1] + 0.2]).clamp_min(0)
    torch.testing.assert_close(found.maps, expected)
    assert torch.equal(found.tag_logits, logits)


def test_logits_are_means_of_the_shares_that_the_classifier_names() -> None:
    method, images = make_method(), pictures(2)
    method.classifier.pooling_shares = (0.2, 1.0)
    with torch.no_grad():
        cells = method.classifier(images).flatten(2)
    expected = (cells.amax(dim=2) + cells.mean(dim=2)) / 2  # of 6 cells a fifth is one
    torch.testing.assert_close(method(images, torch.ones(2, 3)).tag_logits, expected)
