"""Files of a data set that change while a run is at work."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from kit.files import save
from kit.messages import assert_says

from tagseg.classes import ClassTable
from tagseg.data.mask_images import PaletteMask, label_ids
from tagseg.data.seen_files import read_photograph, read_truth, require_unchanged, stamp_of
from tagseg.errors import DataError
from tagseg.types import ImageRecord


@pytest.fixture
def record(tmp_path: Path) -> ImageRecord:
    image = save(tmp_path / "a.png", np.zeros((4, 6, 3), np.uint8))
    mask = save(tmp_path / "masks" / "a.png", np.ones((4, 6), np.uint8))
    truth = PaletteMask(mask, label_ids(("cat",), ClassTable(("cat",))))
    return ImageRecord("a", image, (1,), truth, seen=(stamp_of(image), stamp_of(mask)))


def test_what_stays_is_read(record: ImageRecord) -> None:
    require_unchanged(record)
    assert read_photograph(record).shape == (4, 6, 3)
    assert read_truth(record).tolist() == np.ones((4, 6)).tolist()


def touch(path: Path) -> None:
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))


def grow(path: Path) -> None:
    before = path.stat()
    path.write_bytes(path.read_bytes() + b"x")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("change", [touch, grow])
@pytest.mark.parametrize("read", [read_photograph, read_truth, require_unchanged])
@pytest.mark.parametrize("place", [0, 1])
def test_what_changed_is_refused(
    record: ImageRecord, change: Callable[[Path], None], read: Callable[[ImageRecord], object], place: int
) -> None:
    path = Path(record.seen[place][0])
    change(path)
    assert_says(
        lambda: read(record),
        DataError,
        "PATH must stay as it is while a run is at work, got a file that changed",
        "put it back, then run the same command again; a run on the changed file has another --out",
        PATH=path,
    )


def test_what_was_removed_is_refused(record: ImageRecord) -> None:
    Path(record.seen[1][0]).unlink()
    with pytest.raises(DataError, match="must stay as it is"):
        read_photograph(record)


def test_a_record_that_no_run_holds_may_change(record: ImageRecord) -> None:
    touch(record.image_path)
    assert read_photograph(replace(record, seen=())).shape == (4, 6, 3)
