"""Known answers of the classification loss."""

import math

import pytest
import torch

from tagseg.losses.classification import ClassificationTerm, absence_loss, classification_loss, tag_entropy


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


def test_the_term_is_the_mean_loss_over_the_shares_and_the_weighted_absence():
    maps, tags = torch.randn(2, 3, 4, 5), torch.eye(2, 3)
    ordered = maps.flatten(2).sort(dim=2, descending=True).values
    strongest = [ordered[:, :, :count].mean(dim=2) for count in (1, 5, 20)]  # of 20 cells
    expected = torch.stack([classification_loss(logits, tags) for logits in strongest]).mean()
    term = ClassificationTerm((0.01, 0.25, 1.0), absence=3.0)
    torch.testing.assert_close(term(maps, {"tags": tags}), expected + 3 * absence_loss(maps, tags))


def test_absence_is_a_loss_of_every_cell_of_untagged_classes_alone():
    maps, tags = torch.randn(2, 3, 4, 5, requires_grad=True), torch.eye(2, 3)
    loss = absence_loss(maps, tags)
    expected = sum(
        math.log1p(math.exp(value))
        for image, row in zip(maps.tolist(), tags.tolist(), strict=True)
        for cells, tag in zip(image, row, strict=True)
        for line in cells
        for value in line
        if not tag
    )
    assert loss.item() == pytest.approx(expected / (2 * 3 * 20), rel=1e-5)
    loss.backward()
    torch.testing.assert_close(maps.grad, (1 - tags)[:, :, None, None] * maps.detach().sigmoid() / (2 * 3 * 20))


def test_absence_of_confident_half_maps_keeps_its_gradient():
    maps = torch.full((1, 1, 1, 1), 20.0, dtype=torch.bfloat16, requires_grad=True)
    absence_loss(maps, torch.zeros(1, 1)).backward()
    assert maps.grad.item() == 1.0


def test_the_guess_costs_what_the_loss_says_of_logits_of_the_frequencies():
    tags = [(1,), (1, 2), (1,), ()]
    frequencies = torch.tensor([0.75, 0.25])
    shown = torch.tensor([[1.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    loss = classification_loss(torch.logit(frequencies).expand(4, 2), shown).item()
    assert tag_entropy(tags, num_classes=2) == pytest.approx(loss, rel=1e-6)
    assert tag_entropy([(1,)], num_classes=1) == 0


@pytest.mark.parametrize("absence", [0.0, 1.0, 4.0])
def test_with_absence_no_values_of_all_cells_cost_less_than_the_guess(absence):
    shown = torch.tensor([[1.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    term = ClassificationTerm(shares=(1.0, 0.25), absence=absence)

    def cost(values):
        return term(values[:, None, None].expand(4, 2, 2, 2), {"tags": shown}).item()

    best = torch.log(torch.tensor([0.75 / 0.25, 0.25 / 0.75]) / (1 + absence))
    guess = tag_entropy([(1,), (1, 2), (1,), ()], num_classes=2, absence=absence)
    assert guess == pytest.approx(cost(best), rel=1e-6)
    for step in 0.1 * torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]):
        assert cost(best + step) > guess
