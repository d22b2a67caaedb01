"""The embedded data set is reproducible, exact, readable by the folder reader, and hard in the intended way."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tagseg.data import drawn_pictures
from tagseg.data.drawn_pictures import SYNTHETIC_CLASSES, Creature, generate_image, write_dataset
from tagseg.data.layouts.folder import read_folder

SCENES = [generate_image(7, index, size=(96, 96)) for index in range(24)]


def creature(**changes: object) -> Creature:
    values = {
        "label_id": 1,
        "center": (50.0, 40.0),
        "angle": 0.0,
        "radius": 20.0,
        "girth": 0.6,
        "bend": 0.0,
        "coat": (0.0, 0.0, 0.0),
    }
    return Creature(**(values | changes))  # pyright: ignore[reportArgumentType]


def test_clutter_is_the_same_where_it_is_painted_over_the_whole_canvas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawn_pictures, "_samples_within", lambda middle, reach, side: slice(None))
    for index in range(6):
        np.testing.assert_array_equal(generate_image(7, index, size=(96, 96))[0], SCENES[index][0])


def test_an_image_depends_on_seed_and_index_only() -> None:
    image, mask, tags = generate_image(7, 3, size=(96, 96))
    np.testing.assert_array_equal(image, SCENES[3][0])
    np.testing.assert_array_equal(mask, SCENES[3][1])
    assert tags == SCENES[3][2]
    assert not np.array_equal(generate_image(8, 3, size=(96, 96))[0], image)
    assert not np.array_equal(SCENES[4][0], image)


@pytest.mark.parametrize("size", [(64, 96), (96, 64), (101, 75)])
def test_the_image_has_the_asked_size(size: tuple[int, int]) -> None:
    image, mask, _ = generate_image(0, 0, size=size)
    assert image.shape == (*size, 3)
    assert mask.shape == size
    assert image.dtype == mask.dtype == np.uint8


def test_tags_are_exactly_the_labels_of_the_mask() -> None:
    for _, mask, tags in SCENES:
        assert tags == tuple(sorted(set(mask.ravel().tolist()) - {0}))
        assert 1 <= len(tags) <= 3


def test_every_class_and_every_number_of_tags_occurs() -> None:
    assert {label_id for *_, tags in SCENES for label_id in tags} == {1, 2, 3, 4, 5}
    assert {len(tags) for *_, tags in SCENES} >= {1, 2}


def test_objects_cover_a_part_of_the_image_as_in_photographs() -> None:
    shares = [(mask > 0).mean() for _, mask, _ in SCENES]
    assert 0.1 < np.mean(shares) < 0.35
    assert min(shares) > 0.01
    assert max(shares) < 0.75


def test_local_frame_puts_the_head_in_the_direction_of_the_angle() -> None:
    y, x = np.array([50.0, 70.0]), np.array([60.0, 40.0])
    u, v = creature().local(y, x)
    np.testing.assert_allclose((u, v), [[1, 0], [0, 1]], atol=1e-12)
    u, v = creature(angle=np.pi / 2).local(y, x)
    np.testing.assert_allclose((u, v), [[0, 1], [-1, 0]], atol=1e-12)


def test_the_marking_is_a_small_part_of_the_body() -> None:
    v, u = np.meshgrid(np.linspace(-2, 2, 201), np.linspace(-2, 2, 201), indexing="ij")
    animal = creature()
    body, marking = animal.body(u, v), animal.marking(u, v)
    assert not (marking & ~body).any()
    assert 0.1 < marking.sum() / body.sum() < 0.25


def test_a_coat_hints_at_the_class_and_is_sometimes_wrong() -> None:
    """Guessing a class from the mean colour of its pixels, by the nearest class mean, is right more often than not."""
    colors, labels = [], []
    for image, mask, tags in SCENES:
        for label_id in tags:
            colors.append(image[mask == label_id].mean(0))
            labels.append(label_id)
    colors, labels = np.array(colors), np.array(labels)
    hits = 0
    for left_out in range(len(labels)):
        rest = np.arange(len(labels)) != left_out
        means = [colors[rest & (labels == label_id)].mean(0) for label_id in range(1, 6)]
        hits += 1 + int(np.argmin(((means - colors[left_out]) ** 2).sum(1))) == labels[left_out]
    assert 0.5 < hits / len(labels) < 0.95


def test_the_written_folder_reads_back_equal(tmp_path: Path) -> None:
    write_dataset(tmp_path, num_images=3, size=(64, 80), seed=5, first_index=10)
    split = read_folder(tmp_path)
    assert split.classes == SYNTHETIC_CLASSES
    assert [record.image_id for record in split.records] == ["000010", "000011", "000012"]
    for index, record in enumerate(split.records, start=10):
        image, mask, tags = generate_image(5, index, size=(64, 80))
        np.testing.assert_array_equal(np.asarray(Image.open(record.image_path)), image)
        assert record.mask is not None
        np.testing.assert_array_equal(record.mask.read(), mask)
        assert record.tags == tags


def test_writing_again_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_dataset(tmp_path / name, num_images=2, size=(64, 64))
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert len(files) == 6
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
