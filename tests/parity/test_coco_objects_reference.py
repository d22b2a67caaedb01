"""COCO files against pycocotools' own view of them, and polygons against a slow definition in plain Python."""

import json
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kit.label_files import coco_file, write_all
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from tagseg.classes import VOC_CLASSES, ClassTable
from tagseg.data.layouts.coco import read_coco

CLASSES = ClassTable(("a", "b", "c", "d"))
ANIMALS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "voc2012_animals"


def random_labels(seed: int) -> np.ndarray:
    """Return blobs of four classes with holes, specks, void, and contact at corners."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 5, size=(4, 5))
    labels = np.kron(coarse, np.ones((6, 7), int))
    noise = random.random(labels.shape)
    labels[noise < 0.1] = 0
    labels[noise > 0.95] = 3
    labels[(noise > 0.5) & (noise < 0.53)] = 255
    return labels.astype(np.uint8)


def flood(labels: np.ndarray) -> list[tuple[int, frozenset[tuple[int, int]]]]:
    """Return the 4-connected components of the classes as sets of (row, column), pixel by pixel."""
    height, width = labels.shape
    seen: set[tuple[int, int]] = set()
    found = []
    for first in np.ndindex(height, width):
        if first in seen or labels[first] in (0, 255):
            continue
        waiting, component = deque([first]), {first}
        while waiting:
            row, column = waiting.popleft()
            for down, right in ((-1, 0), (0, -1), (0, 1), (1, 0)):
                at = (row + down, column + right)
                inside = 0 <= at[0] < height and 0 <= at[1] < width
                if inside and at not in component and labels[at] == labels[first]:
                    component.add(at)
                    waiting.append(at)
        seen |= component
        found.append((int(labels[first]), frozenset(component)))
    return found


def inside(polygon: list[int], row: int, column: int) -> bool:
    """Return whether a pixel's centre is inside: a ray to the right crosses the lines an odd number of times."""
    points = list(zip(polygon[0::2], polygon[1::2], strict=True))
    crossings = 0
    for (x1, y1), (x2, y2) in zip(points, [*points[1:], points[0]], strict=True):
        crossings += x1 == x2 and x1 > column + 0.5 and min(y1, y2) < row + 0.5 < max(y1, y2)
    return crossings % 2 == 1


def annotations_of(folder: Path, labels: np.ndarray) -> list[dict[str, Any]]:
    write_all(coco_file(folder, CLASSES), [("a.jpg", labels)])
    return json.loads((folder / "annotations.json").read_text())["annotations"]


@pytest.mark.parametrize("seed", range(3))
def test_polygons_hold_the_components_of_a_flood_fill(seed: int, tmp_path: Path) -> None:
    labels = random_labels(seed)
    found = []
    for annotation in annotations_of(tmp_path, labels):
        (polygon,) = annotation["segmentation"]
        held = frozenset(pixel for pixel in np.ndindex(*labels.shape) if inside(polygon, *pixel))
        rows, columns = zip(*held, strict=True)
        low, high = (min(columns), min(rows)), (max(columns) + 1, max(rows) + 1)
        assert annotation["bbox"] == [*low, high[0] - low[0], high[1] - low[1]]
        assert annotation["area"] == len(held)
        found.append((annotation["category_id"], held))
    assert len(found) == len(set(found))
    assert set(found) == set(flood(labels))


@pytest.mark.parametrize("seed", range(3))
def test_areas_and_boxes_are_those_of_pycocotools(seed: int, tmp_path: Path) -> None:
    labels = random_labels(seed)
    found = annotations_of(tmp_path, labels)
    assert len(found) >= 3
    for annotation in found:
        shape = annotation["segmentation"]
        runs = coco_mask.merge(coco_mask.frPyObjects(shape, *labels.shape))
        assert annotation["area"] == coco_mask.area(runs)
        assert annotation["bbox"] == coco_mask.toBbox(runs).tolist()


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # in pycocotools
def test_cocos_own_reader_gives_the_label_maps_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    maps = {f"photo {seed}.jpg": random_labels(seed) for seed in range(3)}
    maps["empty.jpg"] = np.zeros((3, 4), np.uint8)
    write_all(coco_file(tmp_path, CLASSES), maps.items())
    coco = COCO(str(tmp_path / "annotations.json"))
    assert "error" not in capsys.readouterr().out
    assert [category["name"] for category in coco.loadCats(coco.getCatIds())] == ["a", "b", "c", "d"]
    for image in coco.loadImgs(coco.getImgIds()):
        labels = maps[image["file_name"]]
        assert (image["height"], image["width"]) == labels.shape
        painted = np.zeros_like(labels)
        for annotation in coco.loadAnns(coco.getAnnIds(imgIds=[image["id"]])):
            painted[coco.annToMask(annotation) == 1] = annotation["category_id"]
        np.testing.assert_array_equal(painted, np.where(labels == 255, 0, labels))


@pytest.mark.skipif(not ANIMALS.is_dir(), reason=f"{ANIMALS} is not there")
def test_real_masks_of_voc_survive_the_way_through_a_file(tmp_path: Path) -> None:
    paths = sorted((ANIMALS / "SegmentationClass").glob("*.png"))[:12]
    maps = {f"{path.stem}.jpg": np.array(Image.open(path)) for path in paths}
    for name in maps:
        (tmp_path / name).touch()
    write_all(coco_file(tmp_path, ClassTable(VOC_CLASSES)), maps.items())
    split = read_coco(tmp_path, tmp_path / "annotations.json")
    assert split.classes.names == VOC_CLASSES
    for record in split.records:
        labels = maps[record.image_path.name]
        assert record.mask is not None
        np.testing.assert_array_equal(record.mask.read(), np.where(labels == 255, 0, labels))
