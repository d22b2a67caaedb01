"""One segmenter: any picture in, labels at full size out; and what can be done with a prediction."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage
from torch import nn

from tagseg.classes import ClassTable
from tagseg.models.segmentation_network import SegmentationNetwork, SegmenterDesign
from tagseg.ops.resize import resize_maps
from tagseg.prediction.result import Prediction
from tagseg.prediction.segment import normalize_images, segment
from tagseg.prediction.segmenter import MAX_SIDE_PX, PredictionSettings, Segmenter
from tagseg.prediction.shrunk import shrink

CLASSES = ClassTable(("cat", "dog", "cow"))
PHOTO = np.random.default_rng(0).integers(0, 256, (60, 100, 3), np.uint8)


class LocalNetwork(nn.Module):
    """Logits of pixels and their neighbours."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Conv2d(3, 8, 3, padding=1)
        self.head = nn.Conv2d(8, CLASSES.num_labels, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.encoder(images).tanh())


def build(**values) -> Segmenter:
    torch.manual_seed(3)
    network = SegmentationNetwork(
        LocalNetwork(),
        design=SegmenterDesign("deeplabv2", "test_resnet", num_labels=CLASSES.num_labels, output_stride=8),
        mean=(0.4, 0.5, 0.6),
        std=(0.2, 0.2, 0.2),
        batch_norm="frozen",
    )
    return Segmenter(network, CLASSES, settings=PredictionSettings(**{"max_side_px": MAX_SIDE_PX, **values}))


def probabilities_of(segmenter: Segmenter, image: np.ndarray) -> torch.Tensor:
    network = segmenter.network
    pixels = normalize_images([image], mean=network.mean, std=network.std, device=torch.device("cpu"))
    return segment(network, pixels, scales=segmenter.settings.scales, flip=segmenter.settings.flip)


def check_is_best_of(found: Prediction, probabilities: torch.Tensor) -> None:
    score, labels = probabilities[0].max(dim=0)
    np.testing.assert_array_equal(found.labels, labels.numpy())
    np.testing.assert_allclose(found.score, score.numpy(), rtol=1e-5)
    assert (found.labels.dtype, found.score.dtype) == (np.uint8, np.float32)


@pytest.mark.parametrize("values", [{}, {"flip": True}, {"scales": (0.5, 1.5), "flip": True}])
def test_labels_and_scores_are_those_of_the_mean_probabilities(values: dict):
    segmenter = build(**values)
    found = segmenter.predict(PHOTO)
    check_is_best_of(found, probabilities_of(segmenter, PHOTO))
    assert len(np.unique(found.labels)) == CLASSES.num_labels  # else hardly anything was compared
    assert found.probabilities is None


@pytest.mark.parametrize(
    "values", [{}, {"flip": True}, {"max_side_px": 40}, {"max_side_px": None}, {"max_side_px": None, "flip": True}]
)
def test_probabilities_when_asked_for(values: dict):
    segmenter = build(tile_px=256, overlap_px=128, **values)
    image = np.tile(PHOTO, (1, 3, 1))
    found = segmenter.predict(image, probabilities=True)
    assert found.probabilities is not None and found.probabilities.shape == (4, 60, 300)
    torch.testing.assert_close(found.probabilities.sum(dim=0), torch.ones(60, 300))
    check_is_best_of(found, found.probabilities[None])
    np.testing.assert_array_equal(found.labels, segmenter.predict(image).labels)


def test_every_kind_of_picture_gives_the_same_labels(tmp_path: Path):
    segmenter, picture = build(), PillowImage.fromarray(PHOTO)
    picture.save(tmp_path / "photo.png")
    tensor = torch.from_numpy(PHOTO).permute(2, 0, 1)
    expected = segmenter.predict(PHOTO).labels
    opaque = picture.convert("RGBA")
    for kind in (tmp_path / "photo.png", str(tmp_path / "photo.png"), picture, opaque, np.array(opaque), tensor):
        np.testing.assert_array_equal(segmenter.predict(kind).labels, expected)
    np.testing.assert_array_equal(segmenter.predict(tensor / 255).labels, expected)
    few = picture.quantize(8)
    np.testing.assert_array_equal(segmenter.predict(few).labels, segmenter.predict(few.convert("RGB")).labels)
    grey = picture.convert("L")
    np.testing.assert_array_equal(segmenter.predict(grey).labels, segmenter.predict(np.array(grey)).labels)
    np.testing.assert_array_equal(segmenter.predict(grey).labels, segmenter.predict(grey.convert("RGB")).labels)


@pytest.mark.parametrize("values", [{}, {"scales": (0.5, 1.0), "flip": True}])
@pytest.mark.parametrize("size", [(60, 100), (700, 500), (3, 900)])
def test_a_shrunk_image_has_labels_of_full_size_from_its_enlarged_probabilities(size: tuple[int, int], values: dict):
    segmenter = build(max_side_px=40, **values)
    image = np.asarray(PillowImage.fromarray(PHOTO).resize((size[1], size[0])))
    small = shrink(image, 40)
    assert max(small.shape) == 40
    found = segmenter.predict(image, probabilities=True)
    expected = resize_maps(probabilities_of(segmenter, small), size)
    assert found.labels.shape == found.score.shape == size
    assert found.probabilities is not None
    torch.testing.assert_close(found.probabilities, expected[0], rtol=1e-4, atol=1e-5)
    assert (found.labels == expected[0].argmax(dim=0).numpy()).mean() >= 0.999
    assert found.image is image


def test_an_image_that_fits_is_not_shrunk_and_another_keeps_its_proportions():
    segmenter = build(max_side_px=100)
    check_is_best_of(segmenter.predict(PHOTO), probabilities_of(segmenter, PHOTO))
    assert shrink(PHOTO, 50).shape == (30, 50, 3)
    assert shrink(PHOTO[:1], 50).shape == (1, 50, 3)


@pytest.mark.parametrize("values", [{}, {"scales": (0.5, 1.0)}])
def test_at_native_size_tiles_give_what_the_whole_image_gives(values: dict):
    image = np.random.default_rng(1).integers(0, 256, (300, 600, 3), np.uint8)
    tiled = build(max_side_px=None, tile_px=256, overlap_px=128, **values).predict(image)
    whole = build(max_side_px=None, tile_px=640, overlap_px=128, **values).predict(image)
    np.testing.assert_allclose(tiled.score, whole.score, rtol=1e-4)
    assert (tiled.labels == whole.labels).mean() >= 0.999


def test_a_batch_gives_each_image_its_own_prediction():
    segmenter = build()
    images = [PHOTO, PHOTO[::-1], 255 - PHOTO]
    for image, found in zip(images, segmenter.predict_batch(images), strict=True):
        assert found.image is image
        assert (found.labels == segmenter.predict(image).labels).mean() >= 0.999
    assert segmenter.predict_batch([]) == []


def test_a_segmenter_knows_its_labels_and_its_device():
    segmenter = build()
    assert segmenter.names == ("background", "cat", "dog", "cow")
    assert segmenter.palette[3:6] == [128, 0, 0]
    assert segmenter.to("cpu") is segmenter
    assert segmenter.device == torch.device("cpu")
    assert not segmenter.network.training


def test_a_picture_of_one_pixel():
    found = build(scales=(0.5, 1.0), flip=True).predict(np.zeros((1, 1, 3), np.uint8))
    assert found.labels.shape == (1, 1)


@pytest.mark.parametrize("kept", [False, True])
def test_refined_labels_come_from_the_other_probabilities(kept: bool):
    found = build().predict(PHOTO, probabilities=kept)
    other = torch.rand(4, 60, 100, generator=torch.Generator().manual_seed(5)).softmax(dim=0)
    refined = found.refined(other)
    check_is_best_of(refined, other[None])
    assert refined.image is found.image and refined.classes == found.classes
    assert (refined.probabilities is not None) == kept
    assert not np.array_equal(found.labels, refined.labels)  # the first one stays what it was
    np.testing.assert_array_equal(found.labels, build().predict(PHOTO).labels)
