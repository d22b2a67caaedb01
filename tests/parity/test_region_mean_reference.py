"""Region means, erosion and L_a against slow references that share no code with them."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch.nn import functional

from tagseg.losses.self_modulation import SelfModulationSettings, self_modulation_loss
from tagseg.ops.regions import erode, paint_regions, region_mean


def random_case(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return class maps (3, 4, 7, 6), tags (3, 4) and blocky regions (3, 24, 20), one column of it padding."""
    generator = torch.Generator().manual_seed(seed)
    class_maps = torch.randn(3, 4, 7, 6, generator=generator)
    tags = (torch.rand(3, 4, generator=generator) > 0.5).float()
    regions = torch.randint(0, 9, (3, 6, 5), generator=generator).repeat_interleave(4, 1).repeat_interleave(4, 2)
    regions[:, :, 17:] = -1
    return class_maps, tags, regions


def slow_region_mean(values: np.ndarray, regions: np.ndarray, num_regions: int) -> np.ndarray:
    means = np.zeros((*values.shape[:2], num_regions))
    for image in range(values.shape[0]):
        for channel in range(values.shape[1]):
            for region in range(num_regions):
                members = [
                    float(values[image, channel, row, column]) for row, column in np.argwhere(regions[image] == region)
                ]
                means[image, channel, region] = sum(members) / len(members) if members else 0.0
    return means


def one_hot_region_mean(values: torch.Tensor, regions: torch.Tensor, num_regions: int) -> torch.Tensor:
    masks = torch.stack([regions == region for region in range(num_regions)], dim=1).to(values.dtype)
    sums = (values[:, :, None] * masks[:, None]).sum((3, 4))
    return sums / masks.sum((2, 3)).clamp_min(1)[:, None]


def slow_map_loss(scores: np.ndarray, regions: np.ndarray, settings: SelfModulationSettings) -> float:
    """Return the mean squared distance of one upsampled map from its target, pixel by pixel in float64."""
    inside = regions >= 0
    positive = np.where(inside, np.maximum(scores, 0), 0)
    cam = positive / max(positive.max(), 1e-5)
    consistent = np.zeros_like(scores)
    for region in range(regions.max() + 1):
        members = regions == region
        if members.any():
            consistent[members] = max(scores[members].mean(), 0)
    divisor = positive.max() if settings.normalizer == "pixel" else consistent.max()
    consistent /= max(divisor, 1e-5)
    active = (cam > settings.threshold) | ~inside
    square = np.ones((settings.erosion_px, settings.erosion_px))
    reliable = ndimage.binary_erosion(active, square, border_value=1) & inside
    target = np.maximum(consistent, np.where(reliable, cam, 0))
    return float(((cam - target)[inside] ** 2).mean())


@pytest.mark.parametrize("seed", range(3))
def test_region_mean_equals_python_loops(seed):
    class_maps, _, regions = random_case(seed)
    values = functional.interpolate(class_maps, size=(24, 20))
    means = region_mean(values, regions, num_regions=11)
    np.testing.assert_allclose(means.numpy(), slow_region_mean(values.numpy(), regions.numpy(), 11), atol=1e-6)


def test_region_mean_and_its_gradient_equal_the_one_hot_formulation():
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(2, 5, 64, 48, generator=generator, requires_grad=True)
    regions = torch.randint(-1, 16, (2, 8, 6), generator=generator).repeat_interleave(8, 1).repeat_interleave(8, 2)
    weights = torch.randn(2, 5, 16, generator=generator)
    ours, reference = region_mean(values, regions, num_regions=16), one_hot_region_mean(values, regions, 16)
    torch.testing.assert_close(ours, reference, atol=1e-6, rtol=0)
    gradients = [torch.autograd.grad((means * weights).sum(), values)[0] for means in (ours, reference)]
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-7, rtol=0)


@pytest.mark.parametrize("size", range(1, 10))
def test_erosion_equals_scipy_with_an_unlimited_outside(size):
    mask = torch.rand(2, 2, 19, 23, generator=torch.Generator().manual_seed(size)) > 0.05
    expected = [[ndimage.binary_erosion(one, np.ones((size, size)), border_value=1) for one in image] for image in mask]
    assert np.array_equal(erode(mask, size=size).numpy(), np.array(expected))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("normalizer", ["pixel", "region"])
@pytest.mark.parametrize("erosion_px", [1, 4, 5])
def test_self_modulation_equals_the_slow_reference(seed, normalizer, erosion_px):
    class_maps, tags, regions = random_case(seed)
    settings = SelfModulationSettings(erosion_px=erosion_px, normalizer=normalizer, contrast=0.0)
    scores = functional.interpolate(class_maps.double(), size=(24, 20), mode="bilinear").numpy()
    images = []
    for image in range(3):
        tagged = [label for label in range(4) if tags[image, label]]
        losses = [slow_map_loss(scores[image, label], regions[image].numpy(), settings) for label in tagged]
        images.append(np.mean(losses) if losses else 0.0)
    loss = self_modulation_loss(class_maps, tags, regions, settings=settings)
    assert loss.item() == pytest.approx(np.mean(images), abs=1e-6)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device to compare with the CPU")
def test_cpu_and_gpu_agree():
    class_maps, tags, regions = random_case(0)
    settings = SelfModulationSettings(contrast=0.0)
    on_gpu = [tensor.cuda() for tensor in (class_maps, tags, regions)]
    loss = self_modulation_loss(class_maps, tags, regions, settings=settings)
    torch.testing.assert_close(self_modulation_loss(*on_gpu, settings=settings).cpu(), loss, atol=1e-6, rtol=1e-5)
    values = functional.interpolate(class_maps, size=(24, 20))
    painted = paint_regions(region_mean(values, regions, num_regions=9), regions)
    on_gpu = paint_regions(region_mean(values.cuda(), regions.cuda(), num_regions=9), regions.cuda())
    torch.testing.assert_close(on_gpu.cpu(), painted, atol=1e-6, rtol=1e-5)
