"""The paired bootstrap against a slow one: labels are put side by side and scored pixel by pixel, image by image."""

import math

import numpy as np
import pytest

from tagseg.evaluation.bootstrap import LEAST_IMAGES, paired_interval
from tagseg.evaluation.confusion import ConfusionMatrix
from tagseg.evaluation.image_sums import ImageSums

LABELS = 3


def mean_iou(predictions: list[list[int]], truths: list[list[int]]) -> float:
    """Return VOC's mIoU by counting one label after the other, without a matrix."""
    pairs = [pair for guess, truth in zip(predictions, truths, strict=True) for pair in zip(guess, truth, strict=True)]
    found = []
    for label in range(LABELS):
        both = sum(guess == truth == label for guess, truth in pairs)
        either = sum(truth != 255 and label in (guess, truth) for guess, truth in pairs)
        if either:
            found.append(both / either)
    return math.fsum(found) / len(found)


def some_images(seed: int) -> tuple[list[list[int]], list[list[int]], list[list[int]]]:
    """Return truths and two results; the third label is rare, so that it is absent from some resamples."""
    random = np.random.default_rng(seed)
    truths, first, other = [], [], []
    for number in range(LEAST_IMAGES + 1):
        shown = [0, 1, 2, 255] if number < 2 else [0, 1, 255]
        truth = random.choice(shown, size=9)
        truths.append(truth.tolist())
        first.append(np.where(random.random(9) < 0.5, truth % 255, random.choice([0, 1], size=9)).tolist())
        other.append(np.where(random.random(9) < 0.8, truth % 255, random.choice([0, 1], size=9)).tolist())
    return truths, first, other


def sums_of(predictions: list[list[int]], truths: list[list[int]]) -> np.ndarray:
    sums = ImageSums()
    for guess, truth in zip(predictions, truths, strict=True):
        matrix = ConfusionMatrix(LABELS)
        matrix.update(np.array(guess), np.array(truth))
        sums.add("image", matrix.counts)
    return sums.array()


def between(values: list[float], share: float) -> float:
    """Return a percentile, on the line between the two values around it."""
    values = sorted(values)
    place = share * (len(values) - 1)
    low = math.floor(place)
    return values[low] + (place - low) * (values[min(low + 1, len(values) - 1)] - values[low])


@pytest.mark.parametrize("seed", range(3))
def test_the_interval_is_that_of_images_drawn_one_by_one(seed: int) -> None:
    truths, first, other = some_images(seed)
    number, resamples = len(truths), 60
    found = paired_interval(sums_of(first, truths), sums_of(other, truths), resamples=resamples, seed=seed)
    draws = np.random.default_rng(seed).multinomial(number, np.full(number, 1 / number), size=resamples)
    differences = []
    for counts in draws.tolist():
        chosen = [at for at, count in enumerate(counts) for _ in range(count)]
        assert len(chosen) == number
        truth = [truths[at] for at in chosen]
        differences.append(
            mean_iou([other[at] for at in chosen], truth) - mean_iou([first[at] for at in chosen], truth)
        )
    assert found is not None
    assert found.difference == pytest.approx(mean_iou(other, truths) - mean_iou(first, truths))
    assert found.low == pytest.approx(between(differences, 0.025))
    assert found.high == pytest.approx(between(differences, 0.975))
    assert found.low < found.difference < found.high
