"""The measured target of self-modulation, cut, drawn by the CRF and averaged over regions again."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagseg.refine.crf import CrfRefiner
from tagseg.refine.dense_crf import CrfSettings
from tagseg.refine.region_targets import draw_region_scores, halved, otsu_midpoint

CRF = CrfRefiner(halved(CrfSettings()))


def two_halves(*, height: int = 24, width: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """An image that is dark on the left and bright on the right, in four regions: two columns of each half."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:, width // 2 :] = 200
    return image, np.broadcast_to(np.arange(width) * 4 // width, (height, width)).astype(np.int32)


def test_a_region_that_looks_like_the_object_is_drawn_into_it() -> None:
    image, regions = two_halves()
    scores = np.array([[0.1, 0.1, 0.45, 0.9]], np.float32)
    drawn = draw_region_scores(scores, image, regions, background_score=0.5, crf=CRF)
    assert drawn.dtype == np.float32
    assert drawn[0, :2].max() < 0.05
    assert drawn[0, 2] > 0.65 and drawn[0, 3] > 0.95  # 0.45 was below the cut


def test_the_result_is_the_mean_of_the_crf_at_half_the_size() -> None:
    image, regions = two_halves(height=11, width=17)  # odd sides: every second row and column, the first one included
    scores = np.array([[0.2, 0.6, 0.3, 0.8], [0.1, 0.7, 0.6, 0.2]], np.float32)
    drawn = draw_region_scores(scores, image, regions, background_score=0.4, crf=CrfRefiner(CrfSettings(iterations=0)))
    half = regions[::2, ::2]
    assert half.shape == (6, 9)
    # without a step of the CRF the labels have IRN's certainty: 0.7 for the winner, the rest shared by the others
    winners = np.concatenate([np.full((1, 4), 0.4, np.float32), scores]).argmax(axis=0)
    expected = np.where(np.arange(3)[:, None] == winners, 0.7, 0.15)[1:]
    np.testing.assert_allclose(drawn, expected, atol=1e-6)


def test_a_region_that_half_the_size_loses_keeps_its_score() -> None:
    image, regions = two_halves()
    regions = regions.copy()
    regions[1, 1] = 4  # one pixel, in a row and column that are left out
    scores = np.array([[0.1, 0.1, 0.9, 0.9, 0.37]], np.float32)
    drawn = draw_region_scores(scores, image, regions, background_score=0.5, crf=CRF)
    assert drawn[0, 4] == pytest.approx(0.37)


def test_an_image_without_tags_has_no_scores() -> None:
    image, regions = two_halves()
    none = np.zeros((0, 4), np.float32)
    assert draw_region_scores(none, image, regions, background_score=0.5, crf=CRF).shape == (0, 4)


@given(
    st.lists(st.lists(st.floats(0, 1, width=32), min_size=3, max_size=3), min_size=1, max_size=2),
    st.floats(0, 1, width=32),
)
def test_scores_stay_in_range(scores: list[list[float]], background_score: float) -> None:
    image = np.random.default_rng(0).integers(0, 255, (9, 12, 3), dtype=np.uint8)
    regions = np.broadcast_to(np.arange(12) // 4, (9, 12)).astype(np.int32)
    given_scores = np.array(scores, np.float32)
    drawn = draw_region_scores(given_scores, image, regions, background_score=background_score, crf=CRF)
    assert drawn.shape == given_scores.shape
    assert np.isfinite(drawn).all()
    assert drawn.min() >= 0 and drawn.max() <= 1
    assert drawn.sum(axis=0).max() <= 1 + 1e-5  # the background has the rest


def test_half_the_size_halves_what_is_in_pixels_and_nothing_else() -> None:
    settings = CrfSettings(gaussian_sigma_px=3.0, bilateral_sigma_px=50.0, bilateral_sigma_rgb=5.0)
    half = halved(settings)
    assert (half.gaussian_sigma_px, half.bilateral_sigma_px) == (1.5, 25.0)
    assert replace(half, gaussian_sigma_px=3.0, bilateral_sigma_px=50.0) == settings


def test_the_midpoint_parts_two_groups_of_regions_and_takes_the_strongest_class() -> None:
    low, high = np.full((1, 30), 0.2, np.float32), np.full((1, 10), 0.8, np.float32)
    both = np.array([[0.2, 0.8], [0.8, 0.1]], np.float32)  # each region's strongest class counts: 0.8 twice
    assert 0.2 <= otsu_midpoint([low, high, both]) < 0.8
    empty = np.zeros((0, 5), np.float32)
    assert otsu_midpoint([low, high, both, empty]) == otsu_midpoint([low, high, both])


@pytest.mark.parametrize("scores", [[], [np.zeros((1, 4), np.float32)], [np.full((1, 4), 0.3, np.float32)]])
def test_without_two_groups_the_midpoint_is_half(scores: list[np.ndarray]) -> None:
    assert otsu_midpoint(scores) == 0.5
