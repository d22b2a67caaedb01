import copy
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tagseg.models.backbone import build_backbone
from tagseg.models.suppression import PAPER_POSITIONS, Suppression, suppress_backbone

DELTA = 0.55


def as_map(values):
    return torch.tensor(values).reshape(1, 1, 1, -1)


def reference(features, delta):
    """Per image and channel: nothing exceeds delta times the largest positive value."""
    out = features.clone()
    for image in range(features.shape[0]):
        for channel in range(features.shape[1]):
            cap = delta * max(0.0, float(features[image, channel].max()))
            for row in range(features.shape[2]):
                for column in range(features.shape[3]):
                    out[image, channel, row, column] = min(float(features[image, channel, row, column]), cap)
    return out


def random_maps(seed, shape=(2, 3, 3, 4)):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_known_answers_of_the_paper():
    module = Suppression(DELTA)
    once = module(as_map([0.0, 1.0, 2.0, 4.0]))
    torch.testing.assert_close(once, as_map([0.0, 1.0, 2.0, 2.2]))
    torch.testing.assert_close(module(once), as_map([0.0, 1.0, 1.21, 1.21]))


def test_known_gradient_of_the_paper():
    features = as_map([0.0, 1.0, 2.0, 4.0]).requires_grad_()
    Suppression(DELTA)(features).sum().backward()
    torch.testing.assert_close(features.grad, as_map([0.0, 1.0, 1.0, 0.55]))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), delta=st.floats(0, 1))
def test_equals_the_slow_reference_for_any_sign(seed, delta):
    features = random_maps(seed)
    torch.testing.assert_close(Suppression(delta)(features), reference(features, delta))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), factor=st.floats(0.01, 100))
def test_positive_scaling_commutes_and_delta_one_is_the_identity(seed, factor):
    features = random_maps(seed)
    torch.testing.assert_close(Suppression(DELTA)(factor * features), factor * Suppression(DELTA)(features))
    assert torch.equal(Suppression(1.0)(features), features)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_channels_at_the_end_are_the_same_maps(seed):
    features = random_maps(seed)
    at_end = Suppression(DELTA, channel_dim=-1)(features.movedim(1, -1))
    assert torch.equal(at_end.movedim(-1, 1), Suppression(DELTA)(features))


def test_training_only_and_detach():
    module = Suppression(DELTA, training_only=True, detach=True)
    features = as_map([1.0, 4.0]).requires_grad_()
    assert not module.train()(features).requires_grad
    assert module.eval()(features) is features


class ReluThenCap(nn.Module):
    """The paper's layer, written out: it stands in the place of a block's last ReLU."""

    def forward(self, features):
        positive = features.clamp(min=0)
        return torch.minimum(positive, DELTA * positive.amax((2, 3), keepdim=True))


def resnet_pair():
    """A suppressed backbone and the same weights with the last stage's final ReLUs replaced."""
    torch.manual_seed(0)
    suppressed = build_backbone("resnet26", weights=None)
    replaced = copy.deepcopy(suppressed)
    suppress_backbone(suppressed, delta=DELTA)
    for block in replaced.network.layer4:
        block.act3 = ReluThenCap()
    return suppressed, replaced


def test_last_stage_equals_replacing_the_last_relu_of_each_block():
    suppressed, replaced = resnet_pair()
    images = random_maps(1, (1, 3, 64, 64))
    with torch.no_grad():
        torch.testing.assert_close(suppressed.eval()(images), replaced.eval()(images))


def test_training_forward_and_gradients_equal_the_written_out_layers():
    suppressed, replaced = resnet_pair()
    images = random_maps(2, (1, 3, 64, 64))
    network = replaced.train().network
    shallow = network.maxpool(network.act1(network.bn1(network.conv1(images))))
    shallow = ReluThenCap()(network.layer2(network.layer1(shallow))).detach()
    expected = network.layer4(network.layer3(shallow))
    actual = suppressed.train()(images)
    torch.testing.assert_close(actual, expected)
    expected.square().sum().backward()
    actual.square().sum().backward()
    others = dict(replaced.named_parameters())
    compared = 0
    for name, parameter in suppressed.named_parameters():
        if parameter.requires_grad:
            torch.testing.assert_close(parameter.grad, others[name].grad, rtol=1e-4, atol=1e-4)
            compared += 1
    assert compared == len(list(network.layer3.parameters())) + len(list(network.layer4.parameters()))


def test_after_stage_2_acts_in_training_only_and_stops_the_gradient():
    backbone = build_backbone("test_resnet", weights=None)
    images = random_maps(3, (1, 3, 64, 64))
    with torch.no_grad():
        plain = backbone(images)
        suppress_backbone(backbone, delta=DELTA, positions=["after_stage_2"])
        assert torch.equal(backbone.eval()(images), plain)
        assert not torch.equal(backbone.train()(images), plain)
    images.requires_grad_()
    backbone(images).sum().backward()
    assert images.grad is None
    assert not any(parameter.requires_grad for parameter in backbone.network.layer2.parameters())
    assert all(parameter.requires_grad for parameter in backbone.network.layer3.parameters())


@pytest.mark.parametrize("name", ["mobilenetv2_100", "convnext_atto", "swin_tiny_patch4_window7_224"])
@torch.no_grad()
def test_blocks_of_other_networks_are_capped(name):
    backbone = build_backbone(name, weights=None, output_stride=None)
    suppress_backbone(backbone, delta=DELTA, positions=["last_stage"])
    seen = []
    for block in backbone.stages[-1]:
        block.register_forward_hook(lambda block, inputs, output: seen.append(output))
    backbone.eval()(random_maps(4, (1, 3, 96, 96)))
    assert len(seen) == len(backbone.stages[-1])
    for output in seen:
        maps = output.movedim(-1, 1) if backbone.layout == "NHWC" else output
        peaks = maps.amax((2, 3))
        # Two cells or more share a capped peak; without the cap nearly every peak stands alone.
        shared = (maps == peaks[:, :, None, None]).sum((2, 3))
        assert (shared[peaks > 0] >= 2).float().mean() > 0.3


@torch.no_grad()
def test_features_position_caps_the_output_only():
    backbone = build_backbone("test_vit", weights=None).eval()
    images = random_maps(5, (1, 3, 48, 48))
    plain = backbone(images)
    suppress_backbone(backbone, delta=DELTA, positions=["features"])
    torch.testing.assert_close(backbone(images), reference(plain, DELTA))


def test_parameters_and_their_names_stay():
    backbone = build_backbone("test_resnet", weights=None)
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    suppress_backbone(backbone, positions=[*PAPER_POSITIONS, "features"])
    after = backbone.state_dict()
    assert list(before) == list(after)
    assert all(torch.equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))])
@torch.no_grad()
def test_a_copy_has_its_own_mode(clone):
    original = suppress_backbone(build_backbone("test_resnet", weights=None), delta=DELTA)
    images = random_maps(6, (1, 3, 64, 64))
    in_training = original.train()(images)
    copied = clone(original).eval()
    assert torch.equal(original(images), in_training)
    assert torch.equal(copied.train()(images), in_training)
    assert not torch.equal(copied.eval()(images), in_training)


def test_no_position_changes_nothing():
    backbone = suppress_backbone(build_backbone("test_resnet", weights=None), positions=[])
    assert not any(isinstance(module, Suppression) for module in backbone.modules())
    assert backbone.frozen_stages == 0
