"""The summed gradient is that of the weighted sum of the terms; the figures are the terms' own."""

import pytest
import torch
from tagseg.losses.classification import classification_loss
from tagseg.losses.self_modulation import SelfModulationSettings, self_modulation_loss
from tagseg.models.classifier import tag_logits
from tagseg.models.perceptual import timm_pyramid
from tagseg.models.reconstructor import Reconstructor
from tagseg.training.objective import (
    Objective,
    ReconstructionTerm,
    SelfModulationTerm,
    evaluate_objective,
    reconstruction_loss,
)

BETA_P, BETA_A = 0.3, 2.0
SETTINGS = SelfModulationSettings(erosion_px=2)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    return {
        "image": torch.randn(2, 3, 32, 32, generator=generator),
        "tags": torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]),
        "regions": torch.randint(0, 4, (2, 16, 16), generator=generator),
    }


@pytest.fixture
def class_maps():
    return torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def term():
    torch.manual_seed(0)
    decoder = Reconstructor(3, width=8, target_stride=2, output_stride=8)
    pyramid = timm_pyramid("test_resnet", None, (0, 1))
    return ReconstructionTerm(decoder, pyramid, (0.5, 1.0), target_stride=2, normalize=True, beta=BETA_P)


def test_gradient_is_that_of_the_weighted_sum(batch, class_maps, term):
    objective = Objective(term, SelfModulationTerm(SETTINGS, BETA_A, warmup_epochs=0))
    result = evaluate_objective(objective, class_maps, batch, epoch=0)
    maps = class_maps.clone().requires_grad_()
    total = classification_loss(tag_logits(maps), batch["tags"])
    total = total + BETA_P * reconstruction_loss(term, maps, batch["image"])
    total = total + BETA_A * self_modulation_loss(maps, batch["tags"], batch["regions"], settings=SETTINGS)
    (expected,) = torch.autograd.grad(total, maps)
    torch.testing.assert_close(result.gradient, expected)
    torch.testing.assert_close(result.figures["loss"], total.detach())


def test_figures_hold_value_and_gradient_norm_of_every_term(batch, class_maps, term):
    objective = Objective(term, SelfModulationTerm(SETTINGS, BETA_A, warmup_epochs=0))
    figures = evaluate_objective(objective, class_maps, batch, epoch=0).figures
    names = ("classification", "reconstruction", "self_modulation")
    assert set(figures) == {"loss"} | {f"{kind}_{name}" for kind in ("loss", "grad") for name in names}
    maps = class_maps.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(classification_loss(tag_logits(maps), batch["tags"]), maps)
    torch.testing.assert_close(figures["grad_classification"], gradient.norm())


def test_the_decoder_learns_at_weight_one_whatever_beta_is(batch, class_maps, term):
    evaluate_objective(Objective(term), class_maps, batch, epoch=0)
    seen = [parameter.grad.clone() for parameter in term.decoder.parameters()]
    term.decoder.zero_grad()
    reconstruction_loss(term, class_maps, batch["image"]).backward()
    for one, other in zip(seen, term.decoder.parameters(), strict=True):
        torch.testing.assert_close(one, other.grad)


def test_self_modulation_waits_for_the_warm_up(batch, class_maps):
    objective = Objective(None, SelfModulationTerm(SETTINGS, BETA_A, warmup_epochs=2))
    assert "loss_self_modulation" not in evaluate_objective(objective, class_maps, batch, epoch=1).figures
    assert "loss_self_modulation" in evaluate_objective(objective, class_maps, batch, epoch=2).figures


def test_images_without_any_tag_give_a_finite_gradient(batch, class_maps):
    objective = Objective(None, SelfModulationTerm(SETTINGS, BETA_A, warmup_epochs=0))
    result = evaluate_objective(objective, class_maps, {**batch, "tags": torch.zeros(2, 3)}, epoch=0)
    assert result.gradient.isfinite().all()
    assert result.figures["loss_self_modulation"] == 0
