"""A segmentation network as one ONNX file for any runtime, and the check that it computes what torch computes.

Axes: N images, K labels (background first), H W image rows and columns in pixels.
"""

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import jaxtyping
import numpy as np
import torch
from jaxtyping import Float32
from numpy import ndarray

from tagseg.artifacts.segmenter_file import label_colors
from tagseg.classes import ClassTable
from tagseg.errors import ArtifactError, ModelError
from tagseg.models.exportable import ExportableNetwork
from tagseg.models.segmentation_network import SegmentationNetwork
from tagseg.system.atomic import atomic_write
from tagseg.system.own_version import own_version
from tagseg.types import Image

OPSET = 18
"""Of the file: the oldest that torch's exporter writes by itself, so that old runtimes read it too."""

INPUT_NAME, OUTPUT_NAME = "images", "logits"

MAX_DIFFERENCE = 1e-3
MIN_EQUAL_LABELS = 0.999

MAX_BYTES = 2**31 - 1
"""Of a protobuf message."""

_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
_OLDEST_TORCH = (2, 10)  # older ones do not export with free sizes
_EXAMPLE_SIZE = (2, 3, 70, 100)  # no two equal, none a multiple of a stride: nothing is taken for a constant


@dataclass(frozen=True, slots=True)
class OnnxCheck:
    """How close an ONNX file comes to the torch network.

    Args:
        max_difference: largest absolute difference of two logits.
        equal_labels: share of pixels with the same best label, in [0, 1].
        images: how many were compared.
    """

    max_difference: float
    equal_labels: float
    images: int


def export_onnx(
    path: Path,
    network: SegmentationNetwork,
    classes: ClassTable,
    *,
    check_images: Sequence[Image],
    notes: Mapping[str, Any] | None = None,
    max_difference: float = MAX_DIFFERENCE,
) -> OnnxCheck:
    """Write a network as ONNX after checking it against torch; a file that fails the check is not written.

    Input ``images``: float32 (N, 3, H, W), RGB in [0, 1]; the normalisation is inside. Output ``logits``: float32
    (N, K, H, W). N, H and W are free, each at least 1. The metadata holds ``labels`` (names), ``palette`` (RGB 0..255 a
    label), ``design`` and ``notes`` as JSON, and ``tagseg_version``.

    Args:
        path: the ``.onnx`` file.
        network: on any device.
        classes: names of labels 1..K-1.
        check_images: at least one, best of several sizes; see :func:`check_onnx`.
        notes: where the network comes from, any JSON.
        max_difference: of two logits, at least 0; a file that differs by more is not written.

    Returns:
        What the check saw.

    Raises:
        ModelError: when the extra ``onnx`` is not installed, or the network cannot be exported.
        ArtifactError: when the file would be too large, computes something else, or cannot be written.
    """
    content = encode_onnx(network, classes, notes=notes or {})
    check = check_onnx(content, network, check_images, name=str(path), max_difference=max_difference)
    atomic_write(path, content)
    return check


def encode_onnx(
    network: SegmentationNetwork, classes: ClassTable, *, notes: Mapping[str, Any], max_bytes: int = MAX_BYTES
) -> bytes:
    """Return the content of the file that :func:`export_onnx` describes, without a check.

    Args:
        network: on any device.
        classes: names of labels 1..K-1.
        notes: where the network comes from, any JSON.
        max_bytes: of the weights.

    Raises:
        ModelError: when the extra ``onnx`` is not installed, or the network cannot be exported.
        ArtifactError: when the file would be too large.
    """
    _require_packages()
    design = network.design
    if 4 * sum(value.numel() for value in network.state_dict().values()) > max_bytes:
        raise ArtifactError(
            f"an ONNX file holds less than 2 GiB of weights, got more in {design.architecture} with {design.backbone}",
            help="export it with --format safetensors",
        )
    axes = {0: "batch", 2: "height", 3: "width"}
    try:
        with torch.no_grad(), _symbolic_sizes(), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # torch 2.10 warns of calls of its own
            program: Any = torch.onnx.export(
                ExportableNetwork(network),
                (torch.zeros(_EXAMPLE_SIZE),),
                dynamo=True,
                opset_version=OPSET,
                input_names=[INPUT_NAME],
                output_names=[OUTPUT_NAME],
                dynamic_shapes={INPUT_NAME: axes},
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        raise ModelError(
            f"a network for ONNX is one that torch can trace with free sizes, "
            f"got {design.architecture} with {design.backbone}",
            help="export it with --format safetensors, or train another backbone, such as mobilenetv2_100 or resnet50",
        ) from error
    model = program.model
    model.producer_name, model.producer_version = "tagseg", own_version()
    images, logits = model.graph.inputs[0], model.graph.outputs[0]
    images.doc_string = "RGB in [0, 1], upright; any batch, height and width"
    logits.doc_string = "unbounded logits, background first, at the size of the images"
    batch, _, height, width = images.shape
    logits.shape = type(images.shape)([batch, design.num_labels, height, width])  # torch writes a formula of rounding
    model.metadata_props.update(
        labels=json.dumps(classes.label_names, ensure_ascii=False),
        palette=json.dumps(label_colors(classes)),
        design=json.dumps(design.to_dict()),
        notes=json.dumps(dict(notes), ensure_ascii=False),
        tagseg_version=own_version(),
    )
    return program.model_proto.SerializeToString()


def check_onnx(
    content: bytes,
    network: SegmentationNetwork,
    images: Sequence[Image],
    *,
    name: str,
    max_difference: float = MAX_DIFFERENCE,
) -> OnnxCheck:
    """Run images through an ONNX file, in onnxruntime on the CPU, and through torch, and compare.

    Args:
        content: of a file of :func:`export_onnx`.
        network: what it was made from.
        images: at least one; each goes through alone, at its own size.
        name: of the file, for messages.
        max_difference: of two logits, at least 0.

    Raises:
        ModelError: when the extra ``onnx`` is not installed.
        ArtifactError: when the file is damaged, a logit differs by more than ``max_difference``, or fewer than 99.9 %
            of the labels are equal.
    """
    _require_packages()
    if not images:
        raise ArtifactError(
            f"ONNX file {name} must be checked on an image or more, got none", help="name images that can be read"
        )
    return check_session(_open_session(content, name=name), network, images, name=name, max_difference=max_difference)


def check_session(
    session: Any,  # noqa: ANN401 (onnxruntime is optional)
    network: SegmentationNetwork,
    images: Sequence[Image],
    *,
    name: str,
    max_difference: float = MAX_DIFFERENCE,
) -> OnnxCheck:
    """Do what :func:`check_onnx` says with a file that is open; ``session`` has the ``run`` of onnxruntime's."""
    reference = deepcopy(network).to("cpu").eval()  # not the form that was exported: the check covers that step too
    mean, std = (np.array(values, np.float32)[:, None, None] for values in (network.mean, network.std))
    largest, equal, pixels = 0.0, 0, 0
    for image in images:
        batch = as_input(image)
        with torch.no_grad():
            expected = reference(torch.from_numpy((batch - mean) / std)).numpy()
        got = _run(session, batch, name=name, max_difference=max_difference)
        if got.shape != expected.shape:
            found = f"logits of shape {got.shape} where torch has {expected.shape}"
            raise _differs(name, found, max_difference=max_difference)
        # The largest of NaN and a number is NaN, whichever comes first.
        largest = float(np.maximum(largest, np.abs(got - expected).max()))
        equal += int((got.argmax(axis=1) == expected.argmax(axis=1)).sum())
        pixels += got[0, 0].size
    check = OnnxCheck(max_difference=largest, equal_labels=equal / pixels, images=len(images))
    # A comparison with NaN is false, so this also refuses logits that are not finite.
    if not (check.max_difference <= max_difference and check.equal_labels >= MIN_EQUAL_LABELS):
        found = f"a largest difference of {largest:.2g} and {100 * check.equal_labels:.2f} % equal labels"
        raise _differs(name, found, max_difference=max_difference)
    return check


def as_input(image: Image) -> Float32[ndarray, "1 3 H W"]:
    """Return an image as the file's input.

    >>> as_input(np.full((2, 5, 3), 255, np.uint8)).shape
    (1, 3, 2, 5)
    """
    return np.ascontiguousarray(image.transpose(2, 0, 1)[None], dtype=np.float32) / np.float32(255)


def _open_session(content: bytes, *, name: str) -> Any:  # noqa: ANN401 (onnxruntime is optional)
    runtime: Any = import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised; only the command line writes to the terminal
    try:
        return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises a dozen kinds at damaged bytes
        raise ArtifactError(
            f"ONNX file {name} must be a whole file written by tagseg, got a file that cannot be read as one",
            help="export the network again",
        ) from error


def _run(
    session: Any,  # noqa: ANN401
    batch: Float32[ndarray, "N 3 H W"],
    *,
    name: str,
    max_difference: float,
) -> Float32[ndarray, "N K H2 W2"]:
    try:
        return session.run([OUTPUT_NAME], {INPUT_NAME: batch})[0]
    except Exception as error:  # see above
        height, width = batch.shape[-2:]
        found = f"a file that fails at an image of {height}x{width} px"
        raise _differs(name, found, max_difference=max_difference) from error


@contextmanager
def _symbolic_sizes() -> Iterator[None]:
    """Suspend the checks of shapes and types that a test run switches on: while torch traces, sizes are not numbers."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", before)


def _require_packages() -> None:
    for package in _PACKAGES:
        try:
            import_module(package)
        except ImportError as error:
            raise ModelError(
                f"ONNX files need the packages {', '.join(_PACKAGES)}, got no '{package}'",
                help=f"pip install {' '.join(_PACKAGES)}",
            ) from error
    if tuple(map(int, torch.__version__.split(".")[:2])) < _OLDEST_TORCH:
        raise ModelError(
            f"ONNX files need torch {'.'.join(map(str, _OLDEST_TORCH))} or later, got {torch.__version__}",
            help="pip install --upgrade torch torchvision, or export with --format safetensors",
        )


def _differs(name: str, found: str, *, max_difference: float) -> ArtifactError:
    return ArtifactError(
        f"ONNX file {name} must compute what torch computes (logits within {max_difference:g}, "
        f"{100 * MIN_EQUAL_LABELS:g} % of the labels equal), got {found}",
        help="export the network again; if it differs again, use --format safetensors",
    )
