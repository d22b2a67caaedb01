"""Figures of the curves: known answers for perfect and for wrong looks, and nothing where nothing can be said."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tagseg.artifacts.cam_file import CamFile
from tagseg.classes import ClassTable
from tagseg.evaluation.validation import validate_labels, validate_tags_and_seeds
from tagseg.types import ImageRecord, LabelMap

CLASSES = ClassTable(("cat", "dog"))
TRUTH = {"a": np.array([[0, 1]], np.uint8), "b": np.array([[2, 0]], np.uint8)}


@dataclass(frozen=True)
class Truth:
    labels: LabelMap

    def read(self) -> LabelMap:
        return self.labels


def records(*, masks: str = "ab") -> list[ImageRecord]:
    tags = {"a": (1,), "b": (2,)}
    return [ImageRecord(name, Path(name), tags[name], Truth(TRUTH[name]) if name in masks else None) for name in "ab"]


def look_well(record: ImageRecord) -> tuple[np.ndarray, CamFile]:
    logits = np.array([1.0, -1.0], np.float32) if record.tags == (1,) else np.array([-1.0, 1.0], np.float32)
    return logits, CamFile((TRUTH[record.image_id] > 0).astype(np.float32)[None], record.tags)


def look_wrongly(record: ImageRecord) -> tuple[np.ndarray, CamFile]:
    logits, maps = look_well(record)
    return -logits, CamFile(1 - maps.cam, maps.label_ids)


def test_a_perfect_classifier() -> None:
    found = validate_tags_and_seeds(records(), CLASSES, look=look_well, background_scores=(0.3, 0.6))
    assert found == {"val_tag_map": 1.0, "val_seed_miou": 1.0}


def test_a_wrong_classifier() -> None:
    found = validate_tags_and_seeds(records(), CLASSES, look=look_wrongly, background_scores=(0.3, 0.6))
    assert found == {"val_tag_map": 0.5, "val_seed_miou": 0.0}


def test_images_without_ground_truth_count_for_their_tags() -> None:
    found = validate_tags_and_seeds(records(masks="b"), CLASSES, look=look_well, background_scores=(0.3,))
    assert found == {"val_tag_map": 1.0, "val_seed_miou": 1.0}
    found = validate_tags_and_seeds(records(masks=""), CLASSES, look=look_well, background_scores=(0.3,))
    assert found == {"val_tag_map": 1.0}


def test_no_image_no_figure() -> None:
    assert validate_tags_and_seeds([], CLASSES, look=look_well, background_scores=(0.3,)) == {}
    assert validate_labels([], CLASSES, label=lambda record: TRUTH["a"]) == {}
    assert validate_labels(records(masks=""), CLASSES, label=lambda record: TRUTH["a"]) == {}


def test_labels_of_a_segmenter() -> None:
    assert validate_labels(records(), CLASSES, label=lambda record: TRUTH[record.image_id]) == {"val_miou": 1.0}
    flat = validate_labels(records(), CLASSES, label=lambda record: np.zeros((1, 2), np.uint8))
    assert flat["val_miou"] == pytest.approx((2 / 4 + 0 + 0) / 3)
