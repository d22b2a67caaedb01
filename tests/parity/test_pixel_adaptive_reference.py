"""Pixel-adaptive refinement against a reference in float64 that goes pixel by pixel and shares no code with it."""

import math
import statistics

import numpy as np
import pytest
import torch

from tagseg.refine.pixel_adaptive import PixelAdaptiveSettings, neighbour_weights, pixel_adaptive


def slow_neighbours(height: int, width: int, row: int, column: int, dilations: tuple[int, ...]) -> list[tuple]:
    """Return row, column and distance of each neighbour; outside the image stands the nearest pixel of its border."""
    found = []
    for dilation in dilations:
        for dy in (-dilation, 0, dilation):
            for dx in (-dilation, 0, dilation):
                if dy or dx:
                    y, x = min(max(row + dy, 0), height - 1), min(max(column + dx, 0), width - 1)
                    found.append((y, x, math.sqrt(dy * dy + dx * dx)))
    return found


def slow_softmax(values: list[float]) -> list[float]:
    powers = [math.exp(value - max(values)) for value in values]
    return [power / sum(powers) for power in powers]


def slow_weights(image: np.ndarray, row: int, column: int, settings: PixelAdaptiveSettings) -> list[float]:
    neighbours = slow_neighbours(*image.shape[:2], row, column, settings.dilations)
    colour = [0.0] * len(neighbours)
    for channel in range(3):
        values = [float(image[y, x, channel]) for y, x, _ in neighbours]
        deviation = statistics.stdev(values)
        if deviation > 0:
            own = float(image[row, column, channel])
            for place, value in enumerate(values):
                colour[place] -= (abs(value - own) / (deviation * settings.colour_scale)) ** 2 / 3
    distances = [distance for _, _, distance in neighbours]
    spread = statistics.stdev(distances) * settings.colour_scale
    nearness = slow_softmax([-((distance / spread) ** 2) for distance in distances])
    share = settings.position_weight
    return [(c + share * n) / (1 + share) for c, n in zip(slow_softmax(colour), nearness, strict=True)]


def slow_pixel_adaptive(image: np.ndarray, scores: np.ndarray, settings: PixelAdaptiveSettings) -> np.ndarray:
    labels, height, width = scores.shape
    scores = scores.astype(np.float64)
    for _ in range(settings.iterations):
        refined = np.zeros_like(scores)
        for row in range(height):
            for column in range(width):
                weights = slow_weights(image, row, column, settings)
                neighbours = slow_neighbours(height, width, row, column, settings.dilations)
                for weight, (y, x, _) in zip(weights, neighbours, strict=True):
                    for label in range(labels):
                        refined[label, row, column] += weight * scores[label, y, x]
        scores = refined
    return scores


def random_case(seed: int, height: int, width: int) -> tuple[np.ndarray, torch.Tensor]:
    """Return an image of noise whose left half is flat but for one pixel, and three score maps."""
    generator = np.random.default_rng(seed)
    image = generator.integers(0, 256, (height, width, 3), np.uint8)
    image[:, : width // 2] = (200, 10, 90)
    image[height // 2, 0] = (201, 10, 255)
    return image, torch.from_numpy(generator.random((3, height, width), np.float32))


@pytest.mark.parametrize(
    ("size", "settings"),
    [
        ((9, 12), PixelAdaptiveSettings(dilations=(1, 2), iterations=3)),
        ((7, 5), PixelAdaptiveSettings(iterations=2)),
        ((6, 8), PixelAdaptiveSettings(dilations=(3, 1), iterations=1, colour_scale=2.0, position_weight=0.5)),
        ((1, 6), PixelAdaptiveSettings(dilations=(1, 4), iterations=2, position_weight=0.0)),
        ((1, 1), PixelAdaptiveSettings(iterations=2)),
    ],
)
def test_refinement_equals_the_slow_reference(size: tuple[int, int], settings: PixelAdaptiveSettings):
    image, scores = random_case(0, *size)
    refined = pixel_adaptive(image, scores, settings=settings)
    np.testing.assert_allclose(refined.numpy(), slow_pixel_adaptive(image, scores.numpy(), settings), atol=2e-6)


def test_weights_equal_the_slow_reference_where_neighbours_are_alike_and_where_they_are_not():
    image, _ = random_case(1, 8, 10)
    settings = PixelAdaptiveSettings()
    weights = neighbour_weights(torch.from_numpy(image).permute(2, 0, 1).float(), settings=settings)
    for row, column in [(0, 0), (4, 0), (4, 1), (3, 6), (7, 9)]:
        expected = slow_weights(image, row, column, settings)
        np.testing.assert_allclose(weights[:, row, column].numpy(), expected, atol=1e-6)


def test_tiles_leave_no_seam():
    image, scores = random_case(2, 40, 61)
    settings = PixelAdaptiveSettings(dilations=(1, 2), iterations=3)
    whole = pixel_adaptive(image, scores, settings=settings)
    in_tiles = pixel_adaptive(image, scores, settings=settings, tile_side_px=9)
    torch.testing.assert_close(in_tiles, whole, atol=1e-6, rtol=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device to compare with the CPU")
def test_cpu_and_gpu_agree():
    image, scores = random_case(3, 50, 60)
    settings = PixelAdaptiveSettings()
    refined = pixel_adaptive(image, scores.cuda(), settings=settings)
    torch.testing.assert_close(refined.cpu(), pixel_adaptive(image, scores, settings=settings), atol=1e-5, rtol=0)
