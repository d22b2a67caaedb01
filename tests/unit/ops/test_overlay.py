import numpy as np
import pytest

from tagseg.classes import VOC_CLASSES, ClassTable, voc_color
from tagseg.ops.overlay import overlay_labels

PALETTE = np.array(ClassTable(VOC_CLASSES).palette(), np.uint8).reshape(256, 3)


def photo(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("opacity", [0.0, 0.3, 0.5, 1.0])
def test_each_pixel_is_blended_with_the_colour_of_its_label(opacity: float) -> None:
    image = photo(9, 11)
    labels = np.random.default_rng(1).choice([0, 1, 15, 20, 255], size=(9, 11)).astype(np.uint8)
    laid = overlay_labels(image, labels, PALETTE, opacity=opacity)
    for pixel in np.ndindex(9, 11):
        label = int(labels[pixel])
        share = {0: 0.0, 255: 1.0}.get(label, opacity)
        blended = (1 - share) * image[pixel] + share * np.array(voc_color(label))
        np.testing.assert_allclose(laid[pixel], blended, atol=0.5 + 1e-4)
    assert laid.dtype == np.uint8


def test_the_photograph_is_not_painted_over() -> None:
    image = photo(4, 4)
    before = image.copy()
    laid = overlay_labels(image, np.ones((4, 4), np.uint8), PALETTE)
    np.testing.assert_array_equal(image, before)
    assert not np.shares_memory(laid, image)


def test_views_of_larger_arrays_are_laid_as_their_copies() -> None:
    image, labels = photo(8, 6), np.random.default_rng(2).integers(0, 21, (8, 6), dtype=np.uint8)
    turned = overlay_labels(image[::-1, ::2], labels[::-1, ::2], PALETTE)
    np.testing.assert_array_equal(turned, overlay_labels(image, labels, PALETTE)[::-1, ::2])


def test_a_read_only_photograph_is_taken() -> None:
    image = photo(2, 2)
    image.flags.writeable = False
    assert overlay_labels(image, np.full((2, 2), 255, np.uint8), PALETTE).tolist() == [[[224, 224, 192]] * 2] * 2
