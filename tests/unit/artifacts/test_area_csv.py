import csv
from pathlib import Path

import numpy as np
import pytest
from kit.label_files import write_all

from tagseg.artifacts.area_csv import area_writer, label_areas
from tagseg.classes import ClassTable
from tagseg.errors import ArtifactError

CLASSES = ClassTable(("cat", "traffic light, red"))


def rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_every_label_that_occurs_has_a_row_background_and_void_too(tmp_path: Path) -> None:
    first, second = np.array([[0, 0, 2], [2, 2, 255]], np.uint8), np.array([[1, 1]], np.uint8)
    write_all(area_writer(tmp_path / "areas.csv", CLASSES), [('a "b", c.jpg', first), ("\u00e9/d.jpg", second)])
    assert rows(tmp_path / "areas.csv") == [
        ["image", "class", "pixels", "share_of_image"],
        ['a "b", c.jpg', "background", "2", repr(1 / 3)],
        ['a "b", c.jpg', "traffic light, red", "3", "0.5"],
        ['a "b", c.jpg', "void", "1", repr(1 / 6)],
        ["\u00e9/d.jpg", "cat", "2", "1.0"],
    ]


def test_pixels_add_up_to_the_image_and_shares_to_one(tmp_path: Path) -> None:
    labels = np.random.default_rng(0).choice([0, 1, 2, 255], size=(37, 41)).astype(np.uint8)
    write_all(area_writer(tmp_path / "areas.csv", CLASSES), [("a.jpg", labels)])
    body = rows(tmp_path / "areas.csv")[1:]
    assert sum(int(row[2]) for row in body) == labels.size
    assert sum(float(row[3]) for row in body) == pytest.approx(1)


def test_a_name_that_is_no_text_is_written_with_escapes(tmp_path: Path) -> None:
    write_all(area_writer(tmp_path / "areas.csv", CLASSES), [("a\udcff.jpg", np.zeros((1, 1), np.uint8))])
    assert rows(tmp_path / "areas.csv")[1][0] == "a\\udcff.jpg"


def test_an_error_on_the_way_leaves_no_file(tmp_path: Path) -> None:
    items = [("a.jpg", np.zeros((2, 2), np.uint8)), ("b.jpg", np.full((2, 2), 3, np.uint8))]
    with pytest.raises(ArtifactError):
        write_all(area_writer(tmp_path / "areas.csv", CLASSES), items)
    assert list(tmp_path.iterdir()) == []


def test_areas_by_label() -> None:
    labels = np.array([[255, 2, 0, 2]], np.uint8)
    assert label_areas(labels[:, ::-1], CLASSES, name="a.jpg") == {0: 1, 2: 2, 255: 1}
    assert label_areas(np.zeros((0, 4), np.uint8), CLASSES, name="a.jpg") == {}
