import socket
from pathlib import Path

import pytest
import safetensors.torch
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from timm.layers.drop import DropPath
from torch.nn.modules.batchnorm import _BatchNorm

from tagseg.errors import ModelError
from tagseg.models.backbone import build_backbone
from tagseg.models.synced_norm import SyncedBatchNorm2d
from tagseg.models.timm_network import stage_modules

WEIGHTS = Path(__file__).resolve().parents[3].parent / "shared" / "weights" / "mobilenetv2_100_imagenet.safetensors"
needs_weights = pytest.mark.skipif(not WEIGHTS.exists(), reason=f"real weights are not at {WEIGHTS}")


@pytest.fixture(scope="module")
def tiny():
    return build_backbone("test_resnet", weights=None).eval()


@pytest.mark.parametrize(
    ("name", "output_stride", "num_features"),
    [
        ("resnet50", 16, 2048),
        ("resnet18", 8, 512),
        ("mobilenetv2_100", 16, 1280),
        ("mobilenetv2_100", 8, 1280),
        ("mobilenetv2_100", 32, 1280),
        ("convnext_atto", 16, 320),
        ("convnext_atto", 8, 320),
        ("vit_tiny_patch16_224", 16, 192),
        ("deit_tiny_distilled_patch16_224", 16, 192),
        ("test_vit", 16, 64),
        ("swin_tiny_patch4_window7_224", 32, 768),
    ],
)
@torch.no_grad()
def test_every_family_gives_one_map_of_ceil_size_for_any_image(name, output_stride, num_features):
    backbone = build_backbone(name, weights=None, output_stride=output_stride).eval()
    assert (backbone.num_features, backbone.output_stride) == (num_features, output_stride)
    for height, width in ((64, 96), (97, 66)):
        cells = (-(-height // output_stride), -(-width // output_stride))
        assert backbone(torch.randn(2, 3, height, width)).shape == (2, num_features, *cells)


@settings(max_examples=20, deadline=None)
@given(height=st.integers(1, 70), width=st.integers(1, 70))
def test_one_pixel_to_many_give_the_ceil_of_the_size(tiny, height, width):
    with torch.no_grad():
        assert tiny(torch.zeros(1, 3, height, width)).shape[-2:] == (-(-height // 16), -(-width // 16))


@torch.no_grad()
def test_a_512_crop_gives_32_by_32_maps(tiny):
    assert tiny(torch.zeros(1, 3, 512, 512)).shape[-2:] == (32, 32)


def test_own_stride_of_a_vit_is_its_patch_and_of_a_convnet_its_design():
    assert build_backbone("vit_small_patch14_dinov2", weights=None, output_stride=None).output_stride == 14
    assert build_backbone("test_resnet", weights=None, output_stride=None).output_stride == 32


@torch.no_grad()
@pytest.mark.parametrize("size", [(1, 1), (5, 40), (28, 28), (29, 64)])
def test_an_image_too_small_for_the_network_is_enlarged(size):
    backbone = build_backbone("pvt_v2_b0", weights=None, output_stride=32).eval()
    images = torch.randn(1, 3, *size)
    height, width = (max(32, side) for side in size)
    assert backbone.fit_size(images).shape[-2:] == (height, width)
    assert backbone(images).shape[-2:] == (-(-height // 32), -(-width // 32))


@torch.no_grad()
def test_token_grid_is_row_major_without_prefix_tokens():
    backbone = build_backbone("test_vit", weights=None).eval()
    images = torch.randn(1, 3, 32, 64)
    tokens = backbone.network.forward_features(images)
    features = backbone(images)
    assert tokens.shape[1] == 1 + 2 * 4
    for row in range(2):
        for column in range(4):
            torch.testing.assert_close(features[0, :, row, column], tokens[0, 1 + 4 * row + column], rtol=0, atol=0)


@torch.no_grad()
def test_channels_at_the_end_are_brought_to_the_front():
    backbone = build_backbone("swin_tiny_patch4_window7_224", weights=None, output_stride=32).eval()
    images = torch.randn(1, 3, 64, 96)
    torch.testing.assert_close(backbone(images), backbone.network.forward_features(images).permute(0, 3, 1, 2))


@torch.no_grad()
def test_values_are_those_of_timm():
    torch.manual_seed(0)
    backbone = build_backbone("mobilenetv2_100", weights=None, output_stride=32).eval().double()
    plain = timm.create_model("mobilenetv2_100", num_classes=0).eval().double()
    plain.load_state_dict(backbone.network.state_dict())
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    torch.testing.assert_close(backbone(images), plain.forward_features(images))


def test_random_weights_come_from_the_seed():
    def first_weight(seed):
        torch.manual_seed(seed)
        return next(build_backbone("test_resnet", weights=None).parameters())

    assert torch.equal(first_weight(3), first_weight(3))
    assert not torch.equal(first_weight(3), first_weight(4))


def test_mean_and_std_are_the_networks_own(tiny):
    assert build_backbone("convnext_atto", weights=None).mean == (0.485, 0.456, 0.406)
    assert (tiny.mean, tiny.std) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet50", [["layer1"], ["layer2"], ["layer3"], ["layer4"]]),
        (
            "mobilenetv2_100",
            [["blocks.1"], ["blocks.2"], ["blocks.3", "blocks.4"], ["blocks.5", "blocks.6"]],
        ),
        ("convnext_atto", [["stages.0"], ["stages.1"], ["stages.2"], ["stages.3"]]),
        ("swin_tiny_patch4_window7_224", [["layers.0"], ["layers.1"], ["layers.2"], ["layers.3"]]),
        ("test_vit", [["blocks.0"], ["blocks.1", "blocks.2"], ["blocks.3"], ["blocks.4", "blocks.5"]]),
        ("hrnet_w18_small", []),
    ],
)
def test_stages_are_resolution_levels(name, expected):
    assert stage_modules(timm.create_model(name, num_classes=0)) == expected


def test_stages_do_not_depend_on_the_output_stride():
    names = [
        stage_modules(timm.create_model("mobilenetv2_100", num_classes=0, output_stride=stride))
        for stride in (8, 16, 32)
    ]
    assert names[0] == names[1] == names[2]


def test_stages_list_their_blocks():
    assert [len(blocks) for blocks in build_backbone("resnet50", weights=None).stages] == [3, 4, 6, 3]
    assert [len(blocks) for blocks in build_backbone("mobilenetv2_100", weights=None).stages] == [2, 3, 7, 4]
    assert [len(blocks) for blocks in build_backbone("convnext_atto", weights=None).stages] == [2, 2, 6, 2]


@pytest.mark.parametrize(
    ("name", "frozen_stages", "frozen_prefixes"),
    [
        ("test_resnet", 0, ()),
        ("test_resnet", 2, ("conv1", "bn1", "layer1", "layer2")),
        ("mobilenetv2_100", 3, ("conv_stem", "bn1", "blocks.0", "blocks.1", "blocks.2", "blocks.3", "blocks.4")),
        ("test_vit", 1, ("cls_token", "pos_embed", "patch_embed", "blocks.0")),
    ],
)
def test_frozen_stages_are_the_stem_and_the_first_k(name, frozen_stages, frozen_prefixes):
    backbone = build_backbone(name, weights=None, frozen_stages=frozen_stages)
    frozen = {key for key, parameter in backbone.network.named_parameters() if not parameter.requires_grad}
    expected = {
        key
        for key, _ in backbone.network.named_parameters()
        if any(key == prefix or key.startswith(f"{prefix}.") for prefix in frozen_prefixes)
    }
    assert frozen == expected


@pytest.mark.parametrize("name", ["convnext_atto", "mobilenetv3_small_050", "test_vit", "test_resnet"])
def test_all_that_learns_receives_a_gradient(name):
    backbone = build_backbone(name, weights=None, output_stride=None, frozen_stages=1)
    backbone(torch.randn(1, 3, 64, 64)).sum().backward()
    assert [key for key, value in backbone.named_parameters() if value.requires_grad and value.grad is None] == []


def _statistics(backbone):
    return {key: value.clone() for key, value in backbone.named_buffers() if key.endswith("running_mean")}


def _changed_statistics(backbone):
    before = _statistics(backbone)
    backbone.train()
    backbone(torch.randn(2, 3, 64, 64) + 1)
    return {key.split(".")[1] for key, value in _statistics(backbone).items() if not torch.equal(value, before[key])}


def test_frozen_batch_norm_keeps_its_statistics_in_training_and_still_learns_its_scale():
    backbone = build_backbone("test_resnet", weights=None, batch_norm="frozen")
    assert _changed_statistics(backbone) == set()
    assert all(parameter.requires_grad for parameter in backbone.network.layer4[0].bn1.parameters())


def test_trained_batch_norm_moves_its_statistics_except_in_frozen_stages():
    backbone = build_backbone("test_resnet", weights=None, batch_norm="train", frozen_stages=2)
    assert _changed_statistics(backbone) == {"layer3", "layer4"}


@pytest.mark.parametrize("batch_norm", ["frozen", "train"])
def test_batch_norms_that_learn_statistics_learn_those_of_all_processes(batch_norm):
    backbone = build_backbone("mobilenetv2_100", weights=None, batch_norm=batch_norm)
    norms = [module for module in backbone.modules() if isinstance(module, _BatchNorm)]
    learning = [norm for norm in norms if norm.training]
    assert len(learning) == (len(norms) if batch_norm == "train" else 0)
    assert all(isinstance(norm, SyncedBatchNorm2d) for norm in learning)


@pytest.mark.parametrize("ending", ["safetensors", "pth"])
def test_a_weights_file_is_loaded_without_its_classifier_and_without_network(tmp_path, monkeypatch, ending):
    source = timm.create_model("test_resnet", num_classes=7)
    path = tmp_path / f"weights.{ending}"
    if ending == "pth":
        torch.save({"state_dict": source.state_dict(), "epoch": 3}, path)
    else:
        safetensors.torch.save_file(source.state_dict(), path)

    def refuse(*_args, **_kwargs):
        raise AssertionError("a weights file needs no network")

    monkeypatch.setattr(socket, "socket", refuse)
    backbone = build_backbone("test_resnet", weights=path)
    for key, value in backbone.network.state_dict().items():
        assert torch.equal(value, source.state_dict()[key]), key


def test_a_pickle_that_would_run_code_is_refused(tmp_path):
    class Payload:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"weight": Payload()}, tmp_path / "evil.pth")
    with pytest.raises(ModelError, match="got neither"):
        build_backbone("test_resnet", weights=tmp_path / "evil.pth")
    assert not (tmp_path / "ran").exists()


def test_weights_of_a_deeper_network_do_not_fit_silently(tmp_path):
    safetensors.torch.save_file(timm.create_model("resnet34").state_dict(), tmp_path / "resnet34.safetensors")
    with pytest.raises(ModelError, match="unknown"):
        build_backbone("resnet18", weights=tmp_path / "resnet34.safetensors")


@needs_weights
@torch.no_grad()
def test_real_mobilenet_weights_give_the_class_scores_of_timm():
    tensors = safetensors.torch.load_file(WEIGHTS)
    whole = timm.create_model("mobilenetv2_100").eval()
    whole.load_state_dict(tensors)
    images = torch.randn(1, 3, 96, 96)
    backbone = build_backbone("mobilenetv2_100", weights=WEIGHTS, output_stride=32).eval()
    scores = backbone(images).mean((2, 3)) @ tensors["classifier.weight"].T + tensors["classifier.bias"]
    torch.testing.assert_close(scores, whole(images), rtol=1e-3, atol=1e-4)


@needs_weights
@torch.no_grad()
def test_feature_layer_chooses_before_or_after_the_last_1x1_convolution():
    images = torch.randn(1, 3, 64, 80)
    head = build_backbone("mobilenetv2_100", weights=WEIGHTS).eval()
    last_stage = build_backbone("mobilenetv2_100", weights=WEIGHTS, feature_layer="last_stage").eval()
    features = last_stage(images)
    assert (features.shape, head(images).shape) == ((1, 320, 4, 5), (1, 1280, 4, 5))
    last_stage.network.bn2 = torch.nn.Identity()  # what comes before the ReLU is what the 1x1 convolution gets
    blocks = last_stage(images)
    torch.testing.assert_close(blocks.relu(), features)
    torch.testing.assert_close(head.network.bn2(head.network.conv_head(blocks)), head(images), rtol=1e-4, atol=1e-5)
    assert not any(key.startswith(("network.conv_head", "network.bn2")) for key in last_stage.state_dict())


def test_feature_layer_changes_nothing_where_there_is_no_such_convolution():
    assert build_backbone("test_resnet", weights=None, feature_layer="last_stage").num_features == 96


def test_training_drops_nothing_at_random() -> None:
    torch.manual_seed(0)
    network = build_backbone("swin_tiny_patch4_window7_224", weights=None, output_stride=32, frozen_stages=2)
    assert network.training and any(isinstance(module, DropPath) for module in network.modules())
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(network(images), network(images))
