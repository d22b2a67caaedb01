"""Pictures of a report: which pixels they show, and that what is drawn from them agrees."""

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tagseg.artifacts.cam_file import CamFile
from tagseg.report.pictures import SIDE_PX, encode_labels, encode_map, encode_photo, sampled_pixels


def decoded(picture: bytes) -> np.ndarray:
    with Image.open(BytesIO(picture)) as image:
        assert image.mode == "L"
        return np.asarray(image)


def test_a_small_image_is_shown_pixel_by_pixel() -> None:
    rows, columns = sampled_pixels((3, SIDE_PX))
    assert rows.tolist() == [0, 1, 2]
    assert columns.tolist() == list(range(SIDE_PX))


def test_a_large_image_is_sampled_under_the_centres_in_its_own_proportions() -> None:
    rows, columns = sampled_pixels((4, 8), side_px=2)
    assert (rows.tolist(), columns.tolist()) == ([2], [2, 6])
    rows, columns = sampled_pixels((375, 500))
    assert (len(rows), len(columns)) == (192, 256)
    rows, columns = sampled_pixels((1, 10_000))
    assert (len(rows), len(columns)) == (1, 256)


@settings(max_examples=100, deadline=None)
@given(st.tuples(st.integers(1, 2000), st.integers(1, 2000)), st.integers(1, 300))
def test_sampled_pixels_ascend_lie_in_the_image_and_mirror(size: tuple[int, int], side_px: int) -> None:
    for side, places in zip(size, sampled_pixels(size, side_px=side_px), strict=True):
        assert 1 <= len(places) <= side_px
        assert places[0] >= 0 and places[-1] < side
        assert (np.diff(places) >= 1).all()
        assert np.abs(places + places[::-1] - side).max() <= 1  # the centre of the image is the centre of the picture


def test_a_seed_cut_from_sampled_maps_is_the_sampled_seed() -> None:
    random = np.random.default_rng(0)
    cam = random.integers(0, 256, (2, 300, 400)).astype(np.float32) / 255
    rows, columns = sampled_pixels((300, 400))
    small = np.stack([decoded(encode_map(each[rows[:, None], columns])) for each in cam])
    seed = CamFile((small / np.float32(255)).astype(np.float32), (3, 9)).labels(0.4)
    np.testing.assert_array_equal(seed, CamFile(cam, (3, 9)).labels(0.4)[rows[:, None], columns])
    assert len(np.unique(seed)) == 3


def test_labels_survive_as_they_are() -> None:
    labels = np.array([[0, 1, 254, 255]], np.uint8)
    np.testing.assert_array_equal(decoded(encode_labels(labels)), labels)


@pytest.mark.parametrize("size", [(30, 40), (15, 20), (1, 1)])
def test_a_photo_is_a_jpeg_of_the_asked_size_with_its_colours(size: tuple[int, int]) -> None:
    picture = encode_photo(np.full((30, 40, 3), (200, 40, 90), np.uint8), size)
    with Image.open(BytesIO(picture)) as image:
        assert (image.format, image.size) == ("JPEG", size[::-1])
        assert np.abs(np.asarray(image).astype(int) - (200, 40, 90)).max() <= 4
