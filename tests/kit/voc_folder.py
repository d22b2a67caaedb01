"""A small data set in VOC's layout: blots of one colour a class on grey, with masks and a table of tags."""

from pathlib import Path

import numpy as np
from PIL import Image

from tagseg.classes import VOC_CLASSES, ClassTable

LOOKS = {"cat": (200, 80, 60), "dog": (60, 160, 80), "horse": (70, 90, 210)}


def write_voc_folder(root: Path, *, count: int, size: tuple[int, int] = (64, 80)) -> Path:
    """Write photographs of one class each, in turn; all are `train_aug`, the first six `train`, the last six `val`."""
    for folder in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True)
    random, rows, table = np.random.default_rng(0), ["image,tags"], ClassTable(VOC_CLASSES)
    y, x = np.mgrid[: size[0], : size[1]]
    for index in range(count):
        name, tag = f"2007_{index:06}", list(LOOKS)[index % len(LOOKS)]
        centre, radius = random.integers(20, (size[0] - 20, size[1] - 20)), random.integers(10, 18)
        inside = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2
        image = np.where(inside[..., None], LOOKS[tag], (128, 128, 128)) + random.integers(-20, 20, (*size, 3))
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(root / "JPEGImages" / f"{name}.jpg", quality=95)
        labels = Image.fromarray(np.where(inside, table.label_id(tag), 0).astype(np.uint8))
        labels.putpalette(table.palette())
        labels.save(root / "SegmentationClass" / f"{name}.png")
        rows.append(f"{name},{tag}")
    (root / "image_tags.csv").write_text("\n".join(rows) + "\n")
    names = [row.partition(",")[0] for row in rows[1:]]
    for split, some in (("train_aug", names), ("train", names[:6]), ("val", names[-6:])):
        (root / "ImageSets" / "Segmentation" / f"{split}.txt").write_text("\n".join(some) + "\n")
    return root
