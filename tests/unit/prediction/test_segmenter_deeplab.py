"""A segmenter around a network of real parts, whose batch norms are folded."""

import numpy as np
import pytest
import torch
from torch import nn

from tagseg.classes import ClassTable
from tagseg.models.folding import fold_batch_norms
from tagseg.models.segmentation_network import SegmenterDesign, build_segmenter
from tagseg.ops.resize import resize_maps
from tagseg.prediction.segment import normalize_images, segment, views_of
from tagseg.prediction.segmenter import PredictionSettings, Segmenter, shrink
from tagseg.prediction.tiles import Tiling, tiled_blocks

CLASSES = ClassTable(("cat", "dog"))


def segmenter(**settings: object) -> Segmenter:
    """Return one whose labels differ from place to place: random weights, made ten times stronger at the end."""
    torch.manual_seed(0)
    network = build_segmenter(SegmenterDesign("deeplabv2", "test_resnet", num_labels=3), weights=None)
    for branch in network.network.head.branches:
        torch.nn.init.normal_(branch.weight, std=0.5)
    return Segmenter(network, CLASSES, settings=PredictionSettings(**{"max_side_px": 1024, **settings}))


def photograph(height: int = 60, width: int = 80, seed: int = 0) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (-(-height // 10), -(-width // 10), 3), np.uint8)
    return coarse.repeat(10, 0).repeat(10, 1)[:height, :width]


def expected(model: Segmenter, image: np.ndarray, **views: object) -> torch.Tensor:
    network = model.network
    pixels = normalize_images([image], mean=network.mean, std=network.std, device=model.device)
    return segment(network, pixels, **views)[0]


def test_labels_and_scores_are_those_of_the_network():
    model, image = segmenter(scales=(0.5, 1.0), flip=True), photograph()
    probabilities = expected(model, image, scales=(0.5, 1.0), flip=True)
    found = model.predict(image)
    assert found.labels.dtype == np.uint8 and found.score.dtype == np.float32
    np.testing.assert_array_equal(found.labels, probabilities.argmax(dim=0).numpy())
    np.testing.assert_allclose(found.score, probabilities.amax(dim=0).numpy(), atol=1e-6)
    assert len(np.unique(found.labels)) > 1
    assert found.probabilities is None


def test_probabilities_when_asked():
    model, image = segmenter(), photograph()
    found = model.predict(image, probabilities=True)
    assert found.probabilities is not None
    torch.testing.assert_close(found.probabilities, expected(model, image))
    np.testing.assert_array_equal(found.labels, model.predict(image).labels)


def test_a_large_image_is_shrunk_and_its_probabilities_enlarged():
    model, image = segmenter(max_side_px=64), photograph(3000, 200)  # several strips
    found = model.predict(image, probabilities=True)
    assert found.probabilities is not None
    small = expected(model, shrink(image, 64))
    assert small.shape[1:] == (64, 4)
    torch.testing.assert_close(found.probabilities, resize_maps(small[None], (3000, 200))[0], atol=1e-5, rtol=0)
    assert found.labels.shape == (3000, 200)


def test_an_image_at_the_limit_is_not_shrunk():
    image = photograph(60, 80)
    np.testing.assert_array_equal(segmenter(max_side_px=80).predict(image).labels, segmenter().predict(image).labels)


def test_native_size_in_tiles():
    model, image = segmenter(max_side_px=None, tile_px=512, overlap_px=256, flip=True), photograph(90, 700)
    found = model.predict(image, probabilities=True)
    network, views = fold_batch_norms(model.network), views_of((1.0,), flip=True)
    blocks = tiled_blocks(network, image, mean=network.mean, std=network.std, tiling=Tiling(512, 256), views=views)
    probabilities = torch.cat([block.probabilities for block in blocks], dim=2)
    assert found.probabilities is not None
    assert torch.equal(found.probabilities, probabilities)
    np.testing.assert_array_equal(found.labels, probabilities.argmax(dim=0).numpy())
    np.testing.assert_array_equal(found.score, probabilities.amax(dim=0).numpy())


def test_native_size_of_an_image_that_fits_a_tile():
    image = photograph(90, 512)
    in_tiles = segmenter(max_side_px=None, tile_px=512, overlap_px=256)
    np.testing.assert_array_equal(in_tiles.predict(image).labels, segmenter().predict(image).labels)


def test_batches_are_single_images():
    model, images = segmenter(), [photograph(seed=seed) for seed in range(3)]
    together = model.predict_batch(images)
    for image, found in zip(images, together, strict=True):
        assert found.image is image
        np.testing.assert_array_equal(found.labels, model.predict(image).labels)
    assert model.predict_batch([]) == []


def test_a_batch_of_large_images_and_one_with_probabilities():
    images = [photograph(seed=seed) for seed in range(2)]
    large = segmenter(max_side_px=40)
    assert [found.labels.shape for found in large.predict_batch(images)] == [(60, 80)] * 2
    found = segmenter().predict_batch(images, probabilities=True)
    assert [p.probabilities.shape for p in found if p.probabilities is not None] == [(3, 60, 80)] * 2


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (7, 3)])
def test_any_size(size):
    assert segmenter(scales=(0.5, 1.0)).predict(photograph(*size)).labels.shape == size


def test_names_palette_device():
    model = segmenter()
    assert model.names == ("background", "cat", "dog")
    assert model.palette[3:6] == [128, 0, 0]
    assert model.to("cpu") is model
    assert model.device == torch.device("cpu")
    assert not model.network.training


def test_the_network_stays_as_it_was_given():
    network = build_segmenter(SegmenterDesign("deeplabv2", "test_resnet", num_labels=3), weights=None)
    names = [name for name, _ in network.named_modules()]
    model = Segmenter(network, CLASSES)
    model.predict(photograph())
    assert model.network is network
    assert [name for name, _ in network.named_modules()] == names
    assert any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    with pytest.raises(AttributeError):
        model.network = network


def test_other_settings_leave_the_segmenter_alone():
    model, image = segmenter(), photograph()
    other = model.with_settings(PredictionSettings(max_side_px=1024, scales=(0.5,), flip=True))
    assert other.network is model.network and other.classes is model.classes
    assert (model.settings.flip, other.settings.flip) == (False, True)
    expected_labels = segmenter(scales=(0.5,), flip=True).predict(image).labels
    np.testing.assert_array_equal(other.predict(image).labels, expected_labels)


def test_segmenters_of_one_network_move_together():
    model = segmenter()
    other = model.with_settings(PredictionSettings(max_side_px=1024, flip=True))
    model.to("meta")
    for one in (model, other):
        assert one.device.type == "meta"
        assert {parameter.device.type for parameter in one._predicting.parameters()} == {"meta"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_segmenter_moved_to_a_gpu_and_back_gives_the_same_labels():
    model, image = segmenter(), photograph()
    before = model.predict(image).labels
    assert (model.to("cuda").predict(image).labels == before).mean() >= 0.999
    np.testing.assert_array_equal(model.to("cpu").predict(image).labels, before)


def test_a_mirrored_array_is_predicted_as_it_is():
    image = photograph()[:, ::-1]
    found = segmenter().predict(image)
    np.testing.assert_array_equal(found.image, image)
    np.testing.assert_array_equal(found.labels, segmenter().predict(image.copy()).labels)
