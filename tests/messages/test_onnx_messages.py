"""The errors of ONNX files, word for word."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from kit.messages import ROW, assert_says, row

from tagseg.artifacts.onnx_file import check_onnx, check_session, encode_onnx
from tagseg.classes import ClassTable
from tagseg.errors import ArtifactError, ModelError
from tagseg.models.segmentation_network import SegmentationNetwork, SegmenterDesign, build_segmenter

CLASSES = ClassTable(("cat", "dog"))
IMAGE = np.zeros((40, 30, 3), np.uint8)


def with_onnx() -> None:
    """Skip a test where the extra is not there."""
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason="the extra onnx is not installed")


@pytest.fixture(scope="module")
def network() -> SegmentationNetwork:
    """A network whose logits are all zero."""
    network = build_segmenter(SegmenterDesign("deeplabv2", "test_resnet", num_labels=3), weights=None)
    with torch.no_grad():
        for branch in network.network.head.branches:
            branch.weight.zero_()
    return network


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_extra(network: SegmentationNetwork, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    with_onnx()
    monkeypatch.setitem(sys.modules, package, None)  # what an import finds when there is no such package
    assert_says(
        lambda: encode_onnx(network, CLASSES, notes={}),
        ModelError,
        f"ONNX files need the packages onnx, onnxscript, onnxruntime, got no '{package}'",
        "pip install onnx onnxscript onnxruntime",
    )


def test_an_old_torch(network: SegmentationNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    with_onnx()
    monkeypatch.setattr(torch, "__version__", "2.6.0+cpu")
    assert_says(
        lambda: encode_onnx(network, CLASSES, notes={}),
        ModelError,
        "ONNX files need torch 2.10 or later, got 2.6.0+cpu",
        "pip install --upgrade torch torchvision, or export with --format safetensors",
    )


def test_a_network_that_torch_cannot_trace(network: SegmentationNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    with_onnx()

    def fail(*args: object, **options: object) -> None:
        raise torch.onnx.OnnxExporterError("a page of advice")

    monkeypatch.setattr(torch.onnx, "export", fail)
    assert_says(
        lambda: encode_onnx(network, CLASSES, notes={}),
        ModelError,
        "a network for ONNX is one that torch can trace with free sizes, got deeplabv2 with test_resnet",
        "export it with --format safetensors, or train another backbone, such as mobilenetv2_100 or resnet50",
    )


@pytest.mark.parametrize(
    ROW,
    [
        row(
            "more_bytes_than_a_file_holds",
            lambda network: encode_onnx(network, CLASSES, notes={}, max_bytes=1000),
            "an ONNX file holds less than 2 GiB of weights, got more in deeplabv2 with test_resnet",
            "export it with --format safetensors",
        ),
        row(
            "a_damaged_file",
            lambda network: check_onnx(b"no protobuf", network, [IMAGE], name="a.onnx"),
            "ONNX file a.onnx must be a whole file written by tagseg, got a file that cannot be read as one",
            "export the network again",
        ),
        row(
            "nothing_to_check_it_on",
            lambda network: check_onnx(b"", network, [], name="a.onnx"),
            "ONNX file a.onnx must be checked on an image or more, got none",
            "name images that can be read",
        ),
    ],
)
def test_files(network: SegmentationNetwork, call: Callable[[Any], object], problem: str, help: str) -> None:
    with_onnx()
    assert_says(lambda: call(network), ArtifactError, problem, help)


class Session:
    """An ONNX session that changes logits of zero as it is told to."""

    def __init__(self, change: Callable[[np.ndarray], np.ndarray]) -> None:
        self.change = change

    def run(self, names: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        return [self.change(np.zeros((1, 3, *inputs["images"].shape[-2:]), np.float32))]


def broken(logits: np.ndarray) -> np.ndarray:
    raise RuntimeError("a shape")


@pytest.mark.parametrize(
    ("change", "found"),
    [
        pytest.param(
            lambda logits: logits[..., 1:],
            "logits of shape (1, 3, 40, 29) where torch has (1, 3, 40, 30)",
            id="another_shape",
        ),
        pytest.param(
            lambda logits: logits + 2, "a largest difference of 2 and 100.00 % equal labels", id="another_number"
        ),
        pytest.param(lambda logits: logits + np.nan, "a largest difference of nan and 100.00 % equal labels", id="nan"),
        pytest.param(broken, "a file that fails at an image of 40x30 px", id="an_error"),
    ],
)
def test_a_file_that_computes_something_else(
    network: SegmentationNetwork, change: Callable[[np.ndarray], np.ndarray], found: str
) -> None:
    assert_says(
        lambda: check_session(Session(change), network, [IMAGE], name="a.onnx"),
        ArtifactError,
        "ONNX file a.onnx must compute what torch computes (logits within 0.001, 99.9 % of the labels equal), "
        f"got {found}",
        "export the network again; if it differs again, use --format safetensors",
    )
