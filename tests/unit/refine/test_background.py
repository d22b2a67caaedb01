"""Otsu's threshold on the scores of many images, against answers that are known and a search in plain Python."""

import random

import numpy as np
import pytest
from skimage.filters import threshold_otsu

from tagseg.artifacts.cam_file import CamFile
from tagseg.refine.background import BINS, otsu_background, score_histogram


def maps_of(*scores, label_ids=(1,)):
    """Return the maps of one row of pixels, one tuple of scores in 1/255 for each class."""
    return CamFile(np.asarray(scores, np.float32)[:, None] / np.float32(255), label_ids)


def slow_threshold(scores):
    """Search the step in 1/255 that parts the active scores best, the lowest of equal ones."""
    active = [score for score in scores if score > 0]
    best, found = -1.0, 0
    for cut in range(min(active), max(active)):
        low, high = [s for s in active if s <= cut], [s for s in active if s > cut]
        between = len(low) * len(high) * (sum(low) / len(low) - sum(high) / len(high)) ** 2
        if between > best * (1 + 1e-12):
            best, found = between, cut
    return found


def test_two_scores_are_parted_at_the_lower_one():
    assert otsu_background([maps_of([51] * 3 + [204] * 5)]) == pytest.approx(51 / 255)


def test_two_hills_are_parted_in_the_valley():
    low, high = [20, 30, 30, 40], [180, 200, 200, 220]
    found = otsu_background([maps_of(low), maps_of(high)])
    assert found is not None
    assert 40 / 255 <= found < 180 / 255


def test_a_middle_score_joins_the_smaller_group():
    # A crowd of equal scores has no room for a score 50 steps away: its mean would hardly move to meet it.
    crowd_below, crowd_above = [20] * 50 + [70] * 3 + [120] * 3, [20] * 3 + [70] * 3 + [120] * 50
    assert otsu_background([maps_of(crowd_below)]) == pytest.approx(20 / 255)
    assert otsu_background([maps_of(crowd_above)]) == pytest.approx(70 / 255)


@pytest.mark.parametrize("seed", range(6))
def test_the_threshold_is_that_of_a_search_in_plain_python(seed):
    generator = np.random.default_rng(seed)
    scores = np.clip(generator.normal(60, 25, 120), 0, 255).astype(int).tolist()
    scores += np.clip(generator.normal(190, 30, 40 + 20 * seed), 0, 255).astype(int).tolist()
    assert otsu_background([maps_of(scores)]) == pytest.approx(slow_threshold(scores) / 255)


def test_what_is_one_image_and_in_which_order_does_not_matter():
    scores = np.random.default_rng(0).integers(0, 256, 300).tolist()
    whole = otsu_background([maps_of(scores)])
    parts = [maps_of(scores[start : start + 20]) for start in range(0, 300, 20)]
    assert otsu_background(parts) == whole
    assert otsu_background(iter(parts[::-1])) == whole
    random.Random(1).shuffle(parts)
    assert otsu_background(parts) == whole


def test_a_pixel_counts_once_with_its_strongest_class():
    strongest, weaker = [100] * 20 + [200] * 20, [10] * 40  # counted, the weaker ones would be the lower group
    two = maps_of(weaker, strongest, label_ids=(2, 7))
    assert otsu_background([two]) == otsu_background([maps_of(strongest)])
    np.testing.assert_array_equal(score_histogram(two.strongest()[1]), score_histogram(maps_of(strongest).cam[0]))


def test_images_without_tags_are_passed_over():
    untagged = CamFile(np.zeros((0, 4, 5), np.float32), ())
    tagged = maps_of([51] * 3 + [204] * 5)
    assert otsu_background([untagged, tagged, untagged]) == otsu_background([tagged])


def test_pixels_at_zero_say_nothing_about_the_others():
    scores = [100] * 20 + [130] * 20 + [0] * 5000
    assert otsu_background([maps_of(scores)]) == pytest.approx(100 / 255)
    # Counted, they would be the lower group.
    assert threshold_otsu(np.asarray(scores), nbins=256) < 100


@pytest.mark.parametrize(
    "maps",
    [
        [],
        [CamFile(np.zeros((0, 3, 3), np.float32), ())],
        [maps_of([0, 0, 0])],
        [maps_of([90, 90, 90])],
        [maps_of([0, 90]), maps_of([90, 0])],
    ],
    ids=["no image", "no tag", "nothing active", "all equal", "one score and zeros"],
)
def test_without_two_groups_there_is_no_threshold(maps):
    assert otsu_background(maps) is None


def test_every_step_in_which_maps_are_stored_has_a_bin_of_its_own():
    steps = np.arange(BINS, dtype=np.float32) / np.float32(255)
    np.testing.assert_array_equal(score_histogram(steps[None]), np.ones(BINS))


def test_the_histogram_counts_every_pixel():
    score = np.random.default_rng(0).random((13, 17), dtype=np.float32)
    counts = score_histogram(score)
    assert counts.sum() == 13 * 17
    slow = [0] * BINS
    for value in score.ravel().tolist():
        slow[round(255 * value)] += 1
    assert counts.tolist() == slow
