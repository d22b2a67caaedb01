"""The background score that frozen features ask for: known answers, an independent reference, laws."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagseg.artifacts.cam_file import CamFile
from tagseg.models.backbone import build_backbone
from tagseg.refine.certain_cells import (
    MOST_CELLS,
    ImageCells,
    expected_mean_iou,
    image_cells,
    promised_background,
)

OTSU = 0.4
COUNT = 100


def drawn_images(object_above: float, *, count: int = COUNT, seed: int = 0) -> list[ImageCells]:
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


def test_without_images_or_features_that_tell_there_is_none() -> None:
    images = drawn_images(0.3)
    assert promised_background([], otsu=OTSU) is None
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


def hard_images(edges: dict[int, float], *, strengths: dict[int, float], seed: int = 0) -> list[ImageCells]:
    """Draw classes with an edge and a separability of their own, on correlated channels that each class uses apart."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(6, 6))
    images = []
    for number in range(120):
        label = sorted(edges)[number % len(edges)]
        scores = rng.random(80).astype(np.float32)
        features = rng.normal(size=(80, 6))
        features[:, label] += strengths[label] * (scores > edges[label])
        sure = float((scores > (1 + OTSU) / 2).mean())
        labels = np.full(80, label, np.uint8)
        images.append(ImageCells(scores, labels, (features @ mixing).astype(np.float32), sure))
    return images


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_weak_and_correlated_features_suffice(seed: int) -> None:
    edges = dict.fromkeys((1, 2, 3), 0.3)
    images = hard_images(edges, strengths={1: 1.5, 2: 2.0, 3: 5.0}, seed=seed)
    assert promised_background(images, otsu=OTSU) == pytest.approx(0.3, abs=0.06)


@pytest.mark.parametrize("power", [0.3, 4.0])
def test_what_the_features_say_is_corrected_by_the_sure_cells(power: float) -> None:
    """Features so weak say 0.4 of ground and 0.6 of objects; taken as it is, the score lies 0.05 to 0.1 off."""
    rng, images, truth = np.random.default_rng(3), [], []
    for _ in range(300):
        scores = rng.random(60).astype(np.float32)
        truth.append(rng.random(60) < np.clip((scores - 0.2) / 0.5, 0, 1) ** power)
        features = (rng.normal(size=(60, 2)) + 0.8 * truth[-1][:, None]).astype(np.float32)
        images.append(ImageCells(scores, np.ones(60, np.uint8), features, float((scores > 0.7).mean())))
    cuts = np.arange(51, 178) / 255
    every = np.concatenate([each.scores for each in images])
    best = expected_mean_iou(every, np.ones(len(every), np.uint8), np.concatenate(truth).astype(np.float64), cuts)
    assert promised_background(images, otsu=OTSU) == pytest.approx(cuts[best.argmax()], abs=0.03)


def test_each_class_has_features_of_its_own() -> None:
    """Objects of one class look like the ground of the other, in the same images."""
    rng, labels = np.random.default_rng(5), np.tile(np.array([1, 2], np.uint8), 30)
    images = []
    for each in drawn_images(0.5):
        shown = (each.scores > 0.5) == (labels == 1)
        features = (rng.normal(size=(60, 2)) + 4 * shown[:, None]).astype(np.float32)
        images.append(replace(each, labels=labels, features=features))
    # The ground of both is one pool, so that it looks half like either.
    found = promised_background(images, otsu=OTSU)
    assert found is not None and OTSU / 2 <= found <= 0.55


def test_a_small_class_that_is_easily_told_does_not_decide_alone() -> None:
    """Its ground is sure to be ground, so that its corrected probabilities there add up to less than nothing."""
    edges = {1: 0.25, 2: 0.25, 3: 0.25, 4: 0.25, 5: 0.68}
    images = hard_images(edges, strengths={1: 2.0, 2: 2.0, 3: 2.0, 4: 2.0, 5: 8.0})
    found = promised_background(images, otsu=OTSU)
    assert found is not None and found < 0.45


@pytest.mark.parametrize("seed", range(5))
def test_no_image_says_of_itself_what_it_learned(seed: int) -> None:
    """Noise of many channels would tell the cells apart that it was learned from, and those alone."""
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(COUNT):
        scores = rng.random(8).astype(np.float32)
        features = rng.normal(size=(8, 100)).astype(np.float32)
        images.append(ImageCells(scores, np.ones(8, np.uint8), features, float((scores > (1 + OTSU) / 2).mean())))
    assert promised_background(images, otsu=OTSU) is None


def test_classes_that_few_cells_show_say_nothing() -> None:
    images = drawn_images(0.3)
    rare = [replace(each, labels=np.full(60, 1 + number // 4, np.uint8)) for number, each in enumerate(images)]
    assert promised_background(rare, otsu=OTSU) is None
    mixed = [*images[:60], *rare[60:]]
    assert promised_background(mixed, otsu=OTSU) == pytest.approx(0.3, abs=0.03)
    assert promised_background([*images[:30], *rare[30:]], otsu=OTSU) is None  # most of what is shown is rare


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000), st.integers(1, 30))
def test_an_expected_iou_is_a_share_whatever_the_probabilities(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    scores, labels = rng.random(count).astype(np.float32), rng.integers(1, 4, count).astype(np.uint8)
    found = expected_mean_iou(scores, labels, rng.normal(0.3, 2.0, count), np.linspace(0.05, 0.95, 19))
    assert (found >= 0).all() and (found <= 1).all()


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


def test_cells_of_a_large_image_lie_in_all_columns() -> None:
    """Evenly spaced ones would lie in two: 250 rows of 188 cells are 94 times 500, and every 94th is a half row on."""
    cam = np.linspace(0, 1, 188, dtype=np.float32)[None, None].repeat(250, axis=1)
    backbone = build_backbone("test_resnet", weights=None)
    cells = image_cells(backbone, np.zeros((4000, 3000, 3), np.uint8), CamFile(cam, (1,)), otsu=OTSU)
    assert len(cells.scores) == MOST_CELLS
    assert len(np.unique(cells.scores)) > 150
    assert cells.scores.mean() == pytest.approx(0.5, abs=0.05)
