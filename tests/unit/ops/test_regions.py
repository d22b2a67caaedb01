"""Known answers of region means, painting and erosion."""

import pytest
import torch

from tagseg.ops.regions import erode, paint_regions, region_mean


def test_mean_of_each_region_and_channel():
    values = torch.tensor([[[[1.0, 3.0], [5.0, 9.0]], [[0.0, 2.0], [4.0, 4.0]]]])
    regions = torch.tensor([[[0, 0], [1, 1]]])
    assert torch.equal(region_mean(values, regions, num_regions=2), torch.tensor([[[2.0, 7.0], [1.0, 4.0]]]))


def test_every_image_has_its_own_regions():
    values = torch.tensor([[[[1.0, 3.0]]], [[[1.0, 3.0]]]])
    regions = torch.tensor([[[0, 1]], [[1, 1]]])
    assert torch.equal(region_mean(values, regions, num_regions=2), torch.tensor([[[1.0, 3.0]], [[0.0, 2.0]]]))


def test_padding_counts_nowhere_and_empty_regions_are_zero():
    values = torch.tensor([[[[1.0, 1000.0, 3.0]]]])
    regions = torch.tensor([[[2, -1, 2]]])
    assert region_mean(values, regions, num_regions=4).flatten().tolist() == [0.0, 0.0, 2.0, 0.0]


def test_padding_alone_gives_zeros():
    assert region_mean(torch.ones(1, 1, 2, 2), torch.full((1, 2, 2), -1), num_regions=1).item() == 0.0


@pytest.mark.parametrize("outside", [-2, 3])
def test_a_region_number_out_of_range_is_refused(outside):
    with pytest.raises(RuntimeError, match="out of bounds"):
        region_mean(torch.ones(1, 1, 1, 2), torch.tensor([[[0, outside]]]), num_regions=3)


def test_gradient_spreads_a_mean_evenly_over_its_region_and_spares_padding():
    values = torch.zeros(1, 1, 1, 5, requires_grad=True)
    regions = torch.tensor([[[0, 0, 0, 1, -1]]])
    means = region_mean(values, regions, num_regions=2)
    (means * torch.tensor([6.0, 5.0])).sum().backward()
    assert values.grad.flatten().tolist() == [2.0, 2.0, 2.0, 5.0, 0.0]


def test_gradients_agree_with_finite_differences():
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(2, 2, 3, 4, dtype=torch.float64, generator=generator, requires_grad=True)
    regions = torch.randint(-1, 3, (2, 3, 4), generator=generator)
    assert torch.autograd.gradcheck(
        lambda v: paint_regions(region_mean(v, regions, num_regions=3), regions).square(), (values,)
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_halves_are_summed_in_single_precision(dtype):
    # 100 * 100 ones: a float16 sum would stop at 2048, a bfloat16 sum at 256.
    means = region_mean(
        torch.ones(1, 1, 100, 100, dtype=dtype), torch.zeros(1, 100, 100, dtype=torch.int64), num_regions=1
    )
    assert means.dtype == dtype
    assert means.item() == 1.0


def test_channels_last_values_give_the_same_means():
    values = torch.rand(2, 3, 4, 5)
    regions = torch.randint(-1, 3, (2, 4, 5))
    expected = region_mean(values, regions, num_regions=3)
    assert torch.equal(region_mean(values.to(memory_format=torch.channels_last), regions, num_regions=3), expected)


def test_painting_gives_pixels_their_regions_value_and_padding_zero():
    means = torch.tensor([[[2.0, 7.0], [1.0, 3.0]]])
    regions = torch.tensor([[[1, 0], [-1, 1]]])
    expected = torch.tensor([[[[7.0, 2.0], [0.0, 7.0]], [[3.0, 1.0], [0.0, 3.0]]]])
    assert torch.equal(paint_regions(means, regions), expected)


def test_erosion_by_an_odd_square_takes_one_pixel_from_each_side():
    mask = torch.zeros(1, 1, 5, 5, dtype=torch.bool)
    mask[..., 1:4, 1:4] = True
    expected = torch.zeros_like(mask)
    expected[..., 2, 2] = True
    assert torch.equal(erode(mask, size=3), expected)


def test_an_even_square_reaches_further_up_and_left():
    mask = torch.zeros(1, 1, 4, 4, dtype=torch.bool)
    mask[..., 1:3, 1:3] = True
    assert erode(mask, size=2).nonzero()[:, 2:].tolist() == [[2, 2]]


def test_the_border_of_the_image_does_not_erode():
    assert erode(torch.ones(1, 1, 3, 3, dtype=torch.bool), size=8).all()


def test_erosion_by_one_pixel_changes_nothing():
    mask = torch.rand(2, 3, 5, 7) > 0.5
    assert torch.equal(erode(mask, size=1), mask)
