from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage
from torch import nn

from tagseg.artifacts.mask_file import read_mask
from tagseg.classes import ClassTable
from tagseg.models.folding import fold_batch_norms
from tagseg.models.segmentation_network import SegmenterDesign, build_segmenter
from tagseg.ops.resize import resize_maps
from tagseg.prediction.inputs import to_image
from tagseg.prediction.result import Prediction
from tagseg.prediction.segment import normalize_images, segment, views_of
from tagseg.prediction.segmenter import MAX_SIDE_PX, PredictionSettings, Segmenter, shrink
from tagseg.prediction.tiles import Tiling, tiled_blocks
from tagseg.system.allocator import keep_freed_memory

CLASSES = ClassTable(("cat", "dog"))


def segmenter(**settings: object) -> Segmenter:
    """Return one whose labels differ from place to place: random weights, made ten times stronger at the end."""
    torch.manual_seed(0)
    network = build_segmenter(SegmenterDesign("deeplabv2", "test_resnet", num_labels=3), weights=None)
    for branch in network.network.head.branches:
        torch.nn.init.normal_(branch.weight, std=0.5)
    return Segmenter(network, CLASSES, settings=PredictionSettings(**{"max_side_px": MAX_SIDE_PX, **settings}))


def photograph(height: int = 60, width: int = 80, seed: int = 0) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (-(-height // 10), -(-width // 10), 3), np.uint8)
    return coarse.repeat(10, 0).repeat(10, 1)[:height, :width]


def expected(model: Segmenter, image: np.ndarray, **views: object) -> torch.Tensor:
    network = model.network
    pixels = normalize_images([image], mean=network.mean, std=network.std, device=model.device)
    return segment(network, pixels, **views)[0]


class TestPredict:
    def test_labels_and_scores_are_those_of_the_network(self):
        model, image = segmenter(scales=(0.5, 1.0), flip=True), photograph()
        probabilities = expected(model, image, scales=(0.5, 1.0), flip=True)
        found = model.predict(image)
        assert found.labels.dtype == np.uint8 and found.score.dtype == np.float32
        np.testing.assert_array_equal(found.labels, probabilities.argmax(dim=0).numpy())
        np.testing.assert_allclose(found.score, probabilities.amax(dim=0).numpy(), atol=1e-6)
        assert len(np.unique(found.labels)) > 1
        assert found.probabilities is None

    def test_probabilities_when_asked(self):
        model, image = segmenter(), photograph()
        found = model.predict(image, probabilities=True)
        assert found.probabilities is not None
        torch.testing.assert_close(found.probabilities, expected(model, image))
        np.testing.assert_array_equal(found.labels, model.predict(image).labels)

    def test_a_large_image_is_shrunk_and_its_probabilities_enlarged(self):
        model, image = segmenter(max_side_px=64), photograph(3000, 200)  # several strips
        found = model.predict(image, probabilities=True)
        assert found.probabilities is not None
        small = expected(model, shrink(image, 64))
        assert small.shape[1:] == (64, 4)
        torch.testing.assert_close(found.probabilities, resize_maps(small[None], (3000, 200))[0], atol=1e-5, rtol=0)
        assert found.labels.shape == (3000, 200)

    def test_an_image_at_the_limit_is_not_shrunk(self):
        image = photograph(60, 80)
        np.testing.assert_array_equal(
            segmenter(max_side_px=80).predict(image).labels, segmenter().predict(image).labels
        )

    def test_native_size_in_tiles(self):
        model, image = segmenter(max_side_px=None, tile_px=512, overlap_px=256, flip=True), photograph(90, 700)
        found = model.predict(image, probabilities=True)
        network, views = fold_batch_norms(model.network), views_of((1.0,), flip=True)
        blocks = tiled_blocks(network, image, mean=network.mean, std=network.std, tiling=Tiling(512, 256), views=views)
        probabilities = torch.cat([block.probabilities for block in blocks], dim=2)
        assert found.probabilities is not None
        assert torch.equal(found.probabilities, probabilities)
        np.testing.assert_array_equal(found.labels, probabilities.argmax(dim=0).numpy())
        np.testing.assert_array_equal(found.score, probabilities.amax(dim=0).numpy())

    def test_native_size_of_an_image_that_fits_a_tile(self):
        image = photograph(90, 512)
        in_tiles = segmenter(max_side_px=None, tile_px=512, overlap_px=256)
        np.testing.assert_array_equal(in_tiles.predict(image).labels, segmenter().predict(image).labels)

    def test_batches_are_single_images(self):
        model, images = segmenter(), [photograph(seed=seed) for seed in range(3)]
        together = model.predict_batch(images)
        for image, found in zip(images, together, strict=True):
            assert found.image is image
            np.testing.assert_array_equal(found.labels, model.predict(image).labels)
        assert model.predict_batch([]) == []

    def test_a_batch_of_large_images_and_one_with_probabilities(self):
        images = [photograph(seed=seed) for seed in range(2)]
        large = segmenter(max_side_px=40)
        assert [found.labels.shape for found in large.predict_batch(images)] == [(60, 80)] * 2
        found = segmenter().predict_batch(images, probabilities=True)
        assert [p.probabilities.shape for p in found if p.probabilities is not None] == [(3, 60, 80)] * 2

    @pytest.mark.parametrize("size", [(1, 1), (1, 300), (7, 3)])
    def test_any_size(self, size):
        assert segmenter(scales=(0.5, 1.0)).predict(photograph(*size)).labels.shape == size

    def test_names_palette_device(self):
        model = segmenter()
        assert model.names == ("background", "cat", "dog")
        assert model.palette[3:6] == [128, 0, 0]
        assert model.to("cpu") is model
        assert model.device == torch.device("cpu")
        assert not model.network.training

    def test_the_network_stays_as_it_was_given(self):
        network = build_segmenter(SegmenterDesign("deeplabv2", "test_resnet", num_labels=3), weights=None)
        names = [name for name, _ in network.named_modules()]
        model = Segmenter(network, CLASSES)
        model.predict(photograph())
        assert model.network is network
        assert [name for name, _ in network.named_modules()] == names
        assert any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
        with pytest.raises(AttributeError):
            model.network = network

    def test_other_settings_leave_the_segmenter_alone(self):
        model, image = segmenter(), photograph()
        other = model.with_settings(PredictionSettings(max_side_px=MAX_SIDE_PX, scales=(0.5,), flip=True))
        assert other.network is model.network and other.classes is model.classes
        assert (model.settings.flip, other.settings.flip) == (False, True)
        expected_labels = segmenter(scales=(0.5,), flip=True).predict(image).labels
        np.testing.assert_array_equal(other.predict(image).labels, expected_labels)


def test_segmenters_of_one_network_move_together():
    model = segmenter()
    other = model.with_settings(PredictionSettings(max_side_px=MAX_SIDE_PX, flip=True))
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


class TestInputs:
    def test_every_kind_gives_the_same_pixels(self, tmp_path: Path):
        image = photograph()
        PillowImage.fromarray(image).save(tmp_path / "photo.png")
        tensor = torch.from_numpy(image.copy()).permute(2, 0, 1)
        kinds = [
            image,
            PillowImage.fromarray(image),
            tmp_path / "photo.png",
            str(tmp_path / "photo.png"),
            tensor,
            tensor.float() / 255,
            tensor.double() / 255,
            np.dstack([image, np.full(image.shape[:2], 255, np.uint8)]),
        ]
        for kind in kinds:
            np.testing.assert_array_equal(to_image(kind), image)
        assert to_image(image) is image

    def test_grey_and_transparent(self):
        grey = photograph()[..., 0]
        np.testing.assert_array_equal(to_image(grey), np.dstack([grey] * 3))
        half = np.zeros((1, 2, 4), np.uint8)
        half[0, 0, 3] = 255
        assert to_image(half)[0].tolist() == [[0, 0, 0], [255, 255, 255]]
        assert to_image(PillowImage.new("LA", (1, 1), (0, 0)))[0, 0].tolist() == [255, 255, 255]

    def test_a_turned_pillow_image_is_set_upright(self):
        picture = PillowImage.fromarray(photograph(20, 30))
        picture.getexif()[0x0112] = 6
        assert to_image(picture).shape == (30, 20, 3)

    def test_a_mirrored_array_and_a_tensor_that_requires_gradients(self):
        image = photograph()[:, ::-1]
        np.testing.assert_array_equal(segmenter().predict(image).image, image)
        assert to_image(torch.ones(3, 2, 2, requires_grad=True)).max() == 255


class TestPrediction:
    def prediction(self) -> Prediction:
        labels = np.array([[0, 1, 2], [2, 2, 0]], np.uint8)
        return Prediction(labels, np.ones((2, 3), np.float32), CLASSES, np.full((2, 3, 3), 100, np.uint8))

    def test_area_counts_every_label(self):
        assert self.prediction().area() == {"background": 2, "cat": 1, "dog": 3}

    def test_saved_labels_come_back(self, tmp_path: Path):
        found = self.prediction()
        found.save(tmp_path / "deep" / "mask.png")
        np.testing.assert_array_equal(read_mask(tmp_path / "deep" / "mask.png"), found.labels)

    def test_overlay_leaves_background_and_the_photograph_alone(self):
        found = self.prediction()
        drawn = found.overlay(opacity=0.5)
        assert drawn[0].tolist() == [[100, 100, 100], [114, 50, 50], [50, 114, 50]]
        assert found.image.max() == 100
        other = np.zeros((2, 3, 3), np.uint8)
        assert found.overlay(other, opacity=1.0)[0, 1].tolist() == [128, 0, 0]

    def test_refined_probabilities_give_new_labels(self):
        found = self.prediction()
        probabilities = torch.zeros(3, 2, 3)
        probabilities[1] = 0.75
        refined = found.refined(probabilities)
        assert np.unique(refined.labels).tolist() == [1] and refined.labels.dtype == np.uint8
        assert np.unique(refined.score).tolist() == [0.75]
        assert refined.probabilities is None
        assert found.labels[0, 0] == 0


def test_freed_memory_is_used_again():
    """Three buffers of 30 MB lie above what glibc keeps by default; each of their pages would be a fault each time."""
    if not keep_freed_memory():
        pytest.skip("only glibc on Linux can be told to keep freed memory")
    import resource

    def page_faults() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        buffers = [torch.ones(30 * 2**18) for _ in range(3)]
        del buffers
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    page_faults()
    assert min(page_faults() for _ in range(3)) < 1000  # of 23,040 pages
