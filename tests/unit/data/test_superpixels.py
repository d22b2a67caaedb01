"""Superpixels: known cuts, and laws that hold for any image."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from tagseg.data.superpixels import compute_regions, felzenszwalb_regions, merge_regions, slic_regions

METHODS = ("felzenszwalb", "slic")
IMAGES = arrays.arrays(np.uint8, st.tuples(st.integers(1, 24), st.integers(1, 24), st.just(3)))


def quarters(side: int = 40) -> np.ndarray:
    """An image of four flat squares."""
    image = np.zeros((side, side, 3), np.uint8)
    half = side // 2
    image[:half, half:], image[half:, :half], image[half:, half:] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    return image


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def assert_lawful(regions: np.ndarray, size: tuple[int, int], max_regions: int) -> None:
    assert regions.shape == size
    assert regions.dtype == np.int32
    assert np.unique(regions).tolist() == list(range(regions.max() + 1)), "labels are consecutive from 0"
    assert regions.max() + 1 <= max_regions
    for region in range(regions.max() + 1):
        assert ndimage.label(regions == region)[1] == 1, f"region {region} is not 4-connected"


@pytest.mark.parametrize("method", METHODS)
def test_flat_squares_are_found(method: str) -> None:
    regions = compute_regions(quarters(), method=method, max_regions=4)
    expected = np.kron([[0, 1], [2, 3]], np.ones((20, 20), int))
    assert (regions == expected).mean() > 0.97
    assert regions.max() == 3


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("max_regions", [1, 2, 7, 64])
def test_noise_is_cut_into_at_most_so_many_connected_regions(method: str, max_regions: int) -> None:
    image = noise(60, 85)
    regions = compute_regions(image, method=method, max_regions=max_regions)
    assert_lawful(regions, (60, 85), max_regions)
    np.testing.assert_array_equal(regions, compute_regions(image, method=method, max_regions=max_regions))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 2), (3, 200)])
def test_tiny_and_thin_images_work(method: str, size: tuple[int, int]) -> None:
    assert_lawful(compute_regions(noise(*size), method=method, max_regions=5), size, 5)


@pytest.mark.parametrize("method", METHODS)
def test_a_flat_image_works(method: str) -> None:
    assert_lawful(compute_regions(np.full((30, 40, 3), 77, np.uint8), method=method, max_regions=6), (30, 40), 6)


def test_a_flat_image_is_one_region_of_felzenszwalb() -> None:
    assert felzenszwalb_regions(np.full((30, 40, 3), 77, np.uint8)).max() == 0


def test_an_image_larger_than_the_working_side_gets_whole_blocks() -> None:
    regions = compute_regions(quarters(120), max_regions=4, working_side_px=40)
    assert_lawful(regions, (120, 120), 4)
    np.testing.assert_array_equal(regions, np.kron(regions[1::3, 1::3], np.ones((3, 3), int)))


@given(image=IMAGES, max_regions=st.integers(1, 9), method=st.sampled_from(METHODS))
@settings(max_examples=25, deadline=None)
def test_laws_hold_for_any_image(image: np.ndarray, max_regions: int, method: str) -> None:
    regions = compute_regions(image, method=method, max_regions=max_regions)
    assert_lawful(regions, image.shape[:2], max_regions)


@given(image=IMAGES, max_regions=st.integers(1, 9))
@settings(max_examples=25, deadline=None)
def test_merging_only_joins_and_ignores_names(image: np.ndarray, max_regions: int) -> None:
    height, width = image.shape[:2]
    pixels = np.arange(height * width, dtype=np.int32).reshape(height, width)
    coarse = merge_regions(image, pixels, max_regions=max_regions)
    assert coarse.max() + 1 == min(max_regions, height * width)
    finer = merge_regions(image, pixels, max_regions=max_regions + 3)
    pairs = {(a, b) for a, b in zip(finer.ravel().tolist(), coarse.ravel().tolist(), strict=True)}
    assert len(pairs) == finer.max() + 1, "a region of the finer cut lies in one region of the coarser one"


def test_merging_joins_the_most_similar_neighbours_first() -> None:
    row = np.array([[[0] * 3, [100] * 3, [110] * 3, [255] * 3]], np.uint8)
    regions = np.array([[5, 3, 9, 0]], np.int32)
    assert merge_regions(row, regions, max_regions=4).tolist() == [[0, 1, 2, 3]]
    assert merge_regions(row, regions, max_regions=3).tolist() == [[0, 1, 1, 2]]


def test_slic_gives_about_the_asked_number() -> None:
    flat = np.full((40, 40, 3), 77, np.uint8)
    assert 12 <= slic_regions(flat, num_segments=16).max() + 1 <= 20


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^image must be uint8 \(H, W, 3\), got uint8 \(4, 4\)"):
        compute_regions(np.zeros((4, 4), np.uint8))
    with pytest.raises(ValueError, match=r"^max_regions must be at least 1, got 0"):
        compute_regions(quarters(), max_regions=0)
    with pytest.raises(ValueError, match=r"^working_side_px must be at least 1, got 0"):
        compute_regions(quarters(), working_side_px=0)
    with pytest.raises(ValueError, match=r"^regions must be \(40, 40\) like the image, got \(3, 3\)"):
        merge_regions(quarters(), np.zeros((3, 3), np.int32))
