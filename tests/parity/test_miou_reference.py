"""The scores against the definition of the PASCAL VOC development kit, written out in pure Python."""

import csv
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tagseg.artifacts.cam_file import CamFile
from tagseg.evaluation.confusion import ConfusionMatrix
from tagseg.evaluation.scores import compute_scores
from tagseg.evaluation.threshold import BackgroundSweep

ANIMALS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "voc2012_animals"
NAMES = ("background", "a", "b", "c", "d")


def reference(predictions: list[list[int]], truths: list[list[int]], num_labels: int) -> dict[str, object]:
    """Count pixel by pixel with sets of positions, label by label: no matrix, no numpy."""
    pixels = [
        (image, position, predicted, true)
        for image, (prediction, truth) in enumerate(zip(predictions, truths, strict=True))
        for position, (predicted, true) in enumerate(zip(prediction, truth, strict=True))
        if true != 255
    ]
    iou = []
    for label in range(num_labels):
        is_predicted = {(image, position) for image, position, predicted, _ in pixels if predicted == label}
        is_true = {(image, position) for image, position, _, true in pixels if true == label}
        union = is_predicted | is_true
        iou.append(len(is_predicted & is_true) / len(union) if union else math.nan)
    present = [value for value in iou if not math.isnan(value)]
    hits = sum(predicted == true != 0 for _, _, predicted, true in pixels)
    claimed = sum(predicted != 0 for _, _, predicted, _ in pixels)
    shown = sum(true != 0 for _, _, _, true in pixels)
    return {
        "iou": iou,
        "mean_iou": sum(present) / len(present) if present else math.nan,
        "precision": hits / claimed if claimed else math.nan,
        "recall": hits / shown if shown else math.nan,
        "pixel_accuracy": sum(p == t for _, _, p, t in pixels) / len(pixels) if pixels else math.nan,
    }


@pytest.mark.parametrize("seed", range(12))
def test_scores_equal_the_definition(seed: int) -> None:
    random = np.random.default_rng(seed)
    labels = random.choice(5, size=random.integers(1, 6), replace=False)  # some labels are absent
    images = []
    for _ in range(3):
        size = tuple(random.integers(1, 12, size=2))
        truth = random.choice(np.append(labels, 255), size=size).astype(np.uint8)
        images.append((random.choice(labels, size=size).astype(np.uint8), truth))
    matrix = ConfusionMatrix(5)
    for prediction, truth in images:
        matrix.update(prediction, truth)
    scores = compute_scores(matrix, NAMES)
    expected = reference([p.ravel().tolist() for p, _ in images], [t.ravel().tolist() for _, t in images], 5)
    assert list(scores.iou.values()) == pytest.approx(expected["iou"], abs=1e-15, nan_ok=True)
    for name in ("mean_iou", "precision", "recall", "pixel_accuracy"):
        assert getattr(scores, name) == pytest.approx(expected[name], abs=1e-12, nan_ok=True), name


@pytest.mark.parametrize("seed", range(4))
def test_the_sweep_equals_cutting_every_image_at_every_score(seed: int) -> None:
    random = np.random.default_rng(seed)
    cuts = (0.05, 0.2, 0.3, 0.45, 0.6, 1.0)
    cases = []
    for _ in range(4):
        label_ids = tuple(sorted(random.choice(np.arange(1, 5), size=random.integers(0, 4), replace=False).tolist()))
        size = tuple(random.integers(1, 7, size=2))
        levels = random.integers(0, 256, size=(len(label_ids), *size))
        cases.append((levels.astype(np.float32) / np.float32(255), label_ids, random.integers(0, 5, size=size)))
    sweep = BackgroundSweep(NAMES, cuts)
    for cam, label_ids, truth in cases:
        sweep.update(CamFile(cam, label_ids), truth.astype(np.uint8))
    for cut, point in zip(cuts, sweep.points(), strict=True):
        predictions = []
        for cam, label_ids, truth in cases:
            seeds = []
            for row, column in np.ndindex(truth.shape):
                label, top = 0, np.float32(cut)
                for position, label_id in enumerate(label_ids):
                    if cam[position, row, column] > top:
                        label, top = label_id, cam[position, row, column]
                seeds.append(label)
            predictions.append(seeds)
        expected = reference(predictions, [truth.ravel().tolist() for _, _, truth in cases], 5)
        assert list(point.scores.iou.values()) == pytest.approx(expected["iou"], abs=1e-15, nan_ok=True)
        assert point.scores.mean_iou == pytest.approx(expected["mean_iou"], abs=1e-12, nan_ok=True)


@pytest.mark.skipif(not ANIMALS.is_dir(), reason=f"{ANIMALS} is not there")
def test_real_masks_of_voc() -> None:
    """Score the mask of each image against that of the next one of the same size, and against itself."""
    with (ANIMALS / "image_tags.csv").open() as file:
        known = {row["image"] for row in csv.DictReader(file)}
    names = [line for line in (ANIMALS / "ImageSets/Segmentation/train.txt").read_text().split() if line in known]
    masks = [np.array(Image.open(ANIMALS / "SegmentationClass" / f"{name}.png"))[::9, ::9] for name in names[:12]]
    pairs = [(a, b) for a, b in pairwise(masks) if a.shape == b.shape]
    assert len(pairs) >= 2
    matrix, itself = ConfusionMatrix(21), ConfusionMatrix(21)
    predictions, truths = [], []
    for first, second in pairs:
        prediction = np.where(first == 255, 0, first)
        matrix.update(prediction, second)
        itself.update(np.where(second == 255, 0, second), second)
        predictions.append(prediction.ravel().tolist())
        truths.append(second.ravel().tolist())
    labels = tuple(str(label) for label in range(21))
    expected = reference(predictions, truths, 21)
    scores = compute_scores(matrix, labels)
    assert list(scores.iou.values()) == pytest.approx(expected["iou"], abs=1e-15, nan_ok=True)
    assert scores.mean_iou == pytest.approx(expected["mean_iou"], abs=1e-12)
    assert compute_scores(itself, labels).mean_iou == 1
