"""The errors of segmentation networks and of their designs, word for word."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import timm
import torch
from kit.messages import ROW, assert_says, row
from torch import nn

from tagseg.errors import ArtifactError, ModelError
from tagseg.models.backbone import build_backbone
from tagseg.models.deeplab import DeepLabV2
from tagseg.models.segmentation_network import SegmenterDesign, build_segmenter
from tagseg.models.synced_norm import synchronize_batch_norm

COUNT_BACKGROUND = "count the background: num_labels = classes + 1"
RANGE = "choose within this range"
THIS_NETWORK = "give weights of this very network, or name the network that they belong to"
ALL_STRIDES = (
    "choose a network such as resnet50, mobilenetv2_100, convnext_tiny or swin_tiny_patch4_window7_224, or "
    'architecture = "deeplabv2"'
)
DILATED = (
    "choose a network that can be dilated, such as resnet50, mobilenetv2_100 or convnext_tiny, or "
    'architecture = "segformer" with output_stride = 32'
)


def design(architecture: Any = "deeplabv3plus", backbone: str = "test_resnet", **values: Any) -> SegmenterDesign:
    return SegmenterDesign(architecture, backbone, **{"num_labels": 3, "decoder_channels": 8, **values})


def build(*names: str, weights: Any = None, frozen_stages: int = 0, **values: Any) -> object:
    return build_segmenter(design(*names, **values), weights=weights, frozen_stages=frozen_stages)


def check(**values: Any) -> None:
    """Let a design check itself: the test run's type check would refuse the value before."""
    unchecked = object.__new__(SegmenterDesign)
    for name, value in (design().to_dict() | values).items():
        object.__setattr__(unchecked, name, value)
    unchecked.__post_init__()


def deeplab(**values: Any) -> DeepLabV2:
    return DeepLabV2(build_backbone("test_resnet", weights=None), **values)


class OwnNorm(nn.BatchNorm2d):
    """A batch norm of somebody's own."""


@pytest.mark.parametrize(
    ROW,
    [
        row(
            "an_unknown_architecture",
            lambda: check(architecture="deeplabv3"),
            "architecture 'deeplabv3' is unknown",
            "choose one of deeplabv2, deeplabv3plus, segformer, upernet",
        ),
        row(
            "an_unknown_feature_layer",
            lambda: check(feature_layer="last"),
            "feature_layer 'last' is unknown",
            "choose one of head, last_stage",
        ),
        row(
            "one_label",
            lambda: design(num_labels=1),
            "a segmentation network has 2 to 255 labels, got 1",
            COUNT_BACKGROUND,
        ),
        row(
            "256_labels",
            lambda: design(num_labels=256),
            "a segmentation network has 2 to 255 labels, got 256",
            COUNT_BACKGROUND,
        ),
        row(
            "no_decoder_channels",
            lambda: design(decoder_channels=0),
            "decoder_channels is 1 or more, got 0",
            "256 is the usual width",
        ),
        row(
            "no_atrous_rate",
            lambda: design(atrous_rate=0),
            "atrous_rate is 1 or more, got 0",
            "6 is usual at stride 16",
        ),
        row(
            "stride_of_deeplabv3plus",
            lambda: design("deeplabv3plus", output_stride=32),
            "output stride of deeplabv3plus is 8 or 16, got 32",
            "write output_stride = 16",
        ),
        row(
            "stride_of_segformer",
            lambda: design("segformer", output_stride=16),
            "output stride of segformer is 32, got 16",
            "write output_stride = 32",
        ),
        row(
            "stride_of_upernet",
            lambda: design("upernet", output_stride=8),
            "output stride of upernet is 32, got 8",
            "write output_stride = 32",
        ),
        row(
            "stride_of_a_backbone",
            lambda: build("deeplabv2", "test_vit", output_stride=8),
            "output stride of test_vit is 16, got 8",
            "write output_stride = 16, or choose a network that can be dilated",
        ),
        row(
            "frozen_stages_of_a_network_whose_levels_are_no_modules",
            lambda: build("upernet", "hrnet_w18_small", output_stride=32, frozen_stages=1),
            "frozen_stages of hrnet_w18_small is 0 to 0, got 1",
            RANGE,
        ),
        row(
            "labels_of_deeplab",
            lambda: deeplab(num_labels=1),
            "a segmentation network has 2 labels or more, got 1",
            COUNT_BACKGROUND,
        ),
        row(
            "no_rates_of_deeplab",
            lambda: deeplab(num_labels=2, rates=()),
            "rates of DeepLab-v2 are dilations of 1 cell or more, got ()",
            "the paper's are (6, 12, 18, 24)",
        ),
        row(
            "a_rate_of_zero_of_deeplab",
            lambda: deeplab(num_labels=2, rates=(6, 0)),
            "rates of DeepLab-v2 are dilations of 1 cell or more, got (6, 0)",
            "the paper's are (6, 12, 18, 24)",
        ),
        row(
            "batch_norm_of_another_kind",
            lambda: synchronize_batch_norm(nn.Sequential(OwnNorm(3))),
            "batch norms of a network that several processes train are torch's or timm's BatchNormAct2d, got OwnNorm",
            "choose another backbone",
        ),
        row(
            "batch_norm_of_tokens",
            lambda: synchronize_batch_norm(nn.Sequential(nn.BatchNorm1d(3))),
            "batch norms of a network that several processes train are torch's or timm's BatchNormAct2d, "
            "got BatchNorm1d",
            "choose another backbone",
        ),
    ],
)
def test_designs(call: Callable[[], object], problem: str, help: str) -> None:
    assert_says(call, ModelError, problem, help)


@pytest.mark.parametrize("architecture", ["deeplabv2", "deeplabv3plus"])
@pytest.mark.parametrize(
    ROW,
    [
        row(
            "an_unknown_backbone",
            lambda architecture: build(architecture, "mobilnetv2_100"),
            f"'mobilnetv2_100' is not a network of timm {timm.__version__}",
            "did you mean 'mobilenetv2_100'?",
        ),
        row(
            "frozen_stages_out_of_range",
            lambda architecture: build(architecture, frozen_stages=5),
            "frozen_stages of test_resnet is 0 to 4, got 5",
            RANGE,
        ),
    ],
)
def test_backbones_of_two_architectures(
    architecture: str, call: Callable[[str], object], problem: str, help: str
) -> None:
    assert_says(lambda: call(architecture), ModelError, problem, help)


@pytest.mark.parametrize(("architecture", "title"), [("segformer", "Segformer"), ("upernet", "UPerNet")])
@pytest.mark.parametrize("backbone", ["test_vit", "levit_128s"])
def test_backbone_without_maps_at_every_stride_or_with_fixed_windows(
    architecture: str, title: str, backbone: str
) -> None:
    assert_says(
        lambda: build(architecture, backbone, output_stride=32),
        ModelError,
        f"{title} needs feature maps at strides 4, 8, 16 and 32, for images of any size, got the network {backbone}",
        ALL_STRIDES,
    )


@pytest.mark.parametrize("backbone", ["test_vit", "swin_tiny_patch4_window7_224", "vgg11"])
def test_backbone_that_cannot_be_dilated(backbone: str) -> None:
    assert_says(
        lambda: build("deeplabv3plus", backbone),
        ModelError,
        f"DeepLabV3Plus needs feature maps at strides 4 to 16, for images of any size, got the network {backbone}",
        DILATED,
    )


@pytest.mark.parametrize("architecture", ["deeplabv2", "deeplabv3plus"])
def test_weights_of_another_network(architecture: str, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    safetensors.torch.save_file({"fc.weight": torch.zeros(1)}, path)
    names = list(timm.create_model("test_resnet", num_classes=0).state_dict())
    missing = [name for name in names if not name.endswith("num_batches_tracked")]
    assert_says(
        lambda: build(architecture, weights=path),
        ModelError,
        f"weights {path} fit test_resnet tensor by tensor, "
        f"got {len(missing)} missing (conv1.0.weight, conv1.1.weight, conv1.1.bias, ...)",
        THIS_NETWORK,
    )


def test_missing_weights_file(tmp_path: Path) -> None:
    path = tmp_path / "none.safetensors"
    assert_says(
        lambda: build(weights=path),
        ModelError,
        f"weights file {path} is missing",
        'correct the path, or write "pretrained" to download',
    )


def test_download_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    create = timm.create_model

    def refuse(*names: str, pretrained: bool = False, **options: Any) -> Any:
        if pretrained:
            raise ConnectionError("no route")
        return create(*names, **options)

    monkeypatch.setattr(timm, "create_model", refuse)
    assert_says(
        lambda: build(weights="pretrained"),
        ModelError,
        "pretrained weights of test_resnet cannot be downloaded, got ConnectionError",
        "name a file of its weights in the recipe or by --set classifier.weights=FILE: that needs no network",
    )


NAMES = "architecture, backbone, num_labels, output_stride, decoder_channels, feature_layer, atrous_rate"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        pytest.param({"dropout": 0.5}, f"holds {NAMES}, got {NAMES}, dropout", id="one_value_more"),
        pytest.param({"backbone": None}, "has str as backbone, got None", id="no_backbone"),
        pytest.param({"num_labels": True}, "has int as num_labels, got True", id="no_number"),
        pytest.param({"output_stride": 16.0}, "has int as output_stride, got 16.0", id="no_whole_number"),
        pytest.param(
            {"num_labels": 1},
            "can be built, got one where a segmentation network has 2 to 255 labels, got 1",
            id="one_label",
        ),
        pytest.param(None, f"holds {NAMES}, got nothing", id="nothing"),
    ],
)
def test_damaged_designs(changes: dict[str, Any] | None, problem: str) -> None:
    values = {} if changes is None else design().to_dict() | changes
    assert_says(
        lambda: SegmenterDesign.from_dict(values),
        ArtifactError,
        f"design of a segmentation network {problem}",
        "export the network again",
    )
