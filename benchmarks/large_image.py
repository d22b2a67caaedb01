"""One image of 6000 x 4000 in tiles: the memory that it takes, and how its labels differ from those of one pass.

The image is a mosaic of photographs at their own size. Each way runs in a process of its own, whose peak of resident
memory above what it held with the network loaded is what counts. The whole pass takes many gigabytes: --no-whole
leaves it out.

    python benchmarks/large_image.py runs/animals --data ../shared/data/voc2012_animals

The exit code is 1 when a bar is missed: 2 GB for the tiles, 99.5 % of the pixels with the same label.
"""

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

import tagseg
from tagseg.data.images import read_image

SIZE, MEMORY_BAR_MB, AGREEMENT_BAR = (4000, 6000), 2000, 0.995


def mosaic(data: Path, size: tuple[int, int]) -> np.ndarray:
    """Return photographs side by side, row by row, at their own size, cut to ``size``."""
    paths = iter(sorted((data / "JPEGImages").glob("*.jpg")) * 2)
    canvas, top = np.zeros((*size, 3), np.uint8), 0
    while top < size[0]:
        left, tallest = 0, 0
        while left < size[1]:
            photo = read_image(next(paths))
            part = photo[: size[0] - top, : size[1] - left]
            canvas[top : top + part.shape[0], left : left + part.shape[1]] = part
            left, tallest = left + photo.shape[1], max(tallest, photo.shape[0])
        top += tallest
    return canvas


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)


def measure(source: str, image: Path, labels: Path, *, whole: bool) -> None:
    """Label the image, keep the labels, and print megabytes above those with the network loaded, and seconds."""
    segmenter = tagseg.load(source, device="cpu")
    tile = max(SIZE) if whole else segmenter.settings.tile_px
    tile += -tile % 32
    segmenter.settings = replace(segmenter.settings, scales=(1.0,), flip=False, max_side_px=None, tile_px=tile)
    segmenter.predict(np.zeros((64, 64, 3), np.uint8))  # what loads at the first call
    before, started = peak_mb(), time.perf_counter()
    found = segmenter.predict(image)
    seconds = time.perf_counter() - started
    taken = peak_mb() - before
    np.save(labels, found.labels)
    print(json.dumps({"megabytes": round(taken), "seconds": round(seconds, 1)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="a run folder or an exported folder")
    parser.add_argument("--data", type=Path, required=True, help="folder with JPEGImages")
    parser.add_argument("--no-whole", action="store_true", help="leave out the pass over the whole image")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--only", choices=("tiles", "whole"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.only:
        labels = asked.folder / f"{asked.only}.npy"
        measure(asked.source, asked.folder / "image.png", labels, whole=asked.only == "whole")
        return
    with tempfile.TemporaryDirectory() as scratch:
        PillowImage.fromarray(mosaic(asked.data, SIZE)).save(Path(scratch) / "image.png", compress_level=1)
        ways = ["tiles"] if asked.no_whole else ["tiles", "whole"]
        figures = {"size": SIZE, "platform": platform.platform()}
        for way in ways:
            words = [sys.executable, __file__, asked.source, "--data", str(asked.data), "--only", way]
            done = subprocess.run([*words, "--folder", scratch], stdout=subprocess.PIPE, text=True, check=True)
            figures[way] = json.loads(done.stdout)
            print(f"{way:6} {figures[way]['megabytes']:6} MB above the network, {figures[way]['seconds']:6} s")
        if not asked.no_whole:
            one, other = (np.load(Path(scratch) / f"{way}.npy") for way in ways)
            figures["same_labels"] = float((one == other).mean())
            figures["labels_found"] = np.unique(other).tolist()
            print(f"same label: {100 * figures['same_labels']:.3f} % of {one.size} pixels, {figures['labels_found']}")
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    failed = figures["tiles"]["megabytes"] > MEMORY_BAR_MB or figures.get("same_labels", 1) < AGREEMENT_BAR
    raise SystemExit(int(failed))


if __name__ == "__main__":
    main()
