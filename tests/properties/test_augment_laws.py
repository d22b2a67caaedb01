"""Regions and masks follow every scale, mirror and crop of their image.

Each pixel's position is coded into the image (red = row, green = column) and into the labels (row * 256 + column);
after the transform the two codes must still agree.
"""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tagseg.data.augment import TrainTransform

SIDES = st.integers(1, 40)
SEEDS = st.integers(0, 2**31)


def coded(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return an image that ramps by 6 grey levels a pixel, and regions that name each pixel."""
    row, column = np.mgrid[:height, :width]
    image = np.stack([6 * row, 6 * column, np.full_like(row, 255)], -1).astype(np.uint8)
    return image, (row * 256 + column).astype(np.int32)


def make(crop_size: int, least: int, extra: int) -> TrainTransform:
    return TrainTransform(
        crop_size=crop_size,
        long_side_range=(least, least + extra),
        mean=(0.0,) * 3,
        std=(1.0,) * 3,
        flip=True,
        color_jitter=0.0,
    )


@given(SIDES, SIDES, st.integers(1, 40), st.integers(1, 60), st.integers(0, 20), SEEDS)
@settings(max_examples=150, deadline=None)
def test_regions_follow_their_image(height: int, width: int, crop_size: int, least: int, extra: int, seed: int) -> None:
    image, regions = coded(height, width)
    transform = make(crop_size, least, extra)
    sample = transform(image, rng=np.random.default_rng(seed), regions=regions)
    placement = transform.draw((height, width), rng=np.random.default_rng(seed))
    inside = sample["regions"] >= 0
    # Blue is 255 in the image and 0 in padding.
    torch.testing.assert_close(inside, sample["image"][2] > 0.5)
    scale = np.divide((height, width), placement.size)
    for channel, code in ((0, sample["regions"] // 256), (1, sample["regions"] % 256)):
        read = sample["image"][channel] * 255 / 6
        # Antialiasing near the border averages over what is left of its window, about one source step at scale 1.
        tolerance = 1.1 * max(1.0, scale[channel])
        assert ((read - code)[inside].abs() <= tolerance).all()


@given(SIDES, SIDES, st.integers(1, 30), st.integers(1, 60), SEEDS)
@settings(max_examples=100, deadline=None)
def test_mask_and_confidence_lie_where_the_regions_lie(
    height: int, width: int, crop_size: int, side: int, seed: int
) -> None:
    image, regions = coded(height, width)
    drawn = {"mask": (regions % 7).astype(np.uint8), "confidence": regions % 3 == 0}
    sample = make(crop_size, side, 5)(image, rng=np.random.default_rng(seed), regions=regions, **drawn)
    expected = torch.where(sample["regions"] >= 0, sample["regions"] % 7, 255)
    torch.testing.assert_close(sample["mask"], expected)
    trusted = (sample["regions"] >= 0) & (sample["regions"] % 3 == 0)
    torch.testing.assert_close(sample["confidence"], trusted)


@given(SIDES, SIDES, st.integers(1, 60), SEEDS)
@settings(max_examples=60, deadline=None)
def test_mirroring_commutes_with_scaling(height: int, width: int, side: int, seed: int) -> None:
    """Labels of the mirrored image are the mirrored labels; the corner-rounding nearest kernel breaks this."""
    image, regions = coded(height, width)
    transform = TrainTransform(
        crop_size=2 * side, long_side_range=(side, side), mean=(0.0,) * 3, std=(1.0,) * 3, flip=False, color_jitter=0.0
    )
    there = transform(image, rng=np.random.default_rng(seed), regions=regions)
    back = transform(image[:, ::-1], rng=np.random.default_rng(seed), regions=regions[:, ::-1])
    left, right = there["regions"], back["regions"]
    rows, columns = torch.nonzero(left >= 0, as_tuple=True)
    window = (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
    ties = scaled_ties(width, columns.max() - columns.min() + 1)
    assert (left[window].flip(-1) == right[window])[:, ~ties].all()


def scaled_ties(source: int, target: int) -> torch.Tensor:
    """Return the columns whose centre falls between two source pixels, where either neighbour is the nearest."""
    position = (torch.arange(int(target), dtype=torch.float64) + 0.5) * source / int(target)
    return (position - position.round()).abs() < 1e-4


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_the_same_generator_gives_the_same_sample(seed: int) -> None:
    image, regions = coded(17, 23)
    first, second = (make(12, 8, 20)(image, rng=np.random.default_rng(seed), regions=regions) for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in ("image", "regions"))
