import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tagseg.artifacts import onnx_file
from tagseg.artifacts.onnx_file import OnnxCheck, as_input, check_onnx, check_session, encode_onnx, export_onnx
from tagseg.classes import ClassTable
from tagseg.data.images import read_image
from tagseg.errors import ArtifactError
from tagseg.models.exportable import ExportableNetwork, MatrixPool, replace_adaptive_pools
from tagseg.models.segmentation_network import SegmentationNetwork, SegmenterDesign, build_segmenter

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")

SHARED = Path(__file__).resolve().parents[3].parent / "shared"
WEIGHTS = SHARED / "weights" / "mobilenetv2_100_imagenet.safetensors"
PHOTOS = SHARED / "data" / "voc2012_animals" / "JPEGImages"

CLASSES = ClassTable(("cat", "dog", "größe"))
SIZES = ((64, 96), (33, 57), (97, 40), (20, 31), (1, 1))

DESIGNS = {
    "deeplabv2": SegmenterDesign("deeplabv2", "test_resnet", num_labels=4, output_stride=8),
    # The one of which this project publishes scores, so it is also the one that sees photographs.
    "deeplabv3plus": SegmenterDesign("deeplabv3plus", "mobilenetv2_100", num_labels=4),
    "segformer": SegmenterDesign("segformer", "test_resnet", num_labels=4, output_stride=32, decoder_channels=32),
    "upernet": SegmenterDesign("upernet", "test_resnet", num_labels=4, output_stride=32, decoder_channels=32),
}


def build(name: str) -> SegmentationNetwork:
    """A network with wide-spread logits and batch norms with statistics of their own."""
    torch.manual_seed(0)
    weights = WEIGHTS if name == "deeplabv3plus" and WEIGHTS.exists() else None
    network = build_segmenter(DESIGNS[name], weights=weights)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None and weights is None:
            module.running_mean.normal_(std=0.1)
    last = network.network.head.branches if name == "deeplabv2" else [network.network.segmentation_head[0]]
    with torch.no_grad():
        for layer in last:
            layer.weight.mul_(10)
    return network.eval()


def noise(*sizes: tuple[int, int]) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]


class Exported:
    """One network, its ONNX file, and a session."""

    def __init__(self, name: str, folder: Path) -> None:
        self.network = build(name)
        self.path = folder / "segmenter.onnx"
        self.check = export_onnx(self.path, self.network, CLASSES, check_images=noise(*SIZES), notes={"seed": 3})
        self.session = onnxruntime.InferenceSession(self.path, providers=["CPUExecutionProvider"])

    def run(self, images: np.ndarray) -> np.ndarray:
        return self.session.run(None, {"images": images})[0]

    def compare(self, images: list[np.ndarray]) -> OnnxCheck:
        return check_onnx(self.path.read_bytes(), self.network, images, name="segmenter.onnx")


class Files(dict[str, Exported]):
    """Each architecture is exported when a test first asks for it: tracing is what takes the time."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.root = root

    def __missing__(self, name: str) -> Exported:
        (self.root / name).mkdir()
        self[name] = Exported(name, self.root / name)
        return self[name]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("onnx"))


def torch_logits(network: SegmentationNetwork, images: np.ndarray) -> np.ndarray:
    mean, std = (np.array(values, np.float32)[:, None, None] for values in (network.mean, network.std))
    with torch.no_grad():
        return network(torch.from_numpy((images - mean) / std)).numpy()


@pytest.mark.parametrize("name", DESIGNS)
def test_onnx_computes_what_torch_computes_for_any_batch_and_size(files: Files, name: str) -> None:
    exported = files[name]
    for batch, (height, width) in zip((1, 3, 2, 1, 2), SIZES, strict=True):
        images = np.random.default_rng(batch).random((batch, 3, height, width), dtype=np.float32)
        expected = torch_logits(exported.network, images)
        assert expected.std() > 1e-3, "logits that are all alike would agree whatever happened"
        np.testing.assert_allclose(exported.run(images), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", DESIGNS)
def test_the_check_of_the_export_tells_what_it_saw(files: Files, name: str) -> None:
    check = files[name].check
    assert check.images == len(SIZES)
    assert 0 < check.max_difference < 1e-4
    assert 0.999 <= check.equal_labels <= 1
    assert files[name].compare(noise(*SIZES)) == check


@pytest.mark.parametrize("name", DESIGNS)
def test_the_file_stands_alone_and_explains_itself(files: Files, name: str) -> None:
    exported = files[name]
    assert [file.name for file in exported.path.parent.iterdir()] == ["segmenter.onnx"]
    model = onnx.load(exported.path)
    onnx.checker.check_model(model, full_check=True)
    assert model.producer_name == "tagseg"
    assert next((entry.domain, entry.version) for entry in model.opset_import) == ("", 18)
    (images,), (logits,) = exported.session.get_inputs(), exported.session.get_outputs()
    assert (images.name, images.type, images.shape) == ("images", "tensor(float)", ["batch", 3, "height", "width"])
    assert (logits.name, logits.type, logits.shape) == ("logits", "tensor(float)", ["batch", 4, "height", "width"])
    facts: dict[str, Any] = exported.session.get_modelmeta().custom_metadata_map
    assert json.loads(facts["labels"]) == ["background", "cat", "dog", "größe"]
    assert json.loads(facts["palette"])[1] == [128, 0, 0]
    assert SegmenterDesign.from_dict(json.loads(facts["design"])) == DESIGNS[name]
    assert json.loads(facts["notes"]) == {"seed": 3}
    assert facts["tagseg_version"].count(".") == 2


@pytest.mark.parametrize("name", DESIGNS)
def test_no_batch_norm_is_left_to_compute(files: Files, name: str) -> None:
    kinds = {node.op_type for node in onnx.load(files[name].path).graph.node}
    assert "Conv" in kinds
    assert "BatchNormalization" not in kinds  # folded into the convolutions, ours as torch's own
    assert not any(node.domain for node in onnx.load(files[name].path).graph.node)  # only operators of the standard


@pytest.mark.skipif(not PHOTOS.is_dir() or not WEIGHTS.exists(), reason="needs shared/data and shared/weights")
def test_twenty_photographs_of_different_sizes(files: Files) -> None:
    exported = files["deeplabv3plus"]
    photos = [read_image(path) for path in sorted(PHOTOS.iterdir())[:200:10]]
    assert len({photo.shape for photo in photos}) >= 5
    check = exported.compare(photos)
    assert check.images == 20
    assert check.max_difference <= 1e-3
    assert check.equal_labels >= 0.999


def test_a_network_stays_as_it_was(files: Files) -> None:
    network = build("upernet").train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    check_onnx(files["upernet"].path.read_bytes(), network, noise((40, 40)), name="segmenter.onnx")
    ExportableNetwork(network)
    assert network.training
    assert any(isinstance(module, nn.AdaptiveAvgPool2d) for module in network.modules())
    after = network.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_a_file_that_fails_the_check_does_not_appear(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = files["segformer"].path.read_bytes()
    monkeypatch.setattr(onnx_file, "encode_onnx", lambda *network, notes: content)  # it was traced above
    with pytest.raises(ArtifactError, match=r"must compute what torch computes \(logits within 0,"):
        export_onnx(
            tmp_path / "a.onnx",
            files["segformer"].network,
            CLASSES,
            check_images=noise((40, 40)),
            max_difference=0.0,  # two programs never add in the same order
        )
    assert list(tmp_path.iterdir()) == []


def test_the_file_of_another_network_fails_the_check(files: Files) -> None:
    with pytest.raises(ArtifactError, match="must compute what torch computes"):
        check_onnx(
            files["deeplabv2"].path.read_bytes(), files["segformer"].network, noise((40, 40)), name="segmenter.onnx"
        )


class FixedSession:
    """A session that gives the same logits whatever it is asked."""

    def __init__(self, logits: np.ndarray) -> None:
        self.logits = logits

    def run(self, names: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        return [self.logits]


def test_one_pixel_in_a_thousand_and_no_more_may_have_another_label(files: Files) -> None:
    """Logits within the tolerance can still change the label where two are as good as equal."""
    network = files["segformer"].network
    image = noise((50, 40))[0]

    def shifted(pixels: int) -> OnnxCheck:
        logits = np.ascontiguousarray(torch_logits(network, as_input(image)))
        flat = logits.reshape(4, -1)
        flat[:, :pixels] = np.roll(flat[:, :pixels], 1, axis=0)
        return check_session(FixedSession(logits), network, [image], name="segmenter.onnx", max_difference=1e9)

    assert shifted(2).equal_labels == pytest.approx(1998 / 2000)
    with pytest.raises(ArtifactError, match=r"99\.85 % equal labels"):
        shifted(3)


def test_exporting_again_gives_the_same_bytes(files: Files) -> None:
    exported = files["deeplabv2"]
    assert encode_onnx(exported.network, CLASSES, notes={"seed": 3}) == exported.path.read_bytes()


@pytest.mark.parametrize("name", ["deeplabv2", "segformer", "upernet"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_form_for_export_computes_the_same_in_torch(name: str, size: tuple[int, int]) -> None:
    network = build(name)
    images = np.random.default_rng(0).random((2, 3, *size), dtype=np.float32)
    with torch.no_grad():
        got = ExportableNetwork(network)(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(got, torch_logits(network, images), rtol=0, atol=2e-5)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 17), st.integers(1, 17), st.integers(1, 7), st.integers(1, 7))
def test_pooling_by_matrices_is_adaptive_pooling(height: int, width: int, rows: int, columns: int) -> None:
    maps = torch.randn(2, 3, height, width, dtype=torch.float64)
    expected = nn.AdaptiveAvgPool2d((rows, columns))(maps)
    torch.testing.assert_close(MatrixPool((rows, columns))(maps), expected, rtol=0, atol=1e-12)


def test_only_pooling_into_several_bins_is_replaced() -> None:
    network = nn.Sequential(
        nn.AdaptiveAvgPool2d(1),
        nn.AdaptiveAvgPool2d((1, 1)),
        nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.ReLU()),
        nn.AdaptiveAvgPool2d((1, 3)),
        nn.AdaptiveAvgPool2d((None, 3)),
    )
    replace_adaptive_pools(network)
    kinds = [type(module).__name__ for module in (*network[:2], network[2][0], *network[3:])]
    assert kinds == ["AdaptiveAvgPool2d", "AdaptiveAvgPool2d", "MatrixPool", "MatrixPool", "AdaptiveAvgPool2d"]


def test_an_image_becomes_rgb_between_0_and_1() -> None:
    image = np.zeros((2, 3, 3), np.uint8)
    image[0, 1] = (255, 51, 0)
    batch = as_input(image)
    assert (batch.shape, batch.dtype) == ((1, 3, 2, 3), np.float32)
    np.testing.assert_allclose(batch[0, :, 0, 1], (1, 0.2, 0), atol=1e-7)
