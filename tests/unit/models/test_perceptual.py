import pytest
import safetensors.torch
import timm
import torch
import torchvision

from tagseg.models.perceptual import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    PAPER_WEIGHTS,
    FeaturePyramid,
    timm_pyramid,
    vgg19_pyramid,
)

PAPER_TAPS = (1, 6, 11, 20, 29)  # relu1_1, 2_1, 3_1, 4_1, 5_1 among torchvision's VGG-19 layers


@pytest.fixture(scope="module")
def vgg():
    torch.manual_seed(0)
    return vgg19_pyramid(None)


def torchvision_features(vgg):
    # Building torchvision's whole VGG-19 initialises 140 million parameters; its layers alone are the reference.
    layers = torchvision.models.vgg.make_layers(torchvision.models.vgg.cfgs["E"])
    tensors = {key.removeprefix("features."): value for key, value in vgg.levels.state_dict().items()}
    assert layers.load_state_dict(tensors, strict=False).unexpected_keys == []
    return layers


def test_vgg_levels_are_torchvisions_layers(vgg):
    layers, features = torchvision_features(vgg), torch.randn(1, 3, 35, 50)
    levels = vgg(features)
    assert len(levels) == len(PAPER_WEIGHTS) == 5
    for index in range(PAPER_TAPS[-1] + 1):
        features = layers[index](features)
        if index in PAPER_TAPS:
            torch.testing.assert_close(levels[PAPER_TAPS.index(index)], features, rtol=0, atol=0)


def test_a_vgg_file_fits_whole_or_cut(vgg, tmp_path):
    tensors = dict(vgg.levels.state_dict())
    whole = {**tensors, "features.30.weight": torch.zeros(1), "classifier.0.weight": torch.zeros(1)}
    for name, content in (("cut", tensors), ("whole", whole)):
        safetensors.torch.save_file(content, tmp_path / f"{name}.safetensors")
        loaded = vgg19_pyramid(tmp_path / f"{name}.safetensors").levels.state_dict()
        assert all(torch.equal(loaded[key], tensors[key]) for key in tensors)


@pytest.mark.parametrize("build", [lambda: vgg19_pyramid(None), lambda: timm_pyramid("test_resnet", None, (0, 2))])
def test_it_never_learns_and_passes_gradient_to_the_image(build):
    pyramid = build()
    pyramid.train()
    assert not any(module.training for module in pyramid.modules())
    assert not any(parameter.requires_grad for parameter in pyramid.parameters())
    images = torch.randn(1, 3, 32, 32, requires_grad=True)
    sum(level.mean() for level in pyramid(images)).backward()
    assert (images.grad != 0).float().mean() > 0.5
    assert all(parameter.grad is None for parameter in pyramid.parameters())


def test_training_of_the_surroundings_changes_neither_mode_nor_statistics():
    pyramid = timm_pyramid("test_resnet", None, (0, 1))
    before = {key: value.clone() for key, value in pyramid.state_dict().items()}
    torch.nn.Sequential(pyramid).train()(torch.randn(2, 3, 32, 32) + 3)
    assert all(torch.equal(value, before[key]) for key, value in pyramid.state_dict().items())


@pytest.mark.parametrize(
    ("name", "levels"), [("mobilenetv2_100", (0, 1, 2, 3, 4)), ("mobilenetv2_100", (1, 3)), ("convnext_atto", (0, 2))]
)
@torch.no_grad()
def test_timm_levels_are_timms_own_feature_maps(name, levels):
    torch.manual_seed(0)
    pyramid = timm_pyramid(name, None, levels, input_mean=IMAGENET_MEAN, input_std=IMAGENET_STD).double()
    whole = pyramid.levels.backbone.network.state_dict()
    reference = timm.create_model(name, features_only=True, out_indices=levels).eval().double()
    names = list(reference.state_dict())
    # features_only renames modules but keeps their order.
    reference.load_state_dict(dict(zip(names, list(whole.values())[: len(names)], strict=True)))
    images = torch.randn(1, 3, 64, 96, dtype=torch.float64)
    for actual, expected in zip(pyramid(images), reference(images), strict=True):
        torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("test_vit", [(64, 4, 5), (64, 4, 5)]),
        ("swin_tiny_patch4_window7_224", [(96, 16, 24), (384, 4, 6)]),
        ("convnext_atto", [(40, 16, 24), (160, 4, 6)]),
    ],
)
@torch.no_grad()
def test_other_families_give_maps_for_sizes_that_they_cannot_cut(name, shapes):
    levels = timm_pyramid(name, None, (0, 2))(torch.randn(2, 3, 50, 70))
    assert [tuple(level.shape[1:]) for level in levels] == shapes


@torch.no_grad()
def test_images_normalised_in_another_way_give_the_same_features(vgg):
    raw = torch.rand(1, 3, 32, 32)

    def normalised(mean, std):
        return (raw - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)

    half = (0.5, 0.5, 0.5)
    other = FeaturePyramid(vgg.levels, input_mean=half, input_std=half)
    for actual, expected in zip(
        other(normalised(half, half)), vgg(normalised(IMAGENET_MEAN, IMAGENET_STD)), strict=True
    ):
        torch.testing.assert_close(actual, expected, rtol=1e-3, atol=1e-4)


def test_same_normalisation_leaves_the_image_as_it_is(vgg):
    assert torch.equal(vgg._scale, torch.ones(1, 3, 1, 1))
    assert torch.equal(vgg._shift, torch.zeros(1, 3, 1, 1))
