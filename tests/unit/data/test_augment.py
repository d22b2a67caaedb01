"""The joint transform: known placements, padding values, normalisation, and odd inputs."""

import numpy as np
import pytest
import torch
from torchvision.tv_tensors import Mask as LabelTensor

from tagseg.data.augment import (
    NO_REGION,
    Placement,
    TrainTransform,
    normalize_image,
    pad,
    place,
    scaled_size,
)
from tagseg.ops.resize import resize_labels

MEAN, STD = (0.5, 0.25, 0.0), (0.5, 0.25, 1.0)


def transform(**changes: object) -> TrainTransform:
    values = {"crop_size": 6, "long_side_range": (6, 6), "mean": MEAN, "std": STD, "flip": False, "color_jitter": 0.0}
    return TrainTransform(**(values | changes))  # pyright: ignore[reportArgumentType]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def labels_of(placement: Placement, labels: np.ndarray) -> list[list[int]]:
    moved = place(LabelTensor(torch.from_numpy(labels)[None]), placement)
    return pad(moved.as_subclass(torch.Tensor), placement, fill=-1)[0].tolist()


def test_a_crop_inside_the_image_is_a_slice() -> None:
    labels = np.arange(20).reshape(4, 5)
    placement = Placement(size=(4, 5), flipped=False, top=1, left=2, crop_size=2)
    assert labels_of(placement, labels) == [[7, 8], [12, 13]]


def test_a_mirrored_crop_is_a_slice_of_the_mirrored_image() -> None:
    labels = np.arange(20).reshape(4, 5)
    placement = Placement(size=(4, 5), flipped=True, top=0, left=0, crop_size=2)
    assert labels_of(placement, labels) == [[4, 3], [9, 8]]


def test_a_crop_larger_than_the_image_is_padded_on_all_sides() -> None:
    placement = Placement(size=(1, 2), flipped=False, top=-1, left=-1, crop_size=4)
    assert labels_of(placement, np.array([[5, 6]])) == [[-1] * 4, [-1, 5, 6, -1], [-1] * 4, [-1] * 4]


def test_labels_are_scaled_by_the_nearest_pixel_centre() -> None:
    placement = Placement(size=(1, 2), flipped=False, top=0, left=0, crop_size=2)
    assert labels_of(placement, np.arange(6)[None]) == [[1, 4], [-1, -1]]


def test_one_size_without_mirror_returns_the_normalised_image() -> None:
    image = rng().integers(0, 256, (6, 6, 3), dtype=np.uint8)
    sample = transform()(image, rng=rng())
    expected = (image.transpose(2, 0, 1) / 255 - np.reshape(MEAN, (3, 1, 1))) / np.reshape(STD, (3, 1, 1))
    np.testing.assert_allclose(sample["image"], expected, atol=1e-6)
    torch.testing.assert_close(normalize_image(image, mean=MEAN, std=STD), sample["image"])


def test_padding_is_zero_no_region_and_void() -> None:
    image = np.full((2, 6, 3), 255, np.uint8)
    zeros = np.zeros((2, 6), np.uint8)
    sample = transform()(image, rng=rng(), regions=zeros.astype(np.int32), mask=zeros)
    outside = sample["regions"] == NO_REGION
    assert int(outside.sum()) == 4 * 6
    assert (sample["mask"][outside] == 255).all()
    assert (sample["mask"][~outside] == 0).all()
    assert (sample["image"][:, outside] == 0).all()
    assert (sample["image"][:, ~outside] != 0).all()
    assert sample["image"].dtype == torch.float32
    assert sample["regions"].dtype == sample["mask"].dtype == torch.int64


def test_the_whole_image_is_kept_when_the_crop_is_larger() -> None:
    regions = np.arange(12, dtype=np.int32).reshape(2, 6)
    for seed in range(8):
        moved = transform()(np.zeros((2, 6, 3), np.uint8), rng=rng(seed), regions=regions)["regions"]
        assert sorted(moved[moved >= 0].tolist()) == list(range(12))


def test_every_place_and_both_directions_are_drawn() -> None:
    drawn = [transform(crop_size=4, flip=True).draw((6, 6), rng=rng(seed)) for seed in range(200)]
    assert {placement.top for placement in drawn} == {placement.left for placement in drawn} == {0, 1, 2}
    assert 60 < sum(placement.flipped for placement in drawn) < 140
    padded = [transform(crop_size=8).draw((6, 6), rng=rng(seed)) for seed in range(100)]
    assert {placement.top for placement in padded} == {0, -1, -2}
    assert not any(placement.flipped for placement in padded)


def test_long_sides_are_drawn_from_the_whole_range() -> None:
    sizes = {transform(long_side_range=(4, 6)).draw((3, 6), rng=rng(seed)).size for seed in range(60)}
    assert sizes == {(2, 4), (2, 5), (3, 6)}


@pytest.mark.parametrize(
    ("size", "long_side", "expected"),
    [((375, 500), 640, (480, 640)), ((500, 375), 320, (320, 240)), ((1, 1), 7, (7, 7)), ((1, 5000), 320, (1, 320))],
)
def test_scaled_size(size: tuple[int, int], long_side: int, expected: tuple[int, int]) -> None:
    assert scaled_size(size, long_side=long_side) == expected


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (3, 2)])
def test_tiny_images_work(size: tuple[int, int]) -> None:
    sample = transform(flip=True, long_side_range=(3, 9))(np.zeros((*size, 3), np.uint8), rng=rng())
    assert sample["image"].shape == (3, 6, 6)


def test_read_only_and_mirrored_arrays_are_taken_and_inputs_stay_as_they_are() -> None:
    image = rng().integers(0, 256, (6, 6, 3), dtype=np.uint8)
    frozen, before = image[:, ::-1], image.copy()
    frozen.setflags(write=False)
    transform(color_jitter=0.5, flip=True)(frozen, rng=rng())
    transform()(image, rng=rng(), mask=image[..., 0])
    np.testing.assert_array_equal(image, before)


def test_color_jitter_changes_the_image_but_not_its_place() -> None:
    image = rng().integers(60, 200, (9, 9, 3), dtype=np.uint8)
    regions = np.arange(81, dtype=np.int32).reshape(9, 9)
    plain = transform(long_side_range=(6, 12))(image, rng=rng(3), regions=regions)
    jittered = transform(long_side_range=(6, 12), color_jitter=0.4)(image, rng=rng(3), regions=regions)
    assert not torch.equal(plain["image"], jittered["image"])
    torch.testing.assert_close(plain["regions"], jittered["regions"])


def test_subsampling_takes_every_second_pixel() -> None:
    labels = torch.arange(36).reshape(6, 6)
    torch.testing.assert_close(resize_labels(labels[None], (3, 3))[0], labels[1::2, 1::2])


def test_confidence_is_cut_like_the_mask_and_padding_is_not_trusted() -> None:
    image = np.full((2, 6, 3), 255, np.uint8)
    trusted = np.array([[True, False, True, True, False, True], [False] * 6])
    sample = transform()(image, rng=rng(), mask=trusted.astype(np.uint8), confidence=trusted)
    assert sample["confidence"].dtype == torch.bool
    assert torch.equal(sample["confidence"], sample["mask"] == 1)
    assert int(sample["confidence"].sum()) == 4


def test_the_strong_view_shows_the_same_crop_in_other_colors() -> None:
    image = rng().integers(60, 120, (4, 6, 3), dtype=np.uint8)
    image[:, :3] //= 4
    for seed in range(20):
        sample = transform(strong=True, crop_size=8, long_side_range=(6, 12), flip=True)(image, rng=rng(seed))
        weak, strong = sample["image"], sample["strong"]
        assert strong.dtype == torch.float32
        assert strong.shape == weak.shape
        outside = (weak == 0).all(dim=0)
        assert (strong[:, outside] == 0).all()
        assert not torch.equal(strong, weak)
        # Blue is not centred: its darker half stays where it is.
        blues = torch.stack([weak[2][~outside], strong[2][~outside]])
        if blues[0].std() > 0.05:  # the crop holds both halves
            assert torch.corrcoef(blues)[0, 1] > 0.5


def test_switching_the_strong_view_on_changes_nothing_else() -> None:
    image = rng().integers(0, 256, (5, 9, 3), dtype=np.uint8)
    drawn = {
        "regions": np.arange(45).reshape(5, 9),
        "mask": np.zeros((5, 9), np.uint8),
        "confidence": image[..., 0] > 99,
    }
    for seed in range(10):
        ways = [
            transform(flip=True, long_side_range=(5, 15), color_jitter=0.4, strong=strong) for strong in (False, True)
        ]
        plain, both = (way(image, rng=rng(seed), **drawn) for way in ways)
        assert set(both) - set(plain) == {"strong"}
        assert all(torch.equal(plain[name], both[name]) for name in plain)


def test_the_strong_view_starts_from_the_image_not_from_its_jitter() -> None:
    image = np.full((6, 6, 3), 100, np.uint8)
    levels = [
        transform(strong=True, color_jitter=0.9, mean=(0.0,) * 3, std=(1.0,) * 3)(image, rng=rng(seed))["strong"].mean()
        for seed in range(100)
    ]
    assert 49 / 256 < min(levels) < max(levels) < 151 / 255
