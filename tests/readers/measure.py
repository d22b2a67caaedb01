"""How much of real masks comes back from each program, as a table: `python -m readers.measure`."""

import argparse
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from readers.exports import Masks, agreement, at_centres, read_export, write_export
from readers.programs import READERS
from tagseg.classes import VOC_CLASSES, ClassTable
from tagseg.ops.part_rings import part_rings
from tagseg.ops.parts import connected_parts
from tagseg.ops.spacing import evenly_spaced
from tagseg.types import LabelMap
from tagseg.use.label_files import POLYGONS, FormatChoice

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "voc2012_animals"


def chosen_masks(root: Path, folder: Path, classes: ClassTable, *, count: int, copies: Path) -> Masks:
    """Return masks of the photographs of VOC's `train` that a folder has, evenly spaced; these are copied."""
    listed = (root / "ImageSets" / "Segmentation" / "train.txt").read_text().split()
    names = evenly_spaced([name for name in listed if (folder / f"{name}.png").is_file()], count)
    labels = {name: np.array(Image.open(folder / f"{name}.png")) for name in names}
    files = {name: copies / f"{name}.jpg" for name in names}
    for name, path in files.items():
        shutil.copyfile(root / "JPEGImages" / f"{name}.jpg", path)  # supervision reads no links
    return Masks(classes, copies, labels, files)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="a folder in VOC's layout")
    parser.add_argument("--masks", type=Path, help="label ids as PNG, such as 4_masks/labels of a run")
    parser.add_argument("--classes", default=",".join(VOC_CLASSES), help="their names, with commas between")
    parser.add_argument("--count", type=int, default=200, help="masks")
    parser.add_argument("--only", nargs="+", metavar="FORMAT", help="these formats")
    parser.add_argument("--programs", nargs="+", metavar="MODULE", help="these programs")
    parser.add_argument("--simplify", type=float, help="tolerance of polygons in px")
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        print(f"skipped: no masks at {arguments.data}")
        return
    warnings.simplefilter("ignore")
    os.environ |= {"YOLO_VERBOSE": "false", "LOGURU_LEVEL": "ERROR"}
    folder = arguments.masks or arguments.data / "SegmentationClass"
    classes = ClassTable(tuple(arguments.classes.split(",")))
    print("| format | program | as the program draws | at the centres of pixels | corners | all corners |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as copies:
        masks = chosen_masks(arguments.data, folder, classes, count=arguments.count, copies=Path(copies))
        for format in dict.fromkeys(format for format, _, _ in READERS):
            if not arguments.only or format in arguments.only:
                tolerance = arguments.simplify if format in POLYGONS else None
                for row in measured(masks, FormatChoice(format, tolerance_px=tolerance), arguments.programs):
                    print(f"| {' | '.join(row)} |", flush=True)


def measured(masks: Masks, choice: FormatChoice, programs: list[str] | None) -> Iterator[list[str]]:
    """Yield a row for each program that reads a format."""
    with tempfile.TemporaryDirectory() as root:
        export, found = write_export(masks, Path(root, "export"), choice)
        corners = ["", ""]
        if choice.has_polygons:
            corners = [f"{found.corners:,}", f"{all_corners(masks):,}"]
        for format, program, reader in READERS:
            if format != choice.format or (programs and program not in programs):
                continue
            scratch = Path(root, program)
            scratch.mkdir()
            try:
                read = read_export(reader, replace(export, scratch=scratch))
            except ImportError:
                yield [format, program, "not installed", "", *corners]
                continue
            centres = {name: at_centres(each, export.sizes[name]) for name, each in read.polygons.items()}
            yield [format, program, told(read.labels, masks), told(centres, masks), *corners]


def all_corners(masks: Masks) -> int:
    """Return how many corners the sides of pixels have around all parts."""
    parts = (connected_parts(labels).ids for labels in masks.labels.values())
    return sum(len(ring) for ids in parts for rings in part_rings(ids, tolerance_px=0.0) for ring in rings)


def told(labels: Mapping[str, LabelMap], masks: Masks) -> str:
    if not labels:
        return ""
    same, score = agreement(labels, masks)
    return "every pixel" if same else f"{100 * score:.2f} %"


if __name__ == "__main__":
    main()
