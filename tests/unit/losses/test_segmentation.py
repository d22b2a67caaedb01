"""Known answers of the segmentation losses, of a teacher's labels, and of the weights of pixels and labels."""

import math

import pytest
import torch

from tagseg.classes import VOID
from tagseg.losses.segmentation import boundary_weights, label_balance, pixel_cross_entropy, teacher_labels


def test_equal_logits_cost_the_logarithm_of_the_labels():
    sums = pixel_cross_entropy(torch.zeros(2, 5, 3, 4), torch.randint(0, 5, (2, 3, 4)))
    assert sums.total.item() == pytest.approx(24 * math.log(5), rel=1e-6)
    assert sums.weight.item() == 24


def test_pixel_and_class_weights_multiply():
    logits = torch.tensor([[[[2.0, 0.0, 1.0]], [[0.0, 0.0, 5.0]]]])
    labels = torch.tensor([[[1, 0, VOID]]])
    sums = pixel_cross_entropy(
        logits, labels, pixel_weights=torch.tensor([[[3.0, 0.5, 100.0]]]), class_weights=torch.tensor([2.0, 4.0])
    )
    assert sums.total.item() == pytest.approx(3 * 4 * math.log1p(math.exp(2)) + 0.5 * 2 * math.log(2), rel=1e-6)
    assert sums.weight.item() == 3 * 4 + 0.5 * 2


def test_gradient_is_the_weighted_softmax_minus_the_label():
    logits = torch.tensor([[[[1.0]], [[-0.5]], [[0.3]]]], requires_grad=True)
    weights = torch.tensor([1.0, 2.0, 5.0])
    pixel_cross_entropy(logits, torch.tensor([[[1]]]), class_weights=weights).total.backward()
    expected = 2 * (logits.detach().flatten().softmax(0) - torch.tensor([0.0, 1.0, 0.0]))
    torch.testing.assert_close(logits.grad.flatten(), expected)


def test_nothing_known_costs_nothing():
    logits = torch.randn(1, 3, 2, 2, requires_grad=True)
    sums = pixel_cross_entropy(logits, torch.full((1, 2, 2), VOID), class_weights=torch.ones(3))
    sums.total.backward()
    assert sums.total.item() == sums.weight.item() == 0
    assert (logits.grad == 0).all()


def test_confident_half_logits_keep_their_loss():
    logits = torch.tensor([[[[-20.0]], [[0.0]]]], dtype=torch.bfloat16, requires_grad=True)
    sums = pixel_cross_entropy(logits, torch.tensor([[[0]]], dtype=torch.uint8))
    sums.total.backward()
    assert sums.total.dtype == torch.float32
    assert sums.total.item() == pytest.approx(20)
    assert logits.grad.flatten().tolist() == [-1, 1]


def test_a_label_that_the_network_does_not_have_is_refused():
    with pytest.raises(IndexError):
        pixel_cross_entropy(torch.zeros(1, 2, 1, 1), torch.tensor([[[2]]]))


def test_the_teacher_names_the_best_possible_label():
    logits = torch.tensor([1.0, 2.0, 9.0]).view(1, 3, 1, 1)
    assert teacher_labels(logits, None).labels.item() == 2
    assert teacher_labels(logits, torch.tensor([[1.0, 0.0]])).labels.item() == 1
    assert teacher_labels(logits, torch.tensor([[0.0, 0.0]])).labels.item() == 0


def test_the_teachers_probability_is_that_among_possible_labels():
    logits = torch.log(torch.tensor([0.2, 0.3, 0.5])).view(1, 3, 1, 1)
    tags = torch.tensor([[1.0, 0.0]])  # 0.2 and 0.3 are left: 0.4 and 0.6
    assert teacher_labels(logits, tags).probability.item() == pytest.approx(0.6)
    assert teacher_labels(logits, None).probability.item() == pytest.approx(0.5)


def test_background_alone_is_certain():
    logits = torch.tensor([-30.0, 30.0]).view(1, 2, 1, 1)
    labels, probability = teacher_labels(logits, torch.zeros(1, 1))
    assert (labels.item(), probability.item()) == (0, 1)


def test_each_image_of_a_batch_has_its_own_tags():
    logits = torch.tensor([0.0, 2.0, 1.0]).view(1, 3, 1, 1).expand(3, 3, 1, 1)
    tags = torch.tensor([[1.0, 1.0], [0.0, 1.0], [0.0, 0.0]])
    assert teacher_labels(logits, tags).labels.flatten().tolist() == [1, 2, 0]


def test_no_gradient_goes_back_to_the_teacher():
    logits = torch.randn(1, 3, 2, 2, requires_grad=True)
    assert not teacher_labels(logits, None).probability.requires_grad
    assert logits.is_leaf
    assert logits.grad is None


def test_a_wall_of_two_labels_is_near_its_border():
    labels = torch.zeros(1, 4, 8, dtype=torch.uint8)
    labels[:, :, 5:] = 3
    row = [1, 1, 1, 2.5, 2.5, 2.5, 2.5, 1]
    assert boundary_weights(labels, radius_px=2, weight=2.5).tolist() == [[row] * 4]


def test_void_makes_no_border_and_does_not_hide_one():
    labels = torch.tensor([[[1, VOID, 1, VOID, 0]]])
    assert boundary_weights(labels, radius_px=1, weight=3.0).tolist() == [[[1, 1, 1, 1, 1]]]
    assert boundary_weights(labels, radius_px=2, weight=3.0).tolist() == [[[1, 1, 3, 1, 3]]]


def test_without_reach_there_is_no_border():
    labels = torch.arange(12).view(1, 3, 4)
    weights = boundary_weights(labels, radius_px=0, weight=3.0)
    assert weights.dtype == torch.float32
    assert (weights == 1).all()


def test_borders_do_not_cross_images():
    labels = torch.stack([torch.full((3, 3), 1), torch.full((3, 3), 2)])
    assert (boundary_weights(labels, radius_px=2, weight=3.0) == 1).all()


def test_balance_is_the_root_of_how_rare_a_label_is():
    # The median of an even number of counts lies between the middle two: here 400.
    weights = label_balance(torch.tensor([900, 500, 300, 0, 100]))
    torch.testing.assert_close(weights, torch.tensor([2 / 3, 0.8**0.5, (4 / 3) ** 0.5, 1.0, 2.0]))


def test_balance_stays_in_its_range():
    assert label_balance(torch.tensor([10**9, 1000, 1])).tolist() == [0.25, 1, 4]


def test_balance_of_nothing_is_one():
    weights = label_balance(torch.zeros(3, dtype=torch.int64))
    assert weights.tolist() == [1, 1, 1]
    assert weights.dtype == torch.float32
