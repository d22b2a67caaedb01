"""Views of an image against a reference in double precision, and against what training shows the network."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from tagseg.data.augment import normalize_image
from tagseg.prediction.segment import View, best_labels, normalize_images, segment, views_of


class Cells(nn.Module):
    """Logits of 4 x 4 cells that are mixtures of their mean colours; remembers what it was shown and in which mode."""

    def __init__(self, num_labels: int = 3) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(num_labels, 3, generator=torch.Generator().manual_seed(0)))
        self.seen: list[tuple[tuple[int, ...], bool]] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append((tuple(images.shape), self.training))
        return torch.einsum("kc,nchw->nkhw", self.weight, avg_pool2d(images, 4, ceil_mode=True))


def pictures(count: int, height: int, width: int) -> Tensor:
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(1))


def slow_probabilities(network: nn.Module, image: Tensor, scales: tuple[float, ...], flip: bool) -> np.ndarray:
    """One image, one view, one pixel's softmax at a time, in double precision."""
    height, width = image.shape[1:]
    seen = []
    for scale in scales:
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        for mirrored in (False, True) if flip else (False,):
            view = image[None]
            if scale != 1:
                view = interpolate(view, size=size, mode="bicubic", align_corners=False, antialias=True)
            with torch.no_grad():
                logits = network(view.flip(-1) if mirrored else view)
            logits = logits.flip(-1) if mirrored else logits
            full = interpolate(logits, size=(height, width), mode="bilinear", align_corners=False)[0].double().numpy()
            exponentials = np.exp(full)
            seen.append(exponentials / exponentials.sum(axis=0))
    return np.mean(seen, axis=0)


@pytest.mark.parametrize("flip", [True, False])
@pytest.mark.parametrize("scales", [(1.0,), (0.5, 1.0, 1.25)])
def test_parity_with_one_view_at_a_time(flip, scales):
    network, images = Cells(), pictures(2, 21, 14)
    probabilities = segment(network, images, scales=scales, flip=flip)
    for image, found in zip(images, probabilities, strict=True):
        expected = slow_probabilities(network, image, scales, flip)
        assert np.abs(found.numpy() - expected).max() < 1e-6


def test_views_keep_their_proportions_and_never_vanish():
    network = Cells()
    segment(network, pictures(1, 30, 2), scales=(0.25, 1.5), flip=True)
    assert [shape[2:] for shape, _ in network.seen] == [(8, 1)] * 2 + [(45, 3)] * 2
    assert views_of((2.0,), flip=True) == (View(2.0), View(2.0, mirrored=True))


def test_of_equal_logits_the_lower_id_wins():
    labels, scores = best_labels(torch.zeros(1, 255, 1, 1), logits=True)
    assert labels.item() == 0
    assert scores.item() == pytest.approx(1 / 255)


def test_normalized_as_in_training():
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    batch = normalize_images([image, image[:, ::-1]], mean=mean, std=std, device=torch.device("cpu"))
    expected = normalize_image(image, mean=mean, std=std)
    torch.testing.assert_close(batch, torch.stack([expected, expected.flip(-1)]))
    assert batch.is_contiguous(memory_format=torch.channels_last)
