"""Known answers of resizing maps, labels and images."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tagseg.ops.resize import reconstruction_target, resize_images, resize_labels, resize_maps


def test_maps_are_blended_between_pixel_centres():
    maps = torch.tensor([[[[0.0, 4.0]]]])
    assert torch.equal(resize_maps(maps, (1, 4)), torch.tensor([[[[0.0, 1.0, 3.0, 4.0]]]]))


def test_maps_of_the_right_size_are_returned_as_they_are():
    maps = torch.rand(1, 2, 3, 4)
    assert resize_maps(maps, (3, 4)) is maps


def test_photographs_that_shrink_are_averaged_and_those_of_the_right_size_are_returned_as_they_are():
    stripes = torch.tensor([0.0, 1.0]).repeat(8).expand(1, 3, 16, 16)
    halves = resize_images(stripes, (4, 4))[..., 1:-1]
    torch.testing.assert_close(halves, torch.full((1, 3, 4, 2), 0.5), rtol=0, atol=0.01)
    torch.testing.assert_close(resize_images(torch.full((1, 3, 5, 7), 0.25), (9, 3)), torch.full((1, 3, 9, 3), 0.25))
    assert resize_images(stripes, (16, 16)) is stripes


def test_sizes_are_height_then_width():
    assert resize_maps(torch.zeros(1, 1, 2, 2), (3, 5)).shape == (1, 1, 3, 5)
    assert resize_labels(torch.zeros(1, 2, 2, dtype=torch.int64), (3, 5)).shape == (1, 3, 5)


def test_labels_are_picked_under_the_new_centres():
    labels = torch.arange(5)[None, None]
    # Centres of three new pixels in the old frame: 0.83, 2.5, 4.17.
    assert resize_labels(labels, (1, 3)).flatten().tolist() == [0, 2, 4]
    # Halving: the new centre lies on the edge between two old pixels, and the second one owns its left edge.
    assert resize_labels(labels[..., :4], (1, 2)).flatten().tolist() == [1, 3]


def test_labels_match_torch_nearest_exact():
    labels = torch.randint(-1, 64, (2, 17, 23), generator=torch.Generator().manual_seed(0))
    for size in [(34, 46), (5, 7), (17, 23), (40, 9), (1, 1)]:
        expected = torch.nn.functional.interpolate(labels[:, None].double(), size=size, mode="nearest-exact")
        assert torch.equal(resize_labels(labels, size), expected[:, 0].long())


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.int64])
def test_labels_keep_their_type(dtype):
    assert resize_labels(torch.ones(1, 2, 2, dtype=dtype), (3, 3)).dtype == dtype


def test_labels_and_maps_stay_aligned():
    # A step edge at a third of the width: the blended map crosses one half where the label changes.
    labels = (torch.arange(12) >= 4).long()[None, None]
    blended = resize_maps(labels[None].float(), (1, 36))[0]
    assert torch.equal(resize_labels(labels, (1, 36)), (blended > 0.5).long())


def slow_target(image, stride):
    channels, height, width = image.shape
    rows, columns = -(-height // stride), -(-width // stride)
    out = torch.zeros(channels, rows, columns)
    for row in range(rows):
        for column in range(columns):
            block = image[:, row * stride : (row + 1) * stride, column * stride : (column + 1) * stride]
            out[:, row, column] = block.mean((1, 2))
    return out


@settings(max_examples=25, deadline=None)
@given(height=st.integers(1, 13), width=st.integers(1, 13), stride=st.integers(1, 5))
def test_target_is_the_mean_of_each_square(height, width, stride):
    images = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(height * 100 + width))
    target = reconstruction_target(images, target_stride=stride)
    torch.testing.assert_close(target, torch.stack([slow_target(image, stride) for image in images]))
