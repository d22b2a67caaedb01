"""Photographs with labels for the writers of label formats: holes, neighbours, touching corners, odd names."""

from math import ceil
from pathlib import Path

import numpy as np
from PIL import Image

from tagseg.artifacts.label_formats.labelled_image import About, LabelFormat, LabelledImage
from tagseg.classes import ClassTable
from tagseg.ops.part_rings import part_rings
from tagseg.ops.parts import connected_parts

CLASSES = ClassTable(("cat", 'dog & "co"', "größe"))
ABOUT = About("photos", "tagseg 1.2.3", "train", "/data/?d=")


def label_maps() -> dict[str, np.ndarray]:
    """Return the labels of each photograph by its name."""
    rng = np.random.default_rng(0)
    nested = np.zeros((40, 52), np.uint8)
    nested[4:36, 3:30] = 1
    nested[10:30, 8:24] = 0  # a hole, with an object in it
    nested[15:25, 12:20] = 2
    nested[4:36, 30:52] = 3  # a neighbour that ends at the frame
    nested[0:3, 40:52] = 255
    noise = rng.integers(0, 4, (21, 33)).astype(np.uint8)
    return {"a": nested, "deep/images/b & c": noise, "empty": np.zeros((9, 7), np.uint8)}


def write_images(
    root: Path,
    writer: LabelFormat,
    *,
    tolerance_px: float = 0.0,
    scores: bool = False,
    maps: dict[str, np.ndarray] | None = None,
) -> tuple[Path, dict[str, np.ndarray]]:
    """Write photographs, three unless others are given, through a writer; return the folder, and the labels by name."""
    out, maps = root / "out", maps or label_maps()
    out.mkdir()
    with writer(out, CLASSES, ABOUT) as add:
        for number, (name, labels) in enumerate(maps.items()):
            parts = connected_parts(labels)
            rings = part_rings(parts.ids, tolerance_px=tolerance_px)
            known = tuple(1 / (place + 2) for place in range(len(rings))) if scores else ()
            photograph = root / "photographs" / f"{name}{'.png' if number else '.jpg'}"
            photograph.parent.mkdir(parents=True, exist_ok=True)
            height, width = labels.shape
            Image.fromarray(np.full((height, width, 3), 40 * number, np.uint8)).save(photograph)
            add(LabelledImage(name, photograph, labels, parts, rings, known))
    return out, maps


def without_void(labels: np.ndarray) -> np.ndarray:
    return np.where(labels == 255, 0, labels).astype(np.uint8)


def drawn(polygon: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the pixels whose centre a line to the right leaves through an odd number of sides: slow and plain."""
    rows, columns = np.arange(size[0])[:, None] + 0.5, np.arange(size[1]) + 0.5
    inside = np.zeros(size, bool)
    for (x, y), (to_x, to_y) in zip(polygon.tolist(), np.roll(polygon, -1, axis=0).tolist(), strict=True):
        low, high = (max(0, ceil(each - 0.5)) for each in sorted((y, to_y)))
        if low < high:  # the rows whose centres are between the ends of the side
            inside[low:high] ^= columns < x + (rows[low:high] - y) * (to_x - x) / (to_y - y)
    return inside
