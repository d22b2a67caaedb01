"""The errors of saved segmenters, word for word."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from kit.messages import ROW, assert_says, row

from tagseg.artifacts.segmenter_file import load_segmenter, save_segmenter
from tagseg.classes import ClassTable
from tagseg.errors import ArtifactError
from tagseg.models.segmentation_network import SegmentationNetwork, SegmenterDesign, build_segmenter
from tagseg.use.load import load

CLASSES = ClassTable(("cat", "dog"))
DESCRIPTION = "segmenter FOLDER/segmenter.json"
WHOLE = f"{DESCRIPTION} must be a whole file written by tagseg, got"
AGAIN = "copy it again, or export the network again"
BOTH_AGAIN = "copy both files again, or export the network again"
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.fixture(scope="module")
def network() -> SegmentationNetwork:
    torch.manual_seed(0)
    return build_segmenter(SegmenterDesign("deeplabv2", "test_resnet", num_labels=3), weights=None)


@pytest.fixture
def folder(network: SegmentationNetwork, tmp_path: Path) -> Path:
    save_segmenter(tmp_path / "segmenter", network, CLASSES, prediction={}, notes={})
    return tmp_path / "segmenter"


def edit(folder: Path, **changes: Any) -> Path:
    """Change values of the description, and return the folder."""
    path = folder / "segmenter.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, **changes}), encoding="utf-8")
    return folder


def describe(content: bytes) -> Callable[[Path], object]:
    """Return what loads a segmenter whose description has another content."""

    def call(folder: Path) -> object:
        (folder / "segmenter.json").write_bytes(content)
        return load_segmenter(folder)

    return call


def describe_with(**changes: Any) -> Callable[[Path], object]:
    """Return what loads a segmenter with other values in its description."""
    return lambda folder: load_segmenter(edit(folder, **changes))


def labels(name: str, values: list[str], found: str) -> Any:
    return row(name, describe_with(labels=values), f"{WHOLE} {found}", AGAIN)


@pytest.mark.parametrize(
    ROW,
    [
        row(
            "no_file",
            lambda folder: load_segmenter(folder.parent),
            "segmenter PARENT/segmenter.json must exist, got no such file",
            "run 'tagseg train-segmenter' or 'tagseg run' first",
        ),
        *(
            row(name, describe(content), f"{WHOLE} a file that cannot be read as one", AGAIN)
            for name, content in {
                "empty": b"",
                "cut_off": b"{",
                "a_list": b"[]",
                "null": b"null",
                "nothing_in_it": b"{}",
                "no_text": b"\xff",
            }.items()
        ),
        row(
            "another_format",
            describe_with(format=2),
            f"{DESCRIPTION} must have format 1, got 2",
            "read it with the version of tagseg that wrote it, or export the network again",
        ),
        *(
            row(f"{key}_{value!r}", describe_with(**{key: value}), f"{WHOLE} missing or misshapen values", AGAIN)
            for key, value in [
                ("mean", [0.5]),
                ("std", None),
                ("std", ["a", "b", "c"]),
                ("weights", {}),
                ("notes", 3),
                ("labels", 3),
                ("design", 3),
                ("prediction", [1]),
            ]
        ),
        labels("no_background", ["cat", "dog", "cow"], "3 label names from 'cat' on for 3 labels"),
        labels("a_name_too_few", ["background", "cat"], "2 label names from 'background' on for 3 labels"),
        labels(
            "a_name_twice",
            ["background", "cat", "cat"],
            "one whose class names are different and not empty, got ['cat']",
        ),
        labels("no_names", [], "one whose a class table holds 1 to 254 foreground classes, got 0"),
        row(
            "an_unknown_design",
            describe_with(design={"architecture": "unet"}),
            f"{WHOLE} one whose design of a segmentation network holds "
            "architecture, backbone, num_labels, output_stride, decoder_channels, feature_layer, "
            "atrous_rate, got architecture",
            AGAIN,
        ),
        row(
            "weights_that_never_were_any",
            lambda folder: load_without_weights(edit(folder, weights={"sha256": EMPTY})),
            f"{WHOLE} weights that are not a safetensors file",
            AGAIN,
        ),
    ],
)
def test_descriptions(folder: Path, call: Callable[[Path], object], problem: str, help: str) -> None:
    assert_says(lambda: call(folder), ArtifactError, problem, help, FOLDER=folder, PARENT=folder.parent)


def load_without_weights(folder: Path) -> object:
    (folder / "segmenter.safetensors").write_bytes(b"")
    return load_segmenter(folder)


def test_names_that_are_not_those_of_the_network(network: SegmentationNetwork, tmp_path: Path) -> None:
    assert_says(
        lambda: save_segmenter(tmp_path, network, ClassTable(("cat",)), prediction={}, notes={}),
        ArtifactError,
        f"segmenter {tmp_path} has one name a label, got 3 labels and 2 names",
        "save it with the class table that it was trained with",
    )
    assert list(tmp_path.iterdir()) == []


def test_renamed_labels_are_welcome(folder: Path) -> None:
    edit(folder, labels=["background", "Katze", "Hund"])
    assert load_segmenter(folder).classes.names == ("Katze", "Hund")


def test_a_design_that_is_not_that_of_the_weights(folder: Path, network: SegmentationNetwork) -> None:
    edit(folder, design={**network.design.to_dict(), "num_labels": 4}, labels=["background", "a", "b", "c"])
    assert_says(
        lambda: load_segmenter(folder),
        ArtifactError,
        f"{DESCRIPTION} must describe the network whose weights are in its folder, got a design where "
        "weights FOLDER/segmenter.safetensors fit test_resnet tensor by tensor, got 8 of another shape "
        "(head.branches.0.weight, head.branches.0.bias, head.branches.1.weight, ...)",
        "copy both files again, or install the versions of tagseg and timm that wrote them",
        FOLDER=folder,
    )


def test_no_weights(folder: Path) -> None:
    path = folder / "segmenter.safetensors"
    path.unlink()
    assert_says(
        lambda: load_segmenter(folder),
        ArtifactError,
        f"weights {path} must exist, got no such file",
        "copy them into the folder of segmenter.json, or export the network again",
    )


@pytest.mark.parametrize("change", [lambda content: content[:-1], lambda content: content[:-1] + b"\x07"])
def test_damaged_weights(folder: Path, change: Callable[[bytes], bytes]) -> None:
    path = folder / "segmenter.safetensors"
    path.write_bytes(change(path.read_bytes()))
    assert_says(
        lambda: load_segmenter(folder),
        ArtifactError,
        f"weights {path} must be those that segmenter.json was written with, got other bytes",
        BOTH_AGAIN,
    )


SETTINGS = "prediction settings in FOLDER/segmenter.json"


@pytest.mark.parametrize(
    ("prediction", "problem", "help"),
    [
        row(
            "an_unknown_name",
            {"scale": [1.0]},
            f"{SETTINGS} are scales, flip, max_side_px, tile_px, overlap_px, batch_size, got 'scale'",
            "did you mean 'scales'?",
        ),
        row(
            "no_scales",
            {"scales": []},
            f"{SETTINGS} must be usable, got scales of a prediction are one or more numbers above 0, got []",
            "correct the file or export it again",
        ),
        *(
            row(
                f"another_type_{number}",
                {name: value},
                f"{SETTINGS} must be usable, got {name} = {str(value)!r}, a value of another type",
                "correct the file or export it again",
            )
            for number, (name, value) in enumerate(
                [
                    ("max_side_px", "wide"),
                    ("max_side_px", 640.5),
                    ("max_side_px", True),
                    ("flip", "no"),
                    ("flip", 1),
                    ("scales", "12"),
                    ("scales", [True]),
                    ("scales", 1.0),
                    ("batch_size", 2.5),
                    ("tile_px", None),
                ]
            )
        ),
    ],
)
def test_prediction_settings_that_cannot_be_used(
    folder: Path, prediction: dict[str, Any], problem: str, help: str
) -> None:
    edit(folder, prediction=prediction)
    assert_says(lambda: load(folder, device="cpu"), ArtifactError, problem, help, FOLDER=folder)
