"""Known answers of activation self-modulation."""

from math import exp

import pytest
import torch

from tagseg.losses.self_modulation import (
    SelfModulationSettings,
    contrast_step,
    modulation_target,
    region_consistent_map,
    reliable_activation,
    self_modulation_loss,
    warmup_target,
)

NO_EROSION = SelfModulationSettings(erosion_px=1, contrast=0.0)
PAPER = SelfModulationSettings(normalizer="region", contrast=0.0)


def as_map(*values: float) -> torch.Tensor:
    return torch.tensor(values).view(1, 1, 1, -1)


def as_regions(*numbers: int) -> torch.Tensor:
    return torch.tensor(numbers).view(1, 1, -1)


def test_region_means_are_of_the_signed_score():
    maps, regions = as_map(4.0, -2.0, 1.0, -3.0), as_regions(0, 0, 1, 1)
    consistent = region_consistent_map(maps, regions, num_regions=2, normalizer="region")
    # Means 1 and -1: the second region is off, although it holds a positive pixel.
    assert torch.equal(consistent, as_map(1.0, 1.0, 0.0, 0.0))


def test_pixel_normalizer_divides_by_the_peak_of_the_map():
    maps, regions = as_map(4.0, 0.0, 1.0, 1.0), as_regions(0, 0, 1, 1)
    consistent = region_consistent_map(maps, regions, num_regions=2, normalizer="pixel")
    assert torch.equal(consistent, as_map(0.5, 0.5, 0.25, 0.25))


def test_pixel_normalizer_ignores_peaks_on_padding():
    maps, regions = as_map(4.0, 0.0, 100.0), as_regions(0, 0, -1)
    consistent = region_consistent_map(maps, regions, num_regions=1, normalizer="pixel")
    assert torch.equal(consistent, as_map(0.5, 0.5, 0.0))


def test_reliable_activation_is_strictly_above_the_threshold():
    reliable = reliable_activation(as_map(0.25, 0.5, 0.75), threshold=0.5, erosion_px=1)
    assert reliable.flatten().tolist() == [False, False, True]


def test_reliable_activation_is_eroded_by_eight_pixels_unless_told_otherwise():
    cam = torch.zeros(1, 1, 20, 20)
    cam[..., 4:14, 4:14] = 1.0
    reliable = reliable_activation(cam)
    # A 10 px square loses 4 rows above and 3 below, and columns alike.
    assert reliable.sum() == 9
    assert reliable[..., 8:11, 8:11].all()


def test_padding_erodes_no_more_than_the_outside_of_the_image():
    inside = as_regions(0, 0, 0, -1, -1) >= 0
    reliable = reliable_activation(as_map(1.0, 1.0, 1.0, 0.0, 0.0), erosion_px=3, inside=inside)
    assert reliable.flatten().tolist() == [True, True, True, False, False]


def test_target_is_the_region_mean_raised_to_reliable_pixels():
    maps, regions = as_map(8.0, 0.0, 2.0, 0.0), as_regions(0, 0, 1, 1)
    target = modulation_target(maps, regions, num_regions=2, settings=NO_EROSION)
    # Abar = 1/2 1/2 1/8 1/8; A = 1 0 1/4 0, of which the first alone exceeds 0.3.
    assert torch.equal(target, as_map(1.0, 0.5, 0.125, 0.125))


def test_contrast_sends_the_positive_region_means_through_a_logistic_step():
    maps, regions = as_map(8.0, 0.0, 2.0, 0.0), as_regions(0, 0, 1, 1)
    settings = SelfModulationSettings(erosion_px=1, contrast=10.0, midpoint=0.3)
    target = modulation_target(maps, regions, num_regions=2, settings=settings)
    high, low = 1 / (1 + exp(-10 * (0.5 - 0.3))), 1 / (1 + exp(-10 * (0.125 - 0.3)))
    # The first pixel is reliable and keeps its own activation of 1.
    torch.testing.assert_close(target, as_map(1.0, high, low, low))


def test_a_region_at_the_midpoint_is_half_way_whatever_the_contrast():
    maps, regions = as_map(8.0, 0.0), as_regions(0, 0)
    for contrast in (1.0, 10.0, 100.0):
        settings = SelfModulationSettings(erosion_px=2, contrast=contrast, midpoint=0.5)
        target = modulation_target(maps, regions, num_regions=1, settings=settings)
        assert target.flatten().tolist() == pytest.approx([1.0, 0.5])


def test_contrast_leaves_what_is_off_at_zero():
    # Means -1 (a positive pixel included) and no region: the step would give 1 / (1 + exp(3)) = 0.05.
    maps, regions = as_map(8.0, 0.0, 1.0, -3.0, 5.0), as_regions(0, 0, 1, 1, -1)
    settings = SelfModulationSettings(erosion_px=1, contrast=10.0, midpoint=0.3)
    target = modulation_target(maps, regions, num_regions=2, settings=settings)
    assert target.flatten()[2:].tolist() == [0.0, 0.0, 0.0]


def test_without_contrast_the_midpoint_is_of_no_account():
    maps, regions = as_map(8.0, 0.0, 2.0, 0.0), as_regions(0, 0, 1, 1)
    for midpoint in (0.0, 0.3, 1.0):
        settings = SelfModulationSettings(erosion_px=1, contrast=0.0, midpoint=midpoint)
        target = modulation_target(maps, regions, num_regions=2, settings=settings)
        assert torch.equal(target, as_map(1.0, 0.5, 0.125, 0.125))


def test_contrast_step_known_answers():
    maps = torch.tensor([-1.0, 0.0, 0.1, 0.3, 1.0])
    step = contrast_step(maps, settings=SelfModulationSettings(contrast=10.0, midpoint=0.3))
    torch.testing.assert_close(step, torch.tensor([-1.0, 0.0, 1 / (1 + exp(2)), 0.5, 1 / (1 + exp(-7))]))
    assert torch.equal(contrast_step(maps, settings=SelfModulationSettings(midpoint=0.9, contrast=0.0)), maps)


def test_the_warm_up_gives_each_region_to_its_strongest_class():
    scores = torch.tensor([[[0.75, 0.25, 0.5], [0.5, 0.5, 0.0]]])
    target = warmup_target(scores, as_regions(0, 1, 2, -1), settings=SelfModulationSettings(contrast=0.0))
    assert target[0, :, 0].tolist() == [[0.75, 0.0, 0.5, 0.0], [0.0, 0.5, 0.0, 0.0]]


def test_the_warm_ups_target_goes_through_the_step():
    settings = SelfModulationSettings(contrast=10.0, midpoint=0.25)
    target = warmup_target(torch.tensor([[[0.75, 0.25, 0.0]]]), as_regions(0, 1, 2), settings=settings)
    torch.testing.assert_close(target, as_map(1 / (1 + exp(-5)), 0.5, 0.0))


def test_loss_against_the_warm_ups_target_known_answer():
    maps, regions = as_map(8.0, 0.0, 2.0, 5.0), as_regions(0, 0, 1, -1)
    scores = torch.tensor([[[0.5, 0.75]]])
    loss = self_modulation_loss(maps, torch.ones(1, 1), regions, settings=NO_EROSION, region_scores=scores)
    # A = 1, 0, 1/4 against T = 1/2, 1/2, 3/4; the last pixel is padding.
    assert loss.item() == pytest.approx((0.5**2 + 0.5**2 + 0.5**2) / 3)


def test_under_the_warm_ups_target_a_map_without_its_object_sinks_as_a_whole():
    maps, regions = as_map(8.0, 4.0).requires_grad_(), as_regions(0, 0)
    scores = torch.zeros(1, 1, 1)
    self_modulation_loss(maps, torch.ones(1, 1), regions, settings=NO_EROSION, region_scores=scores).backward()
    # The peak is a constant: d/dx of (x / 8)^2 / 2 pixels, at 8 and 4.
    torch.testing.assert_close(maps.grad, as_map(1 / 8, 1 / 16))


def test_loss_known_answer():
    maps, regions = as_map(8.0, 0.0, 2.0, 0.0), as_regions(0, 0, 1, 1)
    loss = self_modulation_loss(maps, torch.ones(1, 1), regions, settings=NO_EROSION)
    assert loss.item() == pytest.approx((0 + 0.5**2 + 0.125**2 + 0.125**2) / 4)


def test_padding_is_no_pixel_of_the_mean():
    maps, regions = as_map(8.0, 0.0, 99.0, 99.0), as_regions(0, 0, -1, -1)
    loss = self_modulation_loss(maps, torch.ones(1, 1), regions, settings=NO_EROSION)
    assert loss.item() == pytest.approx(0.5**2 / 2)


def test_gradient_is_that_of_the_squared_distance_to_a_constant():
    # Loss (A0 - T0)^2 / 2 with A = (1, 0) + target (1, 1/2): d/dA1 = -1/2, dA1/dx1 = 1/8; relu is open at x1 > 0.
    maps = as_map(8.0, 1.0).requires_grad_()
    self_modulation_loss(maps, torch.ones(1, 1), as_regions(0, 0), settings=NO_EROSION).backward()
    distance = 1 / 8 - 4.5 / 8
    expected = as_map(distance * (-1 / 64), distance * (1 / 8))
    torch.testing.assert_close(maps.grad, expected)


def test_classes_count_within_their_image_then_images_count_alike():
    half_wrong, perfect = [8.0, 0.0], [1.0, 1.0]
    maps = torch.tensor([[half_wrong, perfect], [half_wrong, half_wrong]])[:, :, None]
    tags = torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    regions = torch.zeros(2, 1, 2, dtype=torch.int64)
    loss = self_modulation_loss(maps, tags, regions, settings=NO_EROSION)
    # 0.125 a wrong map: image 0 has (0.125 + 0) / 2, image 1 has 0.125.
    assert loss.item() == pytest.approx((0.0625 + 0.125) / 2)


@pytest.mark.parametrize("settings", [SelfModulationSettings(contrast=0.0), PAPER])
def test_no_tag_or_no_region_costs_nothing_and_gives_a_zero_gradient(settings):
    maps = torch.rand(2, 3, 4, 4, requires_grad=True)
    regions = torch.zeros(2, 8, 8, dtype=torch.int64)
    untagged = self_modulation_loss(maps, torch.zeros(2, 3), regions, settings=settings)
    unpainted = self_modulation_loss(maps, torch.ones(2, 3), torch.full((2, 8, 8), -1), settings=settings)
    assert untagged.item() == unpainted.item() == 0.0
    (gradient,) = torch.autograd.grad(untagged + unpainted, maps)
    assert torch.equal(gradient, torch.zeros_like(maps))


def test_inputs_are_not_written_to_at_equal_size():
    # The release's loss overwrote its own input on a CPU.
    maps, tags = torch.randn(2, 2, 8, 8), torch.ones(2, 2)
    regions = torch.randint(-1, 5, (2, 8, 8))
    before = maps.clone(), tags.clone(), regions.clone()
    first = self_modulation_loss(maps, tags, regions, settings=PAPER)
    assert torch.equal(first, self_modulation_loss(maps, tags, regions, settings=PAPER))
    assert all(torch.equal(now, old) for now, old in zip((maps, tags, regions), before, strict=True))


def test_half_maps_are_compared_in_single_precision():
    maps = torch.rand(1, 1, 4, 4, dtype=torch.bfloat16)
    loss = self_modulation_loss(
        maps, torch.ones(1, 1), torch.zeros(1, 8, 8, dtype=torch.int64), settings=SelfModulationSettings(contrast=0.0)
    )
    assert loss.dtype == torch.float32


def test_gradient_steps_flood_the_region_with_the_papers_normalizer_only():
    # One region holds a third of the object: its mean is below the map's peak, and the paper's target raises it to 1.
    maps, regions = as_map(4.0, 1.0, 1.0), as_regions(0, 0, 0)
    paper = modulation_target(maps, regions, num_regions=1, settings=PAPER)
    ours = modulation_target(maps, regions, num_regions=1, settings=NO_EROSION)
    assert torch.equal(paper, as_map(1.0, 1.0, 1.0))
    assert torch.equal(ours, as_map(1.0, 0.5, 0.5))
