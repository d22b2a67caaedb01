"""Several views of an image are averaged as the definition says, and labels are those of the averages."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from tagseg.ops.resize import resize_maps
from tagseg.prediction.segment import View, best_labels, label_images, normalize_images, segment, views_of

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def strided_network(num_labels: int = 4) -> nn.Module:
    """Return a network with logits of half the image's resolution that tells left from right."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.Tanh(), nn.Conv2d(6, num_labels, 3, padding=1))


def random_images(height: int, width: int, *, count: int = 2) -> torch.Tensor:
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def reference(network: nn.Module, images: torch.Tensor, *, scales: tuple[float, ...], flip: bool) -> torch.Tensor:
    """One image, one view at a time; every step written out."""
    height, width = images.shape[2:]
    averages = []
    for image in images:
        views = []
        for scale in scales:
            size = max(1, round(height * scale)), max(1, round(width * scale))
            for mirrored in [False, True] if flip else [False]:
                shown = functional.interpolate(image[None], size=size, mode="bicubic", antialias=True)
                logits = network(torch.flip(shown, dims=[3]) if mirrored else shown)
                logits = torch.flip(logits, dims=[3]) if mirrored else logits
                logits = functional.interpolate(logits, size=(height, width), mode="bilinear", align_corners=False)
                exponents = torch.exp(logits.double())
                views.append(exponents / exponents.sum(dim=1, keepdim=True))
        averages.append(sum(views) / len(views))
    return torch.cat(averages).float()


@pytest.mark.parametrize("size", [(24, 40), (17, 23), (1, 9), (1, 1)])
@pytest.mark.parametrize(
    ("scales", "flip"), [((1.0,), False), ((1.0,), True), ((0.5, 1.0, 1.75), True), ((0.01,), False)]
)
def test_probabilities_are_the_mean_over_the_views(size: tuple[int, int], scales: tuple[float, ...], flip: bool):
    network, images = strided_network(), random_images(*size)
    found = segment(network, images, scales=scales, flip=flip)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, reference(network, images, scales=scales, flip=flip), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.sum(dim=1), torch.ones(2, *size))


def test_the_mean_is_of_probabilities_and_not_of_logits():
    network, images = strided_network(), 20 * random_images(16, 16)
    views = [segment(network, images, scales=(scale,)) for scale in (0.5, 1.0)]
    of_logits = (views[0].log() + views[1].log()).softmax(dim=1)
    found = segment(network, images, scales=(0.5, 1.0))
    torch.testing.assert_close(found, (views[0] + views[1]) / 2)
    assert (found - of_logits).abs().max() > 0.01


@pytest.mark.parametrize("scales", [(1.0,), (0.5, 1.5)])
def test_with_flips_the_mirrored_image_gives_mirrored_labels(scales: tuple[float, ...]):
    network, images = strided_network(), random_images(20, 32)
    straight, mirrored = (segment(network, shown, scales=scales, flip=True) for shown in (images, images.flip(-1)))
    torch.testing.assert_close(mirrored, straight.flip(-1), rtol=1e-4, atol=1e-5)
    assert torch.equal(mirrored.argmax(1), straight.flip(-1).argmax(1))
    lopsided = segment(network, images.flip(-1), scales=scales)
    assert (lopsided - segment(network, images, scales=scales).flip(-1)).abs().max() > 0.01  # of one view it is not so


@pytest.mark.parametrize("run", [segment, label_images])
@pytest.mark.parametrize("flip", [False, True])
def test_the_network_runs_in_evaluation_mode_and_comes_back_as_it_was(run, flip: bool):
    network, images = nn.Sequential(nn.Dropout(0.5), strided_network()), random_images(8, 8)
    first, second = (run(network.train(), images, flip=flip) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one, other)
        assert not one.requires_grad
    assert all(module.training for module in network.modules())
    run(network.eval(), images, flip=flip)
    assert not any(module.training for module in network.modules())


def test_the_mode_comes_back_after_an_error_too():
    network = strided_network().train()
    with pytest.raises(RuntimeError):
        segment(network, torch.zeros(1, 3, 8, 8, dtype=torch.float64))
    assert network.training


@pytest.mark.parametrize(("scales", "flip"), [((1.0,), False), ((0.5,), False), ((0.5, 1.0), True)])
@pytest.mark.parametrize("size", [(9, 31), (80, 130), (2, 9000)])
def test_labels_are_those_of_the_probabilities(size: tuple[int, int], scales: tuple[float, ...], flip: bool):
    network, images = strided_network(), random_images(*size)
    labels, scores = label_images(network, images, scales=scales, flip=flip)
    expected, winners = segment(network, images, scales=scales, flip=flip).max(dim=1)
    assert labels.dtype == torch.uint8
    torch.testing.assert_close(scores, expected)
    assert torch.equal(labels.long(), winners)


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(1, 2), st.integers(1, 6), st.integers(1, 5), st.sampled_from([1, 7, 5000, 9000])),
    st.integers(0, 1000),
)
def test_best_labels_take_the_first_of_equal_ones(shape: tuple[int, int, int, int], seed: int):
    weights = torch.randint(1, 4, shape, generator=torch.Generator().manual_seed(seed)).float()
    probabilities = weights / weights.sum(dim=1, keepdim=True)
    kept = probabilities.clone()
    labels, scores = best_labels(probabilities, logits=False)
    np.testing.assert_array_equal(labels.numpy(), probabilities.numpy().argmax(axis=1))  # the first, says NumPy
    assert torch.equal(scores, probabilities.amax(dim=1))
    assert torch.equal(probabilities, kept)


def test_best_labels_of_logits_score_their_softmax():
    logits = 5 * torch.randn(2, 7, 60, 300, generator=torch.Generator().manual_seed(2))
    labels, scores = best_labels(logits, logits=True)
    expected, winners = logits.softmax(dim=1).max(dim=1)
    torch.testing.assert_close(scores, expected)
    assert torch.equal(labels.long(), winners)


def test_with_255_labels_the_last_one_is_still_found():
    labels, _ = best_labels(torch.eye(255)[:, -1].view(1, 255, 1, 1), logits=False)
    assert labels.tolist() == [[[254]]]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3000), st.integers(1, 3000), st.floats(0.01, 4))
def test_a_view_keeps_proportions_to_half_a_pixel(height: int, width: int, scale: float):
    for side, seen in zip((height, width), View(scale).size((height, width)), strict=True):
        assert seen == 1 or abs(seen - side * scale) <= 0.5
        assert seen >= 1


def test_views_are_every_scale_and_its_mirror_image():
    assert views_of((2.0,), flip=False) == (View(2.0),)
    assert views_of((1.0, 0.5), flip=True) == (View(1.0), View(1.0, True), View(0.5), View(0.5, True))


def test_photographs_are_normalised_by_mean_and_standard_deviation():
    photos = np.random.default_rng(3).integers(0, 256, (2, 5, 7, 3), np.uint8)
    found = normalize_images(list(photos), mean=MEAN, std=STD, device=torch.device("cpu"))
    expected = (photos / 255 - np.array(MEAN)) / np.array(STD)
    np.testing.assert_allclose(found.numpy(), expected.transpose(0, 3, 1, 2), rtol=1e-4, atol=1e-5)


def test_a_cropped_or_mirrored_photograph_needs_no_copy_by_the_caller():
    photo = np.random.default_rng(4).integers(0, 256, (6, 8, 3), np.uint8)
    views = [photo[::-1, ::2], photo[:, ::-1][:, :4]]
    for view in views:
        view.flags.writeable = False
        alone = normalize_images([view], mean=MEAN, std=STD, device=torch.device("cpu"))
        assert torch.equal(alone, normalize_images([view.copy()], mean=MEAN, std=STD, device=torch.device("cpu")))


def test_logits_of_a_coarser_network_are_resized_before_the_softmax():
    network, images = strided_network(), 10 * random_images(8, 8)
    with torch.no_grad():
        logits = network(images)
    torch.testing.assert_close(segment(network, images), resize_maps(logits, (8, 8)).softmax(dim=1))
