"""The embedded data set: drawn once, whole, and the pictures to test on follow those to learn from."""

from pathlib import Path

import numpy as np

from tagseg.data.drawn_pictures import SYNTHETIC_CLASSES, generate_image
from tagseg.data.images import read_image
from tagseg.data.layouts.synthetic import SyntheticLayout
from tagseg.types import Split

SIDE = 48


def read(layout: SyntheticLayout) -> tuple[Split, Split | None]:
    readers = layout.readers()
    return readers.train(), readers.test() if readers.test else None


def assert_drawn(split: Split, *, seed: int, first: int) -> None:
    for index, record in enumerate(split.records, start=first):
        image, mask, tags = generate_image(seed, index, size=(SIDE, SIDE))
        np.testing.assert_array_equal(read_image(record.image_path), image)
        assert record.mask is not None
        np.testing.assert_array_equal(record.mask.read(), mask)
        assert record.tags == tags


def test_the_pictures_to_test_on_follow_those_to_learn_from(tmp_path: Path) -> None:
    layout = SyntheticLayout(tmp_path, num_images=3, image_size_px=SIDE, synthetic_seed=5, test_num_images=2)
    train, test = read(layout)
    assert test is not None
    assert (len(train), train.name, len(test), test.name) == (3, "all", 2, "test")
    assert train.classes == test.classes == SYNTHETIC_CLASSES
    assert_drawn(train, seed=5, first=0)
    assert_drawn(test, seed=5, first=3)


def test_whole_pictures_are_drawn_once_and_half_drawn_ones_again(tmp_path: Path) -> None:
    layout = SyntheticLayout(tmp_path, num_images=2, image_size_px=SIDE)
    train, test = read(layout)
    assert test is None
    times = [record.image_path.stat().st_mtime_ns for record in train.records]
    assert [record.image_path.stat().st_mtime_ns for record in read(layout)[0].records] == times
    train.records[1].image_path.unlink()
    (train.records[0].image_path.parents[1] / "tags.csv").unlink()  # they come last
    assert_drawn(read(layout)[0], seed=0, first=0)


def test_other_pictures_have_another_folder(tmp_path: Path) -> None:
    layouts = [
        SyntheticLayout(tmp_path, num_images=1, image_size_px=SIDE),
        SyntheticLayout(tmp_path, num_images=2, image_size_px=SIDE),
        SyntheticLayout(tmp_path, num_images=1, image_size_px=SIDE + 1),
        SyntheticLayout(tmp_path, num_images=1, image_size_px=SIDE, synthetic_seed=1),
    ]
    assert len({read(layout)[0].records[0].image_path for layout in layouts}) == len(layouts)


def test_classes_and_a_file_of_tags_are_those_of_any_folder(tmp_path: Path) -> None:
    tags = tmp_path / "tags.csv"
    tags.write_text("image,tags\n000000.png,cross\n000001.png,\n")
    layout = SyntheticLayout(tmp_path, num_images=2, image_size_px=SIDE, classes=("cross", "petals"), tags=tags)
    train, _ = read(layout)
    assert train.classes.names == ("cross", "petals")
    assert [record.tags for record in train.records] == [(1,), ()]
