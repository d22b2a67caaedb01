"""The level of a class map: the quantile of its values where the class is not."""

from pathlib import Path

import numpy as np
import torch

from tagseg.cams.class_photographs import photographs_by_class
from tagseg.cams.level import PHOTOGRAPHS, measure_level
from tagseg.data.augment import normalize_image
from tagseg.data.drawn_pictures import write_dataset
from tagseg.data.layouts.folder import read_folder
from tagseg.data.seen_files import read_photograph
from tagseg.models.backbone import build_backbone
from tagseg.models.classifier import TagClassifier
from tagseg.types import ImageRecord


def test_the_level_is_a_quantile_over_all_cells_of_photographs_without_the_class(tmp_path: Path) -> None:
    write_dataset(tmp_path, num_images=6, size=(32, 48), seed=0)
    split = read_folder(tmp_path)
    torch.manual_seed(0)
    classifier = TagClassifier(build_backbone("test_resnet", weights=None), num_classes=split.classes.num_classes)
    classifier.level.fill_(7.0)  # an older one plays no part
    seen = []
    found = measure_level(
        classifier,
        photographs_by_class(split.records, num_classes=split.classes.num_classes, shown=False, most=PHOTOGRAPHS),
        quantile=0.9,
        advance=seen.append,
    )
    assert classifier.training and sum(seen) == len({r.image_id for r in split.records if len(r.tags) < len(found)})
    classifier.eval()
    for label, level in enumerate(found.tolist(), start=1):
        cells = []
        for record in split.records:
            if label not in record.tags:
                image = normalize_image(
                    read_photograph(record), mean=classifier.backbone.mean, std=classifier.backbone.std
                )
                with torch.no_grad():
                    cells.append(classifier(image[None])[0, label - 1].flatten().numpy())
        expected = np.quantile(np.concatenate(cells), 0.9, method="lower") if cells else 0.0
        np.testing.assert_allclose(level, expected, rtol=1e-6)


def test_a_class_of_every_photograph_has_no_level(tmp_path: Path) -> None:
    write_dataset(tmp_path, num_images=2, size=(32, 32), seed=0)
    records = [ImageRecord(r.image_id, r.image_path, (1,)) for r in read_folder(tmp_path).records]
    torch.manual_seed(0)
    classifier = TagClassifier(build_backbone("test_resnet", weights=None), num_classes=2)
    level = measure_level(
        classifier, photographs_by_class(records, num_classes=2, shown=False, most=PHOTOGRAPHS), quantile=0.5
    )
    assert level[0] == 0 and level[1] != 0
