"""The mean of each tag's map over each region: known answers, and one entry an image of the batches."""

from functools import partial
from pathlib import Path

import numpy as np
import torch

from tagseg.cams.batches import batch_cams, batches_by_shape, read_ahead
from tagseg.cams.methods.cam import ClassActivation
from tagseg.cams.region_means import mean_by_region, measure_region_scores, spread_maps
from tagseg.data.drawn_pictures import write_dataset
from tagseg.data.layouts.folder import read_folder
from tagseg.models.backbone import build_backbone
from tagseg.models.classifier import TagClassifier
from tagseg.models.region_transitions import RegionTransitions
from tagseg.refine.shared_regions import SharedRegions
from tagseg.types import ImageRecord


def test_mean_by_region_equals_a_loop() -> None:
    cam = torch.rand(2, 5, 6, generator=torch.Generator().manual_seed(0))
    regions = np.random.default_rng(0).integers(0, 4, (5, 6))
    expected = [[cam[c].numpy()[regions == r].mean() for r in range(regions.max() + 1)] for c in range(2)]
    np.testing.assert_allclose(mean_by_region(cam, regions), expected, rtol=1e-5)


def test_every_image_is_measured_once_with_its_own_regions(tmp_path: Path) -> None:
    write_dataset(tmp_path, num_images=3, size=(32, 48), seed=0)
    split = read_folder(tmp_path)
    method = ClassActivation(
        TagClassifier(build_backbone("test_resnet", weights=None), num_classes=split.classes.num_classes).eval()
    )
    halves = np.repeat([[0] * 24 + [1] * 24], 32, axis=0)
    for batch, images in read_ahead(batches_by_shape(split.records, batch_size=2)):
        maps = partial(batch_cams, method, scales=(0.5, 1.0), flip=True)
        scores = measure_region_scores(maps, batch, images, lambda path: halves)
        assert list(scores) == [record.image_id for record in batch]
        for record, cam in zip(batch, batch_cams(method, batch, images, scales=(0.5, 1.0), flip=True), strict=True):
            expected = np.stack([cam[:, :, :24].mean(axis=(1, 2)), cam[:, :, 24:].mean(axis=(1, 2))], axis=1)
            np.testing.assert_allclose(scores[record.image_id], expected, rtol=1e-5)


def test_region_affinity_of_maps_equals_that_of_the_refinement() -> None:
    torch.manual_seed(0)
    affinity = RegionTransitions(build_backbone("test_resnet", weights=None, output_stride=None).eval())
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (32, 48, 3), np.uint8) for _ in range(2)]
    regions = {Path(name): np.arange(32 * 48).reshape(32, 48) // 256 for name in "ab"}
    cams = [rng.random((2, 32, 48), np.float32), rng.random((0, 32, 48), np.float32)]
    scores = spread_maps(affinity, images, cams, list(regions.values()))
    assert [each.shape for each in scores] == [(2, 6), (0, 6)]
    np.testing.assert_allclose(scores[0].max(axis=1), 1.0)
    records = [ImageRecord(str(path), path, (1, 2)) for path in regions]
    refiners = SharedRegions(affinity, regions.__getitem__).prepare(images, records)
    for image, cam, each, labels, refiner in zip(images, cams, scores, regions.values(), refiners, strict=True):
        np.testing.assert_allclose(refiner(image, torch.from_numpy(cam)).numpy(), each[:, labels], atol=1e-6)


def test_half_precision_of_the_network_leaves_the_scores_whole() -> None:
    affinity = RegionTransitions(build_backbone("test_resnet", weights=None, output_stride=None).eval())
    rng = np.random.default_rng(0)
    images, cams = [rng.integers(0, 256, (32, 48, 3), np.uint8)], [rng.random((2, 32, 48), np.float32)]
    regions = [np.arange(32 * 48).reshape(32, 48) // 256]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (scores,) = spread_maps(affinity, images, cams, regions)
    assert scores.dtype == np.float32 and scores.max() == 1
