"""Colour changes of a crop: known answers, and a blur beside a reference of another making."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from tagseg.data import color
from tagseg.data.color import blur, jitter, strong_view


def photo(height: int = 20, width: int = 30, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 256, (3, height, width), generator=torch.Generator().manual_seed(seed)).to(torch.uint8)


def views(image: torch.Tensor, count: int = 300) -> list[torch.Tensor]:
    return [strong_view(image, rng=np.random.default_rng(seed)) for seed in range(count)]


def test_factors_of_one_change_nothing():
    assert torch.equal(jitter(photo(), np.ones(3)), photo())


def test_factors_stand_for_brightness_contrast_and_saturation():
    image = torch.tensor([100, 50, 200], dtype=torch.uint8).view(3, 1, 1)
    assert jitter(image, np.array([0.5, 1.0, 1.0])).flatten().tolist() == [50, 25, 100]
    grey = int(0.2989 * 100 + 0.587 * 50 + 0.114 * 200)
    assert jitter(image, np.array([1.0, 0.0, 1.0])).flatten().tolist() == [grey] * 3
    assert jitter(image, np.array([1.0, 1.0, 0.0])).flatten().tolist() == [grey] * 3


@pytest.mark.parametrize("sigma_px", [0.1, 0.7, 2.0])
@pytest.mark.parametrize("size", [(1, 1), (2, 30), (25, 20)])
def test_blur_equals_scipy(sigma_px, size):
    image = photo(*size)
    reach = int(np.ceil(3 * sigma_px))
    expected = [
        ndimage.gaussian_filter(channel, sigma_px, mode="nearest", radius=reach) for channel in image.double().numpy()
    ]
    # Halves may round either way.
    np.testing.assert_allclose(blur(image, sigma_px=sigma_px).numpy(), np.stack(expected), atol=0.5 + 1e-3)


def test_a_plain_image_has_nothing_to_blur():
    image = torch.full((3, 7, 5), 255, dtype=torch.uint8)
    assert torch.equal(blur(image, sigma_px=1.7), image)


def test_one_view_in_five_is_grey():
    grey = [bool((view == view[:1]).all()) for view in views(photo())]
    assert 0.13 < np.mean(grey) < 0.27


def test_every_other_view_is_blurred_with_a_uniform_sigma(monkeypatch):
    sigmas = []

    def watched(image: torch.Tensor, *, sigma_px: float) -> torch.Tensor:
        sigmas.append(sigma_px)
        return torch.zeros_like(image)

    monkeypatch.setattr(color, "blur", watched)
    black = [not view.any() for view in views(photo())]
    assert len(sigmas) == sum(black)
    assert 0.42 < np.mean(black) < 0.58
    assert 0.1 <= min(sigmas) < 0.2
    assert 1.9 < max(sigmas) <= 2
    assert 0.95 < np.mean(sigmas) < 1.15


def test_brightness_varies_by_half_in_both_directions():
    plain = torch.full((3, 4, 4), 100, dtype=torch.uint8)
    levels = [view.float().mean().item() for view in views(plain)]
    # A plain grey image has neither contrast nor saturation, and a blur leaves it alone.
    assert 49 <= min(levels) < 55
    assert 145 < max(levels) <= 150
    assert 95 < np.mean(levels) < 105


def test_a_view_leaves_the_image_alone_and_draws_six_numbers():
    image = photo()
    for seed in range(20):
        rng, reference = np.random.default_rng(seed), np.random.default_rng(seed)
        view = strong_view(image, rng=rng)
        assert view.shape == image.shape
        assert view.dtype == torch.uint8
        reference.random(6)
        assert rng.random() == reference.random()
    assert torch.equal(image, photo())
