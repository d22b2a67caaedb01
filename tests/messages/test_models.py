import pytest
import safetensors.torch
import timm
import torch
from torch import nn

from tagseg.errors import ModelError
from tagseg.models.backbone import build_backbone
from tagseg.models.classifier import TagClassifier
from tagseg.models.perceptual import timm_pyramid, vgg19_pyramid
from tagseg.models.reconstructor import Reconstructor
from tagseg.models.suppression import Suppression, suppress_backbone
from tagseg.models.weights import fit_weights, read_weights


def message(action):
    with pytest.raises(ModelError) as caught:
        action()
    return str(caught.value)


def build(name="test_resnet", **options):
    return build_backbone(name, weights=None, **options)


def test_unknown_network():
    assert message(lambda: build("mobilnetv2_100")) == (
        f"'mobilnetv2_100' is no network of timm {timm.__version__}; did you mean 'mobilenetv2_100'?"
    )
    assert message(lambda: build("zzzz")) == (
        f"'zzzz' is no network of timm {timm.__version__}; choose a name of timm.list_models()"
    )


def test_output_stride_that_a_network_cannot_have():
    assert message(lambda: build("test_vit", output_stride=8)) == (
        "output stride of test_vit is 16, got 8; write output_stride = 16, or choose a network that can be dilated"
    )


def test_network_with_fixed_windows():
    assert message(lambda: build("maxvit_pico_rw_256", output_stride=32)) == (
        "backbone maxvit_pico_rw_256 takes images of any size, got a network that refuses 64 x 64; "
        "choose a network without fixed windows, such as resnet50, mobilenetv2_100 or convnext_tiny"
    )


def test_network_that_timm_cannot_build(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise TypeError("num_classes")

    monkeypatch.setattr(timm, "create_model", refuse)
    assert message(build) == (
        f"timm {timm.__version__} cannot build test_resnet without classifier; choose another network"
    )


def test_download_that_fails(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise ConnectionError("no route")

    monkeypatch.setattr(timm, "create_model", refuse)
    assert message(lambda: build_backbone("test_resnet", weights="pretrained")) == (
        "pretrained weights of test_resnet cannot be downloaded, got ConnectionError; "
        "give the path of a weights file, which needs no network"
    )


def test_vgg_download_that_fails(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise ConnectionError("no route")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", refuse)
    assert message(lambda: vgg19_pyramid("pretrained")) == (
        "pretrained weights of vgg19 cannot be downloaded, got ConnectionError; "
        "give the path of a weights file, which needs no network"
    )


def test_frozen_stages_out_of_range():
    assert message(lambda: build(frozen_stages=5)) == (
        "frozen_stages of test_resnet is 0 to 4, got 5; choose within this range"
    )


def test_missing_weights_file(tmp_path):
    path = tmp_path / "none.safetensors"
    assert message(lambda: read_weights(path)) == (
        f'weights file {path} is missing; correct the path, or write "pretrained" to download'
    )


@pytest.mark.parametrize(("ending", "kind"), [("safetensors", "SafetensorError"), ("pth", "UnpicklingError")])
def test_corrupt_weights_file(tmp_path, ending, kind):
    path = tmp_path / f"bad.{ending}"
    path.write_bytes(b"not weights at all")
    assert message(lambda: read_weights(path)) == (
        f"weights file {path} is a safetensors file or a torch state dict, got neither ({kind}); "
        "copy the file again, or save the tensors as .safetensors"
    )


def test_weights_file_without_tensors(tmp_path):
    path = tmp_path / "list.pth"
    torch.save([1, 2], path)
    assert message(lambda: read_weights(path)) == (
        f"weights file {path} holds tensors by name, got list with other values; save network.state_dict() alone"
    )


def test_weights_that_do_not_fit():
    weights = {"weight": torch.zeros(3, 2), "more.a": torch.zeros(1), "head.b": torch.zeros(1)}
    action = lambda: fit_weights(  # noqa: E731
        nn.Linear(2, 1), weights, network_name="layer", source="x.safetensors", ignored=("head",)
    )
    assert message(action) == (
        "weights x.safetensors fit layer tensor by tensor, "
        "got 1 missing (bias), 1 unknown (more.a), 1 of another shape (weight); "
        "give weights of this very network, or name the network that they belong to"
    )


def test_weights_of_another_network_name_the_first_missing_tensors(tmp_path):
    path = tmp_path / "other.safetensors"
    safetensors.torch.save_file({"fc.weight": torch.zeros(1)}, path)
    missing = [key for key in build().network.state_dict() if not key.endswith("num_batches_tracked")]
    assert message(lambda: build_backbone("test_resnet", weights=path)) == (
        f"weights {path} fit test_resnet tensor by tensor, "
        f"got {len(missing)} missing (conv1.0.weight, conv1.1.weight, conv1.1.bias, ...); "
        "give weights of this very network, or name the network that they belong to"
    )


def test_suppression_delta_out_of_range():
    assert message(lambda: Suppression(1.5)) == "suppression delta is in [0, 1], got 1.5; the paper's value is 0.55"


def test_suppression_position_unknown():
    assert message(lambda: suppress_backbone(build(), positions=["last_stages"])) == (
        "suppression position 'last_stages' is unknown; did you mean 'last_stage'?"
    )


def test_suppression_twice():
    backbone = suppress_backbone(build(), positions=["features"])
    assert message(lambda: suppress_backbone(backbone)) == (
        "backbone test_resnet is suppressed once, got a second call; build a new backbone"
    )


def test_suppression_inside_tokens():
    assert message(lambda: suppress_backbone(build("test_vit"))) == (
        "suppression inside a backbone needs blocks that put out maps, got tokens from Block; "
        'use the position "features"'
    )


def test_suppression_without_stages():
    assert message(lambda: suppress_backbone(build("hrnet_w18_small", output_stride=None))) == (
        'suppression inside a backbone needs stages, got none in hrnet_w18_small; use the position "features"'
    )


def test_classifier_without_classes():
    assert message(lambda: TagClassifier(build(), num_classes=0)) == (
        "a tag classifier has 1 class or more, got 0; name the classes to learn"
    )


def test_reconstructor_strides():
    assert message(lambda: Reconstructor(3, target_stride=32)) == (
        "target stride of the reconstructor is 1 to the output stride, 16, got 32; "
        "choose 1 for the full resolution or 16 for that of the class maps"
    )


def test_reconstructor_width():
    assert message(lambda: Reconstructor(3, width=100)) == (
        "width of the reconstructor is a multiple of 8, since 4 steps halve it, got 100; choose 96"
    )


@pytest.mark.parametrize("levels", [(), (1, 0), (0, 0), (0, 5), (-1,)])
def test_pyramid_levels(levels):
    assert message(lambda: timm_pyramid("test_resnet", None, levels)) == (
        f"levels of test_resnet are ascending positions from 0 to 4, got {levels}; choose some of (0, 1, 2, 3, 4)"
    )
