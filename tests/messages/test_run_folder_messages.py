"""The errors of checkpoints, of the manifest and of the lock of a run folder, word for word."""

import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from kit.messages import ROW, assert_says, row
from safetensors import safe_open
from safetensors.torch import save_file

from tagseg.artifacts.checkpoint import load_checkpoint, save_checkpoint
from tagseg.artifacts.run_folder import RunFolder
from tagseg.errors import ArtifactError

AGAIN = "delete it and run the same command again"
UNREADABLE = "checkpoint PATH must be a whole file written by tagseg, got a file that cannot be read as one"


def change(
    path: Path, edit: Callable[[bytes], bytes], *, name: str = "g/w", state: dict[str, int] | None = None
) -> object:
    """Load a checkpoint of nine ones whose bytes were changed after it was saved."""
    group, _, tensor = name.partition("/")
    save_checkpoint(path, tensors={group: {tensor: torch.ones(9)}}, state=state or {})
    path.write_bytes(edit(path.read_bytes()))
    return load_checkpoint(path)


def of_another_program(path: Path) -> object:
    save_file({"w": torch.ones(1)}, path)
    return load_checkpoint(path)


def of_another_format(path: Path) -> object:
    """Load a checkpoint that is whole, and says that it has format 7."""
    save_checkpoint(path, tensors={}, state={})
    with safe_open(path, framework="pt") as file:
        header = file.metadata()["tagseg_sealed"].partition(" ")[2].replace('"format": 1', '"format": 7')
    save_file({}, path, metadata={"tagseg_sealed": f"{zlib.crc32(header.encode()):08x} {header}"})
    return load_checkpoint(path)


@pytest.mark.parametrize(
    ROW,
    [
        row(
            "no_file",
            load_checkpoint,
            "checkpoint PATH must exist, got no such file",
            "run the stage that trains this network first",
        ),
        row("a_truncated_file", lambda path: change(path, lambda content: content[:-1]), UNREADABLE, AGAIN),
        row(
            "other_values",
            lambda path: change(path, lambda content: content[:-1] + b"\x00", name="model/head.weight"),
            "checkpoint PATH must be a whole file written by tagseg, "
            "got other values in 'model/head.weight' than were written",
            AGAIN,
        ),
        row(
            "another_state",
            lambda path: change(path, lambda content: content.replace(b"1234", b"9999"), state={"step": 1234}),
            "checkpoint PATH must be a whole file written by tagseg, got another header than was written",
            AGAIN,
        ),
        row("a_file_of_another_program", of_another_program, UNREADABLE, AGAIN),
        row(
            "another_format",
            of_another_format,
            "checkpoint PATH must have format 1, got 7",
            "read it with the version of tagseg that wrote it, or train again",
        ),
    ],
)
def test_checkpoints(tmp_path: Path, call: Callable[[Path], object], problem: str, help: str) -> None:
    path = tmp_path / "a.safetensors"
    assert_says(lambda: call(path), ArtifactError, problem, help, PATH=path)


@pytest.mark.parametrize(
    ("content", "problem", "help"),
    [
        *(
            row(
                name,
                content,
                "PATH must be a manifest of tagseg, got a file that cannot be read as one",
                "choose another --out, or delete the file and add --redo to do every stage again",
            )
            for name, content in {
                "empty": "",
                "a_list": "[]",
                "without_a_format": "{}",
                "cut_off": '{"format": 1',
                "no_text": "\xff",
            }.items()
        ),
        row(
            "of_another_format",
            json.dumps({"format": 2, "stages": {}}),
            "PATH must have format 1, got 2",
            "choose another --out, or use the version of tagseg that wrote it",
        ),
    ],
)
def test_manifests(tmp_path: Path, content: str, problem: str, help: str) -> None:
    run = RunFolder(tmp_path)
    run.manifest_path.write_text(content, encoding="latin-1")
    assert_says(run.read_manifest, ArtifactError, problem, help, PATH=run.manifest_path)


def lock(folder: Path) -> None:
    with RunFolder(folder).lock():
        pass


def lock_twice(folder: Path) -> None:
    with RunFolder(folder).lock():
        lock(folder)


def lock_a_file(folder: Path) -> None:
    (folder / "file").write_text("")
    lock(folder / "file")


@pytest.mark.parametrize(
    ROW,
    [
        row(
            "a_second_run_in_one_folder",
            lock_twice,
            "run folder FOLDER takes one run at a time, got a second while process PROCESS runs",
            "wait for it to end, stop it, or choose another --out",
        ),
        row(
            "a_run_folder_that_is_a_file",
            lock_a_file,
            "run folder FOLDER/file must be a folder that can be written, got 'File exists'",
            "choose another --out, or correct its permissions",
        ),
    ],
)
def test_locks(tmp_path: Path, call: Callable[[Path], object], problem: str, help: str) -> None:
    assert_says(lambda: call(tmp_path), ArtifactError, problem, help, FOLDER=tmp_path, PROCESS=os.getpid())
