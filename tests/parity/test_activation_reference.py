"""Over- and under-activation against the definition, pixel by pixel in plain Python with exact fractions."""

import math
from fractions import Fraction

import numpy as np
import pytest

from tagseg.artifacts.cam_file import CamFile
from tagseg.evaluation.activation_share import ActivationCount

NAMES = ("background", "a", "b", "c")
CUTS = tuple(i / 20 for i in range(1, 15))


def reference(images: list[tuple[CamFile, np.ndarray]], label: int, cut: float) -> tuple[Fraction, Fraction, int, int]:
    """Return activation on the object, activation anywhere, covered pixels of the object, its pixels."""
    on_object, anywhere, covered, pixels = Fraction(0), Fraction(0), 0, 0
    for maps, truth in images:
        for place in np.ndindex(truth.shape):
            true = int(truth[place])
            value = Fraction(0)
            if label in maps.label_ids:
                value = Fraction(float(maps.cam[maps.label_ids.index(label)][place]))
            if true == 255:
                continue
            anywhere += value
            if true == label:
                on_object += value
                pixels += 1
                covered += value > Fraction(float(np.float32(cut)))
    return on_object, anywhere, covered, pixels


def ratio(part: Fraction | int, whole: Fraction | int) -> float:
    return float(Fraction(part) / Fraction(whole)) if whole else math.nan


@pytest.mark.parametrize("seed", range(8))
def test_shares_equal_the_definition(seed: int) -> None:
    random = np.random.default_rng(seed)
    images = []
    for _ in range(4):
        label_ids = tuple(sorted(random.choice([1, 2, 3], random.integers(0, 3), replace=False).tolist()))
        size = tuple(random.integers(1, 8, 2))
        steps = random.integers(0, 256, (len(label_ids), *size)).astype(np.float32)
        truth = random.choice([0, 1, 2, 255], size).astype(np.uint8)
        images.append((CamFile(steps / np.float32(255), label_ids), truth))
    count = ActivationCount(NAMES, CUTS)
    for maps, truth in images:
        count.update(maps, truth)
    for cut in CUTS:
        found, sums = count.point(cut), [Fraction(0), Fraction(0), 0, 0]
        for label, name in enumerate(NAMES[1:], start=1):
            parts = reference(images, label, cut)
            sums = [total + part for total, part in zip(sums, parts, strict=True)]
            shares = found.classes[name]
            assert (shares.inside, shares.covered) == pytest.approx(
                (ratio(*parts[:2]), ratio(*parts[2:])), rel=1e-12, nan_ok=True
            )
        expected = (ratio(*sums[:2]), ratio(*sums[2:]))
        assert (found.overall.inside, found.overall.covered) == pytest.approx(expected, rel=1e-12, nan_ok=True)
