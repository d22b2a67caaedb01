"""Scores of folders against sums over pixels in plain Python."""

import csv
import json
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tagseg.artifacts.mask_file import write_mask
from tagseg.classes import VOC_CLASSES, ClassTable, voc_color
from tagseg.errors import DataError
from tagseg.progress import SilentProgress, Task
from tagseg.use.mask_folders import FolderReading
from tagseg.use.score_folders import evaluate_folders, write_folder_scores

NAMES = ("cat", "dog", "owl")
ANIMALS = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "voc2012_animals"


class Heard(SilentProgress):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.done = 0

    def note(self, text: str) -> None:
        self.said.append(text)

    def warn(self, text: str) -> None:
        self.said.append(text)

    @contextmanager
    def task(self, title: str, *, total: int, done: int = 0, unit: str = "images") -> Iterator[Task]:
        heard = self

        class Counting:
            def advance(self, count: int = 1, **fields: float) -> None:
                heard.done += count

        yield Counting()
        assert heard.done == total


def random_pair(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a prediction and its truth, void in part."""
    random = np.random.default_rng(seed)
    truth = random.choice([0, 1, 2, 255], size=(6, 7)).astype(np.uint8)
    guess = np.where(random.random((6, 7)) < 0.5, truth, random.choice([0, 1, 2], size=(6, 7)))
    return np.where(guess == 255, 1, guess).astype(np.uint8), truth


def save(path: Path, labels: np.ndarray, how: str = "palette") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if how == "palette":
        write_mask(path, labels, ClassTable(VOC_CLASSES))
    elif how == "grey":
        Image.fromarray(labels).save(path)
    else:
        Image.fromarray(np.array([voc_color(label) for label in range(256)], np.uint8)[labels]).save(path)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for number, name in enumerate(("a", "deep/b", "deep/c.d")):
        prediction, truth = random_pair(number)
        save(tmp_path / "found" / f"{name}.png", prediction)
        save(tmp_path / "val" / f"{name}.png", truth)
    return tmp_path / "found", tmp_path / "val"


def expected_confusion(num_labels: int) -> list[list[int]]:
    counts = [[0] * num_labels for _ in range(num_labels)]
    for number in range(3):
        prediction, truth = random_pair(number)
        for pixel in np.ndindex(truth.shape):
            if truth[pixel] != 255:
                counts[truth[pixel]][prediction[pixel]] += 1
    return counts


def test_scores_are_those_of_the_pixels(folders: tuple[Path, Path]) -> None:
    scores = evaluate_folders(*folders, classes=NAMES)
    counts = expected_confusion(4)
    iou = {
        name: counts[k][k] / (sum(counts[k]) + sum(row[k] for row in counts) - counts[k][k])
        for k, name in enumerate(("background", "cat", "dog"))
    }
    right, shown = counts[1][1] + counts[2][2], sum(counts[1]) + sum(counts[2])
    claimed, pixels = sum(row[1] + row[2] for row in counts), sum(map(sum, counts))
    assert scores == {
        "split": "val",
        "images": 3,
        "missing": 0,
        "classes": ["background", *NAMES],
        "mean_iou": pytest.approx(sum(iou.values()) / 3),
        "precision": pytest.approx(right / claimed),
        "recall": pytest.approx(right / shown),
        "pixel_accuracy": pytest.approx((counts[0][0] + right) / pixels),
        "iou": {**{name: pytest.approx(value) for name, value in iou.items()}, "owl": None},
        "confusion": counts,
    }


def test_without_names_the_labels_that_occur_are_numbered(folders: tuple[Path, Path]) -> None:
    named, numbered = evaluate_folders(*folders, classes=NAMES[:2]), evaluate_folders(*folders)
    assert numbered["classes"] == ["background", "label 1", "label 2"]
    assert list(numbered["iou"].values()) == list(named["iou"].values())
    without = ("classes", "iou")
    assert {key: numbered[key] for key in numbered if key not in without} == {
        key: named[key] for key in named if key not in without
    }


def test_the_largest_label_may_be_predicted_only(tmp_path: Path) -> None:
    save(tmp_path / "found" / "a.png", np.array([[0, 20]], np.uint8))
    save(tmp_path / "truth" / "a.png", np.array([[0, 3]], np.uint8))
    scores = evaluate_folders(tmp_path / "found", tmp_path / "truth")
    assert len(scores["classes"]) == 21
    assert {name: value for name, value in scores["iou"].items() if value is not None} == {
        "background": 1.0,
        "label 3": 0.0,
        "label 20": 0.0,
    }


@pytest.mark.parametrize("truth_is", ["palette", "grey", "colours"])
@pytest.mark.parametrize("found_is", ["palette", "grey", "colours"])
@pytest.mark.parametrize("ending", [".png", ".bmp", ".TIF"])
def test_any_way_to_store_ids_gives_the_same_scores(tmp_path: Path, truth_is: str, found_is: str, ending: str) -> None:
    prediction, truth = random_pair(0)
    save(tmp_path / "found" / f"a{'.png' if found_is == 'palette' else ending}", prediction, found_is)
    save(tmp_path / "truth" / "a.png", truth, truth_is)
    save(tmp_path / "plain" / "a.png", prediction)
    scores = evaluate_folders(tmp_path / "found", tmp_path / "truth", classes=NAMES)
    assert scores == evaluate_folders(tmp_path / "plain", tmp_path / "truth", classes=NAMES)
    assert 0 < scores["mean_iou"] < 1


def test_what_is_predicted_where_the_truth_is_void_does_not_matter(tmp_path: Path) -> None:
    save(tmp_path / "truth" / "a.png", np.array([[1, 255, 255]], np.uint8))
    save(tmp_path / "found" / "a.png", np.array([[1, 7, 255]], np.uint8))
    scores = evaluate_folders(tmp_path / "found", tmp_path / "truth", classes=("cat",))
    assert (scores["mean_iou"], scores["pixel_accuracy"]) == (1.0, 1.0)


def test_255_is_the_object_where_that_is_said(tmp_path: Path) -> None:
    save(tmp_path / "truth" / "a.png", np.array([[0, 255, 255, 0]], np.uint8), "grey")
    save(tmp_path / "found" / "a.png", np.array([[0, 255, 0, 0]], np.uint8), "grey")
    for names in (None, ("scratch",)):
        scores = evaluate_folders(
            tmp_path / "found", tmp_path / "truth", classes=names, reading=FolderReading(mask_255="object")
        )
        assert scores["confusion"] == [[2, 0], [1, 1]]


def test_255_is_void_where_that_is_said_or_another_mask_shows_it_beside_a_class(tmp_path: Path) -> None:
    save(tmp_path / "truth" / "a.png", np.array([[0, 255, 255, 0]], np.uint8))
    save(tmp_path / "found" / "a.png", np.array([[0, 1, 0, 1]], np.uint8))
    said = evaluate_folders(
        tmp_path / "found", tmp_path / "truth", classes=("cat",), reading=FolderReading(mask_255="void")
    )
    assert said["confusion"] == [[1, 1], [0, 0]]
    save(tmp_path / "truth" / "b.png", np.array([[1, 255]], np.uint8))
    save(tmp_path / "found" / "b.png", np.array([[1, 1]], np.uint8))
    assert evaluate_folders(tmp_path / "found", tmp_path / "truth")["confusion"] == [[1, 1], [0, 1]]


def test_photographs_beside_the_masks_are_no_masks(tmp_path: Path) -> None:
    for folder in ("found", "truth"):
        save(tmp_path / folder / "a.png", np.array([[0, 1]], np.uint8))
        save(tmp_path / folder / folder / "a.jpg", np.array([[0, 1]], np.uint8), "grey")
    heard = Heard()
    scores = evaluate_folders(tmp_path / "found", tmp_path / "truth", progress=heard)
    assert (scores["images"], scores["missing"], heard.said) == (1, 0, [])


def test_masks_scored_against_themselves_are_right(folders: tuple[Path, Path]) -> None:
    found, _ = folders
    scores = evaluate_folders(found, found)
    assert (scores["mean_iou"], scores["precision"], scores["recall"]) == (1.0, 1.0, 1.0)


def test_missing_predictions_may_be_allowed_and_are_said(folders: tuple[Path, Path]) -> None:
    found, masks = folders
    (found / "deep" / "b.png").unlink()
    save(found / "extra.png", np.zeros((2, 2), np.uint8))
    heard = Heard()
    scores = evaluate_folders(found, masks, classes=NAMES, reading=FolderReading(allow_missing=True), progress=heard)
    assert (scores["images"], scores["missing"], heard.done) == (2, 1, 2)
    assert heard.said == [
        "1 of 3 masks have no prediction and are not scored",
        "1 of 3 predictions have no mask and are not scored",
    ]
    with pytest.raises(DataError, match=r"got none for 1 of them, the first deep/b\.png"):
        evaluate_folders(found, masks, classes=NAMES)


def test_nothing_is_said_when_every_file_has_its_pair(folders: tuple[Path, Path]) -> None:
    heard = Heard()
    evaluate_folders(*folders, progress=heard)
    assert (heard.said, heard.done) == ([], 3)


def test_the_split_is_named_from_within_its_folder(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folders[1])
    assert evaluate_folders(folders[0], Path())["split"] == "val"


def test_scores_are_written_as_json_whole(folders: tuple[Path, Path], tmp_path: Path) -> None:
    scores = evaluate_folders(*folders, classes=NAMES)
    write_folder_scores(tmp_path / "out" / "scores.json", scores)
    assert json.loads((tmp_path / "out" / "scores.json").read_text()) == scores


def test_the_name_of_a_folder_may_be_bytes_that_are_no_text(folders: tuple[Path, Path], tmp_path: Path) -> None:
    other = tmp_path / "masks\udcff"
    try:
        folders[1].rename(other)
    except (OSError, UnicodeError):
        pytest.skip("names of this file system are text")
    scores = evaluate_folders(folders[0], other, classes=NAMES)
    write_folder_scores(tmp_path / "scores.json", scores)
    assert json.loads((tmp_path / "scores.json").read_text())["split"] == "masks\udcff"


def test_scores_are_written_as_rows(folders: tuple[Path, Path], tmp_path: Path) -> None:
    scores = evaluate_folders(*folders, classes=NAMES)
    write_folder_scores(tmp_path / "scores.CSV", scores)
    with (tmp_path / "scores.CSV").open(newline="") as file:
        rows = dict(csv.reader(file))
    assert list(rows) == [
        *("score", "mean_iou", "precision", "recall", "pixel_accuracy"),
        *("iou of background", "iou of cat", "iou of dog", "iou of owl"),
    ]
    assert float(rows["mean_iou"]) == scores["mean_iou"]
    assert (float(rows["iou of dog"]), rows["iou of owl"]) == (scores["iou"]["dog"], "")


@pytest.mark.skipif(not ANIMALS.is_dir(), reason=f"{ANIMALS} is not there")
def test_real_masks_of_voc(tmp_path: Path) -> None:
    """Masks in which every cat became a dog: cats and dogs are wrong, every other label is right."""
    found, truth = tmp_path / "found", tmp_path / "truth"
    truth.mkdir()
    present: set[int] = set()
    for path in sorted((ANIMALS / "SegmentationClass").glob("*.png"))[:25]:
        (truth / path.name).symlink_to(path)
        labels = np.array(Image.open(path))
        present |= set(np.unique(labels).tolist())
        save(found / path.name, np.where(labels == 8, 12, np.where(labels == 255, 0, labels)).astype(np.uint8))
    assert {8, 12} <= present
    scores = evaluate_folders(found, truth, classes=VOC_CLASSES)
    for label, name in enumerate(ClassTable(VOC_CLASSES).label_names):
        if label not in present:
            assert scores["iou"][name] is None
        elif name == "cat":
            assert scores["iou"][name] == 0
        elif name == "dog":
            assert 0 < scores["iou"][name] < 1
        else:
            assert scores["iou"][name] == 1
    assert scores["confusion"][8][12] == sum(scores["confusion"][8])


def test_names_match_however_their_accents_are_composed(tmp_path: Path) -> None:
    guess, truth = random_pair(0)
    save(tmp_path / "p" / unicodedata.normalize("NFD", "é/café.png"), guess)
    save(tmp_path / "m" / unicodedata.normalize("NFC", "é/café.png"), truth)
    scores = evaluate_folders(tmp_path / "p", tmp_path / "m", classes=NAMES, progress=SilentProgress())
    assert scores["images"] == 1
