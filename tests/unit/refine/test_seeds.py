"""Known answers of the seeds that the affinity network learns from."""

import numpy as np
import torch

from tagseg.refine.dense_crf import CrfSettings, DenseCrf
from tagseg.refine.seeds import seed_labels


class ScriptedCrf(DenseCrf):
    """Answers with given label maps instead of looking at an image, and remembers what it was asked."""

    def __init__(self, answers: list[list[int]], num_labels: int) -> None:
        one_hot = torch.nn.functional.one_hot(torch.tensor(answers)[:, None], num_labels)
        self.answers = one_hot.permute(0, 3, 1, 2).float()
        self.asked: list[torch.Tensor] = []

    def infer(self, probabilities: torch.Tensor) -> torch.Tensor:
        self.asked.append(probabilities)
        return self.answers


def test_without_crf_the_two_scores_cut_the_maps():
    cam = np.array([[[0.05, 0.2, 0.9, 0.2]], [[0.0, 0.1, 0.4, 0.5]]], np.float32)
    seeds = seed_labels(cam, (3, 8), foreground_score=0.3, background_score=0.1, crf=None)
    assert seeds.dtype == np.uint8
    assert seeds.tolist() == [[0, 255, 3, 8]]


def test_a_pixel_exactly_at_a_score_does_not_beat_it():
    cam = np.array([[[0.1, 0.3]]], np.float32)
    cam.flags.writeable = False  # and maps that may not be written to serve too
    assert seed_labels(cam, (5,), foreground_score=0.3, background_score=0.1, crf=None).tolist() == [[0, 255]]


def test_an_image_without_tags_is_background_everywhere():
    seeds = seed_labels(np.zeros((0, 2, 3), np.float32), (), foreground_score=0.3, background_score=0.1, crf=None)
    assert seeds.dtype == np.uint8
    assert seeds.tolist() == [[0, 0, 0]] * 2


def test_both_label_maps_go_through_the_crf_in_one_batch_with_the_given_certainty():
    crf = ScriptedCrf([[0, 0, 1], [0, 1, 1]], num_labels=3)
    cam = np.array([[[0.05, 0.2, 0.9]], [[0.0, 0.0, 0.0]]], np.float32)
    seed_labels(cam, (3, 8), foreground_score=0.3, background_score=0.1, crf=crf, certainty=0.8)
    (asked,) = crf.asked
    expected = torch.full((2, 3, 1, 3), 0.1)
    for position, labels in enumerate([[0, 0, 1], [0, 1, 1]]):
        expected[position, labels, 0, [0, 1, 2]] = 0.8
    torch.testing.assert_close(asked, expected)


def test_the_crfs_labels_decide():
    # Sure foreground stays even where the low cut says background; a class at the low cut alone is not known.
    crf = ScriptedCrf([[2, 1, 0, 0, 1], [2, 0, 0, 1, 2]], num_labels=3)
    cam = np.zeros((2, 1, 5), np.float32)
    seeds = seed_labels(cam, (3, 8), foreground_score=0.3, background_score=0.1, crf=crf)
    assert seeds.tolist() == [[8, 3, 0, 255, 3]]


def test_a_real_crf_moves_the_seeds_to_the_edge_of_the_image():
    image = np.full((40, 60, 3), 30, np.uint8)
    image[8:32, 20:44] = (220, 180, 90)
    cam = np.zeros((1, 40, 60), np.float32)
    cam[0, 10:30, 22:40] = 1.0  # inside the object, short of its edges
    cam[0, 7:33, 19:45] = np.maximum(cam[0, 7:33, 19:45], 0.2)
    crf = DenseCrf(image, settings=CrfSettings())
    seeds = seed_labels(cam, (4,), foreground_score=0.3, background_score=0.1, crf=crf)
    assert (seeds[9:31, 21:43] == 4).all()
    assert not seeds[:6].any()
    assert not seeds[:, 48:].any()
    assert (seed_labels(cam, (4,), foreground_score=0.3, background_score=0.1, crf=None)[9, 21]) == 255
