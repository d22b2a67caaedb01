import copy
import json
import pickle

import pytest
import safetensors.torch
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from timm.layers.drop import DropPath
from torch import nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from tagseg.models.architectures import usual_atrous_rate
from tagseg.models.backbone import build_backbone
from tagseg.models.segmentation_network import SegmenterDesign, build_segmenter
from tagseg.models.synced_norm import SyncedBatchNorm2d

STRIDES = {"deeplabv2": 16, "deeplabv3plus": 16, "segformer": 32, "upernet": 32}


def build(architecture="deeplabv3plus", backbone="test_resnet", *, output_stride=None, **options):
    stride = output_stride or STRIDES[architecture]
    design = SegmenterDesign(architecture, backbone, num_labels=3, output_stride=stride, decoder_channels=8)
    return build_segmenter(design, weights=None, **options)


@pytest.fixture(scope="module")
def tiny():
    return build().eval()


@pytest.fixture(scope="module")
def swin():
    return build("segformer", "swin_tiny_patch4_window7_224")


@pytest.mark.parametrize(
    ("architecture", "backbone"),
    [(architecture, "test_resnet") for architecture in STRIDES]
    + [(architecture, "test_convnext") for architecture in ("deeplabv2", "deeplabv3plus", "upernet")]
    + [("deeplabv3plus", "mobilenetv2_050"), ("segformer", "test_efficientnet"), ("deeplabv2", "test_vit")]
    + [("segformer", "swin"), ("upernet", "hrnet_w18_small")],
)
def test_every_pair_gives_logits_of_the_images_size_and_learns_wherever_it_says_so(architecture, backbone, request):
    network = request.getfixturevalue("swin").train() if backbone == "swin" else build(architecture, backbone)
    logits = network(torch.randn(2, 3, 37, 61))
    assert logits.shape == (2, 3, 37, 61)
    logits.square().sum().backward()
    learning = network.encoder_parameters() + network.decoder_parameters()
    assert all(parameter.grad is not None for parameter in learning)
    assert len(learning) == sum(parameter.requires_grad for parameter in network.parameters())
    with torch.no_grad():
        assert network.eval()(torch.randn(1, 3, 1, 1)).isfinite().all()


@settings(max_examples=20, deadline=None)
@given(height=st.integers(1, 70), width=st.integers(1, 70))
def test_images_of_any_size_are_padded_at_the_right_and_bottom_with_the_mean_colour(tiny, height, width):
    images = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(height))
    padded = functional.pad(images, (0, -width % 16, 0, -height % 16))
    with torch.no_grad():
        logits = tiny(images)
        assert logits.shape == (1, 3, height, width)
        assert torch.equal(logits, tiny(padded)[..., :height, :width])


@torch.no_grad()
def test_evaluation_gives_the_same_bits_again_whatever_else_is_in_the_batch(tiny):
    images = torch.randn(2, 3, 40, 50)
    assert torch.equal(tiny(images), tiny(images))
    torch.testing.assert_close(tiny(images)[1:], tiny(images[1:]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["tiny", "swin"])
def test_training_drops_nothing_at_random(name, request):
    network = copy.deepcopy(request.getfixturevalue(name)).train()
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(network(images), network(images))
    dropouts = [module for module in network.modules() if isinstance(module, nn.Dropout | DropPath)]
    assert dropouts  # or else this test looks at nothing
    assert not any(getattr(module, "p", 0) or getattr(module, "drop_prob", 0) for module in dropouts)


@pytest.mark.parametrize("batch_norm", ["frozen", "train"])
@pytest.mark.parametrize("architecture", ["deeplabv2", "deeplabv3plus"])
@pytest.mark.parametrize("backbone", ["test_resnet", "mobilenetv2_050"])
def test_frozen_stages_neither_learn_nor_count_statistics(architecture, batch_norm, backbone):
    network = build(architecture, backbone, frozen_stages=2, batch_norm=batch_norm)
    reference = build_backbone(backbone, weights=None, frozen_stages=2, feature_layer="last_stage").network
    frozen = {name for name, parameter in reference.named_parameters() if not parameter.requires_grad}
    encoder = network.encoder.network if architecture == "deeplabv2" else network.encoder.model
    assert {name for name, parameter in encoder.named_parameters() if not parameter.requires_grad} == frozen != set()
    before = copy.deepcopy(network)
    network(torch.randn(2, 3, 64, 64)).square().sum().backward()
    for name, module in network.named_modules():
        if isinstance(module, _BatchNorm):
            inside = ".encoder." in name
            fixed = inside and (batch_norm == "frozen" or not module.weight.requires_grad)
            assert module.training is not fixed
            assert torch.equal(module.running_mean, before.get_submodule(name).running_mean) is fixed
    assert all(parameter.grad is None for parameter in encoder.parameters() if not parameter.requires_grad)


def test_stages_are_frozen_where_timm_flattens_names():
    network = build("deeplabv3plus", "test_convnext", frozen_stages=1)
    fixed = [name for name, parameter in network.encoder.model.named_parameters() if not parameter.requires_grad]
    assert {name.split(".")[0] for name in fixed} == {"stem_0", "stem_1", "stages_0"}


def test_evaluation_mode_and_back(tiny):
    network = build()
    assert not any(module.training for module in network.eval().modules())
    network.train()
    assert network.network.decoder.training and not network.encoder.model.bn1.training


def test_learning_rates_find_encoder_and_decoder_apart():
    network = build(frozen_stages=1)
    encoder, decoder = network.encoder_parameters(), network.decoder_parameters()
    assert {id(parameter) for parameter in encoder}.isdisjoint(id(parameter) for parameter in decoder)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    assert all(names[id(parameter)].startswith("network.encoder.model.") for parameter in encoder)
    heads = ("network.decoder.", "network.segmentation_head.")
    assert all(names[id(parameter)].startswith(heads) for parameter in decoder)


def test_every_batch_norm_is_shared_between_processes():
    for architecture in ("deeplabv2", "deeplabv3plus"):
        norms = [
            module for module in build(architecture, "mobilenetv2_050").modules() if isinstance(module, _BatchNorm)
        ]
        assert len(norms) > 50 and {type(norm) for norm in norms} == {SyncedBatchNorm2d}


def test_convolutions_are_stored_in_the_order_they_compute_in(tiny):
    convolutions = [module for module in tiny.modules() if isinstance(module, nn.Conv2d)]
    assert all(module.weight.is_contiguous(memory_format=torch.channels_last) for module in convolutions)


@torch.no_grad()
def test_copies_and_pickles_are_networks_of_their_own(tiny):
    images = torch.randn(1, 3, 20, 30)
    expected = tiny(images)
    for twin in (copy.deepcopy(tiny), pickle.loads(pickle.dumps(tiny))):
        assert torch.equal(twin(images), expected)
        for parameter in twin.parameters():
            parameter.zero_()
        twin.train()
        assert not twin.encoder.model.bn1.training
    assert torch.equal(tiny(images), expected) and not tiny.training


def test_the_same_seed_builds_the_same_network():
    def state(seed):
        torch.manual_seed(seed)
        return build().state_dict()

    first, second, other = state(0), state(0), state(1)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize("backbone", ["test_resnet", "test_efficientnet", "test_convnext"])
@pytest.mark.parametrize("architecture", STRIDES)
def test_weight_files_of_whole_timm_networks_fill_the_encoder(tmp_path, architecture, backbone):
    torch.manual_seed(0)
    values = {name: torch.randn_like(value) if value.is_floating_point() else value
              for name, value in timm.create_model(backbone, num_classes=5).state_dict().items()}  # fmt: skip
    safetensors.torch.save_file(values, tmp_path / "weights.safetensors")
    design = SegmenterDesign(architecture, backbone, 3, output_stride=STRIDES[architecture], decoder_channels=8)
    network = build_segmenter(design, weights=tmp_path / "weights.safetensors")
    values |= {name.replace(".", "_", 1): value for name, value in values.items()}
    encoder = network.encoder.network if architecture == "deeplabv2" else network.encoder.model
    assert all(torch.equal(value, values[name]) for name, value in encoder.state_dict().items())


@pytest.mark.parametrize("architecture", STRIDES)
def test_a_design_goes_through_json(architecture):
    design = SegmenterDesign(architecture, "resnet50", 21, STRIDES[architecture], 128, "head")
    assert SegmenterDesign.from_dict(json.loads(json.dumps(design.to_dict()))) == design


@pytest.mark.parametrize(("architecture", "multiple"), [("deeplabv3plus", 32), ("segformer", 64), ("upernet", 64)])
def test_mobilevit_sees_sides_that_it_cuts_into_patches(architecture: str, multiple: int) -> None:
    network = build(architecture, "mobilevitv2_050").eval()
    assert network.multiple == multiple
    for size in ((1, 1), (33, 48), (80, 112)):
        with torch.no_grad():
            assert network(torch.zeros(1, 3, *size)).shape[2:] == size


@pytest.mark.parametrize("architecture", ["deeplabv3plus", "segformer", "upernet", "deeplabv2"])
def test_other_networks_see_multiples_of_their_stride(architecture: str) -> None:
    network = build(architecture)
    assert network.multiple == network.design.output_stride


@pytest.mark.parametrize(("stride", "rate"), [(16, 6), (8, 12)])
def test_the_atrous_pyramid_reaches_equally_far_at_either_stride(stride, rate):
    assert usual_atrous_rate(stride) == rate
    design = SegmenterDesign("deeplabv3plus", "test_resnet", 3, stride, decoder_channels=8, atrous_rate=rate)
    network = build_segmenter(design, weights=None)
    dilations = {module.dilation[0] for module in network.network.decoder.aspp.modules() if is_convolution(module)}
    assert dilations == {1, rate, 2 * rate, 3 * rate}


def is_convolution(module):
    return isinstance(module, nn.Conv2d)


def test_a_design_of_version_0_1_keeps_the_rates_that_it_was_trained_with():
    values = SegmenterDesign("deeplabv3plus", "test_resnet", num_labels=3).to_dict()
    del values["atrous_rate"]
    assert SegmenterDesign.from_dict(values).atrous_rate == 12


@pytest.mark.parametrize("architecture", STRIDES)
def test_a_constant_is_added_to_one_logit_and_to_no_other(architecture):
    network = build(architecture, "test_resnet").eval()
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        before = network(images)
        network.add_to_logit(0, -0.75)
        change = network(images) - before
    torch.testing.assert_close(change[:, 0], torch.full_like(change[:, 0], -0.75), rtol=0, atol=1e-5)
    assert torch.equal(change[:, 1:], torch.zeros_like(change[:, 1:]))
