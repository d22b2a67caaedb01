"""The mean of each tag's map over each region: known answers, and one entry an image of the batches."""

from pathlib import Path

import numpy as np
import torch

from tagseg.cams.batches import batch_cams, batches_by_shape, read_ahead
from tagseg.cams.methods.cam import ClassActivation
from tagseg.cams.region_means import mean_by_region, measure_region_scores
from tagseg.data.drawn_pictures import write_dataset
from tagseg.data.layouts.folder import read_folder
from tagseg.models.backbone import build_backbone
from tagseg.models.classifier import TagClassifier


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
    batches, told = list(read_ahead(batches_by_shape(split.records, batch_size=2))), []
    scores = measure_region_scores(method, batches, lambda path: halves, scales=(0.5, 1.0), advance=told.append)
    assert told == [2, 1]
    assert set(scores) == {record.image_id for record in split.records}
    for batch, images in batches:
        for record, cam in zip(batch, batch_cams(method, batch, images, scales=(0.5, 1.0), flip=True), strict=True):
            expected = np.stack([cam[:, :, :24].mean(axis=(1, 2)), cam[:, :, 24:].mean(axis=(1, 2))], axis=1)
            np.testing.assert_allclose(scores[record.image_id], expected, rtol=1e-5)
