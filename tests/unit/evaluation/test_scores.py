import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tagseg.evaluation.confusion import ConfusionMatrix
from tagseg.evaluation.scores import LabelScore, Scores, compute_scores, label_sums, scores_by_label

NAMES = ("background", "cat", "dog")


def scores_of(counts: list[list[int]] | np.ndarray) -> Scores:
    matrix = ConfusionMatrix(len(counts))
    matrix.counts += np.asarray(counts, np.int64)
    return compute_scores(matrix, NAMES[: len(counts)])


def test_known_answer() -> None:
    scores = scores_of([[50, 3, 2], [10, 20, 0], [5, 1, 9]])
    assert scores.iou == {"background": 50 / 70, "cat": 20 / 34, "dog": 9 / 17}
    assert scores.mean_iou == pytest.approx((50 / 70 + 20 / 34 + 9 / 17) / 3, abs=1e-15)
    assert scores.precision == 29 / 35
    assert scores.recall == 29 / 45
    assert scores.pixel_accuracy == 79 / 100


def test_a_class_that_is_neither_true_nor_predicted_is_nan_and_left_out_of_the_mean() -> None:
    scores = scores_of([[6, 2, 0], [0, 4, 0], [0, 0, 0]])
    assert math.isnan(scores.iou["dog"])
    assert scores.mean_iou == pytest.approx((6 / 8 + 4 / 6) / 2, abs=1e-15)


def test_a_class_that_is_only_predicted_or_only_true_counts_as_0() -> None:
    assert scores_of([[6, 0, 2], [0, 4, 0], [0, 0, 0]]).iou["dog"] == 0
    assert scores_of([[6, 0, 0], [0, 4, 0], [2, 0, 0]]).iou["dog"] == 0
    assert scores_of([[6, 0, 2], [0, 4, 0], [0, 0, 0]]).mean_iou == pytest.approx((6 / 8 + 1 + 0) / 3, abs=1e-15)


def test_all_background_has_no_precision_and_no_recall() -> None:
    scores = scores_of([[9, 0, 0], [0, 0, 0], [0, 0, 0]])
    assert scores.mean_iou == scores.pixel_accuracy == 1
    assert math.isnan(scores.precision)
    assert math.isnan(scores.recall)


def test_a_wrong_class_costs_precision_and_recall() -> None:
    scores = scores_of([[0, 0, 0], [0, 0, 4], [0, 0, 0]])
    assert (scores.precision, scores.recall) == (0, 0)


def test_each_label_has_its_own_precision_and_recall() -> None:
    counts = np.array([[50, 3, 2], [10, 20, 0], [5, 1, 9]])
    found = scores_by_label(label_sums(counts), NAMES)
    assert list(found) == list(NAMES)
    assert found["background"] == LabelScore(50 / 70, 50 / 65, 50 / 55)
    assert found["cat"] == LabelScore(20 / 34, 20 / 24, 20 / 30)
    assert found["dog"] == LabelScore(9 / 17, 9 / 11, 9 / 15)
    assert {name: each.iou for name, each in found.items()} == scores_of(counts).iou


def test_a_label_that_is_only_true_has_a_recall_of_0_and_no_precision() -> None:
    found = scores_by_label(label_sums(np.array([[6, 0], [2, 0]])), NAMES[:2])["cat"]
    assert (found.iou, found.recall) == (0, 0) and math.isnan(found.precision)


def test_nothing_counted_is_nan_everywhere() -> None:
    scores = scores_of(np.zeros((3, 3), np.int64))
    assert all(math.isnan(value) for value in values_of(scores))


def test_json_holds_null_for_nan_and_every_digit_of_a_number() -> None:
    scores = scores_of([[6, 2, 0], [0, 4, 0], [0, 0, 0]])
    content = json.loads(json.dumps(scores.to_dict(), allow_nan=False))
    assert content == {
        "mean_iou": scores.mean_iou,
        "precision": 4 / 6,
        "recall": 1.0,
        "pixel_accuracy": 10 / 12,
        "iou": {"background": 0.75, "cat": 4 / 6, "dog": None},
    }


def values_of(scores: Scores) -> list[float]:
    return [scores.mean_iou, scores.precision, scores.recall, scores.pixel_accuracy, *scores.iou.values()]


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.int64, (3, 3), elements=st.integers(0, 2**50)), st.integers(1, 100))
def test_scores_lie_in_0_to_1_and_do_not_change_when_every_count_is_multiplied(counts: np.ndarray, factor: int) -> None:
    one, many = scores_of(counts), scores_of(counts * factor)
    for left, right in zip(values_of(one), values_of(many), strict=True):
        assert math.isnan(left) or 0 <= left <= 1
        assert left == pytest.approx(right, abs=1e-12, nan_ok=True)
