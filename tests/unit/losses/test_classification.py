"""Known answers of the classification loss."""

import math

import pytest
import torch

from tagseg.losses.classification import ClassificationTerm, classification_loss


def test_logits_of_zero_cost_log_two():
    assert classification_loss(torch.zeros(3, 4), torch.eye(3, 4)).item() == pytest.approx(math.log(2))


def test_one_tagged_and_one_untagged_class():
    # log(1 + e^-2) for the tagged class, log(1 + e^1) for the other one, averaged.
    expected = (math.log1p(math.exp(-2)) + math.log1p(math.exp(1))) / 2
    loss = classification_loss(torch.tensor([[2.0, 1.0]]), torch.tensor([[1.0, 0.0]]))
    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_gradient_is_sigmoid_minus_tag_over_the_count():
    logits = torch.tensor([[0.3, -1.2], [2.0, 0.0]], requires_grad=True)
    tags = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    classification_loss(logits, tags).backward()
    torch.testing.assert_close(logits.grad, (logits.detach().sigmoid() - tags) / 4)


def test_confident_half_logits_keep_their_gradient():
    logits = torch.tensor([[-20.0]], dtype=torch.bfloat16, requires_grad=True)
    loss = classification_loss(logits, torch.ones(1, 1))
    loss.backward()
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(20.0)
    assert logits.grad.item() == -1.0


def test_a_batch_split_in_halves_has_the_same_mean():
    logits, tags = torch.randn(4, 3), (torch.rand(4, 3) > 0.5).float()
    halves = [classification_loss(logits[rows], tags[rows]) for rows in (slice(0, 2), slice(2, 4))]
    torch.testing.assert_close(classification_loss(logits, tags), torch.stack(halves).mean())


def test_the_term_takes_the_means_of_the_class_maps_as_logits():
    maps, tags = torch.randn(2, 3, 4, 5), torch.eye(2, 3)
    assert torch.equal(ClassificationTerm()(maps, {"tags": tags}), classification_loss(maps.mean(dim=(2, 3)), tags))
