"""Masks of other tools: their names, their numbering, a part of their classes, the scores of each image."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from kit.command_line import exit_code
from kit.heard import Heard
from kit.messages import ROW, assert_says, row
from PIL import Image

from tagseg.errors import DataError
from tagseg.evaluation.image_sums import ImageSums
from tagseg.use.mask_folders import FolderReading
from tagseg.use.score_folders import evaluate_folders

TRUTH = {"a": [[0, 1, 2, 255]], "deep/b": [[2, 2, 1, 0]]}
FOUND = {"a": [[0, 1, 1, 0]], "deep/b": [[2, 0, 1, 0]]}
CONFUSION = [[2, 0, 0], [0, 2, 0], [1, 1, 1]]
IDS = {"0": "background", "7": "dog", "9": "cat", "11": "cat", "20": "road"}
RENUMBERED = {0: 0, 1: 9, 2: 7, 255: 255}


def save(
    folder: Path, masks: dict[str, list[list[int]]], *, name: str = "{}.png", ids: dict[int, int] | None = None
) -> None:
    for stem, rows in masks.items():
        path = folder / name.format(stem)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.array([[ids[each] if ids else each for each in line] for line in rows], np.uint8)).save(path)


@pytest.fixture
def ids_file(tmp_path: Path) -> Path:
    path = tmp_path / "ids.json"
    path.write_text(json.dumps(IDS))
    return path


@pytest.mark.parametrize("suffix", ["_mask", "_mask.png", "_mask.PNG"])
@pytest.mark.parametrize("truth_name", ["{}.png", "{}_mask.png"])
def test_a_suffix_is_taken_off_where_names_have_it(tmp_path: Path, suffix: str, truth_name: str) -> None:
    save(tmp_path / "truth", TRUTH, name=truth_name)
    save(tmp_path / "found", FOUND, name="{}_mask.png")
    save(tmp_path / "found", FOUND)  # photographs beside them
    (tmp_path / "found" / "_mask.png").write_bytes(b"no picture")
    reading = FolderReading(suffix=suffix)
    scores = evaluate_folders(tmp_path / "found", tmp_path / "truth", classes=("cat", "dog"), reading=reading)
    assert (scores["images"], scores["confusion"]) == (2, CONFUSION)


def test_predictions_of_another_numbering(tmp_path: Path, ids_file: Path) -> None:
    save(tmp_path / "truth", TRUTH)
    save(tmp_path / "found", FOUND, ids=RENUMBERED)
    heard = Heard()
    scores = evaluate_folders(
        tmp_path / "found",
        tmp_path / "truth",
        classes=("cat", "dog"),
        reading=FolderReading(ids=ids_file),
        progress=heard,
    )
    assert (scores["classes"], scores["confusion"]) == (["background", "cat", "dog"], CONFUSION)
    assert heard.notes == ["ids.json: counted as background: road"]


def test_masks_of_another_numbering_and_a_class_without_an_id(tmp_path: Path, ids_file: Path) -> None:
    save(tmp_path / "truth", TRUTH, ids=RENUMBERED)
    save(tmp_path / "found", FOUND)
    reading = FolderReading(mask_ids=ids_file)
    scores = evaluate_folders(tmp_path / "found", tmp_path / "truth", classes=("cat", "dog"), reading=reading)
    assert scores["confusion"] == CONFUSION


def test_some_classes_of_both_numberings_the_others_are_background(tmp_path: Path, ids_file: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"1": "cat", "2": "wolf"}))
    save(tmp_path / "truth", TRUTH, ids=RENUMBERED)
    save(tmp_path / "found", FOUND)
    heard = Heard()
    reading = FolderReading(ids=other, mask_ids=ids_file)
    folders = tmp_path / "found", tmp_path / "truth"
    scores = evaluate_folders(*folders, classes=("cat",), reading=reading, progress=heard)
    assert (scores["classes"], scores["confusion"]) == (["background", "cat"], [[4, 1], [0, 2]])
    assert heard.notes == ["other.json: counted as background: wolf", "ids.json: counted as background: dog, road"]
    every = evaluate_folders(*folders, reading=reading, progress=heard)
    assert every["classes"] == ["background", "dog", "cat", "road"]
    assert "other.json has no id of dog, road: no pixel of a prediction is that" in heard.warnings


def test_a_mask_of_void_and_of_classes_that_are_not_scored_is_clear(tmp_path: Path, ids_file: Path) -> None:
    save(tmp_path / "truth", {"a": [[20, 255]]})
    save(tmp_path / "found", {"a": [[0, 0]]})
    reading = FolderReading(ids=ids_file, mask_ids=ids_file)
    scores = evaluate_folders(tmp_path / "found", tmp_path / "truth", classes=("cat",), reading=reading)
    assert scores["confusion"] == [[1, 0], [0, 0]]


def test_each_image_has_the_scores_of_itself_alone(tmp_path: Path) -> None:
    save(tmp_path / "truth", TRUTH)
    save(tmp_path / "found", FOUND)
    table = tmp_path / "images.csv"
    words = ["--predictions", str(tmp_path / "found"), "--masks", str(tmp_path / "truth"), "--classes", "cat,dog,owl"]
    assert exit_code("evaluate", *words, "--by-image", str(table)) == 0
    with table.open(newline="") as file:
        rows = {each["image"]: each for each in csv.DictReader(file)}
    assert list(rows) == list(TRUTH)
    for name, found in rows.items():
        save(tmp_path / "truth_alone" / name, {"x": TRUTH[name]})
        save(tmp_path / "found_alone" / name, {"x": FOUND[name]})
        alone = evaluate_folders(
            tmp_path / "found_alone" / name, tmp_path / "truth_alone" / name, classes=("cat", "dog", "owl")
        )
        assert int(found["pixels"]) == sum(map(sum, alone["confusion"]))
        for score in ("mean_iou", "precision", "recall", "pixel_accuracy"):
            assert float(found[score]) == alone[score]
        for label, value in alone["iou"].items():
            assert found[f"iou of {label}"] == ("" if value is None else repr(value))


def test_the_sums_of_images_add_up_where_nobody_named_the_classes(tmp_path: Path) -> None:
    save(tmp_path / "truth", TRUTH)
    save(tmp_path / "found", FOUND)
    sums = ImageSums()
    scores = evaluate_folders(tmp_path / "found", tmp_path / "truth", by_image=sums)
    right, in_truth, in_prediction = sums.array().sum(axis=0)[:, :3].tolist()
    confusion = np.array(scores["confusion"])
    assert right == confusion.diagonal().tolist()
    assert (in_truth, in_prediction) == (confusion.sum(axis=1).tolist(), confusion.sum(axis=0).tolist())


def score(folder: Path, *, classes: tuple[str, ...] | None = None, **reading: object) -> Callable[[], object]:
    found, truth = folder / "found", folder / "truth"
    return lambda: evaluate_folders(found, truth, classes=classes, reading=FolderReading(**reading))  # pyright: ignore


@pytest.mark.parametrize(
    ROW,
    [
        row(
            "a_suffix_of_no_file",
            lambda folder: score(folder, suffix="_label.png"),
            "names of files in FOLDER/found or FOLDER/truth must end in '_label', got none such as a.png",
            "correct the suffix, or leave it out",
        ),
        row(
            "an_ending_as_suffix",
            lambda folder: score(folder, suffix=".png"),
            "suffix is what names have before their ending, such as _mask, got '.png'",
            "leave it out: any ending of a mask is read",
        ),
        row(
            "an_id_without_a_name",
            lambda folder: score(folder, ids=folder / "ids.json", classes=("cat", "dog")),
            "mask FOLDER/found/a.png must hold ids that its file of ids names, got 1",
            "add these ids to the file",
        ),
        row(
            "no_names_of_the_masks",
            lambda folder: score(folder, ids=folder / "ids.json"),
            "a file of ids of the predictions takes the names of the masks' ids 1, 2, and so on, got none",
            "name the classes in that order, or give the file of ids of the masks too",
        ),
        row(
            "no_class_in_common",
            lambda folder: score(folder, ids=folder / "ids.json", classes=("Cat", "Dog")),
            "file of ids FOLDER/ids.json must name a class to score, got dog, cat, road",
            "write the names as they are here: Cat, Dog",
        ),
        row(
            "an_unknown_class",
            lambda folder: score(folder, mask_ids=folder / "ids.json", classes=("cats",)),
            "file of ids FOLDER/ids.json must name every class to score, got none for 'cats'",
            "did you mean 'cat'?",
        ),
        row(
            "two_meanings_of_255",
            lambda folder: score(folder, ids=folder / "ids.json", mask_255="object"),
            "255 as the object goes without files of ids, got both",
            'name 255 in the file: "255": "cat"',
        ),
    ],
)
def test_messages(
    tmp_path: Path, ids_file: Path, call: Callable[[Path], Callable[[], object]], problem: str, help: str
) -> None:
    save(tmp_path / "truth", TRUTH)
    save(tmp_path / "found", FOUND)
    assert_says(lambda: call(tmp_path)(), DataError, problem, help, FOLDER=tmp_path)


def test_options_of_folders_go_with_folders(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("evaluate", "demo", "--suffix", "_mask") == 2
    assert "--suffix goes with --predictions, got RECIPE" in capsys.readouterr().err


def test_the_table_of_images_is_csv(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("evaluate", "--predictions", "a", "--masks", "b", "--by-image", "images.xlsx") == 2
    assert "scores of images images.xlsx must be written to .csv, got '.xlsx'" in capsys.readouterr().err
