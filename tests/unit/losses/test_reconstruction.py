"""Known answers of the perceptual loss."""

import pytest
import torch

from tagseg.losses.reconstruction import feature_contrast, perceptual_loss

PAPER_WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)


def pyramid(num_images: int = 2, *, seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.rand(num_images, 4 * 2**level, 16 // 2**level, 16 // 2**level, generator=generator) for level in range(4)
    ]


def spatial_means(features: list[torch.Tensor]) -> list[torch.Tensor]:
    return [level.mean(dim=(2, 3), keepdim=True).expand_as(level) for level in features]


def test_the_papers_form_is_the_weighted_sum_of_mean_absolute_differences():
    target = [torch.zeros(1, 2, 4, 4) for _ in PAPER_WEIGHTS]
    predicted = [torch.full((1, 2, 4, 4), 2.0) for _ in PAPER_WEIGHTS]
    loss = perceptual_loss(predicted, target, weights=PAPER_WEIGHTS, normalize=False)
    assert loss.item() == 2 * sum(PAPER_WEIGHTS)


@pytest.mark.parametrize("normalize", [True, False])
def test_a_perfect_copy_costs_nothing(normalize):
    target = pyramid()
    assert perceptual_loss(target, target, weights=[1.0] * 4, normalize=normalize).item() == 0.0


@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0])
def test_normalised_a_constant_guess_costs_one_whatever_the_network_and_weights(scale):
    target = [scale * level for level in pyramid()]
    loss = perceptual_loss(spatial_means(target), target, weights=[1.0, 5.0, 0.0, 2.0], normalize=True)
    assert loss.item() == pytest.approx(1.0, abs=1e-5)


def test_normalised_each_image_counts_by_its_own_contrast():
    image = torch.tensor([[[[0.0, 2.0]]]])
    target = [torch.cat([image, 10 * image])]
    predicted = [target[0] + torch.tensor([0.5, 0.5]).view(2, 1, 1, 1)]
    # Errors 0.5 and 0.5 over contrasts 1 and 10.
    assert perceptual_loss(predicted, target, weights=[1.0], normalize=True).item() == pytest.approx((0.5 + 0.05) / 2)


def test_a_flat_image_is_divided_by_a_share_of_its_magnitude():
    assert feature_contrast(torch.full((1, 2, 3, 3), -5.0)).item() == pytest.approx(0.5)
    assert feature_contrast(torch.zeros(1, 2, 3, 3)).item() == pytest.approx(1e-5)


def test_gradient_reaches_the_rebuilt_image_only():
    target = [level.requires_grad_() for level in pyramid()]
    predicted = [level.requires_grad_() for level in pyramid(seed=1)]
    perceptual_loss(predicted, target, weights=[1.0] * 4, normalize=True).backward()
    assert all(level.grad is None for level in target)
    assert all(level.grad.abs().sum() > 0 for level in predicted)


def test_normalised_a_batch_split_in_halves_has_the_same_mean():
    predicted, target = pyramid(4), pyramid(4, seed=1)
    halves = [
        perceptual_loss([p[rows] for p in predicted], [t[rows] for t in target], weights=[1.0] * 4, normalize=True)
        for rows in (slice(0, 2), slice(2, 4))
    ]
    whole = perceptual_loss(predicted, target, weights=[1.0] * 4, normalize=True)
    torch.testing.assert_close(whole, torch.stack(halves).mean())


def test_half_features_are_compared_in_single_precision():
    target = [torch.zeros(1, 1, 1, 1, dtype=torch.bfloat16)]
    loss = perceptual_loss([target[0] + 1], target, weights=[0.3], normalize=False)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(0.3)


def test_a_missing_level_is_refused():
    with pytest.raises(ValueError, match="shorter"):
        perceptual_loss(pyramid()[:3], pyramid(), weights=[1.0] * 4, normalize=True)
