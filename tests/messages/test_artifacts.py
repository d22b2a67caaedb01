"""The errors of the artifacts, word for word."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from tagseg.artifacts.cam_file import read_cam, write_cam
from tagseg.artifacts.checkpoint import load_checkpoint, save_checkpoint
from tagseg.artifacts.instance_file import Instance, read_instances, write_instances
from tagseg.artifacts.mask_file import read_confidence, read_mask, write_confidence, write_mask
from tagseg.artifacts.run_folder import RunFolder
from tagseg.classes import ClassTable
from tagseg.errors import ArtifactError
from tagseg.system.atomic import atomic_write


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "a.bin"
    with pytest.raises(ArtifactError) as caught:
        atomic_write(path, b"")
    assert str(caught.value) == (
        f"{path} could not be written, got 'File exists'; "
        "free disk space or correct the folder's permissions, then run the same command again"
    )


def test_a_folder_in_the_way(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.mkdir()
    with pytest.raises(ArtifactError) as caught:
        atomic_write(path, b"")
    assert str(caught.value) == (
        f"{path} could not be written, got 'Is a directory'; "
        "free disk space or correct the folder's permissions, then run the same command again"
    )


def test_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    with pytest.raises(ArtifactError) as caught:
        load_checkpoint(path)
    assert str(caught.value) == (
        f"checkpoint {path} must exist, got no such file; run the stage that trains this network first"
    )


def test_a_truncated_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, tensors={"g": {"w": torch.ones(9)}}, state={})
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ArtifactError) as caught:
        load_checkpoint(path)
    assert str(caught.value) == (
        f"checkpoint {path} must be a whole file written by tagseg, got a file that cannot be read as one; "
        "delete it and run the same command again"
    )


def test_a_checkpoint_whose_values_changed(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, tensors={"model": {"head.weight": torch.ones(9)}}, state={})
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    with pytest.raises(ArtifactError) as caught:
        load_checkpoint(path)
    assert str(caught.value) == (
        f"checkpoint {path} must be a whole file written by tagseg, "
        "got other values in 'model/head.weight' than were written; delete it and run the same command again"
    )


def test_a_checkpoint_whose_state_changed(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, tensors={"g": {"w": torch.ones(9)}}, state={"step": 1234})
    path.write_bytes(path.read_bytes().replace(b"1234", b"9999"))
    with pytest.raises(ArtifactError) as caught:
        load_checkpoint(path)
    assert str(caught.value) == (
        f"checkpoint {path} must be a whole file written by tagseg, got another header than was written; "
        "delete it and run the same command again"
    )


def test_a_safetensors_file_of_another_program(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"w": torch.ones(1)}, path)
    with pytest.raises(ArtifactError) as caught:
        load_checkpoint(path)
    assert str(caught.value) == (
        f"checkpoint {path} must be a whole file written by tagseg, got a file that cannot be read as one; "
        "delete it and run the same command again"
    )


def test_a_checkpoint_of_another_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.safetensors"
    monkeypatch.setattr("tagseg.artifacts.checkpoint.FORMAT", 7)
    save_checkpoint(path, tensors={}, state={})
    monkeypatch.undo()
    with pytest.raises(ArtifactError) as caught:
        load_checkpoint(path)
    assert str(caught.value) == (
        f"checkpoint {path} must have format 1, got 7; read it with the version of tagseg that wrote it, or train again"
    )


def test_no_cam_file(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with pytest.raises(ArtifactError) as caught:
        read_cam(path)
    assert str(caught.value) == f"CAM file {path} must exist, got no such file; run the stage extract-cams first"


def test_a_damaged_cam_file(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(ArtifactError) as caught:
        read_cam(path)
    assert str(caught.value) == (
        f"CAM file {path} must be a whole file written by tagseg, got a file that cannot be read as one; "
        "delete it and run the stage extract-cams again"
    )


def test_an_npz_with_something_else_in_it(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, cam=np.zeros((4, 5)), label_ids=np.array([1]))
    with pytest.raises(ArtifactError) as caught:
        read_cam(path)
    assert str(caught.value) == (
        f"CAM file {path} must be a whole file written by tagseg, "
        "got maps of type float64 and shape (4, 5) for 1 classes; delete it and run the stage extract-cams again"
    )


@pytest.mark.parametrize("label_ids", [(1,), (2, 1), (1, 1), (0, 1), (1, 255)])
def test_label_ids_that_do_not_fit_the_maps(tmp_path: Path, label_ids: tuple[int, ...]) -> None:
    path = tmp_path / "a.npz"
    with pytest.raises(ArtifactError) as caught:
        write_cam(path, np.zeros((2, 3, 3), np.float32), label_ids)
    assert str(caught.value) == (
        f"maps for {path} must have one ascending label id in 1..254 each, got {label_ids} for 2; "
        "pass the label ids of the image's tags, in the order of the maps"
    )
    assert not path.exists()


@pytest.mark.parametrize(("value", "found"), [(float("nan"), "nan to nan"), (1.5, "0 to 1.5"), (-0.25, "-0.25 to 0")])
def test_maps_out_of_range(tmp_path: Path, value: float, found: str) -> None:
    path = tmp_path / "a.npz"
    with pytest.raises(ArtifactError) as caught:
        write_cam(path, np.array([[[0.0, value]]], np.float32), (1,))
    assert str(caught.value) == (
        f"maps for {path} must lie in [0, 1], got {found}; "
        "check that the classifier's training did not diverge, and train it again with a lower learning rate"
    )
    assert not path.exists()


def test_a_mask_with_an_id_of_no_class(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    with pytest.raises(ArtifactError) as caught:
        write_mask(path, np.array([[0, 2, 255, 9]], np.uint8), ClassTable(("cat", "dog")))
    assert str(caught.value) == (
        f"mask {path} holds label ids 0..2 and 255, got 9; write it with the class table that made it"
    )
    assert not path.exists()


def test_no_mask(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    with pytest.raises(ArtifactError) as caught:
        read_mask(path)
    assert str(caught.value) == f"mask {path} must exist, got no such file; run the stage that writes it first"


def test_a_damaged_mask(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_text("no PNG")
    with pytest.raises(ArtifactError) as caught:
        read_mask(path)
    assert str(caught.value) == (
        f"mask {path} must be a whole PNG file, got a file that cannot be read as one; "
        "delete it and run the stage that writes it again"
    )


def test_a_mask_in_colours(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (2, 2)).save(path)
    with pytest.raises(ArtifactError) as caught:
        read_mask(path)
    assert str(caught.value) == (
        f"mask {path} must hold one label id per pixel (PNG mode P or L), got mode RGB; "
        "save it as a palette PNG without converting it to colours"
    )


def test_no_confidence_mask(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    with pytest.raises(ArtifactError) as caught:
        read_confidence(path)
    assert str(caught.value) == f"mask {path} must exist, got no such file; run the stage that writes it first"


def test_a_damaged_confidence_mask(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_text("no PNG")
    with pytest.raises(ArtifactError) as caught:
        read_confidence(path)
    assert str(caught.value) == (
        f"mask {path} must be a whole PNG file, got a file that cannot be read as one; "
        "delete it and run the stage that writes it again"
    )


def test_a_confidence_mask_of_label_ids(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_mask(path, np.array([[0, 1]], np.uint8), ClassTable(("cat",)))
    with pytest.raises(ArtifactError) as caught:
        read_confidence(path)
    assert str(caught.value) == (
        f"confidence mask {path} must hold one bit per pixel (PNG mode 1), got mode P; "
        "delete it and run the stage make-masks again"
    )


def test_a_mask_of_trusted_pixels(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_confidence(path, np.array([[True, False]]))
    with pytest.raises(ArtifactError) as caught:
        read_mask(path)
    assert str(caught.value) == (
        f"mask {path} must hold one label id per pixel (PNG mode P or L), got mode 1; "
        "save it as a palette PNG without converting it to colours"
    )


def test_no_instance_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(ArtifactError) as caught:
        read_instances(path)
    assert str(caught.value) == (
        f"instance file {path} must exist, got no such file; run the stage make-masks with masks.instances"
    )


@pytest.mark.parametrize("content", ["", "[", "[1]", "null", '[{"category_id": 1, "score": 0.5}]', "\xff"])
def test_a_damaged_instance_file(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(ArtifactError) as caught:
        read_instances(path)
    assert str(caught.value) == (
        f"instance file {path} must be a whole file written by tagseg, got a file that cannot be read as one; "
        "delete it and run the stage make-masks again"
    )


def test_an_instance_file_in_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "a.json"
    with pytest.raises(ArtifactError) as caught:
        write_instances(path, [Instance(1, np.ones((1, 1), bool), 1.0)])
    assert str(caught.value) == (
        f"{path} could not be written, got 'File exists'; "
        "free disk space or correct the folder's permissions, then run the same command again"
    )


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 1', "\xff"])
def test_a_manifest_of_something_else(tmp_path: Path, content: str) -> None:
    run = RunFolder(tmp_path)
    run.manifest_path.write_text(content, encoding="latin-1")
    with pytest.raises(ArtifactError) as caught:
        run.read_manifest()
    assert str(caught.value) == (
        f"{run.manifest_path} must be a manifest of tagseg, got a file that cannot be read as one; "
        "choose another --out, or delete the file to do every stage again"
    )


def test_a_manifest_of_another_format(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.manifest_path.write_text(json.dumps({"format": 2, "stages": {}}))
    with pytest.raises(ArtifactError) as caught:
        run.read_manifest()
    assert str(caught.value) == (
        f"{run.manifest_path} must have format 1, got 2; "
        "choose another --out, or use the version of tagseg that wrote it"
    )


def test_a_second_run_in_one_folder(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    with run.lock(), pytest.raises(ArtifactError) as caught, RunFolder(tmp_path).lock():
        pass
    assert str(caught.value) == (
        f"run folder {tmp_path} takes one run at a time, got a second while process {os.getpid()} runs; "
        "wait for it to end, stop it, or choose another --out"
    )


def test_a_run_folder_that_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(ArtifactError) as caught, RunFolder(path).lock():
        pass
    assert str(caught.value) == (
        f"run folder {path} must be a folder that can be written, got 'File exists'; "
        "choose another --out, or correct its permissions"
    )
