"""Known answers of pixel-adaptive refinement."""

import numpy as np
import pytest
import torch

from tagseg.refine.pixel_adaptive import PixelAdaptiveSettings, neighbour_weights, pixel_adaptive


def two_halves(height: int, width: int) -> np.ndarray:
    """Return an image that is black on the left and white on the right."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:, width // 2 :] = 255
    return image


def as_pixels(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image).permute(2, 0, 1).float()


def test_neighbours_are_eight_of_each_dilation_row_by_row():
    offsets = PixelAdaptiveSettings(dilations=(2, 1)).offsets
    assert offsets[:8] == ((-2, -2), (-2, 0), (-2, 2), (0, -2), (0, 2), (2, -2), (2, 0), (2, 2))
    assert offsets[8:] == ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
    assert len(PixelAdaptiveSettings().offsets) == 48


def test_a_flat_image_listens_to_all_neighbours_alike_but_for_nearness():
    settings = PixelAdaptiveSettings(dilations=(1, 2), position_weight=0.0)
    weights = neighbour_weights(torch.full((3, 4, 5), 77.0), settings=settings)
    torch.testing.assert_close(weights, torch.full((16, 4, 5), 1 / 16))
    settings = PixelAdaptiveSettings(dilations=(1, 2), colour_scale=1.0, position_weight=1.0)
    near = neighbour_weights(torch.full((3, 4, 5), 77.0), settings=settings)
    assert near[1, 0, 0] > near[0, 0, 0] > near[8 + 1, 0, 0] > near[8, 0, 0], "1, sqrt 2, 2 and 2 sqrt 2 px away"


def test_a_pixel_at_an_edge_listens_to_its_own_side():
    weights = neighbour_weights(as_pixels(two_halves(5, 6)), settings=PixelAdaptiveSettings(dilations=(1,)))
    # Three of the eight neighbours lie over the edge. Their deviation is 255 * sqrt(15 / 56), so that their likeness
    # is exp(-56 / 15 / 0.3^2), about 1e-18.
    left, right = weights[:, 2, 2], weights[:, 2, 3]
    assert left[[2, 4, 7]].sum() < 0.01 / 1.01
    assert right[[0, 3, 5]].sum() < 0.01 / 1.01
    assert left[[0, 1, 3, 5, 6]].min() > 0.999 / 5 / 1.01


def test_an_outlier_whose_neighbours_are_all_unlike_it_listens_to_the_most_alike():
    image = np.full((3, 3, 3), 100, np.uint8)
    image[1, 1] = 255
    image[0, 0] = 101
    weights = neighbour_weights(as_pixels(image), settings=PixelAdaptiveSettings(dilations=(1,), position_weight=0.0))
    assert weights[:, 1, 1].argmax() == 0
    assert torch.isfinite(weights).all()


def test_a_channel_in_which_the_neighbours_are_alike_leaves_the_word_to_the_others():
    image = np.zeros((3, 3, 3), np.uint8)
    image[1, 1, 0] = 255  # nobody is like this pixel in red,
    image[:, 2, 1] = 255  # and green tells its left from its right
    weights = neighbour_weights(as_pixels(image), settings=PixelAdaptiveSettings(dilations=(1,), position_weight=0.0))
    torch.testing.assert_close(weights[:, 1, 1], torch.tensor([0.2, 0.2, 0.0, 0.2, 0.0, 0.2, 0.2, 0.0]))


@pytest.mark.parametrize("level", [1, 2, 50, 127, 128, 200, 254, 255])
def test_no_rounding_hides_a_neighbour_that_differs_by_one_grey_level(level: int):
    image = np.full((49, 49, 3), level, np.uint8)
    image[24, 24] = 0 if level > 127 else 255
    settings = PixelAdaptiveSettings(position_weight=0.0)
    alike = neighbour_weights(as_pixels(image), settings=settings)[:, 24, 24]
    torch.testing.assert_close(alike, torch.full((48,), 1 / 48))
    image[24, 25] = level - 1 if level > 127 else level + 1  # the fifth neighbour, nearer than the others
    assert neighbour_weights(as_pixels(image), settings=settings)[4, 24, 24] == 1


def test_scores_fill_a_hole_of_their_colour_and_stop_at_the_edge():
    scores = torch.zeros(2, 24, 32)
    scores[0, :, :16] = 1
    scores[1, :, 16:] = 1
    scores[:, 10:12, 22:24] = scores[:, 10:12, 22:24].flip(0)  # a hole in the right half
    scores[:, 3:5, 4:6] = scores[:, 3:5, 4:6].flip(0)  # a speck in the left half
    refined = pixel_adaptive(two_halves(24, 32), scores, settings=PixelAdaptiveSettings())
    labels = refined.argmax(dim=0)
    assert not labels[:, :16].any()
    assert labels[:, 16:].all()


def test_no_iteration_changes_nothing():
    scores = torch.rand(3, 4, 5)
    refined = pixel_adaptive(two_halves(4, 5), scores, settings=PixelAdaptiveSettings(iterations=0))
    assert torch.equal(refined, scores)


def test_the_scores_passed_in_are_not_written_to():
    scores = torch.rand(2, 6, 7)
    before = scores.clone()
    pixel_adaptive(two_halves(6, 7), scores, settings=PixelAdaptiveSettings(iterations=2))
    assert torch.equal(scores, before)


@pytest.mark.parametrize("size", [(1, 1), (1, 30), (30, 1)])
def test_a_line_and_a_single_pixel_work(size: tuple[int, int]):
    scores = torch.rand(2, *size)
    refined = pixel_adaptive(np.zeros((*size, 3), np.uint8), scores, settings=PixelAdaptiveSettings())
    assert refined.shape == scores.shape
    assert torch.isfinite(refined).all()
