import json
import math

import numpy as np
import pytest

from tagseg.artifacts.cam_file import CamFile
from tagseg.evaluation.activation_share import ActivationCount, ActivationShares

NAMES = ("background", "cat", "dog")
CUTS = (0.1, 0.3, 0.5)


def counted(cam: list, label_ids: tuple[int, ...], truth: list, *, names: tuple[str, ...] = NAMES) -> ActivationCount:
    count = ActivationCount(names, CUTS)
    count.update(CamFile(np.array(cam, np.float32), label_ids), np.array(truth, np.uint8))
    return count


def test_a_map_on_its_object_alone_is_all_inside_and_covers_it() -> None:
    point = counted([[[0.0, 1.0, 0.75]]], (1,), [[0, 1, 1]]).point(0.5)
    assert point.overall == ActivationShares(1.0, 1.0)
    assert point.classes["cat"] == ActivationShares(1.0, 1.0)


def test_known_shares_of_two_classes_and_of_both_together() -> None:
    # The cat's map lies for a quarter on the cat, and covers one of its two pixels above 0.3; the dog's covers nothing.
    cam = [[[0.5, 0.0, 1.0, 0.5]], [[0.0, 0.0, 0.0, 0.25]]]
    point = counted(cam, (1, 2), [[1, 1, 0, 2]]).point(0.3)
    assert point.classes == {"cat": ActivationShares(0.25, 0.5), "dog": ActivationShares(1.0, 0.0)}
    assert point.overall == ActivationShares(0.75 / 2.25, 1 / 3)
    assert point.background_score == 0.3


def test_a_pixel_at_exactly_the_score_is_not_covered() -> None:
    count = counted([[[0.3, 0.30000004]]], (1,), [[1, 1]])
    assert [count.point(cut).overall.covered for cut in CUTS] == [1.0, 0.5, 0.0]


def test_its_own_map_covers_a_pixel_though_another_one_is_stronger() -> None:
    assert counted([[[0.4]], [[0.9]]], (1, 2), [[1]]).point(0.3).classes["cat"].covered == 1.0


def test_an_object_without_a_map_is_not_covered_and_void_counts_nowhere() -> None:
    point = counted([[[0.5, 0.5, 0.5]]], (1,), [[1, 255, 2]]).point(0.3)
    assert point.classes["cat"] == ActivationShares(0.5, 1.0)
    assert math.isnan(point.classes["dog"].inside) and point.classes["dog"].covered == 0.0
    assert point.overall == ActivationShares(0.5, 0.5)


def test_without_activation_or_pixels_a_share_is_not_defined() -> None:
    point = counted([[[0.0, 0.0]]], (1,), [[0, 0]]).point(0.3)
    assert all(math.isnan(value) for value in (point.overall.inside, point.overall.covered))
    empty = {"inside": None, "covered": None}
    content = json.loads(json.dumps(point.overall.to_dict(), allow_nan=False))
    assert content == empty
    assert {name: shares.to_dict() for name, shares in point.classes.items()} == {"cat": empty, "dog": empty}


def test_an_image_without_tags_adds_its_objects_only() -> None:
    count = counted([[[1.0, 0.0]]], (1,), [[1, 0]])
    count.update(CamFile(np.zeros((0, 1, 3), np.float32), ()), np.array([[1, 1, 1]], np.uint8))
    assert count.point(0.3).classes["cat"] == ActivationShares(1.0, 0.25)


@pytest.mark.parametrize("wrong", [(), (0.2, 0.1), (0.1, 0.1)])
def test_background_scores_ascend(wrong: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="must be ascending and at least one"):
        ActivationCount(NAMES, wrong)


def test_a_score_that_was_not_counted_is_refused() -> None:
    with pytest.raises(ValueError, match="tuple"):
        ActivationCount(NAMES, CUTS).point(0.2)
