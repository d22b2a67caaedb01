"""The errors of the evaluation, word for word."""

from collections.abc import Callable

import numpy as np
import pytest
from kit.messages import ROW, assert_says, row

from tagseg.artifacts.cam_file import CamFile
from tagseg.errors import DataError, TrainingError
from tagseg.evaluation.activation_share import ActivationCount
from tagseg.evaluation.confusion import ConfusionMatrix
from tagseg.evaluation.tag_precision import tag_average_precision
from tagseg.evaluation.threshold import BackgroundSweep

LABELS = ("background", "cat")
UPRIGHT = "check that both belong to the same upright image"
ITS_TABLE = "score it with the class table that it was made with"
THEIR_TABLE = "score them with the class table that they were made with"


def ids(*values: int) -> np.ndarray:
    return np.array([values], np.int64)


def count_maps(kind: type[BackgroundSweep] | type[ActivationCount], maps: CamFile, truth: tuple[int, int]) -> None:
    kind(LABELS, (0.5,)).update(maps, np.zeros(truth, np.uint8), name="a")


TWO_CLASSES = CamFile(np.zeros((2, 1, 1), np.float32), (1, 7))
TWO_BY_TWO = CamFile(np.zeros((1, 2, 2), np.float32), (1,))


@pytest.mark.parametrize(
    ROW,
    [
        row(
            "sizes_differ",
            lambda: ConfusionMatrix(3).update(ids(0, 1), ids(0, 1, 2), name="photos/a.b"),
            "prediction of photos/a.b must have the size of its ground truth (1, 3), got (1, 2)",
            UPRIGHT,
        ),
        row(
            "sizes_of_an_image_without_a_name_differ",
            lambda: ConfusionMatrix(3).update(ids(0, 1), ids(0, 1, 2), name=""),
            "prediction must have the size of its ground truth (1, 3), got (1, 2)",
            UPRIGHT,
        ),
        row(
            "cams_of_more_classes_than_there_are",
            lambda: count_maps(BackgroundSweep, TWO_CLASSES, (1, 1)),
            "CAMs of a hold label ids 1..1, got 7",
            THEIR_TABLE,
        ),
        row(
            "cams_of_another_size",
            lambda: count_maps(BackgroundSweep, TWO_BY_TWO, (2, 3)),
            "prediction of a must have the size of its ground truth (2, 3), got (2, 2)",
            UPRIGHT,
        ),
        row(
            "activation_of_more_classes_than_there_are",
            lambda: count_maps(ActivationCount, TWO_CLASSES, (1, 1)),
            "CAMs of a hold label ids 1..1, got 7",
            THEIR_TABLE,
        ),
        row(
            "activation_of_another_size",
            lambda: count_maps(ActivationCount, TWO_BY_TWO, (2, 3)),
            "CAMs of a must have the size of its ground truth (2, 3), got (2, 2)",
            UPRIGHT,
        ),
    ],
)
def test_images(call: Callable[[], object], problem: str, help: str) -> None:
    assert_says(call, DataError, problem, help)


@pytest.mark.parametrize(
    ("prediction", "truth", "problem"),
    [
        *(
            pytest.param(
                ids(0, 1, 1),
                ids(0, 255, strange),
                f"ground truth of a holds label ids 0..2 and 255, got {strange}",
                id=f"a_true_{strange}",
            )
            for strange in (3, 254, -1)
        ),
        *(
            pytest.param(
                ids(0, strange),
                ids(0, 1),
                f"prediction of a holds label ids 0..2, got {strange}",
                id=f"a_predicted_{strange}",
            )
            for strange in (3, 255, -1)
        ),
    ],
)
def test_an_id_of_no_class_is_not_counted(prediction: np.ndarray, truth: np.ndarray, problem: str) -> None:
    matrix = ConfusionMatrix(3)
    assert_says(lambda: matrix.update(prediction, truth, name="a"), DataError, problem, ITS_TABLE)
    assert matrix.counts.sum() == 0


def test_tag_scores_that_are_not_finite() -> None:
    assert_says(
        lambda: tag_average_precision(np.array([[0.5], [np.inf]]), np.array([[1], [0]])),
        TrainingError,
        "tag scores must be finite, got inf",
        "lower the learning rate or turn mixed precision off",
    )
