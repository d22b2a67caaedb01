"""Known answers of the pseudo mask and of the confidence mask."""

import numpy as np
import pytest
import torch

from tagseg.refine.pseudo_mask import PseudoMask, confidence_mask, doubtful_pixels, label_scores, winning_labels


def one_row(values: list[float]) -> np.ndarray:
    return np.array([values], np.float32)


def test_background_is_a_constant_map_before_the_classes():
    cam = torch.rand(2, 3, 4)
    scores = label_scores(cam, 0.25)
    assert torch.equal(scores[1:], cam)
    assert scores[0].unique().tolist() == [0.25]


def test_an_image_without_tags_has_only_background_scores():
    assert label_scores(torch.zeros(0, 2, 3), 0.25).tolist() == [[[0.25] * 3] * 2]


def test_the_first_of_equal_scores_wins_whatever_the_layout():
    scores = torch.randint(0, 3, (5, 40, 50), generator=torch.Generator().manual_seed(0)).float()
    expected = scores.numpy().argmax(axis=0)  # numpy's rule is the first of equal values
    assert np.array_equal(winning_labels(scores).numpy(), expected)
    transposed = scores.permute(1, 2, 0).contiguous().permute(2, 0, 1)
    assert np.array_equal(winning_labels(transposed).numpy(), expected)


def test_labels_score_and_margin_of_each_pixel():
    scores = torch.tensor([[[0.25, 0.25, 0.25]], [[0.5, 0.0, 0.5]], [[1.0, 0.125, 0.5]]])
    mask = PseudoMask.from_scores(scores, (3, 12))
    assert mask.labels.dtype == np.uint8
    assert mask.labels.tolist() == [[12, 0, 3]]
    assert mask.score.tolist() == [[1.0, 0.25, 0.5]]
    assert mask.margin.tolist() == [[0.5, 0.125, 0.0]]


def test_background_wins_ties_and_a_tie_of_all_labels_has_no_margin():
    mask = PseudoMask.from_scores(torch.full((4, 2, 2), 0.3), (1, 2, 3))
    assert not mask.labels.any()
    assert not mask.margin.any()


def test_the_runner_up_of_negative_scores_is_a_label_too():
    mask = PseudoMask.from_scores(torch.tensor([[[-3.0]], [[-1.0]]]), (1,))
    assert (mask.labels.item(), mask.score.item(), mask.margin.item()) == (1, -1.0, 2.0)


def test_an_image_without_tags_is_background_and_certain():
    mask = PseudoMask.from_scores(label_scores(torch.zeros(0, 2, 3), 0.25), ())
    assert mask.labels.tolist() == [[0] * 3] * 2
    assert mask.score.tolist() == [[0.25] * 3] * 2
    assert mask.margin.tolist() == [[1.0] * 3] * 2
    assert confidence_mask(mask.labels, mask.margin, keep_fraction=0.5).all()


def test_one_map_a_label_is_required():
    with pytest.raises(ValueError, match="a map for background and one a label id, got 2, \\(1, 2\\)"):
        PseudoMask.from_scores(torch.zeros(2, 1, 1), (1, 2))


def test_the_margin_is_that_of_the_scores_that_are_trusted():
    refined = torch.tensor([[[0.01, 0.99, 0.02]], [[0.99, 0.01, 0.98]]])  # a CRF is sure of everything
    before = torch.tensor([[[0.25, 0.25, 0.75]], [[0.75, 0.0, 0.5]]])
    mask = PseudoMask.from_scores(refined, (3,), trusted=before)
    assert mask.labels.tolist() == [[3, 0, 3]]
    assert mask.margin.tolist() == [[0.5, 0.25, 0.0]]  # the maps spoke for background at the last


def test_each_label_keeps_the_half_with_the_largest_margin():
    labels = np.array([[0, 0, 0, 0, 9, 9, 4]], np.uint8)
    margin = one_row([0.1, 0.3, 0.2, 0.4, 0.01, 0.02, 0.001])
    kept = confidence_mask(labels, margin, keep_fraction=0.5)
    assert kept.tolist() == [[False, True, False, True, False, True, True]]


@pytest.mark.parametrize(("fraction", "count"), [(0.0, 0), (0.01, 1), (0.28, 7), (0.5, 13), (0.52, 13), (1.0, 25)])
def test_the_number_of_pixels_is_rounded_up(fraction: float, count: int):
    # 0.28 * 25 is a little more than 7 in floating point; seven pixels are 28 % of 25.
    margin = np.linspace(0.1, 1, 25, dtype=np.float32)[None]
    kept = confidence_mask(np.zeros((1, 25), np.uint8), margin, keep_fraction=fraction)
    assert kept.sum() == count
    assert kept[0, 25 - count :].all()


def test_pixels_as_certain_as_the_last_one_kept_are_kept():
    margin = one_row([0.5, 0.5, 0.5, 0.2])
    kept = confidence_mask(np.zeros((1, 4), np.uint8), margin, keep_fraction=0.25)
    assert kept.tolist() == [[True, True, True, False]]


def test_ties_are_the_least_certain_pixels_and_only_a_fraction_of_one_keeps_them():
    labels, margin = np.zeros((1, 4), np.uint8), one_row([0.0, 0.0, 0.0, 0.1])
    assert confidence_mask(labels, margin, keep_fraction=0.25).tolist() == [[False, False, False, True]]
    assert confidence_mask(labels, margin, keep_fraction=0.75).tolist() == [[False, False, False, True]]
    assert confidence_mask(labels, margin, keep_fraction=1.0).all()
    assert not confidence_mask(labels, margin * 0, keep_fraction=0.999).any()


def test_void_is_never_kept():
    labels = np.array([[255, 255, 1]], np.uint8)
    for fraction in (0.5, 1.0):
        kept = confidence_mask(labels, one_row([0.9, 0.8, 0.1]), keep_fraction=fraction)
        assert kept.tolist() == [[False, False, True]]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device to compare with the CPU")
def test_cpu_and_gpu_agree():
    scores = torch.randint(0, 4, (3, 20, 30)).float()
    ours, theirs = PseudoMask.from_scores(scores, (1, 2)), PseudoMask.from_scores(scores.cuda(), (1, 2))
    assert np.array_equal(ours.labels, theirs.labels)
    assert np.array_equal(ours.margin, theirs.margin)


def test_a_pixel_is_in_doubt_when_its_label_leads_by_less_than_half_of_what_it_could():
    row = [0.0, 0.19, 0.21, 0.39, 0.41, 0.69, 0.71, 1.0]
    cam = torch.tensor([[row], [[0.0] * len(row)]])
    assert doubtful_pixels(cam, 0.4).tolist() == [[False, False, True, True, True, True, False, False]]


def test_two_classes_that_score_alike_are_in_doubt_and_a_photograph_without_tags_is_not():
    assert doubtful_pixels(torch.tensor([[[1.0, 1.0]], [[0.75, 0.65]]]), 0.4).tolist() == [[True, False]]
    assert not doubtful_pixels(torch.zeros(0, 2, 3), 0.4).any()
