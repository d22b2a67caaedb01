"""Laws of the segmentation losses, beside references that go pixel by pixel in float64."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tagseg.classes import VOID
from tagseg.losses.segmentation import boundary_weights, pixel_cross_entropy, teacher_labels

SEEDS = st.integers(0, 2**31)
LAW = settings(max_examples=25, deadline=None)


@st.composite
def problems(draw):
    """Logits in float64, labels of which some are void, pixel weights of which some are 0, and class weights."""
    generator = torch.Generator().manual_seed(draw(SEEDS))
    images, labels, rows, columns = (draw(st.integers(low, high)) for low, high in ((1, 4), (2, 5), (1, 5), (1, 5)))
    logits = 5 * torch.randn(images, labels, rows, columns, generator=generator, dtype=torch.float64)
    truth = torch.randint(0, labels + 1, (images, rows, columns), generator=generator)
    truth[truth == labels] = VOID
    pixel_weights = torch.randint(0, 4, truth.shape, generator=generator).double() / 2
    class_weights = torch.rand(labels, generator=generator, dtype=torch.float64) + 0.1
    return logits, truth, {"pixel_weights": pixel_weights, "class_weights": class_weights}


def slow_cross_entropy(logits, labels, *, pixel_weights, class_weights):
    total = weight = 0.0
    for place in (labels != VOID).nonzero().tolist():
        image, row, column = place
        label = int(labels[image, row, column])
        exponentials = [math.exp(value) for value in logits[image, :, row, column].tolist()]
        share = float(pixel_weights[image, row, column]) * float(class_weights[label])
        total -= share * math.log(exponentials[label] / sum(exponentials))
        weight += share
    return total, weight


@given(problems())
@LAW
def test_cross_entropy_equals_a_loop_over_pixels(problem):
    logits, labels, weights = problem
    sums = pixel_cross_entropy(logits, labels, **weights)
    total, weight = slow_cross_entropy(logits, labels, **weights)
    assert sums.total.item() == pytest.approx(total, rel=1e-9, abs=1e-12)
    assert sums.weight.item() == pytest.approx(weight, rel=1e-9, abs=1e-12)


@given(problems())
@LAW
def test_parts_of_a_batch_add_up_to_the_whole(problem):
    logits, labels, weights = problem
    whole = pixel_cross_entropy(logits, labels, **weights)
    parts = []
    for rows in (slice(0, 1), slice(1, None)):
        own = {"pixel_weights": weights["pixel_weights"][rows], "class_weights": weights["class_weights"]}
        parts.append(pixel_cross_entropy(logits[rows], labels[rows], **own))
    torch.testing.assert_close(parts[0].total + parts[1].total, whole.total)
    torch.testing.assert_close(parts[0].weight + parts[1].weight, whole.weight)


@given(problems())
@LAW
def test_void_pixels_have_no_gradient_and_no_say(problem):
    logits, labels, weights = problem
    logits.requires_grad_()
    sums = pixel_cross_entropy(logits, labels, **weights)
    sums.total.backward()
    void = (labels == VOID)[:, None].expand_as(logits)
    assert (logits.grad[void] == 0).all()
    elsewhere = torch.where(void, -7 * logits.detach(), logits.detach())
    torch.testing.assert_close(pixel_cross_entropy(elsewhere, labels, **weights).total, sums.total.detach())
    # Every labelled pixel with a weight does learn.
    learns = (labels != VOID) & (weights["pixel_weights"] > 0)
    assert (logits.grad.abs().sum(dim=1)[learns] > 0).all()


@given(problems(), st.floats(0.1, 10))
@LAW
def test_weights_scale_both_sums(problem, factor):
    logits, labels, weights = problem
    sums = pixel_cross_entropy(logits, labels, **weights)
    for name in weights:
        scaled = pixel_cross_entropy(logits, labels, **(weights | {name: factor * weights[name]}))
        torch.testing.assert_close(scaled.total, factor * sums.total)
        torch.testing.assert_close(scaled.weight, factor * sums.weight)


@given(problems())
@LAW
def test_weights_of_one_change_nothing(problem):
    logits, labels, _ = problem
    ones = {"pixel_weights": torch.ones(labels.shape), "class_weights": torch.ones(logits.shape[1])}
    plain = pixel_cross_entropy(logits, labels)
    torch.testing.assert_close(pixel_cross_entropy(logits, labels, **ones), plain)
    assert plain.weight.item() == (labels != VOID).sum().item()


@given(problems(), SEEDS)
@LAW
def test_a_teacher_equals_a_loop_over_pixels(problem, seed):
    logits = problem[0].float()
    images, labels, rows, columns = logits.shape
    tags = torch.randint(0, 2, (images, labels - 1), generator=torch.Generator().manual_seed(seed)).float()
    named = teacher_labels(logits, tags)
    for image in range(images):
        possible = [0, *(tags[image].nonzero()[:, 0] + 1).tolist()]
        for row in range(rows):
            for column in range(columns):
                scores = {label: math.exp(logits[image, label, row, column]) for label in possible}
                best = max(scores, key=scores.__getitem__)
                assert named.labels[image, row, column].item() == best
                assert named.probability[image, row, column].item() == pytest.approx(
                    scores[best] / sum(scores.values()), rel=1e-4
                )


@given(problems())
@LAW
def test_without_tags_the_teacher_names_the_largest_logit(problem):
    logits = problem[0].float()
    assert torch.equal(teacher_labels(logits, None).labels, logits.argmax(dim=1))


@given(SEEDS, st.integers(1, 9), st.integers(1, 9), st.integers(0, 4), st.integers(1, 3))
@LAW
def test_boundaries_equal_a_loop_over_pixels(seed, rows, columns, radius, patches):
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randint(0, 4, (2, rows, columns), generator=generator)
    labels = torch.tensor([0, 1, 254, VOID])[coarse].repeat_interleave(patches, dim=1)
    weights = boundary_weights(labels, radius_px=radius, weight=4.0)
    for image in range(2):
        for row in range(labels.shape[1]):
            for column in range(columns):
                top, left = max(row - radius, 0), max(column - radius, 0)
                square = labels[image, top : row + radius + 1, left : column + radius + 1]
                own = labels[image, row, column]
                near = own != VOID and bool(((square != own) & (square != VOID)).any())
                assert weights[image, row, column].item() == (4.0 if near else 1.0)
