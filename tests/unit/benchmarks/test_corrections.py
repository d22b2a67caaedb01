"""What the study of corrections draws, what of the official masks it shows, and which rows it writes."""

import json
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tagseg.artifacts.mask_file import read_mask

sys.path.append(str(Path(__file__).resolve().parents[3] / "benchmarks"))

from corrections import Study, Unit, draw, key_of, lay_out, left_to_do, table, units, write_corrections

KEYS = [f"2007_{index:06}" for index in range(9)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Nine photographs with masks that show background, cat (8), car (7) and void."""
    root = tmp_path / "voc"
    for folder in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True)
    for key in KEYS:
        (root / "JPEGImages" / f"{key}.jpg").write_bytes(b"photo")
        mask = Image.fromarray(np.array([[0, 8, 7, 255]], np.uint8))
        mask.putpalette([value for value in range(256) for _ in range(3)])
        mask.save(root / "SegmentationClass" / f"{key}.png")
    (root / "ImageSets" / "Segmentation" / "train.txt").write_text("\n".join(KEYS[:6]))
    (root / "image_tags.csv").write_text("image,tags\n")
    return root


def row(unit: Unit, mean_iou: float = 0.5) -> dict[str, Any]:
    return {**key_of(unit), "mean_iou": mean_iou}


def test_every_seed_has_one_unit_without_corrections_and_each_count_is_chosen_both_ways() -> None:
    found = units([0, 1], ["review", "random"], [0, 10])
    assert found[:3] == [Unit(0, "none", 0), Unit(1, "none", 0), Unit(0, "review", 10)]
    assert len(found) == len(set(found)) == 6
    assert len(units([0, 1, 2], ["review", "random"], [0, 10, 20, 40, 80])) == 27


def test_a_seed_draws_from_train_alone_and_the_rest_is_left(root: Path) -> None:
    drawn, left = draw(root, seed=0, count=4)
    assert len(drawn) == 4
    assert sorted(drawn + left) == KEYS[:6]
    assert draw(root, seed=0, count=4) == (drawn, left)
    assert any(draw(root, seed=seed, count=4)[0] != drawn for seed in range(1, 6))


def test_the_data_set_of_a_seed_has_masks_of_the_scored_photographs_only(root: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    for _ in range(2):  # a study that was stopped lays it out again
        lay_out(root, data, drawn=KEYS[:4], scored=KEYS[6:])
    assert sorted(path.stem for path in (data / "SegmentationClass").iterdir()) == KEYS[6:]
    assert (data / "ImageSets" / "Segmentation" / "drawn.txt").read_text().split() == KEYS[:4]
    assert (data / "JPEGImages" / f"{KEYS[0]}.jpg").read_bytes() == b"photo"


def test_corrections_have_the_ids_of_the_run_and_other_classes_are_background(root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "corrected"
    write_corrections(root, folder, keys=KEYS[:3], classes=("bird", "cat"))
    write_corrections(root, folder, keys=KEYS[:2], classes=("bird", "cat"))
    assert sorted(path.name for path in folder.iterdir()) == [*(f"{key}.png" for key in KEYS[:2]), "classes.txt"]
    assert read_mask(folder / f"{KEYS[0]}.png").tolist() == [[0, 2, 0, 255]]
    assert (folder / "classes.txt").read_text().split() == ["bird", "cat"]


def test_the_random_choice_of_more_contains_that_of_fewer() -> None:
    study = Study.__new__(Study)
    study.seed, study.drawn, study.args = 3, KEYS, Namespace()
    few, many = (study.choose(Unit(3, "random", count)) for count in (2, 5))
    assert many[:2] == few
    assert len(set(many)) == 5
    assert study.choose(Unit(3, "none", 0)) == []


def test_units_with_a_row_are_not_run_again(tmp_path: Path) -> None:
    found, path = units([0], ["review", "random"], [0, 10]), tmp_path / "rows.json"
    assert left_to_do(found, path) == left_to_do(found, None) == found
    path.write_text(json.dumps([row(found[1])]))
    assert left_to_do(found, path) == [found[0], found[2]]


def test_the_table_has_a_row_for_each_choice_and_a_mean_where_all_seeds_are_there() -> None:
    rows = [row(Unit(0, "none", 0), 0.5), row(Unit(1, "none", 0), 0.6), row(Unit(1, "review", 10), 0.7)]
    assert table(rows).splitlines() == [
        "| corrected | chosen | seed 0 | seed 1 | mean |",
        "| --- | --- | --- | --- | --- |",
        "| 0 | none | 50.0 | 60.0 | 55.0 |",
        "| 10 | review |  | 70.0 |  |",
    ]
