"""The errors of the evaluation, word for word."""

import numpy as np
import pytest

from tagseg.artifacts.cam_file import CamFile
from tagseg.errors import DataError, TrainingError
from tagseg.evaluation.activation_share import ActivationCount
from tagseg.evaluation.confusion import ConfusionMatrix
from tagseg.evaluation.tag_precision import tag_average_precision
from tagseg.evaluation.threshold import BackgroundSweep


def ids(*values: int) -> np.ndarray:
    return np.array([values], np.int64)


@pytest.mark.parametrize(("name", "of_image"), [("photos/a.b", " of photos/a.b"), ("", "")])
def test_sizes_differ(name: str, of_image: str) -> None:
    with pytest.raises(DataError) as caught:
        ConfusionMatrix(3).update(ids(0, 1), ids(0, 1, 2), name=name)
    assert str(caught.value) == (
        f"prediction{of_image} must have the size of its ground truth (1, 3), got (1, 2); "
        "check that both belong to the same upright image"
    )


@pytest.mark.parametrize("strange", [3, 254, -1])
def test_a_true_id_of_no_class(strange: int) -> None:
    matrix = ConfusionMatrix(3)
    with pytest.raises(DataError) as caught:
        matrix.update(ids(0, 1, 1), ids(0, 255, strange), name="a")
    assert str(caught.value) == (
        f"ground truth of a holds label ids 0..2 and 255, got {strange}; "
        "score it with the class table that it was made with"
    )
    assert matrix.counts.sum() == 0


@pytest.mark.parametrize("strange", [3, 255, -1])
def test_a_predicted_id_of_no_class(strange: int) -> None:
    matrix = ConfusionMatrix(3)
    with pytest.raises(DataError) as caught:
        matrix.update(ids(0, strange), ids(0, 1), name="a")
    assert str(caught.value) == (
        f"prediction of a holds label ids 0..2, got {strange}; score it with the class table that it was made with"
    )
    assert matrix.counts.sum() == 0


def test_cams_of_more_classes_than_there_are() -> None:
    sweep = BackgroundSweep(("background", "cat"), (0.5,))
    with pytest.raises(DataError) as caught:
        sweep.update(CamFile(np.zeros((2, 1, 1), np.float32), (1, 7)), np.zeros((1, 1), np.uint8), name="a")
    assert str(caught.value) == (
        "CAMs of a hold label ids 1..1, got 7; score them with the class table that they were made with"
    )


def test_cams_of_another_size() -> None:
    sweep = BackgroundSweep(("background", "cat"), (0.5,))
    with pytest.raises(DataError) as caught:
        sweep.update(CamFile(np.zeros((1, 2, 2), np.float32), (1,)), np.zeros((2, 3), np.uint8), name="a")
    assert str(caught.value) == (
        "prediction of a must have the size of its ground truth (2, 3), got (2, 2); "
        "check that both belong to the same upright image"
    )


def test_activation_of_more_classes_than_there_are() -> None:
    count = ActivationCount(("background", "cat"), (0.5,))
    with pytest.raises(DataError) as caught:
        count.update(CamFile(np.zeros((2, 1, 1), np.float32), (1, 7)), np.zeros((1, 1), np.uint8), name="a")
    assert str(caught.value) == (
        "CAMs of a hold label ids 1..1, got 7; score them with the class table that they were made with"
    )


def test_activation_of_another_size() -> None:
    count = ActivationCount(("background", "cat"), (0.5,))
    with pytest.raises(DataError) as caught:
        count.update(CamFile(np.zeros((1, 2, 2), np.float32), (1,)), np.zeros((2, 3), np.uint8), name="a")
    assert str(caught.value) == (
        "CAMs of a must have the size of its ground truth (2, 3), got (2, 2); "
        "check that both belong to the same upright image"
    )


def test_tag_scores_that_are_not_finite() -> None:
    with pytest.raises(TrainingError) as caught:
        tag_average_precision(np.array([[0.5], [np.inf]]), np.array([[1], [0]]))
    assert str(caught.value) == (
        "tag scores must be finite, got inf; lower the learning rate or turn mixed precision off"
    )
