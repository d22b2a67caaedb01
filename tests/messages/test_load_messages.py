"""The errors of what `tagseg.load` and an export are asked for, word for word."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from kit.messages import ROW, assert_says, row

from tagseg.artifacts.run_folder import RunFolder
from tagseg.errors import ArtifactError, DeviceError, RecipeError
from tagseg.progress import SilentProgress
from tagseg.use.export import export_segmenter
from tagseg.use.load import find_segmenter, load

CHOOSE_CPU = "take cpu, or auto to have one chosen"


def find_in_an_unfinished_run(folder: Path) -> object:
    run = RunFolder(folder)
    run.update_manifest(seed=0)
    run.output("train_segmenter").mkdir()
    return find_segmenter(folder)


def find_file(name: str) -> Callable[[Path], object]:
    def call(folder: Path) -> object:
        (folder / name).write_text("")
        return find_segmenter(folder / name)

    return call


@pytest.mark.parametrize(
    ROW,
    [
        row(
            "nowhere",
            lambda folder: find_segmenter("runs/voc/now"),
            "segmenter runs/voc/now must be a run folder, a folder with segmenter.json, or 'owner/name' on the hub, "
            "got no such path",
            "correct the path",
        ),
        row(
            "a_run_without_a_finished_segmenter",
            find_in_an_unfinished_run,
            "run folder FOLDER must hold a finished segmenter, got none in 5_segmenter",
            "run 'tagseg run' or 'tagseg train-segmenter' first",
        ),
        row(
            "some_other_folder",
            find_segmenter,
            "folder FOLDER must be that of a run or hold segmenter.json, got neither",
            "name the folder that tagseg wrote",
        ),
        row(
            "weights_of_torch",
            find_file("weights.pth"),
            "file of a segmenter is segmenter.json or segmenter.safetensors, got FOLDER/weights.pth",
            "name its folder with segmenter.json and segmenter.safetensors",
        ),
        row(
            "an_onnx_file",
            find_file("segmenter.onnx"),
            "file of a segmenter is segmenter.json or segmenter.safetensors, got FOLDER/segmenter.onnx",
            "run it with onnxruntime, or name the folder that it was exported from",
        ),
        row(
            "a_revision_of_something_local",
            lambda folder: load(folder, revision="v1"),
            "a revision belongs to a segmenter on the hub, got 'v1' with the local path FOLDER",
            "leave the revision out",
        ),
    ],
)
def test_sources(tmp_path: Path, call: Callable[[Path], object], problem: str, help: str) -> None:
    assert_says(lambda: call(tmp_path), ArtifactError, problem, help, FOLDER=tmp_path)


@pytest.mark.parametrize("device", ["gpu", "meta", "cpu:a"])
def test_an_unknown_device(segmenter_folder: Path, device: str) -> None:
    assert_says(
        lambda: load(segmenter_folder, device=device),
        DeviceError,
        f"device is auto, cpu, cuda, cuda:<number> or mps, got '{device}'",
        "take auto to have one chosen",
    )


@pytest.mark.parametrize(
    ("devices", "device", "problem", "help"),
    [
        pytest.param(
            2, "cuda:2", "device 'cuda:2' must be there, got 2 CUDA devices", "count from cuda:0", id="a_third_of_two"
        ),
        pytest.param(
            0, "cuda", "device 'cuda' must be one that torch can use, got none of that kind", CHOOSE_CPU, id="none"
        ),
        pytest.param(
            0,
            "cuda:1",
            "device 'cuda:1' must be one that torch can use, got none of that kind",
            CHOOSE_CPU,
            id="a_second_of_none",
        ),
    ],
)
def test_a_device_that_is_not_there(
    segmenter_folder: Path, monkeypatch: pytest.MonkeyPatch, devices: int, device: str, problem: str, help: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: devices > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: devices)
    assert_says(lambda: load(segmenter_folder, device=device), DeviceError, problem, help)


def export(source: Path, out: Path, format: str) -> Any:
    return export_segmenter(source, out, format=format, check_images=[], progress=SilentProgress())


def test_another_export_format(segmenter_folder: Path, tmp_path: Path) -> None:
    assert_says(
        lambda: export(segmenter_folder, tmp_path, "tflite"),
        RecipeError,
        "export format is onnx or safetensors, got 'tflite'",
        "take one of the two",
    )


def test_an_export_onto_itself(segmenter_folder: Path) -> None:
    assert_says(
        lambda: export(segmenter_folder, segmenter_folder, "safetensors"),
        ArtifactError,
        f"export to {segmenter_folder} must go to another folder than it comes from, got the same",
        "choose another --out",
    )
