"""Known answers of the vote of each superpixel."""

import torch

from tagseg.refine.superpixel_snap import snap_scores


def test_every_pixel_gets_its_regions_shares():
    winners = torch.tensor([[0, 1, 1, 2], [2, 2, 2, 2]])
    scores = torch.nn.functional.one_hot(winners, 3).permute(2, 0, 1) * 0.3
    regions = torch.tensor([[0, 0, 0, 0], [1, 1, 3, 3]])  # region 2 is empty
    shares = snap_scores(scores, regions)
    assert shares[:, 0, 0].tolist() == [0.25, 0.5, 0.25]
    assert shares[:, 0].unique(dim=1).shape[1] == 1
    assert shares[:, 1, 3].tolist() == [0.0, 0.0, 1.0]


def test_a_vote_counts_one_however_strong():
    scores = torch.tensor([[[0.5, 0.5, 0.5]], [[0.51, 0.51, 0.0]]])
    assert snap_scores(scores, torch.zeros(1, 3, dtype=torch.int64)).argmax(dim=0).tolist() == [[1, 1, 1]]


def test_the_first_label_wins_a_tie_of_pixels_and_a_tie_of_scores():
    scores = torch.tensor([[[0.5, 0.5, 0.0, 0.0]], [[0.5, 0.0, 0.7, 0.1]], [[0.5, 0.0, 0.7, 0.2]]])
    assert snap_scores(scores, torch.tensor([[0, 0, 1, 1]])).argmax(dim=0).tolist() == [[0, 0, 1, 1]]


def test_pixels_without_region_keep_their_label():
    scores = torch.tensor([[[0.9, 0.1, 0.9, 0.9]], [[0.1, 0.9, 0.1, 0.1]]])
    shares = snap_scores(scores, torch.tensor([[-1, -1, 0, 0]]))
    assert shares.tolist() == [[[1.0, 0.0, 1.0, 1.0]], [[0.0, 1.0, 0.0, 0.0]]]


def test_an_image_without_any_region_keeps_its_labels():
    scores = torch.rand(3, 2, 4)
    shares = snap_scores(scores, torch.full((2, 4), -1))
    assert torch.equal(shares.argmax(dim=0), scores.argmax(dim=0))


def test_one_region_a_pixel_keeps_the_labels():
    scores = torch.rand(3, 5, 4)
    shares = snap_scores(scores, torch.arange(20).view(5, 4))
    assert torch.equal(shares.argmax(dim=0), scores.argmax(dim=0))
    assert shares.sum(dim=0).unique().tolist() == [1.0]
