import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tagseg.evaluation.confusion import ConfusionMatrix, joint_counts

shapes = st.tuples(st.integers(0, 6), st.integers(0, 6))


@st.composite
def images(draw: st.DrawFn, num_labels: int = 4) -> tuple[np.ndarray, np.ndarray]:
    shape = draw(shapes)
    labels = st.integers(0, num_labels - 1)
    truth = draw(hnp.arrays(np.uint8, shape, elements=labels | st.just(255)))
    return draw(hnp.arrays(np.uint8, shape, elements=labels)), truth


def test_rows_are_the_truth_and_columns_the_prediction() -> None:
    matrix = ConfusionMatrix(3)
    matrix.update(np.array([[0, 1, 2, 2]], np.uint8), np.array([[0, 2, 2, 255]], np.uint8))
    assert matrix.counts.tolist() == [[1, 0, 0], [0, 0, 0], [0, 1, 1]]
    assert matrix.counts.dtype == np.int64


def test_an_image_that_is_all_void_counts_nothing_whatever_was_predicted_there() -> None:
    matrix = ConfusionMatrix(2)
    matrix.update(np.full((3, 3), 77, np.uint8), np.full((3, 3), 255, np.uint8))
    assert matrix.counts.sum() == 0


@settings(max_examples=60, deadline=None)
@given(st.lists(images(), max_size=4))
def test_every_pixel_that_is_not_void_counts_once_and_order_and_merging_change_nothing(
    batch: list[tuple[np.ndarray, np.ndarray]],
) -> None:
    forward, left, right = ConfusionMatrix(4), ConfusionMatrix(4), ConfusionMatrix(4)
    for prediction, truth in batch:
        forward.update(prediction, truth)
    for position, (prediction, truth) in enumerate(reversed(batch)):
        (left if position % 2 else right).update(prediction, truth)
    left.merge(right)
    assert np.array_equal(forward.counts, left.counts)
    assert forward.counts.sum() == sum(int((truth != 255).sum()) for _, truth in batch)


@settings(max_examples=40, deadline=None)
@given(images(), st.permutations(range(4)))
def test_renaming_labels_permutes_the_matrix(image: tuple[np.ndarray, np.ndarray], order: list[int]) -> None:
    prediction, truth = image
    renamed = np.arange(256, dtype=np.uint8)
    renamed[:4] = order
    plain = joint_counts(truth, prediction, num_labels=4)
    assert np.array_equal(joint_counts(renamed[truth], renamed[prediction], num_labels=4)[np.ix_(order, order)], plain)


def test_matrices_of_different_labels_do_not_merge() -> None:
    with pytest.raises(ValueError, match="must have the same labels, got 2 and 3"):
        ConfusionMatrix(2).merge(ConfusionMatrix(3))


def test_254_classes_fit_beside_void() -> None:
    ids = np.arange(255, dtype=np.uint8)[None]
    matrix = ConfusionMatrix(255)
    matrix.update(ids, ids)
    assert np.array_equal(matrix.counts, np.eye(255, dtype=np.int64))
