import pytest
import safetensors.torch
import timm
import torch
from torch import nn

from tagseg.errors import ArtifactError, ModelError
from tagseg.models.backbone import build_backbone
from tagseg.models.deeplab import DeepLabV2
from tagseg.models.segmentation_network import SegmenterDesign, build_segmenter
from tagseg.models.synced_norm import synchronize_batch_norm


def message(action, kind=ModelError):
    with pytest.raises(kind) as caught:
        action()
    return str(caught.value)


def design(architecture="deeplabv3plus", backbone="test_resnet", **values):
    return SegmenterDesign(architecture, backbone, **{"num_labels": 3, "decoder_channels": 8, **values})


def build(*names, weights=None, frozen_stages=0, **values):
    return build_segmenter(design(*names, **values), weights=weights, frozen_stages=frozen_stages)


def check(**values):
    """Let a design check itself: the test run's type check would refuse the value before."""
    unchecked = object.__new__(SegmenterDesign)
    for name, value in (design().to_dict() | values).items():
        object.__setattr__(unchecked, name, value)
    unchecked.__post_init__()


def test_unknown_architecture():
    assert message(lambda: check(architecture="deeplabv3")) == (
        "architecture 'deeplabv3' is unknown; choose one of deeplabv2, deeplabv3plus, segformer, upernet"
    )


def test_unknown_feature_layer():
    assert message(lambda: check(feature_layer="last")) == (
        "feature_layer 'last' is unknown; choose one of head, last_stage"
    )


@pytest.mark.parametrize("count", [1, 256])
def test_number_of_labels(count):
    assert message(lambda: design(num_labels=count)) == (
        f"a segmentation network has 2 to 255 labels, got {count}; count the background: num_labels = classes + 1"
    )


def test_decoder_channels():
    assert message(lambda: design(decoder_channels=0)) == (
        "decoder_channels is 1 or more, got 0; 256 is the usual width"
    )


@pytest.mark.parametrize(
    ("architecture", "stride", "strides", "remedy"),
    [("deeplabv3plus", 32, "8 or 16", 16), ("segformer", 16, "32", 32), ("upernet", 8, "32", 32)],
)
def test_stride_that_an_architecture_cannot_have(architecture, stride, strides, remedy):
    assert message(lambda: design(architecture, output_stride=stride)) == (
        f"output stride of {architecture} is {strides}, got {stride}; write output_stride = {remedy}"
    )


def test_stride_that_a_backbone_cannot_have():
    assert message(lambda: build("deeplabv2", "test_vit", output_stride=8)) == (
        "output stride of test_vit is 16, got 8; write output_stride = 16, or choose a network that can be dilated"
    )


@pytest.mark.parametrize("architecture", ["deeplabv2", "deeplabv3plus"])
def test_unknown_backbone(architecture):
    assert message(lambda: build(architecture, "mobilnetv2_100")) == (
        f"'mobilnetv2_100' is no network of timm {timm.__version__}; did you mean 'mobilenetv2_100'?"
    )


@pytest.mark.parametrize(("architecture", "title"), [("segformer", "Segformer"), ("upernet", "UPerNet")])
@pytest.mark.parametrize("backbone", ["test_vit", "levit_128s"])
def test_backbone_without_maps_at_every_stride_or_with_fixed_windows(architecture, title, backbone):
    assert message(lambda: build(architecture, backbone, output_stride=32)) == (
        f"{title} needs feature maps at strides 4, 8, 16 and 32, for images of any size, got the network {backbone}; "
        "choose a network such as resnet50, mobilenetv2_100, convnext_tiny or swin_tiny_patch4_window7_224, or "
        'architecture = "deeplabv2"'
    )


@pytest.mark.parametrize("backbone", ["test_vit", "swin_tiny_patch4_window7_224", "vgg11"])
def test_backbone_that_cannot_be_dilated(backbone):
    assert message(lambda: build("deeplabv3plus", backbone)) == (
        f"DeepLabV3Plus needs feature maps at strides 4 to 16, for images of any size, got the network {backbone}; "
        "choose a network that can be dilated, such as resnet50, mobilenetv2_100 or convnext_tiny, or "
        'architecture = "segformer" with output_stride = 32'
    )


@pytest.mark.parametrize("architecture", ["deeplabv2", "deeplabv3plus"])
def test_frozen_stages_out_of_range(architecture):
    assert message(lambda: build(architecture, frozen_stages=5)) == (
        "frozen_stages of test_resnet is 0 to 4, got 5; choose within this range"
    )


def test_frozen_stages_of_a_network_whose_levels_are_no_modules():
    assert message(lambda: build("upernet", "hrnet_w18_small", output_stride=32, frozen_stages=1)) == (
        "frozen_stages of hrnet_w18_small is 0 to 0, got 1; choose within this range"
    )


@pytest.mark.parametrize("architecture", ["deeplabv2", "deeplabv3plus"])
def test_weights_of_another_network(architecture, tmp_path):
    path = tmp_path / "other.safetensors"
    safetensors.torch.save_file({"fc.weight": torch.zeros(1)}, path)
    names = list(timm.create_model("test_resnet", num_classes=0).state_dict())
    missing = [name for name in names if not name.endswith("num_batches_tracked")]
    assert message(lambda: build(architecture, weights=path)) == (
        f"weights {path} fit test_resnet tensor by tensor, "
        f"got {len(missing)} missing (conv1.0.weight, conv1.1.weight, conv1.1.bias, ...); "
        "give weights of this very network, or name the network that they belong to"
    )


def test_missing_weights_file(tmp_path):
    path = tmp_path / "none.safetensors"
    assert message(lambda: build(weights=path)) == (
        f'weights file {path} is missing; correct the path, or write "pretrained" to download'
    )


def test_download_that_fails(monkeypatch):
    create = timm.create_model

    def refuse(*names, pretrained=False, **options):
        if pretrained:
            raise ConnectionError("no route")
        return create(*names, **options)

    monkeypatch.setattr(timm, "create_model", refuse)
    assert message(lambda: build(weights="pretrained")) == (
        "pretrained weights of test_resnet cannot be downloaded, got ConnectionError; "
        "give the path of a weights file, which needs no network"
    )


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"dropout": 0.5}, "holds {names}, got {names}, dropout"),
        ({"backbone": None}, "has str as backbone, got None"),
        ({"num_labels": True}, "has int as num_labels, got True"),
        ({"output_stride": 16.0}, "has int as output_stride, got 16.0"),
        ({"num_labels": 1}, "can be built, got one where a segmentation network has 2 to 255 labels, got 1"),
    ],
)
def test_damaged_design(change, problem):
    names = "architecture, backbone, num_labels, output_stride, decoder_channels, feature_layer"
    values = design().to_dict() | change
    assert message(lambda: SegmenterDesign.from_dict(values), ArtifactError) == (
        f"design of a segmentation network {problem.format(names=names)}; export the network again"
    )


def test_empty_design():
    assert message(lambda: SegmenterDesign.from_dict({}), ArtifactError) == (
        "design of a segmentation network holds architecture, backbone, num_labels, output_stride, decoder_channels, "
        "feature_layer, got nothing; export the network again"
    )


def test_deeplab_without_classes():
    backbone = build_backbone("test_resnet", weights=None)
    assert message(lambda: DeepLabV2(backbone, num_labels=1)) == (
        "a segmentation network has 2 labels or more, got 1; count the background: num_labels = classes + 1"
    )


@pytest.mark.parametrize("rates", [(), (6, 0)])
def test_deeplab_rates(rates):
    backbone = build_backbone("test_resnet", weights=None)
    assert message(lambda: DeepLabV2(backbone, num_labels=2, rates=rates)) == (
        f"rates of DeepLab-v2 are dilations of 1 cell or more, got {rates}; the paper's are (6, 12, 18, 24)"
    )


def test_batch_norm_of_another_kind():
    class OwnNorm(nn.BatchNorm2d):
        pass

    assert message(lambda: synchronize_batch_norm(nn.Sequential(OwnNorm(3)))) == (
        "batch norms of a network that several processes train are torch's or timm's BatchNormAct2d, got OwnNorm; "
        "choose another backbone"
    )
