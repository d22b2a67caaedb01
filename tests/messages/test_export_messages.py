"""The errors of saved, exported and published segmenters, word for word."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import torch
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

from tagseg.artifacts.onnx_file import compare_with_torch, encode_onnx
from tagseg.artifacts.run_folder import RunFolder
from tagseg.artifacts.segmenter_file import load_segmenter, save_segmenter
from tagseg.classes import ClassTable
from tagseg.errors import ArtifactError, DeviceError, ModelError, RecipeError, TagsegError
from tagseg.models.segmentation_network import SegmentationNetwork, SegmenterDesign, build_segmenter
from tagseg.progress import SilentProgress
from tagseg.use.export import export_segmenter
from tagseg.use.hub import load_from_hub, push_to_hub
from tagseg.use.load import find_segmenter, load

CLASSES = ClassTable(("cat", "dog"))
IMAGE = np.zeros((40, 30, 3), np.uint8)


@pytest.fixture(scope="module")
def network() -> SegmentationNetwork:
    torch.manual_seed(0)
    return build_segmenter(SegmenterDesign("deeplabv2", "test_resnet", num_labels=3), weights=None)


@pytest.fixture
def folder(network: SegmentationNetwork, tmp_path: Path) -> Path:
    save_segmenter(tmp_path / "segmenter", network, CLASSES, prediction={}, notes={})
    return tmp_path / "segmenter"


def edit(folder: Path, **changes: Any) -> Path:
    path = folder / "segmenter.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, **changes}), encoding="utf-8")
    return path


def message(error: type[TagsegError], call: Any, *args: Any, **options: Any) -> str:
    with pytest.raises(error) as caught:
        call(*args, **options)
    return str(caught.value)


def test_names_that_are_not_those_of_the_network(network: SegmentationNetwork, tmp_path: Path) -> None:
    said = message(ArtifactError, save_segmenter, tmp_path, network, ClassTable(("cat",)), prediction={}, notes={})
    assert said == (
        f"segmenter {tmp_path} has one name a label, got 3 labels and 2 names; "
        "save it with the class table that it was trained with"
    )
    assert list(tmp_path.iterdir()) == []


def test_no_segmenter(tmp_path: Path) -> None:
    assert message(ArtifactError, load_segmenter, tmp_path) == (
        f"segmenter {tmp_path / 'segmenter.json'} must exist, got no such file; "
        "run 'tagseg train-segmenter' or 'tagseg run' first"
    )


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"{}", b"\xff"])
def test_a_damaged_description(folder: Path, content: bytes) -> None:
    (folder / "segmenter.json").write_bytes(content)
    assert message(ArtifactError, load_segmenter, folder) == (
        f"segmenter {folder / 'segmenter.json'} must be a whole file written by tagseg, "
        "got a file that cannot be read as one; copy it again, or export the network again"
    )


def test_a_description_of_another_format(folder: Path) -> None:
    path = edit(folder, format=2)
    assert message(ArtifactError, load_segmenter, folder) == (
        f"segmenter {path} must have format 1, got 2; "
        "read it with the version of tagseg that wrote it, or export the network again"
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("mean", [0.5]),
        ("std", None),
        ("std", ["a", "b", "c"]),
        ("weights", {}),
        ("notes", 3),
        ("labels", 3),
        ("design", 3),
        ("prediction", [1]),
    ],
)
def test_a_value_of_another_shape(folder: Path, key: str, value: object) -> None:
    path = edit(folder, **{key: value})
    assert message(ArtifactError, load_segmenter, folder) == (
        f"segmenter {path} must be a whole file written by tagseg, got missing or misshapen values; "
        "copy it again, or export the network again"
    )


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        (["cat", "dog", "cow"], "3 label names from 'cat' on for 3 labels"),
        (["background", "cat"], "2 label names from 'background' on for 3 labels"),
        (["background", "cat", "cat"], "one whose class names are different and not empty, got ['cat']"),
        ([], "one whose a class table holds 1 to 254 foreground classes, got 0"),
    ],
)
def test_label_names_that_do_not_fit(folder: Path, labels: list[str], found: str) -> None:
    path = edit(folder, labels=labels)
    assert message(ArtifactError, load_segmenter, folder) == (
        f"segmenter {path} must be a whole file written by tagseg, got {found}; "
        "copy it again, or export the network again"
    )


def test_renamed_labels_are_welcome(folder: Path) -> None:
    edit(folder, labels=["background", "Katze", "Hund"])
    assert load_segmenter(folder).classes.names == ("Katze", "Hund")


def test_an_unknown_design(folder: Path) -> None:
    path = edit(folder, design={"architecture": "unet"})
    assert message(ArtifactError, load_segmenter, folder) == (
        f"segmenter {path} must be a whole file written by tagseg, got one whose design of a segmentation network "
        "holds architecture, backbone, num_labels, output_stride, decoder_channels, feature_layer, got architecture; "
        "copy it again, or export the network again"
    )


def test_a_design_that_is_not_that_of_the_weights(folder: Path, network: SegmentationNetwork) -> None:
    path = edit(folder, design={**network.design.to_dict(), "num_labels": 4}, labels=["background", "a", "b", "c"])
    assert message(ArtifactError, load_segmenter, folder) == (
        f"segmenter {path} must describe the network whose weights lie beside it, got a design where "
        f"weights {folder / 'segmenter.safetensors'} fit test_resnet tensor by tensor, got 8 of another shape "
        "(head.branches.0.weight, head.branches.0.bias, head.branches.1.weight, ...); "
        "copy both files again, or install the versions of tagseg and timm that wrote them"
    )


def test_no_weights(folder: Path) -> None:
    (folder / "segmenter.safetensors").unlink()
    assert message(ArtifactError, load_segmenter, folder) == (
        f"weights {folder / 'segmenter.safetensors'} must exist, got no such file; "
        "copy them beside segmenter.json, or export the network again"
    )


@pytest.mark.parametrize("change", [lambda content: content[:-1], lambda content: content[:-1] + b"\x07"])
def test_damaged_weights(folder: Path, change: Any) -> None:
    path = folder / "segmenter.safetensors"
    path.write_bytes(change(path.read_bytes()))
    assert message(ArtifactError, load_segmenter, folder) == (
        f"weights {path} must be those that segmenter.json was written with, got other bytes; "
        "copy both files again, or export the network again"
    )


def test_weights_that_never_were_any(folder: Path) -> None:
    (folder / "segmenter.safetensors").write_bytes(b"")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    path = edit(folder, weights={"sha256": empty})
    assert message(ArtifactError, load_segmenter, folder) == (
        f"segmenter {path} must be a whole file written by tagseg, got weights that are no safetensors file; "
        "copy it again, or export the network again"
    )


@pytest.mark.parametrize(
    ("prediction", "problem"),
    [
        (
            {"scale": [1.0]},
            "prediction settings in {path} are scales, flip, max_side_px, tile_px, overlap_px, batch_size, "
            "got 'scale'; did you mean 'scales'?",
        ),
        (
            {"scales": []},
            "prediction settings in {path} must be usable, got scales of a prediction are one or more numbers above 0, "
            "got []; mend the file or export it again",
        ),
        (
            {"max_side_px": "wide"},
            "prediction settings in {path} must be usable, got a value of another type; "
            "mend the file or export it again",
        ),
    ],
)
def test_prediction_settings_that_cannot_be_used(folder: Path, prediction: dict[str, Any], problem: str) -> None:
    path = edit(folder, prediction=prediction)
    assert message(ArtifactError, load, folder, device="cpu") == problem.format(path=path)


def test_a_source_that_is_nowhere() -> None:
    assert message(ArtifactError, find_segmenter, "runs/voc/now") == (
        "segmenter runs/voc/now must be a run folder, a folder with segmenter.json, or 'owner/name' on the hub, "
        "got no such path; mend the path"
    )


def test_a_run_without_a_finished_segmenter(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.update_manifest(seed=0)
    run.output("train_segmenter").mkdir()
    assert message(ArtifactError, find_segmenter, tmp_path) == (
        f"run folder {tmp_path} must hold a finished segmenter, got none in 5_segmenter; "
        "run 'tagseg run' or 'tagseg train-segmenter' first"
    )


def test_some_other_folder(tmp_path: Path) -> None:
    assert message(ArtifactError, find_segmenter, tmp_path) == (
        f"folder {tmp_path} must be that of a run or hold segmenter.json, got neither; "
        "name the folder that tagseg wrote"
    )


@pytest.mark.parametrize(
    ("name", "help"),
    [
        ("weights.pth", "name its folder with segmenter.json and segmenter.safetensors"),
        ("segmenter.onnx", "run it with onnxruntime, or name the folder that it was exported from"),
    ],
)
def test_some_other_file(tmp_path: Path, name: str, help: str) -> None:
    (tmp_path / name).write_text("")
    assert message(ArtifactError, find_segmenter, tmp_path / name) == (
        f"file of a segmenter is segmenter.json or segmenter.safetensors, got {tmp_path / name}; {help}"
    )


def test_a_revision_of_something_local(folder: Path) -> None:
    assert message(ArtifactError, load, folder, revision="v1") == (
        f"a revision belongs to a segmenter on the hub, got 'v1' with the local path {folder}; leave the revision out"
    )


@pytest.mark.parametrize("device", ["gpu", "meta", "cpu:a"])
def test_an_unknown_device(folder: Path, device: str) -> None:
    assert message(DeviceError, load, folder, device=device) == (
        f"device is auto, cpu, cuda, cuda:<number> or mps, got '{device}'; take auto to have one chosen"
    )


def test_a_device_that_is_not_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert message(DeviceError, load, folder, device="cuda:2") == (
        "device 'cuda:2' must be there, got 2 CUDA devices; count from cuda:0"
    )


@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_kind_of_device_that_torch_cannot_use(folder: Path, monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert message(DeviceError, load, folder, device=device) == (
        f"device '{device}' must be one that torch can use, got none of that kind; take cpu, or auto to have one chosen"
    )


def test_another_export_format(folder: Path, tmp_path: Path) -> None:
    said = message(
        RecipeError, export_segmenter, folder, tmp_path, format="tflite", check_images=[], progress=SilentProgress()
    )
    assert said == "export format is onnx or safetensors, got 'tflite'; take one of the two"


def test_an_export_onto_itself(folder: Path) -> None:
    said = message(
        ArtifactError,
        export_segmenter,
        folder,
        folder,
        format="safetensors",
        check_images=[],
        progress=SilentProgress(),
    )
    assert said == (
        f"export to {folder} must go to another folder than it comes from, got the same; choose another --out"
    )


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_extra(network: SegmentationNetwork, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # what an import finds when there is no such package
    assert message(ModelError, encode_onnx, network, CLASSES, notes={}) == (
        f"ONNX files need the packages onnx, onnxscript, onnxruntime, got no '{package}'; "
        "in the checkout: pip install -e '.[onnx]'"
    )


def test_a_network_that_torch_cannot_trace(network: SegmentationNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **options: object) -> None:
        raise torch.onnx.OnnxExporterError("a page of advice")

    monkeypatch.setattr(torch.onnx, "export", fail)
    assert message(ModelError, encode_onnx, network, CLASSES, notes={}) == (
        "a network for ONNX is one that torch can trace with free sizes, got deeplabv2 with test_resnet; "
        "export it with --format safetensors, or train another backbone, such as mobilenetv2_100 or resnet50"
    )


def test_a_network_too_large_for_one_file(network: SegmentationNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tagseg.artifacts.onnx_file._MAX_BYTES", 1000)
    assert message(ArtifactError, encode_onnx, network, CLASSES, notes={}) == (
        "an ONNX file holds less than 2 GiB of weights, got more in deeplabv2 with test_resnet; "
        "export it with --format safetensors"
    )


def test_a_damaged_onnx_file(network: SegmentationNetwork) -> None:
    assert message(ArtifactError, compare_with_torch, b"no protobuf", network, [IMAGE], name="a.onnx") == (
        "ONNX file a.onnx must be a whole file written by tagseg, got a file that cannot be read as one; "
        "export the network again"
    )


def test_an_onnx_file_and_nothing_to_check_it_on(network: SegmentationNetwork) -> None:
    assert message(ArtifactError, compare_with_torch, b"", network, [], name="a.onnx") == (
        "ONNX file a.onnx must be checked on an image or more, got none; name images that can be read"
    )


class Session:
    """An ONNX session that gives what it is told to."""

    def __init__(self, change: Any) -> None:
        self.change = change

    def run(self, names: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        return [self.change(np.zeros((1, 3, *inputs["images"].shape[-2:]), np.float32))]


def broken(logits: np.ndarray) -> np.ndarray:
    raise RuntimeError("a shape")


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda logits: logits[..., 1:], "logits of shape (1, 3, 40, 29) where torch has (1, 3, 40, 30)"),
        (lambda logits: logits + 2, "a largest difference of 2 and 100.00 % equal labels"),
        (lambda logits: logits + np.nan, "a largest difference of nan and 100.00 % equal labels"),
        (broken, "a file that fails at an image of 40x30 px"),
    ],
)
def test_an_onnx_file_that_computes_something_else(monkeypatch: pytest.MonkeyPatch, change: Any, found: str) -> None:
    network = build_segmenter(SegmenterDesign("deeplabv2", "test_resnet", num_labels=3), weights=None)
    with torch.no_grad():
        for branch in network.network.head.branches:
            branch.weight.zero_()
    monkeypatch.setattr("tagseg.artifacts.onnx_file._open_session", lambda *args, **options: Session(change))
    assert message(ArtifactError, compare_with_torch, b"", network, [IMAGE], name="a.onnx") == (
        "ONNX file a.onnx must compute what torch computes (logits within 0.001, 99.9 % of the labels equal), "
        f"got {found}; export the network again; if it differs again, use --format safetensors"
    )


def http_error(kind: type[Exception]) -> Exception:
    """Return an error of the hub; its constructor wants the answer that it is about."""
    make: Any = kind
    return make("what the hub says\nand more", response=SimpleNamespace(headers={}, request=None))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            http_error(RepositoryNotFoundError),
            "segmenter 'runs/voc' must be a folder here or a repository on the hub, got neither; "
            "mend the path or the name; for a private repository run 'hf auth login' first",
        ),
        (
            http_error(GatedRepoError),
            "repository 'runs/voc' must be open to you, got one whose owner asks for consent; "
            "ask for access on its page, then run 'hf auth login'",
        ),
        (
            http_error(RevisionNotFoundError),
            "repository 'runs/voc' must have the revision that is asked for, got no 'v9'; "
            "name a branch, a tag or a commit of it, or leave the revision out",
        ),
        (
            OSError(28, "No space left on device"),
            "repository 'runs/voc' must be fetched whole, got [Errno 28] No space left on device; "
            "check the connection and the free disk space, then run the same command again",
        ),
        (
            RuntimeError(),
            "repository 'runs/voc' must be fetched whole, got RuntimeError; "
            "check the connection and the free disk space, then run the same command again",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_repository_that_cannot_be_fetched(monkeypatch: pytest.MonkeyPatch, error: Exception, said: str) -> None:
    def fail(*args: object, **options: object) -> None:
        raise error

    monkeypatch.setattr("tagseg.use.hub.snapshot_download", fail)
    assert message(ArtifactError, load_from_hub, "runs/voc", revision="v9") == said


def test_no_connection_and_nothing_in_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert message(ArtifactError, load_from_hub, "runs/voc", cache=tmp_path) == (
        "segmenter 'runs/voc' must be a folder here, or in the hub's cache, or the hub must be reachable, "
        "got none of them; mend the path, or fetch it once while there is a connection"
    )


def test_a_name_that_no_repository_can_have(tmp_path: Path) -> None:
    assert message(ArtifactError, load_from_hub, "runs/voc--", cache=tmp_path) == (
        "segmenter 'runs/voc--' must be a folder here or a repository on the hub, got neither; "
        "mend the path or the name; for a private repository run 'hf auth login' first"
    )


def test_a_repository_with_something_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tagseg.use.hub.snapshot_download", lambda *args, **options: str(tmp_path))
    assert message(ArtifactError, load_from_hub, "google/bert") == (
        "repository 'google/bert' must hold a segmenter of tagseg, got one without segmenter.json; "
        "name one that was pushed by tagseg"
    )


class RefusingClient:
    """A hub that takes nothing, or only what everybody may see."""

    def __init__(self, *, public: bool) -> None:
        self.public = public

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> str:
        if not self.public:
            raise http_error(RepositoryNotFoundError)
        return repo_id

    def repo_info(self, repo_id: str) -> Any:
        return type("Info", (), {"private": False})

    def create_commit(self, repo_id: str, operations: list[Any], *, commit_message: str) -> None:
        raise AssertionError("nothing may be sent")


def test_a_hub_that_refuses(folder: Path) -> None:
    assert message(ArtifactError, push_to_hub, folder, "me/cats", client=RefusingClient(public=False)) == (
        f"repository 'me/cats' must take the segmenter in {folder}, got what the hub says; "
        "check the name, the connection, and that 'hf auth login' has a token that may write"
    )


def test_a_public_repository_for_a_private_segmenter(folder: Path) -> None:
    assert message(ArtifactError, push_to_hub, folder, "me/cats", client=RefusingClient(public=True)) == (
        "repository 'me/cats' must be private, got a public one; "
        "make it private in its settings, name another one, or ask for a public one"
    )
