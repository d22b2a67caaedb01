"""Predicting many photographs against the network's bare forward pass over the same batches, in turns.

The pipeline reads JPEG files, runs the network, finds labels and scores, and writes palette PNGs. The bare pass has its
normalised images in memory and ends with the logits at full size: one by one, which is what the pipeline does on a CPU
and what it is held against, and in batches, which take longer there. The pipeline's own forward pass, for which its
batch norms are folded into convolutions, stands beside them. DeepLabV3+ on MobileNetV2 with 21 labels, 200
photographs of 375 x 500 in rounds of 40: each round times all on the same images, in changing order.

    python benchmarks/predict.py --data ../shared/data/voc2012_animals

Without ``--data`` the images are noise, whose JPEG and PNG files are larger than those of photographs.
The exit code is 1 when the bar is missed: 90 % of the bare pass's images per second.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from PIL import Image as PillowImage
from torch import Tensor

from tagseg.classes import VOC_CLASSES, ClassTable
from tagseg.data.images import image_size, read_image
from tagseg.models.folding import fold_batch_norms
from tagseg.models.segmentation_network import SegmentationNetwork, SegmenterDesign, build_segmenter
from tagseg.prediction.many_images import Item, predict_many
from tagseg.prediction.segment import normalize_images
from tagseg.prediction.segmenter import MAX_SIDE_PX, Prediction, PredictionSettings, Segmenter
from tagseg.types import Image

SIZE, BAR = (375, 500), 0.9
PROGRAMS = {
    "bare": "forward pass, one by one",
    "batches": "forward pass, in batches",
    "folded": "forward pass, batch norms folded",
    "pipeline": "JPEG in, palette PNG out",
}


def make_files(folder: Path, *, data: Path | None, count: int) -> list[Item]:
    """Write ``count`` JPEG files of one size: photographs of the data set, or noise."""
    photographs = sorted((data / "JPEGImages").glob("*.jpg")) if data else []
    native = [path for path in photographs if image_size(path) == SIZE] or photographs
    random, items = np.random.default_rng(0), []
    for index in range(count):
        path = folder / f"{index:04}.jpg"
        if native:
            image = PillowImage.fromarray(read_image(native[index % len(native)])).resize((SIZE[1], SIZE[0]))
        else:
            coarse = random.integers(0, 256, (24, 32, 3), np.uint8)
            image = PillowImage.fromarray(coarse).resize((SIZE[1], SIZE[0]), PillowImage.Resampling.BICUBIC)
        image.save(path, quality=90)
        items.append((path.stem, path))
    return items


def bare_pass(network: SegmentationNetwork, batches: Iterable[Tensor]) -> None:
    """Run the network alone."""
    with torch.no_grad():
        for batch in batches:
            network(batch)


def whole_pipeline(segmenter: Segmenter, items: list[Item], folder: Path) -> None:
    """Read, predict and write."""

    def write(name: str, image: Image, prediction: Prediction) -> None:
        prediction.save(folder / f"{name}.png")

    def fail(name: str, error: Exception) -> None:
        raise error

    predict_many(segmenter, items, handle=write, failed=fail)


def measure(segmenter: Segmenter, items: list[Item], folder: Path, *, round_size: int) -> list[dict]:
    """Time all on every round of images."""
    network, rounds, size = segmenter.network, [], segmenter.settings.batch_size
    folded = fold_batch_norms(network)
    for number, start in enumerate(range(0, len(items), round_size)):
        chosen = items[start : start + round_size]
        images = [read_image(path) for _, path in chosen]
        pixels = normalize_images(images, mean=network.mean, std=network.std, device=segmenter.device)
        programs = {
            "bare": lambda pixels=pixels: bare_pass(network, pixels.split(1)),
            "batches": lambda pixels=pixels: bare_pass(network, pixels.split(size)),
            "folded": lambda pixels=pixels: bare_pass(folded, pixels.split(1)),
            "pipeline": lambda chosen=chosen: whole_pipeline(segmenter, chosen, folder),
        }
        row: dict[str, float] = {"images": len(chosen)}
        for name in sorted(programs, reverse=bool(number % 2)):
            wall, processor = time.perf_counter(), time.process_time()
            programs[name]()
            row[name] = time.perf_counter() - wall
            row[f"{name}_cpu"] = time.process_time() - processor
        rounds.append(row)
    return rounds


def summarize(rounds: list[dict]) -> dict:
    """Return images per second over all rounds, and how the two compare."""
    images = sum(row["images"] for row in rounds)
    rates = {name: images / sum(row[name] for row in rounds) for name in PROGRAMS}
    processor = {name: sum(row[f"{name}_cpu"] for row in rounds) / images for name in rates}
    ratio, of_own_pass = (rates["pipeline"] / rates[name] for name in ("bare", "folded"))
    per_round = [row["bare"] / row["pipeline"] for row in rounds]
    return {
        "images": images,
        "images_per_s": rates,
        "cpu_s_per_image": processor,
        "ratio": ratio,
        "ratio_of_each_round": per_round,
        "ratio_to_its_own_pass": of_own_pass,
        "bar": "met" if ratio >= BAR else "missed",
    }


def print_table(result: dict) -> None:
    """Print one line for each program, and how they compare."""
    line = "{:40}{:>14}{:>20}".format
    print(line("DeepLabV3+ MobileNetV2, 375 x 500", "images/s", "CPU s per image"))
    for name, title in PROGRAMS.items():
        print(line(title, f"{result['images_per_s'][name]:.2f}", f"{result['cpu_s_per_image'][name]:.3f}"))
    rounds = ", ".join(f"{ratio:.3f}" for ratio in result["ratio_of_each_round"])
    print(f"pipeline / its own pass, batch norms folded: {result['ratio_to_its_own_pass']:.3f}")
    print(f"pipeline / forward pass: {result['ratio']:.3f} (rounds: {rounds}), bar {BAR}: {result['bar']}")


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="Prediction: the whole pipeline against the bare forward pass.")
    parser.add_argument("--data", type=Path, help="data set in VOC layout, for its photographs")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--round-size", type=int, default=40, help="images that each program takes in its turn")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "predict.json")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    torch.manual_seed(0)
    design = SegmenterDesign("deeplabv3plus", "mobilenetv2_100", num_labels=len(VOC_CLASSES) + 1, decoder_channels=256)
    settings = PredictionSettings(max_side_px=MAX_SIDE_PX, batch_size=asked.batch_size)
    segmenter = Segmenter(build_segmenter(design, weights=None), ClassTable(VOC_CLASSES), settings=settings)
    with tempfile.TemporaryDirectory() as folder:
        items = make_files(Path(folder), data=asked.data, count=asked.images)
        whole_pipeline(segmenter, items[: asked.batch_size], Path(folder))  # the first pass allocates and chooses
        rounds = measure(segmenter, items, Path(folder), round_size=asked.round_size)
    result = summarize(rounds) | {"threads": asked.threads, "batch_size": asked.batch_size}
    print_table(result)
    machine = {"torch": torch.__version__, "machine": platform.machine(), "python": platform.python_version()}
    machine["OMP_WAIT_POLICY"] = os.environ.get("OMP_WAIT_POLICY", "not set")
    inputs = "photographs" if asked.data else "noise"
    report = {"machine": machine, "inputs": inputs, "prediction": result, "rounds": rounds}
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(report, indent=2) + "\n")
    return int(result["bar"] == "missed")


if __name__ == "__main__":
    sys.exit(main())
