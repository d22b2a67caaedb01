import pytest
import torch

from tagseg.models.backbone import build_backbone
from tagseg.models.suppression import suppress_backbone


def hooks_in(backbone):
    modules = list(backbone.network.modules())
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in modules)


@pytest.mark.parametrize(
    ("name", "output_stride", "expected"),
    [
        ("resnet50", 16, [(64, 4), (256, 4), (512, 8), (1024, 16), (2048, 16)]),
        ("resnet18", 8, [(64, 4), (64, 4), (128, 8), (256, 8), (512, 8)]),
        ("mobilenetv2_100", 16, [(16, 2), (24, 4), (32, 8), (96, 16), (320, 16)]),
        ("efficientnet_b0", 32, [(16, 2), (24, 4), (40, 8), (112, 16), (320, 32)]),
        ("convnext_atto", 16, [(40, 4), (40, 4), (80, 8), (160, 16), (320, 16)]),
        ("swin_tiny_patch4_window7_224", 32, [(96, 4), (96, 4), (192, 8), (384, 16), (768, 32)]),
        ("vit_tiny_patch16_224", 16, [(192, 16)] * 5),
        ("deit_tiny_distilled_patch16_224", 16, [(192, 16)] * 5),
    ],
)
@torch.no_grad()
def test_every_family_gives_five_maps_with_channels_in_front(name, output_stride, expected):
    backbone = build_backbone(name, weights=None, output_stride=output_stride).eval()
    taps = backbone.taps(torch.randn(2, 3, 64, 96))
    assert [tuple(tap.shape) for tap in taps] == [(2, width, 64 // side, 96 // side) for width, side in expected]
    assert hooks_in(backbone) == 0


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv2_100", "convnext_atto", "swin_tiny_patch4_window7_224"])
@torch.no_grad()
def test_features_at_stride_8_are_those_of_stage_2(name):
    backbone, images = build_backbone(name, weights=None, output_stride=None).eval(), torch.randn(2, 3, 64, 96)
    torch.testing.assert_close(backbone.features_at(images, 8), backbone.taps(images)[2])


@torch.no_grad()
def test_features_at_a_stride_that_a_network_lacks_are_its_last():
    backbone, images = build_backbone("vit_tiny_patch16_224", weights=None).eval(), torch.randn(1, 3, 64, 96)
    for stride in (8, 16):  # every block of it has patches of 16 px
        torch.testing.assert_close(backbone.features_at(images, stride), backbone(images))


@torch.no_grad()
def test_a_resnet_is_tapped_after_its_max_pool_and_after_each_stage():
    backbone = build_backbone("test_resnet", weights=None).eval()
    network, images = backbone.network, torch.randn(1, 3, 50, 70)
    features = network.maxpool(network.act1(network.bn1(network.conv1(images))))
    expected = [features]
    for stage in (network.layer1, network.layer2, network.layer3, network.layer4):
        expected.append(stage(expected[-1]))
    torch.testing.assert_close(backbone.taps(images), expected, rtol=0, atol=0)
    torch.testing.assert_close(backbone(images), expected[-1], rtol=0, atol=0)


@torch.no_grad()
def test_a_mobilenet_is_tapped_after_its_first_block_and_its_last_convolution_does_not_run():
    backbone = build_backbone("mobilenetv2_100", weights=None).eval()
    network, images = backbone.network, torch.randn(1, 3, 50, 70)
    runs = []
    network.conv_head.register_forward_hook(lambda *_: runs.append("conv_head"))
    features = network.bn1(network.conv_stem(images))
    levels = [features := block(features) for block in network.blocks]
    torch.testing.assert_close(backbone.taps(images), [levels[index] for index in (0, 1, 2, 4, 6)], rtol=0, atol=0)
    assert runs == []


@torch.no_grad()
def test_a_convnext_is_tapped_after_its_stem():
    backbone = build_backbone("convnext_atto", weights=None).eval()
    images = torch.randn(1, 3, 64, 32)
    features = backbone.network.stem(images)
    expected = [features, *(features := stage(features) for stage in backbone.network.stages)]
    torch.testing.assert_close(backbone.taps(images), expected, rtol=0, atol=0)


@torch.no_grad()
def test_a_swin_puts_its_channels_in_front():
    backbone = build_backbone("swin_tiny_patch4_window7_224", weights=None, output_stride=32).eval()
    images = torch.randn(1, 3, 64, 96)
    features = backbone.network.patch_embed(images)
    expected = [features, *(features := stage(features) for stage in backbone.network.layers)]
    torch.testing.assert_close(backbone.taps(images), [tap.permute(0, 3, 1, 2) for tap in expected], rtol=0, atol=0)


@torch.no_grad()
def test_a_vit_lays_its_patches_on_the_grid_and_drops_its_prefix_tokens():
    backbone = build_backbone("test_vit", weights=None).eval()
    network, images = backbone.network, torch.randn(1, 3, 32, 64)
    tokens = network.norm_pre(network.pos_drop(network._pos_embed(network.patch_embed(images))))
    levels = [tokens, *(tokens := block(tokens) for block in network.blocks)]
    groups = [levels[index] for index in (0, 1, 3, 4, 6)]  # six blocks in four groups
    for tap, level in zip(backbone.taps(images), groups, strict=True):
        for row in range(2):
            for column in range(4):
                assert torch.equal(tap[0, :, row, column], level[0, 1 + 4 * row + column])


@pytest.mark.parametrize("name", ["test_resnet", "mobilenetv2_100"])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 45), (33, 18)])
@torch.no_grad()
def test_taps_of_any_image_have_the_ceil_of_its_size(name, height, width):
    taps = build_backbone(name, weights=None).eval().taps(torch.zeros(1, 3, height, width))
    for tap, stride in zip(taps[1:], (4, 8, 16, 16), strict=True):
        assert tap.shape[-2:] == (-(-height // stride), -(-width // stride))


@torch.no_grad()
def test_an_image_is_fitted_to_whole_patches_first():
    backbone = build_backbone("test_vit", weights=None).eval()
    images = torch.randn(1, 3, 33, 47)
    assert [tap.shape[-2:] for tap in backbone.taps(images)] == [(3, 3)] * 5
    torch.testing.assert_close(backbone.taps(images), backbone.taps(backbone.fit_size(images)), rtol=0, atol=0)


def test_hooks_go_when_the_network_raises(monkeypatch):
    backbone = build_backbone("test_resnet", weights=None)

    def refuse(*_args, **_kwargs):
        raise ValueError("broken")

    monkeypatch.setattr(backbone.network.layer3[0], "forward", refuse)
    with pytest.raises(ValueError, match="broken"):
        backbone.taps(torch.zeros(1, 3, 32, 32))
    assert hooks_in(backbone) == 0


def test_gradient_reaches_what_learns():
    backbone = build_backbone("test_resnet", weights=None, frozen_stages=1)
    taps = backbone.taps(torch.randn(1, 3, 32, 32))
    torch.stack([tap.sum() for tap in taps]).sum().backward()
    assert [key for key, value in backbone.named_parameters() if value.requires_grad and value.grad is None] == []


@torch.no_grad()
def test_suppression_in_the_last_stage_acts_as_in_forward():
    backbone = suppress_backbone(build_backbone("test_resnet", weights=None), positions=["last_stage"]).eval()
    images = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(backbone.taps(images)[4], backbone(images), rtol=0, atol=0)


def test_suppression_after_stage_2_acts_in_training_and_is_seen_in_its_tap():
    backbone = suppress_backbone(build_backbone("test_resnet", weights=None), positions=["after_stage_2"])
    images = torch.randn(1, 3, 64, 64)
    plain, capped = backbone.eval().taps(images)[2], backbone.train().taps(images)[2]
    assert capped.grad_fn is None
    torch.testing.assert_close(capped, torch.minimum(plain, 0.55 * plain.amax((2, 3), keepdim=True)))
    assert not torch.equal(capped, plain)


@torch.no_grad()
def test_suppression_of_the_output_leaves_the_taps_alone():
    torch.manual_seed(0)
    images = torch.randn(1, 3, 64, 64)
    backbone = build_backbone("test_resnet", weights=None).eval()
    before = backbone.taps(images)
    taps = suppress_backbone(backbone, positions=["features"]).taps(images)
    torch.testing.assert_close(taps, before, rtol=0, atol=0)
    assert not torch.equal(backbone(images), taps[4])
