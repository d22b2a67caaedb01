"""Which images of a run are scored, on run folders made by hand."""

from dataclasses import replace
from pathlib import Path

import pytest
from kit.hand_made_runs import NUM_IMAGES, SIDE, make_run
from kit.heard import Heard

from tagseg.artifacts.mask_file import write_mask
from tagseg.classes import VOID
from tagseg.data.drawn_pictures import write_dataset
from tagseg.data.layouts.folder import read_folder
from tagseg.results.gallery import gather_gallery
from tagseg.results.report_images import report_images
from tagseg.results.source import ReportSource, open_source


@pytest.fixture
def source(tmp_path: Path) -> ReportSource:
    """Return a run whose network labelled its training images, all of which have ground truth."""
    photos = tmp_path / "photos"
    write_dataset(photos, num_images=NUM_IMAGES, size=(SIDE, SIDE), seed=3)
    root, split = make_run(tmp_path / "run", photos), read_folder(photos, masks=photos / "masks")
    for record in split.records:
        assert record.mask is not None
        labels = record.mask.read()
        labels[labels == VOID] = 0
        write_mask(root / "6_predictions" / "labels" / f"{record.image_id}.png", labels, split.classes)
    return open_source(root)


def test_images_that_the_network_is_tested_on_are_scored(source: ReportSource) -> None:
    assert source.splits is not None
    found = report_images(source)
    assert len(found.scored) == len(found.predicted) == NUM_IMAGES
    tested = replace(source.splits, evaluation=None, test=source.splits.train)
    found = report_images(replace(source, splits=tested))
    assert len(found.scored) == len(found.predicted) == NUM_IMAGES


def test_training_images_that_the_network_labels_for_want_of_others_are_not_scored(source: ReportSource) -> None:
    """A VOC or COCO recipe without a split to score has such images."""
    assert source.splits is not None
    alone = replace(source, splits=replace(source.splits, evaluation=None))
    found = report_images(alone)
    assert len(found.predicted) == NUM_IMAGES and found.scored == frozenset()
    gallery = gather_gallery(alone, progress=Heard())
    assert len(gallery.images) == NUM_IMAGES and gallery.score == ""
    assert all("prediction" in image.labels and "truth" not in image.labels for image in gallery.images)
    assert all(image.mean_iou is None for image in gallery.images)
    assert gallery.rule.endswith(
        "Predictions are of photographs that the network learned from, since there are no others."
    )
