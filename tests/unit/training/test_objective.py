"""The summed gradient is that of the weighted sum of the terms; the figures are the terms' own."""

from dataclasses import replace

import pytest
import torch
from lightning_fabric import Fabric

from tagseg.losses.classification import ClassificationTerm, classification_loss
from tagseg.losses.reconstruction import ReconstructionTerm
from tagseg.losses.self_modulation import SelfModulationSettings, SelfModulationTerm, self_modulation_loss
from tagseg.models.perceptual import timm_pyramid
from tagseg.models.reconstructor import Reconstructor
from tagseg.ops.activation import tag_logits
from tagseg.training.objective import Evaluated, evaluate_objective

BETA_P, BETA_A = 0.3, 2.0
SETTINGS = SelfModulationSettings(erosion_px=2, contrast=0.0)
CLASSIFICATION = ClassificationTerm()
MODULATION = SelfModulationTerm(SETTINGS, BETA_A, balance=False, first_epoch=0)


class OneOfTwo(Fabric):
    """One of two processes: the other's images add to the squared norms."""

    def __init__(self, others_squares: torch.Tensor) -> None:
        super().__init__(accelerator="cpu", devices=1)
        self.others_squares = others_squares

    @property
    def world_size(self) -> int:
        return 2

    def all_reduce(self, data, group=None, reduce_op="mean"):
        assert isinstance(data, torch.Tensor)
        assert reduce_op == "sum"
        assert data.shape == self.others_squares.shape
        return data + self.others_squares


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
    options = {"target_stride": 2, "normalize": True, "maps": "raw", "beta": BETA_P, "balance": False}
    return ReconstructionTerm(decoder, pyramid, (0.5, 1.0), **options)


def evaluate(class_maps, batch, *beside, epoch: int = 0, fabric: Fabric | None = None) -> Evaluated:
    """Evaluate the classification and the terms beside it."""
    fabric = fabric or Fabric(accelerator="cpu", devices=1)
    return evaluate_objective((CLASSIFICATION, *beside), class_maps, batch, epoch=epoch, fabric=fabric)


def test_gradient_is_that_of_the_weighted_sum(batch, class_maps, term):
    result = evaluate(class_maps, batch, MODULATION, term)
    maps = class_maps.clone().requires_grad_()
    total = classification_loss(tag_logits(maps), batch["tags"])
    total = total + BETA_P * term(maps, batch)
    total = total + BETA_A * self_modulation_loss(maps, batch["tags"], batch["regions"], settings=SETTINGS)
    (expected,) = torch.autograd.grad(total, maps)
    torch.testing.assert_close(result.gradient, expected)
    torch.testing.assert_close(result.figures["loss"], total.detach())


def test_figures_hold_value_and_gradient_norm_of_every_term(batch, class_maps, term):
    figures = evaluate(class_maps, batch, MODULATION, term).figures
    names = ("classification", "reconstruction", "self_modulation")
    assert set(figures) == {"loss"} | {f"{kind}_{name}" for kind in ("loss", "grad") for name in names}
    maps = class_maps.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(classification_loss(tag_logits(maps), batch["tags"]), maps)
    torch.testing.assert_close(figures["grad_classification"], gradient.norm())


def test_the_graph_of_the_class_maps_is_not_touched(batch, term):
    features = torch.randn(2, 3, 4, 4, requires_grad=True)
    evaluate(2 * features, batch, MODULATION, term)
    assert features.grad is None


def test_the_decoder_learns_at_weight_one_whatever_beta_is(batch, class_maps, term):
    evaluate(class_maps, batch, term)
    seen = [parameter.grad.clone() for parameter in term.decoder.parameters()]
    term.decoder.zero_grad()
    term(class_maps, batch).backward()
    for one, other in zip(seen, term.decoder.parameters(), strict=True):
        torch.testing.assert_close(one, other.grad)


def test_self_modulation_waits_for_the_warm_up(batch, class_maps):
    later = replace(MODULATION, first_epoch=2)
    assert "loss_self_modulation" not in evaluate(class_maps, batch, later, epoch=1).figures
    assert "loss_self_modulation" in evaluate(class_maps, batch, later, epoch=2).figures


def test_images_without_any_tag_give_a_finite_gradient(batch, class_maps):
    result = evaluate(class_maps, {**batch, "tags": torch.zeros(2, 3)}, MODULATION)
    assert result.gradient.isfinite().all()
    assert result.figures["loss_self_modulation"] == 0


def classification_gradient(class_maps, batch):
    return evaluate(class_maps, batch).gradient


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e3])
def test_a_balanced_reconstruction_pulls_beta_times_as_hard_as_the_classification(batch, class_maps, term, scale):
    # Whatever the size of the term's own gradient is.
    scaled = replace(term, balance=True, normalize=False, level_weights=(0.5 * scale, 1.0 * scale))
    given = classification_gradient(class_maps, batch)
    added = evaluate(class_maps, batch, scaled).gradient - given
    torch.testing.assert_close(added.norm(), BETA_P * given.norm(), rtol=1e-4, atol=0)


def test_balance_changes_the_length_of_a_terms_gradient_and_not_its_direction(batch, class_maps):
    given = classification_gradient(class_maps, batch)
    added = {}
    for balance in (False, True):
        added[balance] = evaluate(class_maps, batch, replace(MODULATION, balance=balance)).gradient - given
    torch.testing.assert_close(added[True].norm(), BETA_A * given.norm(), rtol=1e-4, atol=0)
    cosine = torch.cosine_similarity(added[True].flatten(), added[False].flatten(), dim=0)
    assert cosine.item() == pytest.approx(1.0, abs=1e-4)


def test_balanced_terms_are_logged_with_their_own_values_and_norms(batch, class_maps, term):
    figures = {}
    for balance in (False, True):
        beside = (replace(MODULATION, balance=balance), replace(term, balance=balance))
        figures[balance] = evaluate(class_maps, batch, *beside).figures
    for name in set(figures[True]) - {"loss"}:
        torch.testing.assert_close(figures[True][name], figures[False][name])


def test_the_loss_of_balanced_terms_is_the_weighted_sum(batch, class_maps, term):
    figures = evaluate(class_maps, batch, replace(term, balance=True)).figures
    weight = BETA_P * figures["grad_classification"] / figures["grad_reconstruction"]
    expected = figures["loss_classification"] + weight * figures["loss_reconstruction"]
    torch.testing.assert_close(figures["loss"], expected)


def test_a_balanced_term_without_gradient_adds_nothing(batch, class_maps):
    untagged = {**batch, "tags": torch.zeros(2, 3)}
    result = evaluate(class_maps, untagged, replace(MODULATION, balance=True))
    assert torch.equal(result.gradient, classification_gradient(class_maps, untagged))
    assert torch.equal(result.figures["loss"], result.figures["loss_classification"])


def test_a_balanced_decoder_that_ignores_the_maps_adds_nothing(batch, class_maps, term):
    torch.nn.init.zeros_(term.decoder.to_rgb.weight)
    result = evaluate(class_maps, batch, replace(term, balance=True))
    assert result.figures["loss_reconstruction"] > 0
    assert torch.equal(result.gradient, classification_gradient(class_maps, batch))
    assert torch.equal(result.figures["loss"], result.figures["loss_classification"])


def test_norms_are_those_of_the_batch_of_all_processes(batch, class_maps):
    # The other process's images add 3 to the squared norm of the classification's gradient and 5 to the term's, and the
    # gradient of both together is the mean of theirs.
    elsewhere = torch.tensor([3.0, 5.0])
    balanced = replace(MODULATION, balance=True)
    alone = evaluate(class_maps, batch, balanced)
    result = evaluate(class_maps, batch, balanced, fabric=OneOfTwo(elsewhere))
    figures = [alone.figures[f"grad_{name}"] for name in ("classification", "self_modulation")]
    together = [(norm.square() + more).sqrt() / 2 for norm, more in zip(figures, elsewhere, strict=True)]
    torch.testing.assert_close(result.figures["grad_classification"], together[0])
    torch.testing.assert_close(result.figures["grad_self_modulation"], together[1])
    given = classification_gradient(class_maps, batch)
    change = (together[0] / together[1]) / (figures[0] / figures[1])
    torch.testing.assert_close(result.gradient - given, change * (alone.gradient - given), rtol=1e-3, atol=1e-6)
