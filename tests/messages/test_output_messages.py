"""The errors of files that people take away and of scores between folders, word for word."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from kit.label_files import write_all
from kit.messages import ROW, assert_says, row
from PIL import Image

from tagseg.artifacts.area_csv import area_writer
from tagseg.artifacts.probability_file import read_probabilities, write_probabilities
from tagseg.classes import ClassTable
from tagseg.errors import ArtifactError, DataError
from tagseg.use.mask_folders import FolderReading
from tagseg.use.score_folders import evaluate_folders, meaning_of_255, write_folder_scores

CLASSES = ClassTable(("cat", "dog"))


def ids(*values: int) -> np.ndarray:
    return np.array([values], np.uint8)


@pytest.mark.parametrize("strange", [3, 254])
def test_a_label_of_no_class(tmp_path: Path, strange: int) -> None:
    assert_says(
        lambda: write_all(area_writer(tmp_path / "out", CLASSES), [("a/b.jpg", ids(0, 2, 255, strange))]),
        ArtifactError,
        f"label map of a/b.jpg holds label ids 0..2 and 255, got {strange}",
        "write it with the class table that made it",
    )


def write_value(value: float) -> Callable[[Path], object]:
    probabilities = np.zeros((3, 1, 2), np.float32)
    probabilities[1, 0, 1] = value
    return lambda path: write_probabilities(path, probabilities, CLASSES)


@pytest.mark.parametrize(
    ROW,
    [
        row(
            "of_other_labels",
            lambda path: write_probabilities(path, np.zeros((2, 1, 1), np.float32), CLASSES),
            "probabilities for PATH must be of 3 labels, got 2",
            "write them with the class table of their network",
        ),
        *(
            row(
                name,
                write_value(value),
                f"probabilities for PATH must lie in [0, 1], got {found}",
                "pass the softmax of the logits",
            )
            for name, value, found in [
                ("above_one", 1.5, "0 to 1.5"),
                ("below_zero", -3.0, "-3 to 0"),
                ("nan", np.nan, "nan to nan"),
            ]
        ),
    ],
)
def test_probabilities_that_cannot_be_written(
    tmp_path: Path, call: Callable[[Path], object], problem: str, help: str
) -> None:
    path = tmp_path / "p.npz"
    assert_says(lambda: call(path), ArtifactError, problem, help, PATH=path)
    assert not path.exists()


def read_damaged(path: Path) -> object:
    path.write_bytes(b"PK")
    return read_probabilities(path)


def read_with_fewer_names(path: Path) -> object:
    with path.open("wb") as file:
        np.savez(file, probabilities=np.zeros((3, 4, 5), np.float32), label_names=np.array(["background", "cat"]))
    return read_probabilities(path)


@pytest.mark.parametrize(
    ROW,
    [
        row(
            "no_file",
            read_probabilities,
            "probability file PATH must exist, got no such file",
            "predict the image with its probabilities first",
        ),
        row(
            "a_damaged_file",
            read_damaged,
            "probability file PATH must be a whole file written by tagseg, got a file that cannot be read as one",
            "delete it and predict the image with its probabilities again",
        ),
        row(
            "names_that_do_not_fit",
            read_with_fewer_names,
            "probability file PATH must be a whole file written by tagseg, "
            "got values of type float32 and shape (3, 4, 5) for 2 labels",
            "delete it and predict the image with its probabilities again",
        ),
    ],
)
def test_probability_files(tmp_path: Path, call: Callable[[Path], object], problem: str, help: str) -> None:
    path = tmp_path / "p.npz"
    assert_says(lambda: call(path), ArtifactError, problem, help, PATH=path)


def save(path: Path, labels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(labels).save(path)


def score(*, found: np.ndarray, truth: np.ndarray | None = None, classes: tuple[str, ...] | None = None) -> object:
    """Return what scores two folders after their only image, `sub/a.png`, was made anew."""

    def call(folder: Path) -> None:
        save(folder / "found" / "sub" / "a.png", found)
        if truth is not None:
            save(folder / "truth" / "sub" / "a.png", truth)
        evaluate_folders(folder / "found", folder / "truth", classes=classes)

    return call


def score_photographs(folder: Path) -> None:
    save(folder / "photos" / "a.jpg", ids(0, 1))
    evaluate_folders(folder / "photos", folder / "truth")


def score_a_jpeg(folder: Path) -> None:
    save(folder / "truth" / "b.png", ids(0, 1))
    save(folder / "found" / "b.jpg", ids(0, 1))
    evaluate_folders(folder / "found", folder / "truth")


def score_with_missing_predictions(folder: Path) -> None:
    for name in ("z.png", "sub/b.png"):
        save(folder / "truth" / name, ids(0, 1))
    evaluate_folders(folder / "found", folder / "truth")


@pytest.mark.parametrize(
    ROW,
    [
        row(
            "no_predictions",
            lambda folder: evaluate_folders(folder / "gone", folder / "truth"),
            "folder of predictions FOLDER/gone must exist, got no such folder",
            "correct the path",
        ),
        row(
            "no_masks",
            lambda folder: evaluate_folders(folder / "found", folder / "gone"),
            "folder of masks FOLDER/gone must exist, got no such folder",
            "correct the path",
        ),
        row(
            "photographs",
            score_photographs,
            "folder of predictions FOLDER/photos must hold files that end in .png, .bmp, .tif, .tiff, .gif, .webp, "
            ".npy, got JPEG files only, which are lossy",
            "name the folder that holds them, or save them as palette PNG",
        ),
        row(
            "nothing_to_compare",
            lambda folder: evaluate_folders(
                folder / "found" / "sub", folder / "truth", reading=FolderReading(allow_missing=True)
            ),
            "predictions in FOLDER/found/sub must have the paths of the masks in FOLDER/truth, got none that fits, "
            "such as one for sub/a.png",
            "name the two folders from which on the paths are equal",
        ),
        row(
            "missing_predictions",
            score_with_missing_predictions,
            "folder FOLDER/found must hold a prediction for each of 3 masks, "
            "got none for 2 of them, the first sub/b.png",
            "predict these images too, or allow missing ones to score the others only",
        ),
        row(
            "sizes_that_differ",
            score(found=ids(0, 1, 1)),
            "prediction FOLDER/found/sub/a.png must have the size of its mask (1, 2), got (1, 3)",
            "check that both belong to the same upright image",
        ),
        row(
            "a_prediction_that_is_void",
            score(found=ids(255, 255), classes=CLASSES.names),
            "prediction FOLDER/found/sub/a.png must have a label wherever its mask has one, "
            "got 255 (void) in 2 such pixels",
            "fill them with a label, such as 0 for background",
        ),
        row(
            "an_id_of_no_class",
            score(found=ids(0, 3), classes=CLASSES.names),
            "prediction of sub/a holds label ids 0..2, got 3",
            "score it with the class table that it was made with",
        ),
        row(
            "a_lossy_prediction",
            score_a_jpeg,
            "mask FOLDER/found/b.jpg must be of a lossless format, got a JPEG file",
            "save the mask again from its source, as a palette PNG; a lossy format changes the ids",
        ),
        row(
            "255_without_a_class",
            score(found=ids(0, 1), truth=ids(0, 255), classes=CLASSES.names),
            "mask FOLDER/truth/sub/a.png must show a class besides 255, which is void, got 0 and 255 only",
            "say what 255 is, object (the one class) or void: data.mask_255 of a recipe, or --mask-255",
        ),
        row(
            "255_as_one_of_two_classes",
            lambda folder: evaluate_folders(
                folder / "found", folder / "truth", classes=CLASSES.names, reading=FolderReading(mask_255="object")
            ),
            "a mask in which 255 is the object has one class, got 2",
            "name one class, or save each under its own id",
        ),
        row(
            "another_meaning_of_255",
            lambda folder: meaning_of_255("ignore"),
            "the meaning of 255 must be 'void' or 'object', got 'ignore'",
            "give one of these",
        ),
        row(
            "white_on_black",
            score(found=ids(0, 255), truth=ids(0, 255)),
            "masks in FOLDER/truth and their predictions must show a class, got 0 and 255 (void) only",
            "save classes as ids 1, 2, and so on, or name the classes",
        ),
    ],
)
def test_folders(tmp_path: Path, call: Callable[[Path], object], problem: str, help: str) -> None:
    for name in ("found", "truth"):
        save(tmp_path / name / "sub" / "a.png", ids(0, 1))
    assert_says(lambda: call(tmp_path), DataError, problem, help, FOLDER=tmp_path)


def test_scores_to_a_file_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "scores.xlsx"
    assert_says(
        lambda: write_folder_scores(path, {}),
        ArtifactError,
        f"scores {path} must be written to .json or .csv, got '.xlsx'",
        "rename it",
    )
