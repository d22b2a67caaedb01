import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tagseg.artifacts.cam_file import CamFile
from tagseg.evaluation.confusion import ConfusionMatrix
from tagseg.evaluation.scores import Scores, compute_scores
from tagseg.evaluation.threshold import BackgroundSweep, ThresholdPoint, best

NAMES = ("background", "cat", "dog", "cow")
CUTS = tuple(i / 20 for i in range(21))


@st.composite
def images(draw: st.DrawFn) -> tuple[np.ndarray, tuple[int, ...], np.ndarray]:
    label_ids = tuple(sorted(draw(st.sets(st.integers(1, 3)))))
    size = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    # Multiples of 1/20 and of 1/255 hit the cuts exactly, which is where rules differ.
    scores = st.floats(0, 1, width=32) | st.sampled_from([np.float32(i / 20) for i in range(21)])
    scores |= st.integers(0, 255).map(lambda level: np.float32(level) / np.float32(255))
    cam = draw(hnp.arrays(np.float32, (len(label_ids), *size), elements=scores))
    truth = draw(hnp.arrays(np.uint8, size, elements=st.sampled_from([0, 1, 2, 3, 255])))
    return cam, label_ids, truth


@settings(max_examples=80, deadline=None)
@given(st.lists(images(), min_size=1, max_size=3))
def test_the_sweep_equals_scoring_the_seeds_of_every_background_score(
    batch: list[tuple[np.ndarray, tuple[int, ...], np.ndarray]],
) -> None:
    sweep = BackgroundSweep(NAMES, CUTS)
    for cam, label_ids, truth in batch:
        sweep.update(CamFile(cam, label_ids), truth)
    for background_score, point in zip(CUTS, sweep.points(), strict=True):
        matrix = ConfusionMatrix(len(NAMES))
        for cam, label_ids, truth in batch:
            matrix.update(CamFile(cam, label_ids).labels(background_score), truth)
        expected = compute_scores(matrix, NAMES)
        assert point.background_score == background_score
        assert point.scores.to_dict() == expected.to_dict()


def test_an_image_without_tags_counts_as_background_at_every_score() -> None:
    sweep = BackgroundSweep(("background", "cat"), (0.0, 0.5))
    sweep.update(CamFile(np.zeros((0, 1, 2), np.float32), ()), np.array([[0, 1]], np.uint8))
    assert [point.scores.iou for point in sweep.points()] == [{"background": 0.5, "cat": 0.0}] * 2


def point(background_score: float, mean_iou: float) -> ThresholdPoint:
    return ThresholdPoint(background_score, Scores({"background": mean_iou}, mean_iou, math.nan, 0.5, 0.5))


def test_best_takes_the_highest_mean_iou_then_the_lowest_background_score_and_never_nan() -> None:
    assert best([point(0.1, 0.4), point(0.2, 0.6), point(0.3, 0.6)]).background_score == 0.2
    assert best([point(0.1, math.nan), point(0.2, 0.0)]).background_score == 0.2
    assert best([point(0.1, math.nan)]).background_score == 0.1


@pytest.mark.parametrize("wrong", [(), (0.2, 0.1), (0.1, 0.1)])
def test_background_scores_ascend(wrong: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="must be ascending and at least one"):
        BackgroundSweep(NAMES, wrong)
