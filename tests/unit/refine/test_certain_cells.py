"""The background score that frozen features ask for: known answers, an independent reference, laws."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagseg.artifacts.cam_file import CamFile
from tagseg.models.backbone import build_backbone
from tagseg.refine.certain_cells import (
    LEAST_IMAGES,
    MOST_CELLS,
    ImageCells,
    expected_mean_iou,
    image_cells,
    promised_background,
)

OTSU = 0.4


def drawn_images(object_above: float, *, count: int = LEAST_IMAGES, seed: int = 0) -> list[ImageCells]:
    """Draw cells whose features say that everything above a score is object."""
    rng = np.random.default_rng(seed)
    images = []
    for number in range(count):
        scores = rng.random(60).astype(np.float32)
        shown = (scores > object_above).astype(np.float32)
        features = rng.normal(size=(60, 4)).astype(np.float32)
        features[:, 0] += 6 * shown
        sure = float((scores > (1 + OTSU) / 2).mean())
        images.append(ImageCells(scores, np.full(60, 1 + number % 2, np.uint8), features, sure))
    return images


def slow_mean_iou(scores: np.ndarray, labels: np.ndarray, shown: np.ndarray, cut: float) -> float:
    """Score masks cut at a score against what is shown, by sets of cells."""
    truth = [int(label) if is_shown else 0 for label, is_shown in zip(labels, shown, strict=True)]
    made = [int(label) if score > np.float32(cut) else 0 for label, score in zip(labels, scores, strict=True)]
    ious = []
    for label in sorted({0, *map(int, labels)}):
        of_truth, of_mask = ({i for i, each in enumerate(side) if each == label} for side in (truth, made))
        ious.append(len(of_truth & of_mask) / max(len(of_truth | of_mask), 1e-9))
    return float(np.mean(ious))


@pytest.mark.parametrize("object_above", [0.25, 0.4, 0.6])
def test_the_score_lies_where_the_features_change(object_above: float) -> None:
    found = promised_background(drawn_images(object_above), otsu=OTSU)
    assert found == pytest.approx(object_above, abs=0.03)


def test_it_stays_between_what_is_certain() -> None:
    for object_above in (0.05, 0.95):
        found = promised_background(drawn_images(object_above), otsu=OTSU)
        assert found is None or OTSU / 2 <= found <= (1 + OTSU) / 2


def test_without_enough_images_or_features_there_is_none() -> None:
    images = drawn_images(0.3)
    assert promised_background(images[:-1], otsu=OTSU) is None
    blind = [replace(each, features=np.zeros_like(each.features)) for each in images]
    assert promised_background(blind, otsu=OTSU) is None
    rng = np.random.default_rng(1)
    noise = [replace(each, features=rng.normal(size=(60, 4)).astype(np.float32)) for each in images]
    assert promised_background(noise, otsu=OTSU) is None
    untagged = [replace(each, labels=np.zeros_like(each.labels)) for each in images]
    assert promised_background(untagged, otsu=OTSU) is None
    flat = [replace(each, scores=np.full_like(each.scores, 0.5)) for each in images]
    assert promised_background(flat, otsu=OTSU) is None


def test_objects_smaller_than_the_cells_leave_no_score() -> None:
    images = [replace(each, sure=each.sure / 0.8) for each in drawn_images(0.3)]
    assert promised_background(images, otsu=OTSU) == promised_background(drawn_images(0.3), otsu=OTSU)
    assert promised_background([replace(each, sure=each.sure / 0.7) for each in images], otsu=OTSU) is None


def test_no_image_says_of_itself_what_it_learned() -> None:
    """One image with another ground teaches the others alone: its own cells are asked of the other half."""
    images = drawn_images(0.3)
    odd = replace(images[0], features=-images[0].features)
    same = promised_background([odd, *images[1:]], otsu=OTSU)
    assert same == pytest.approx(promised_background(images, otsu=OTSU), abs=0.02)


def test_a_class_that_few_cells_show_is_left_out() -> None:
    images = drawn_images(0.3)
    rare = [replace(images[0], labels=np.full(60, 3, np.uint8)), *images[1:]]
    assert promised_background(rare, otsu=OTSU) == pytest.approx(0.3, abs=0.03)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000), st.integers(1, 30))
def test_certain_probabilities_give_the_mean_iou_of_the_masks(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    scores = (rng.integers(0, 11, count) / 10).astype(np.float32)
    labels = rng.integers(1, 4, count).astype(np.uint8)
    shown = rng.random(count) < 0.5
    cuts = np.array([0.15, 0.3, 0.55, 0.95])
    found = expected_mean_iou(scores, labels, shown.astype(np.float64), cuts)
    expected = [slow_mean_iou(scores, labels, shown, cut) for cut in cuts]
    # A class that neither truth nor mask shows has no IoU; both count it as 0.
    np.testing.assert_allclose(found, expected, atol=1e-9)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000))
def test_features_in_other_units_give_the_same_score(seed: int) -> None:
    images = drawn_images(0.35, seed=seed)
    scaled = [replace(each, features=each.features * np.float32(4.0) + np.float32(2.0)) for each in images]
    one, other = (promised_background(each, otsu=OTSU) for each in (images, scaled))
    assert one is not None and other is not None and abs(one - other) <= 1 / 255 + 1e-9


def test_cells_of_an_image_have_the_maps_mean_and_the_label_of_their_centre() -> None:
    cam = np.zeros((2, 64, 96), np.float32)
    cam[0, :, :48], cam[1, :, 48:] = 0.8, 0.4
    backbone = build_backbone("test_resnet", weights=None)
    cells = image_cells(backbone, np.zeros((64, 96, 3), np.uint8), CamFile(cam, (2, 5)), otsu=OTSU)
    assert cells.sure == 0.5
    assert cells.scores.reshape(4, 6)[0].tolist() == pytest.approx([0.8, 0.8, 0.8, 0.4, 0.4, 0.4], abs=1e-4)
    assert cells.labels.reshape(4, 6)[1].tolist() == [2, 2, 2, 5, 5, 5]
    assert len(cells.features) == 24
    large = image_cells(backbone, np.zeros((640, 480, 3), np.uint8), CamFile(cam[:, :1, :1], (2, 5)), otsu=OTSU)
    assert len(large.scores) == len(large.labels) == len(large.features) == MOST_CELLS
