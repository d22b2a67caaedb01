"""Intervals of differences: what they must and must not say."""

import numpy as np
import pytest

from tagseg.evaluation.bootstrap import LEAST_IMAGES, paired_interval


def sums_of_images(right: np.ndarray, size: int = 100) -> np.ndarray:
    """Return the sums of images of one label and background, half each, of which so many pixels are right."""
    right = np.asarray(right, np.int64)[:, None]
    half = np.full((len(right), 1), size // 2, np.int64)
    wrong = half - right
    return np.stack([np.hstack([half, right]), np.hstack([half, half]), np.hstack([half + wrong, right])], axis=1)


def test_equal_results_differ_by_nothing() -> None:
    sums = sums_of_images(np.arange(40))
    found = paired_interval(sums, sums)
    assert found is not None and (found.difference, found.low, found.high) == (0, 0, 0)


def test_a_small_steady_gain_is_more_than_chance_though_images_vary_much() -> None:
    right = np.random.default_rng(0).integers(5, 40, size=60)
    found = paired_interval(sums_of_images(right), sums_of_images(right + 2))
    assert found is not None and 0 < found.low < found.difference < found.high


def test_gains_and_losses_that_cancel_are_not() -> None:
    random = np.random.default_rng(0)
    found = paired_interval(
        sums_of_images(random.integers(5, 40, size=60)), sums_of_images(random.integers(5, 40, size=60))
    )
    assert found is not None and found.low < 0 < found.high


def test_the_other_way_round_is_the_same_with_another_sign() -> None:
    random = np.random.default_rng(1)
    one, two = (sums_of_images(random.integers(5, 40, size=30)) for _ in range(2))
    there, back = paired_interval(one, two), paired_interval(two, one)
    assert there is not None and back is not None
    assert (there.low, there.high) == (pytest.approx(-back.high), pytest.approx(-back.low))


def test_the_same_seed_draws_the_same_images_however_many_at_a_time() -> None:
    random = np.random.default_rng(1)
    one, two = (sums_of_images(random.integers(5, 40, size=30)) for _ in range(2))
    whole = paired_interval(one, two, resamples=50, seed=4)
    assert paired_interval(one, two, resamples=50, seed=4, at_once=7 * 30) == whole
    assert paired_interval(one, two, resamples=50, seed=5) != whole


def test_few_images_have_no_interval() -> None:
    sums = sums_of_images(np.arange(LEAST_IMAGES - 1))
    assert paired_interval(sums, sums) is None


def test_images_of_void_alone_have_none() -> None:
    sums = np.zeros((LEAST_IMAGES, 3, 2), np.int64)
    assert paired_interval(sums, sums) is None
