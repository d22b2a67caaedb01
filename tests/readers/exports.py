"""Label maps written as `tagseg export` writes them, for programs to read back, and how much of them comes back."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from kit.labelled_images import drawn

from readers.programs import Export, Found, Polygons, Reader
from tagseg.classes import VOID, ClassTable
from tagseg.evaluation.confusion import ConfusionMatrix
from tagseg.evaluation.scores import compute_scores
from tagseg.types import LabelMap
from tagseg.use.label_files import FormatChoice, LabelExport, label_files

WITH_VOID = ("voc", "ids", "yolo-masks", "cvat", "huggingface")


@dataclass(frozen=True)
class Masks:
    """Photographs with label maps.

    Args:
        classes: names of the labels.
        folder: of the photographs.
        labels: by the name of the photograph.
        files: of the photographs, by the same.
    """

    classes: ClassTable
    folder: Path
    labels: Mapping[str, LabelMap]
    files: Mapping[str, Path]


def write_export(masks: Masks, root: Path, choice: FormatChoice) -> tuple[Export, LabelExport]:
    """Write the masks in a format below an empty folder."""
    out, scratch = root / "out", root / "scratch"
    out.mkdir(parents=True)
    scratch.mkdir()
    with label_files(out, choice, masks.classes, title="photos", split="train") as (files, found):
        for name, labels in masks.labels.items():
            files.add(name, masks.files[name], labels)
    sizes = {name: (labels.shape[0], labels.shape[1]) for name, labels in masks.labels.items()}
    return Export(out, masks.classes, masks.folder, sizes, scratch), found


def read_export(reader: Reader, export: Export) -> Found:
    """Return what a program finds, of every photograph."""
    found = reader(export)
    for each in (found.labels, found.polygons):
        if each:
            assert set(each) == set(export.sizes)
    return found


def at_centres(polygons: Polygons, size: tuple[int, int]) -> LabelMap:
    """Return the labels of pixels whose centres lie in polygons: what these say, however a program draws them."""
    labels = np.zeros(size, np.uint8)
    for label, corners in polygons:
        low, high = np.floor(corners.min(axis=0)).astype(int), np.ceil(corners.max(axis=0)).astype(int)
        (left, top), (right, bottom) = np.maximum(low, 0), np.minimum(high, size[::-1])
        if right > left and bottom > top:
            inside = drawn(np.round(corners - (left, top), 2), (bottom - top, right - left))
            labels[top:bottom, left:right][inside] = label
    return labels


def agreement(found: Mapping[str, LabelMap], masks: Masks) -> tuple[bool, float]:
    """Return whether all pixels but void ones are the same, and the mean IoU over the classes."""
    matrix, same = ConfusionMatrix(masks.classes.num_labels), True
    for name, labels in masks.labels.items():
        seen = np.where(found[name] == VOID, np.uint8(0), found[name])
        same = same and bool((seen == labels)[labels != VOID].all())
        matrix.update(seen, labels, name=name)
    return same, compute_scores(matrix, masks.classes.label_names).mean_iou
