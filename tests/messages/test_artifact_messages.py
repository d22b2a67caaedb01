"""The errors of maps, masks and instances that stages leave for each other, word for word."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from kit.messages import ROW, assert_says, row
from PIL import Image

from tagseg.artifacts.cam_file import read_cam, write_cam
from tagseg.artifacts.instance_file import Instance, read_instances, write_instances
from tagseg.artifacts.mask_file import read_confidence, read_mask, write_confidence, write_mask
from tagseg.classes import ClassTable
from tagseg.errors import ArtifactError
from tagseg.system.atomic import atomic_write

NO_ROOM = "free disk space or correct the folder's permissions, then run the same command again"
NO_MASK = ("mask PATH must exist, got no such file", "run the stage that writes it first")
DAMAGED_MASK = (
    "mask PATH must be a whole PNG file, got a file that cannot be read as one",
    "delete it and run the stage that writes it again",
)
NO_LABELS = "save it as a palette PNG without converting it to colours"
DAMAGED_CAM = "delete it and run the stage extract-cams again"
ONE_INSTANCE = [Instance(1, np.ones((1, 1), bool), 1.0)]


def below_a_file(path: Path) -> Path:
    """Return a place in a folder that is a file; `path` becomes that file."""
    path.write_text("")
    return path / "a"


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def text(path: Path, content: str = "no PNG") -> Path:
    path.write_text(content, encoding="latin-1")
    return path


def damaged_cam(path: Path) -> Path:
    path.write_bytes(b"PK\x03\x04 and no more")
    return path


def other_npz(path: Path) -> Path:
    with path.open("wb") as file:
        np.savez(file, cam=np.zeros((4, 5)), label_ids=np.array([1]))
    return path


def picture_in_colours(path: Path) -> Path:
    Image.new("RGB", (2, 2)).save(path, "PNG")
    return path


def mask(path: Path) -> Path:
    write_mask(path, np.array([[0, 1]], np.uint8), ClassTable(("cat",)))
    return path


def trusted(path: Path) -> Path:
    write_confidence(path, np.array([[True, False]]))
    return path


@pytest.mark.parametrize(
    ROW,
    [
        row(
            "a_place_that_cannot_be_written",
            lambda path: atomic_write(below_a_file(path), b""),
            "PATH/a could not be written, got 'File exists'",
            NO_ROOM,
        ),
        row(
            "a_folder_in_the_way",
            lambda path: atomic_write(folder(path), b""),
            "PATH could not be written, got 'Is a directory'",
            NO_ROOM,
        ),
        row(
            "instances_in_a_place_that_cannot_be_written",
            lambda path: write_instances(below_a_file(path), ONE_INSTANCE),
            "PATH/a could not be written, got 'File exists'",
            NO_ROOM,
        ),
        row("no_cam_file", read_cam, "CAM file PATH must exist, got no such file", "run the stage extract-cams first"),
        row(
            "a_damaged_cam_file",
            lambda path: read_cam(damaged_cam(path)),
            "CAM file PATH must be a whole file written by tagseg, got a file that cannot be read as one",
            DAMAGED_CAM,
        ),
        row(
            "an_npz_with_something_else_in_it",
            lambda path: read_cam(other_npz(path)),
            "CAM file PATH must be a whole file written by tagseg, "
            "got maps of type float64 and shape (4, 5) for 1 classes",
            DAMAGED_CAM,
        ),
        row("no_mask", read_mask, *NO_MASK),
        row("a_damaged_mask", lambda path: read_mask(text(path)), *DAMAGED_MASK),
        row(
            "a_mask_in_colours",
            lambda path: read_mask(picture_in_colours(path)),
            "mask PATH must hold one label id per pixel (PNG mode P or L), got mode RGB",
            NO_LABELS,
        ),
        row("no_confidence_mask", read_confidence, *NO_MASK),
        row("a_damaged_confidence_mask", lambda path: read_confidence(text(path)), *DAMAGED_MASK),
        row(
            "a_confidence_mask_of_label_ids",
            lambda path: read_confidence(mask(path)),
            "confidence mask PATH must hold one bit per pixel (PNG mode 1), got mode P",
            "delete it and run the stage make-masks again",
        ),
        row(
            "a_mask_of_trusted_pixels",
            lambda path: read_mask(trusted(path)),
            "mask PATH must hold one label id per pixel (PNG mode P or L), got mode 1",
            NO_LABELS,
        ),
        row(
            "no_instance_file",
            read_instances,
            "instance file PATH must exist, got no such file",
            "run the stage make-masks with masks.instances",
        ),
    ],
)
def test_files(tmp_path: Path, call: Callable[[Path], object], problem: str, help: str) -> None:
    path = tmp_path / "a.png"
    assert_says(lambda: call(path), ArtifactError, problem, help, PATH=path)


@pytest.mark.parametrize("content", ["", "[", "[1]", "null", '[{"category_id": 1, "score": 0.5}]', "\xff"])
def test_a_damaged_instance_file(tmp_path: Path, content: str) -> None:
    path = text(tmp_path / "a.json", content)
    assert_says(
        lambda: read_instances(path),
        ArtifactError,
        f"instance file {path} must be a whole file written by tagseg, got a file that cannot be read as one",
        "delete it and run the stage make-masks again",
    )


ORDER = "pass the label ids of the image's tags, in the order of the maps"
DIVERGED = "check that the classifier's training did not diverge, and train it again with a lower learning rate"


def write_maps(*label_ids: int) -> Callable[[Path], object]:
    return lambda path: write_cam(path, np.zeros((2, 3, 3), np.float32), label_ids)


def write_values(*values: float) -> Callable[[Path], object]:
    return lambda path: write_cam(path, np.array([[values]], np.float32), (1,))


@pytest.mark.parametrize(
    ROW,
    [
        *(
            row(
                f"label_ids_{'_'.join(map(str, ids))}_of_two_maps",
                write_maps(*ids),
                f"maps for PATH must have one ascending label id in 1..254 each, got {ids} for 2",
                ORDER,
            )
            for ids in [(1,), (2, 1), (1, 1), (0, 1), (1, 255)]
        ),
        row("nan", write_values(0.0, float("nan")), "maps for PATH must lie in [0, 1], got nan to nan", DIVERGED),
        row("above_one", write_values(0.0, 1.5), "maps for PATH must lie in [0, 1], got 0 to 1.5", DIVERGED),
        row("below_zero", write_values(0.0, -0.25), "maps for PATH must lie in [0, 1], got -0.25 to 0", DIVERGED),
        row(
            "an_id_of_no_class",
            lambda path: write_mask(path, np.array([[0, 2, 255, 9]], np.uint8), ClassTable(("cat", "dog"))),
            "mask PATH holds label ids 0..2 and 255, got 9",
            "write it with the class table that made it",
        ),
    ],
)
def test_what_cannot_be_written_leaves_no_file(
    tmp_path: Path, call: Callable[[Path], object], problem: str, help: str
) -> None:
    path = tmp_path / "a.npz"
    assert_says(lambda: call(path), ArtifactError, problem, help, PATH=path)
    assert not path.exists()
