from pathlib import Path

import numpy as np
import pytest
from kit.hand_made_runs import add_masks, make_run

from tagseg.artifacts.mask_file import write_mask
from tagseg.data.drawn_pictures import write_dataset
from tagseg.data.layouts.folder import read_folder
from tagseg.results.class_shares import class_shares
from tagseg.results.source import open_source


@pytest.fixture
def run(tmp_path: Path) -> Path:
    write_dataset(tmp_path / "photos", num_images=4, size=(64, 64), seed=3)
    return make_run(tmp_path / "run", tmp_path / "photos")


def test_shares_are_counted_over_the_masks_that_can_be_read(run: Path) -> None:
    split = read_folder(run.parent / "photos", masks=run.parent / "photos" / "masks")
    folder = run / "4_masks" / "labels"
    for number, record in enumerate(split.records[:3]):
        labels = np.zeros((64, 64), np.uint8)
        labels[:16] = number % 2
        write_mask(folder / f"{record.image_id}.png", labels, split.classes)
    (folder / f"{split.records[2].image_id}.png").write_bytes(b"damaged")
    background, first, *others = class_shares(open_source(run), {split.classes.names[0]: 0.75})
    assert (background.name, background.tagged, background.shown, background.share) == ("background", None, 2, 0.875)
    assert (first.name, first.shown, first.share) == (split.classes.names[0], 1, 0.125)
    assert [share.held_out for share in (background, first, *others)] == [None, 0.75, *(None for _ in others)]
    assert first.tagged == sum(1 in record.tags for record in split.records[:2])
    assert all((other.shown, other.share) == (0, 0) for other in others)


def test_a_run_without_masks_has_none(run: Path) -> None:
    assert class_shares(open_source(run), {}) == ()
    add_masks(run, run.parent / "photos", "mask")
    assert class_shares(open_source(run), {})
