"""Corrected masks of a folder: found by name, read by the class list, named by what they show."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kit.files import save, write

from tagseg.classes import ClassTable
from tagseg.data.corrections import corrected_photographs, read_corrections
from tagseg.types import ImageRecord, Split

SIZE = (4, 6)


@pytest.fixture
def split(tmp_path: Path) -> Split:
    pixels = np.zeros((*SIZE, 3), np.uint8)
    records = tuple(
        ImageRecord(name, save(tmp_path / "photos" / f"{name}.jpg", pixels), (1,)) for name in ("a", "b", "deep/c.d")
    )
    return Split("train", ClassTable(("cat", "dog")), records)


def mask(value: int) -> np.ndarray:
    labels = np.zeros(SIZE, np.uint8)
    labels[1:3, 1:4] = value
    labels[0] = 255
    return labels


def labels_of(record: ImageRecord) -> np.ndarray:
    assert record.mask is not None
    return record.mask.read()


def test_masks_are_named_like_photographs_with_or_without_their_ending(split: Split, tmp_path: Path) -> None:
    folder = tmp_path / "corrected"
    save(folder / "deep" / "c.d.png", mask(2))
    save(folder / "a.jpg.png", mask(1))
    write(folder / "notes.md", "mine")
    found = read_corrections(folder, split)
    assert [record.image_id for record in found.records] == ["a", "deep/c.d"]
    for record, value in zip(found.records, (1, 2), strict=True):
        np.testing.assert_array_equal(labels_of(record), mask(value))
    assert [record.tags for record in found.records] == [(1,), (1,)]


@pytest.mark.parametrize("below", ["SegmentationClass", "masks"])
def test_masks_may_lie_as_an_export_leaves_them(split: Split, tmp_path: Path, below: str) -> None:
    save(tmp_path / "out" / below / "b.png", mask(1))
    save(tmp_path / "out" / "photographs" / "b.png", mask(0))
    assert corrected_photographs(tmp_path / "out", split) == {"b"}


def test_ids_are_those_of_the_class_list_by_name(split: Split, tmp_path: Path) -> None:
    save(tmp_path / "out" / "a.png", mask(3))
    write(tmp_path / "out" / "classes.txt", "background\ndog\nhorse\ncat\n")  # a horse is listed and shown nowhere
    (record,) = read_corrections(tmp_path / "out", split).records
    np.testing.assert_array_equal(labels_of(record), mask(1))


def test_255_is_the_one_class_where_the_data_set_says_so(split: Split, tmp_path: Path) -> None:
    one = Split("train", ClassTable(("cat",)), split.records)
    save(tmp_path / "out" / "a.png", np.where(mask(1) == 1, 255, 0).astype(np.uint8))
    (record,) = read_corrections(tmp_path / "out", one, meaning_255="object").records
    np.testing.assert_array_equal(labels_of(record), mask(1) == 1)


def name_of(folder: Path, split: Split, **options: Any) -> str:
    return read_corrections(folder, split, **options).fingerprint


def test_the_name_is_that_of_what_the_masks_show_and_of_which_photographs(split: Split, tmp_path: Path) -> None:
    first = tmp_path / "first"
    save(first / "a.png", mask(1))
    name = name_of(first, split)
    shutil.copytree(first, tmp_path / "second")
    (tmp_path / "second" / "a.png").rename(tmp_path / "second" / "a.jpg.png")
    assert name_of(tmp_path / "second", split) == name
    save(tmp_path / "other" / "b.png", mask(1))
    save(tmp_path / "changed" / "a.png", mask(2))
    save(first / "b.png", mask(1))
    others = [name_of(tmp_path / folder, split) for folder in ("first", "other", "changed")]
    assert len({name, *others}) == 4
