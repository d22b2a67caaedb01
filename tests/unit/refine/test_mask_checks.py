"""What pseudo masks say of themselves: known answers at the limits, and every warning word for word."""

import numpy as np
import pytest

from tagseg.classes import ClassTable
from tagseg.refine.mask_checks import (
    FEW_IMAGES,
    FLAT_LEVEL,
    FLAT_SHARE,
    FLOOD_SHARE,
    NAMED,
    Coverage,
    mask_warnings,
    measure_coverage,
)

CLASSES = ClassTable(("cat", "dog"))
ENOUGH = {1: FEW_IMAGES, 2: FEW_IMAGES}


def pictures(label: int, *shares: float, level: float = 0.2) -> list[Coverage]:
    return [Coverage(f"{label}/{index}", (label,), share, (share,), (level,)) for index, share in enumerate(shares)]


@pytest.mark.parametrize(
    ("labels", "share"),
    [([[0, 0, 0, 0]], 0.0), ([[1, 2, 0, 0]], 0.5), ([[1, 255, 255, 255]], 1.0), ([[255, 255, 255, 255]], 0.0)],
)
def test_void_pixels_do_not_count(labels: list[list[int]], share: float) -> None:
    assert measure_coverage("a", (1, 2), np.array(labels, np.uint8), np.zeros((2, 1, 4), np.float32)).share == share


def test_good_masks_warn_of_nothing() -> None:
    coverages = [*pictures(1, 0.2, FLOOD_SHARE), *pictures(2, 0.0, 0.5)]
    assert mask_warnings(coverages, CLASSES, training_images=ENOUGH) == []


def test_floods_are_named_and_counted() -> None:
    coverages = [*pictures(1, *[0.99] * (NAMED + 2), *[0.1] * 9), *pictures(2, 0.5)]
    assert mask_warnings(coverages, CLASSES, training_images=ENOUGH) == [
        "7 of 17 pseudo masks label more than 80% of their picture as objects (1/0, 1/1, 1/2, 1/3, 1/4 and 2 more, "
        "all in manifest.json); look at them in the report, and raise masks.background_score if they are wrong"
    ]


def test_a_flood_at_a_score_that_a_rule_found_names_the_two_keys_that_replace_it() -> None:
    (warning,) = mask_warnings(
        [*pictures(1, 0.99, 0.1, 0.1), *pictures(2, 0.5)], CLASSES, training_images=ENOUGH, found_score=0.314
    )
    assert warning == (
        "1 of 4 pseudo masks label more than 80% of their picture as objects (1/0); look at them in the report, and "
        "set masks.background_rule=fixed and a masks.background_score above 0.31 if they are wrong"
    )


def test_a_class_is_flat_when_its_median_mask_labels_most_of_the_picture() -> None:
    assert mask_warnings(pictures(2, 0.1, FLAT_SHARE, 0.8), CLASSES, training_images=ENOUGH) == []
    assert mask_warnings(pictures(2, 0.1, 0.75, 0.8), CLASSES, training_images=ENOUGH) == [
        "the maps of 'dog' are flat: on half of its 3 pictures its masks label 75% or more, so it cannot be told "
        "apart from its scene; add photographs of the same scenes without it"
    ]


def test_a_class_is_flat_when_its_median_map_stands_high_everywhere() -> None:
    assert mask_warnings(pictures(2, 0.1, 0.3, level=FLAT_LEVEL), CLASSES, training_images=ENOUGH) == []
    assert mask_warnings(pictures(2, 0.1, 0.3, level=0.45), CLASSES, training_images=ENOUGH) == [
        "the maps of 'dog' are flat: on half of its 2 pictures their mean is 45% of their peak or more, so it cannot "
        "be told apart from its scene; add photographs of the same scenes without it"
    ]
    two = [Coverage("a", (1, 2), 0.3, (0.2, 0.1), (0.9, 0.1)), Coverage("b", (2,), 0.3, (0.3,), (0.1,))]
    (warning,) = mask_warnings(two, CLASSES, training_images=ENOUGH)
    assert warning.startswith("the maps of 'cat' are flat: on half of its 1 pictures their mean is 90%")


def test_a_small_class_beside_a_large_one_is_not_flat() -> None:
    labels = np.zeros((10, 100), np.uint8)
    labels[:, :70], labels[:2, 80:90], labels[9] = 1, 2, 255
    maps = (labels == np.array([1, 2])[:, None, None]).astype(np.float32)
    both = [measure_coverage(f"bus/{number}", (1, 2), labels, 0.1 * maps) for number in range(3)]
    assert both[0].share == pytest.approx((9 * 70 + 20) / 900)
    assert both[0].shares == pytest.approx((9 * 70 / 900, 20 / 900))
    (warning,) = mask_warnings(both, CLASSES, training_images=ENOUGH)
    assert warning.startswith("the maps of 'cat' are flat: on half of its 3 pictures its masks label 70%")


def test_a_class_of_few_images_is_named() -> None:
    assert mask_warnings([], CLASSES, training_images={1: FEW_IMAGES, 2: 3}) == [
        "'dog' has 3 training images, too few to learn what it looks like; add photographs of it, at least 10"
    ]
