"""The errors of files that people take away and of scores between folders, word for word."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tagseg.artifacts.area_csv import write_areas
from tagseg.artifacts.coco_file import write_coco
from tagseg.artifacts.probability_file import read_probabilities, write_probabilities
from tagseg.classes import ClassTable
from tagseg.errors import ArtifactError, DataError
from tagseg.use.score_folders import evaluate_folders, write_folder_scores

CLASSES = ClassTable(("cat", "dog"))


def ids(*values: int) -> np.ndarray:
    return np.array([values], np.uint8)


def save(path: Path, labels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(labels).save(path)
    return path


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for folder in ("found", "truth"):
        save(tmp_path / folder / "sub" / "a.png", ids(0, 1))
    return tmp_path / "found", tmp_path / "truth"


@pytest.mark.parametrize("write", [write_areas, write_coco])
@pytest.mark.parametrize("strange", [3, 254])
def test_a_label_of_no_class(tmp_path: Path, write, strange: int) -> None:
    with pytest.raises(ArtifactError) as caught:
        write(tmp_path / "out", [("a/b.jpg", ids(0, 2, 255, strange))], CLASSES)
    assert str(caught.value) == (
        f"label map of a/b.jpg holds label ids 0..2 and 255, got {strange}; write it with the class table that made it"
    )


def test_probabilities_of_other_labels(tmp_path: Path) -> None:
    path = tmp_path / "p.npz"
    with pytest.raises(ArtifactError) as caught:
        write_probabilities(path, np.zeros((2, 1, 1), np.float32), CLASSES)
    assert str(caught.value) == (
        f"probabilities for {path} must be of 3 labels, got 2; write them with the class table of their network"
    )


@pytest.mark.parametrize(("value", "found"), [(1.5, "0 to 1.5"), (-3.0, "-3 to 0"), (np.nan, "nan to nan")])
def test_probabilities_that_are_none(tmp_path: Path, value: float, found: str) -> None:
    path, probabilities = tmp_path / "p.npz", np.zeros((3, 1, 2), np.float32)
    probabilities[1, 0, 1] = value
    with pytest.raises(ArtifactError) as caught:
        write_probabilities(path, probabilities, CLASSES)
    assert str(caught.value) == (
        f"probabilities for {path} must lie in [0, 1], got {found}; pass the softmax of the logits"
    )
    assert not path.exists()


def test_no_probability_file(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError) as caught:
        read_probabilities(tmp_path / "p.npz")
    assert str(caught.value) == (
        f"probability file {tmp_path / 'p.npz'} must exist, got no such file; "
        "predict the image with its probabilities first"
    )


def test_a_damaged_probability_file(tmp_path: Path) -> None:
    path = tmp_path / "p.npz"
    path.write_bytes(b"PK")
    with pytest.raises(ArtifactError) as caught:
        read_probabilities(path)
    assert str(caught.value) == (
        f"probability file {path} must be a whole file written by tagseg, got a file that cannot be read as one; "
        "delete it and predict the image with its probabilities again"
    )


def test_probabilities_and_names_that_do_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "p.npz"
    with path.open("wb") as file:
        np.savez(file, probabilities=np.zeros((3, 4, 5), np.float32), label_names=np.array(["background", "cat"]))
    with pytest.raises(ArtifactError) as caught:
        read_probabilities(path)
    assert str(caught.value) == (
        f"probability file {path} must be a whole file written by tagseg, "
        "got values of type float32 and shape (3, 4, 5) for 2 labels; "
        "delete it and predict the image with its probabilities again"
    )


@pytest.mark.parametrize("what", ["predictions", "masks"])
def test_a_folder_that_is_not_there(folders: tuple[Path, Path], what: str) -> None:
    missing = folders[0].parent / "gone"
    with pytest.raises(DataError) as caught:
        evaluate_folders(*((missing, folders[1]) if what == "predictions" else (folders[0], missing)))
    assert str(caught.value) == f"folder of {what} {missing} must exist, got no such folder; mend the path"


def test_a_folder_without_masks(folders: tuple[Path, Path]) -> None:
    photos = folders[0].parent / "photos"
    save(photos / "a.jpg", ids(0, 1))
    with pytest.raises(DataError) as caught:
        evaluate_folders(photos, folders[1])
    assert str(caught.value) == (
        f"folder of predictions {photos} must hold images that end in .png, .bmp, .tif, .tiff, .gif, got none; "
        "name the folder that holds them, or save them as palette PNG"
    )


def test_nothing_to_compare(folders: tuple[Path, Path]) -> None:
    found, truth = folders[0] / "sub", folders[1]
    with pytest.raises(DataError) as caught:
        evaluate_folders(found, truth, allow_missing=True)
    assert str(caught.value) == (
        f"predictions in {found} must have the paths of the masks in {truth}, got none that fits, "
        "such as one for sub/a.png; name the two folders from which on the paths are equal"
    )


def test_missing_predictions(folders: tuple[Path, Path]) -> None:
    found, truth = folders
    for name in ("z.png", "sub/b.png"):
        save(truth / name, ids(0, 1))
    with pytest.raises(DataError) as caught:
        evaluate_folders(found, truth)
    assert str(caught.value) == (
        f"folder {found} must hold a prediction for each of 3 masks, got none for 2 of them, the first sub/b.png; "
        "predict these images too, or allow missing ones to score the others only"
    )


def test_sizes_that_differ(folders: tuple[Path, Path]) -> None:
    found, truth = folders
    path = save(found / "sub" / "a.png", ids(0, 1, 1))
    with pytest.raises(DataError) as caught:
        evaluate_folders(found, truth)
    assert str(caught.value) == (
        f"prediction {path} must have the size of its mask (1, 2), got (1, 3); "
        "check that both belong to the same upright image"
    )


def test_a_prediction_that_is_void(folders: tuple[Path, Path]) -> None:
    found, truth = folders
    path = save(found / "sub" / "a.png", ids(255, 255))
    with pytest.raises(DataError) as caught:
        evaluate_folders(found, truth, classes=CLASSES.names)
    assert str(caught.value) == (
        f"prediction {path} must have a label wherever its mask has one, got 255 (void) in 2 such pixels; "
        "fill them with a label, such as 0 for background"
    )


def test_an_id_of_no_class(folders: tuple[Path, Path]) -> None:
    found, truth = folders
    save(found / "sub" / "a.png", ids(0, 3))
    with pytest.raises(DataError) as caught:
        evaluate_folders(found, truth, classes=CLASSES.names)
    assert str(caught.value) == (
        "prediction of sub/a holds label ids 0..2, got 3; score it with the class table that it was made with"
    )


def test_masks_of_white_on_black(folders: tuple[Path, Path]) -> None:
    found, truth = folders
    for folder in folders:
        save(folder / "sub" / "a.png", ids(0, 255))
    with pytest.raises(DataError) as caught:
        evaluate_folders(found, truth)
    assert str(caught.value) == (
        f"masks in {truth} and their predictions must show a class, got 0 and 255 (void) only; "
        "save classes as ids 1, 2, and so on, or name the classes"
    )


def test_scores_to_a_file_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "scores.xlsx"
    with pytest.raises(ArtifactError) as caught:
        write_folder_scores(path, {})
    assert str(caught.value) == f"scores {path} must be written to .json or .csv, got '.xlsx'; rename it"
