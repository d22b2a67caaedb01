import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from tagseg.errors import ModelError
from tagseg.models.affinity import AffinityNetwork, cells, predict_boundary, predict_displacement
from tagseg.models.backbone import build_backbone
from tagseg.models.suppression import suppress_backbone


def build(name="test_resnet", **options):
    torch.manual_seed(0)
    network = AffinityNetwork(build_backbone(name, weights=None, **options))
    for module in network.modules():
        if isinstance(module, nn.GroupNorm):  # away from 1 and 0, so that a norm in the wrong place shows
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    return network


@pytest.fixture(scope="module")
def tiny():
    return build().eval()


def slow_unit(weights, features, groups, size):
    """Convolution as a sum over channels, group norm from its definition, resize, ReLU."""
    mixed = torch.einsum("od,ndhw->nohw", weights["convolution.weight"][:, :, 0, 0], features)
    grouped = mixed.unflatten(1, (groups, -1)).flatten(2)
    deviation = (grouped.var(dim=2, unbiased=False, keepdim=True) + 1e-5).sqrt()
    normed = ((grouped - grouped.mean(dim=2, keepdim=True)) / deviation).reshape(mixed.shape)
    scaled = normed * weights["norm.weight"][:, None, None] + weights["norm.bias"][:, None, None]
    return functional.interpolate(scaled, size=size, mode="bilinear", align_corners=False).clamp_min(0)


def part(state, prefix):
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


def slow_boundary(network, taps, size):
    state = part(network.state_dict(), "boundary_branch.")
    units = [slow_unit(part(state, f"projections.{index}."), tap, 4, size) for index, tap in enumerate(taps)]
    score = torch.einsum("d,ndhw->nhw", state["score.weight"][0, :, 0, 0], torch.cat(units, 1))
    return score + state["score.bias"]


def slow_displacement(network, taps, size):
    state = part(network.state_dict(), "displacement_branch.")
    middle = tuple(taps[2].shape[-2:])
    units = [
        slow_unit(part(state, f"projections.{index}."), taps[index], groups, each)
        for index, (groups, each) in enumerate(((8, size), (16, size), (16, middle), (16, middle), (16, middle)))
    ]
    deep = slow_unit(part(state, "mix_deep."), torch.cat(units[2:], 1), 16, size)
    mixed = slow_unit(part(state, "mix_all."), torch.cat([units[0], units[1], deep], 1), 16, size)
    return torch.einsum("od,ndhw->nohw", state["field.weight"][:, :, 0, 0], mixed)


@pytest.mark.parametrize("name", ["test_resnet", "mobilenetv2_100", "test_vit"])
@torch.no_grad()
def test_both_branches_equal_a_slow_reference(name):
    network = build(name).double()
    images = torch.randn(2, 3, 50, 70, dtype=torch.float64)
    taps = network.backbone.taps(images)
    boundary_logits, displacement = network(images)
    torch.testing.assert_close(boundary_logits, slow_boundary(network, taps, (13, 18)))
    torch.testing.assert_close(displacement, slow_displacement(network, taps, (13, 18)))


@settings(max_examples=15, deadline=None)
@given(height=st.integers(1, 70), width=st.integers(1, 70))
def test_any_image_gets_its_cells_of_stride_4(tiny, height, width):
    with torch.no_grad():
        boundary_logits, displacement = tiny(torch.randn(1, 3, height, width))
    size = (-(-height // 4), -(-width // 4))
    assert (boundary_logits.shape, displacement.shape) == ((1, *size), (1, 2, *size))
    assert boundary_logits.isfinite().all()
    assert displacement.isfinite().all()


@pytest.mark.parametrize(
    ("name", "output_stride"),
    [("mobilenetv2_100", 16), ("convnext_atto", 16), ("swin_tiny_patch4_window7_224", 32), ("test_vit", 16)],
)
def test_every_family_learns_from_one_pixel_to_many(name, output_stride):
    network = build(name, output_stride=output_stride).train()
    for height, width in ((1, 1), (65, 30)):
        boundary_logits, displacement = network(torch.randn(1, 3, height, width))
        assert boundary_logits.shape == (1, -(-height // 4), -(-width // 4))
        (boundary_logits.sum() + displacement.sum()).backward()
    assert all(value.grad is not None for value in network.displacement_branch.parameters())


def test_a_backbone_whose_first_stage_takes_channels_at_the_end_is_refused():
    with pytest.raises(ModelError, match="at tap 0 of pvt_v2_b0"):
        build("pvt_v2_b0", output_stride=None)


def test_cells_round_up():
    assert [cells(torch.zeros(1, 3, *size)) for size in ((1, 1), (4, 5), (512, 375))] == [(1, 1), (1, 2), (128, 94)]


@torch.no_grad()
def test_images_of_a_batch_do_not_see_each_other(tiny):
    images = torch.randn(3, 3, 40, 40)
    together = tiny(images)
    for index in range(3):
        alone = tiny(images[index : index + 1])
        torch.testing.assert_close(together[0][index], alone[0][0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(together[1][index], alone[1][0], rtol=1e-4, atol=1e-5)


def test_only_the_branches_learn_and_they_are_two_parameter_groups():
    network = build()
    learning = {key.split(".")[0] for key, value in network.named_parameters() if value.requires_grad}
    assert learning == {"boundary_branch", "displacement_branch"}
    assert not any(value.requires_grad for value in network.backbone.parameters())


def test_a_step_of_training_leaves_the_backbone_alone():
    network = build(batch_norm="train").train()
    assert not network.backbone.training
    assert not any(module.training for module in network.backbone.modules())
    assert network.boundary_branch.training
    before = {key: value.clone() for key, value in network.state_dict().items()}
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    boundary_logits, displacement = network(torch.randn(2, 3, 40, 40))
    (boundary_logits.square().sum() + displacement.square().sum()).backward()
    optimizer.step()
    changed = {key.split(".")[0] for key, value in network.state_dict().items() if not torch.equal(value, before[key])}
    assert changed == {"boundary_branch", "displacement_branch"}


def test_training_keeps_no_graph_of_the_backbone():
    network = build().train()
    assert [tap.grad_fn for tap in network.taps(torch.randn(1, 3, 40, 40))] == [None] * 5


def test_suppression_for_training_does_not_act_in_a_frozen_backbone():
    images = torch.randn(1, 3, 64, 64)
    backbone = build_backbone("test_resnet", weights=None)
    before = [tap.detach() for tap in backbone.eval().taps(images)]
    network = AffinityNetwork(suppress_backbone(backbone, positions=["after_stage_2"])).train()
    torch.testing.assert_close(network.taps(images), before, rtol=0, atol=0)


def test_the_mean_displacement_is_subtracted_in_evaluation_only():
    network, images = build(), torch.randn(1, 3, 40, 40)
    before = network.eval()(images)[1], network.train()(images)[1]
    torch.testing.assert_close(before[0], before[1])
    network.mean_displacement.copy_(torch.tensor([1.5, -2.0]))
    after = network.eval()(images)[1], network.train()(images)[1]
    torch.testing.assert_close(before[0] - after[0], torch.tensor([1.5, -2.0])[:, None, None].expand_as(after[0]))
    assert torch.equal(before[1], after[1])
    torch.testing.assert_close(predict_displacement(network, images), after[0])


@torch.no_grad()
def test_state_dict_goes_round_with_the_mean():
    network, images = build().eval(), torch.randn(1, 3, 30, 40)
    network.mean_displacement.copy_(torch.tensor([0.25, 3.0]))
    other = AffinityNetwork(build_backbone("test_resnet", weights=None)).eval()
    assert not torch.equal(other(images)[0], network(images)[0])
    other.load_state_dict(network.state_dict())
    torch.testing.assert_close(other(images), network(images), rtol=0, atol=0)


@torch.no_grad()
def test_boundary_is_the_sigmoid_of_the_mean_over_image_and_flip(tiny):
    images = torch.randn(2, 3, 41, 50)
    mean = (tiny(images)[0] + tiny(images.flip(3))[0].flip(2)) / 2
    torch.testing.assert_close(predict_boundary(tiny, images), 1 / (1 + (-mean).exp()), rtol=1e-4, atol=1e-5)


def test_boundary_of_a_mirrored_image_is_mirrored(tiny):
    images = torch.randn(1, 3, 41, 50)
    mirrored = predict_boundary(tiny, images.flip(3))
    torch.testing.assert_close(mirrored, predict_boundary(tiny, images).flip(2), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(mirrored, mirrored.flip(2), atol=1e-3)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("predict", [predict_boundary, predict_displacement])
def test_prediction_needs_no_graph_and_puts_the_mode_back(predict, training):
    network = build().train(training)
    predicted = predict(network, torch.randn(1, 3, 30, 40))
    assert (predicted.requires_grad, predicted.dtype) == (False, torch.float32)
    assert (network.training, network.boundary_branch.training, network.backbone.training) == (
        training,
        training,
        False,
    )


@pytest.mark.parametrize(
    ("predict", "other"), [(predict_boundary, "displacement_branch"), (predict_displacement, "boundary_branch")]
)
def test_prediction_computes_one_branch_only(predict, other):
    network = build()
    runs = []
    getattr(network, other).register_forward_hook(lambda *_: runs.append(other))
    predict(network, torch.randn(1, 3, 30, 40))
    assert runs == []


def test_prediction_in_half_precision_comes_out_in_float32(tiny):
    images = torch.randn(1, 3, 30, 40)
    with torch.autocast("cpu", torch.bfloat16):
        boundary, displacement = predict_boundary(tiny, images), predict_displacement(tiny, images)
    assert (boundary.dtype, displacement.dtype) == (torch.float32, torch.float32)
    torch.testing.assert_close(boundary, predict_boundary(tiny, images), rtol=0, atol=0.05)
