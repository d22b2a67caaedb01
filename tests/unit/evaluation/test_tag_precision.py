import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tagseg.evaluation.tag_precision import mean_average_precision, tag_average_precision


def slow_average_precision(scores: list[float], present: list[bool]) -> float:
    """Go through the thresholds from the highest down and add up the rectangles under the curve, by definition."""
    positives = sum(present)
    if positives == 0:
        return math.nan
    area, recall_before = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        chosen = [shown for score, shown in zip(scores, present, strict=True) if score >= threshold]
        precision, recall = sum(chosen) / len(chosen), sum(chosen) / positives
        area += (recall - recall_before) * precision
        recall_before = recall
    return area


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_parity_with_the_definition_and_the_order_of_images_does_not_matter(data: st.DataObject) -> None:
    count = data.draw(st.integers(0, 8))
    scores = data.draw(hnp.arrays(np.float32, (count, 2), elements=st.sampled_from([-2.0, 0.0, 0.5, 1.0, 3.0])))
    tags = data.draw(hnp.arrays(np.float32, (count, 2), elements=st.sampled_from([0.0, 1.0])))
    found = tag_average_precision(scores, tags)
    expected = [slow_average_precision(scores[:, c].tolist(), (tags[:, c] > 0).tolist()) for c in range(2)]
    assert found == pytest.approx(expected, abs=1e-12, nan_ok=True)
    order = data.draw(st.permutations(range(count)))
    assert np.array_equal(tag_average_precision(scores[order], tags[order]), found, equal_nan=True)


def test_known_answers() -> None:
    tags = np.array([[1], [0], [1], [0]])
    ranked = np.array([[4.0], [3.0], [2.0], [1.0]])
    assert tag_average_precision(ranked, tags) == pytest.approx([(1 + 2 / 3) / 2])
    assert tag_average_precision(-ranked, tags) == pytest.approx([(1 / 2 + 2 / 4) / 2])
    assert tag_average_precision(np.zeros((4, 1)), tags) == pytest.approx([0.5])
    assert tag_average_precision(ranked, np.ones((4, 1))) == pytest.approx([1.0])


def test_a_class_without_image_is_left_out_of_the_mean_and_no_class_is_nan() -> None:
    assert mean_average_precision(np.array([np.nan, 0.25, 0.75])) == 0.5
    assert math.isnan(mean_average_precision(np.array([np.nan])))
    assert math.isnan(mean_average_precision(tag_average_precision(np.zeros((0, 2)), np.zeros((0, 2)))))
