"""How long the browser app's server takes for a photograph, alone and with 20 uploads at a time.

A run with untrained networks on MobileNetV2 (DeepLabV3+ with 21 labels, and a classifier of 20 classes) is served by
`tagseg serve` in a process of its own, on a free port of 127.0.0.1. Photographs of 500 x 375 are sent as JPEG files;
each time is from the first byte of the request to the last of its answer, and the answer is what the page asks for:
mask and score, or tags and maps.

    python benchmarks/serve.py --data ../shared/data/voc2012_animals

Without ``--data`` the images are noise, whose files are larger than those of photographs.
The exit code is 1 when a bar is missed: a median of 1 s for one photograph, and no failure of 20 at a time.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image as PillowImage

from tagseg.artifacts.checkpoint import save_checkpoint
from tagseg.artifacts.segmenter_file import save_segmenter
from tagseg.assemble.networks import build_classifier
from tagseg.classes import VOC_CLASSES, ClassTable
from tagseg.data.images import image_size, read_image
from tagseg.models.segmentation_network import SegmenterDesign, build_segmenter
from tagseg.recipe.toml_file import make_recipe, to_toml

SIZE, BAR_S, PARALLEL, TIMEOUT_S = (375, 500), 1.0, 20, 300
QUESTIONS = {
    "segmenter": ("/predict?score=true", "mask and score by the segmenter"),
    "classifier": ("/cams", "tags and maps by the classifier"),
}


def save_run(folder: Path) -> None:
    """Leave a run with both networks, as `tagseg run` does."""
    torch.manual_seed(0)
    values = {"name": "serve", "data": {"format": "folder", "root": "photos"}}
    values["classifier"] = {"backbone": "mobilenetv2_100"}
    recipe = make_recipe(values)
    (folder / "recipe.toml").write_text(to_toml(recipe))
    classifier = build_classifier(recipe, num_classes=len(VOC_CLASSES), pretrained=False)
    save_checkpoint(
        folder / "1_classifier" / "classifier.safetensors",
        tensors={"classifier": classifier.state_dict()},
        state={"classes": list(VOC_CLASSES)},
    )
    design = SegmenterDesign("deeplabv3plus", "mobilenetv2_100", num_labels=len(VOC_CLASSES) + 1, decoder_channels=256)
    network = build_segmenter(design, weights=None)
    save_segmenter(folder / "5_segmenter", network, ClassTable(VOC_CLASSES), prediction={}, notes={})


def photographs(data: Path | None, count: int) -> list[bytes]:
    """Return JPEG files of 500 x 375 pixels."""
    paths = sorted((data / "JPEGImages").glob("*.jpg")) if data else []
    native = [path for path in paths if image_size(path) == SIZE][:count]
    random, files = np.random.default_rng(0), []
    for index in range(count):
        pixels = read_image(native[index % len(native)]) if native else random.integers(0, 256, (*SIZE, 3), np.uint8)
        file = BytesIO()
        PillowImage.fromarray(pixels).save(file, format="JPEG", quality=90)
        files.append(file.getvalue())
    return files


@contextmanager
def served(run: Path, *, threads: int) -> Iterator[tuple[int, float]]:
    """Serve a run; lend its port and the seconds until it answered. The server ends with the block."""
    command = [sys.executable, "-c", "from tagseg.cli.main import app_main; app_main()", "serve", str(run)]
    command += ["--port", "0", "--device", "cpu"]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONUNBUFFERED": "1"}
    started_s = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline().split("127.0.0.1:")[1].split("/")[0])
        ask(port, "GET", "/health")
        yield port, time.perf_counter() - started_s
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)


def ask(port: int, method: str, path: str, image: bytes | None = None) -> tuple[int, float]:
    """Return the status of the answer, and the seconds until all of it was there."""
    boundary = uuid.uuid4().hex
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="images"; filename="photo.jpg"\r\n\r\n'
    body = None if image is None else head.encode() + image + f"\r\n--{boundary}--\r\n".encode()
    started_s = time.perf_counter()
    connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    connection.request(method, path, body, {"content-type": f"multipart/form-data; boundary={boundary}"})
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status, time.perf_counter() - started_s


def summary(answers: list[tuple[int, float]], *, wall_s: float) -> dict:
    """Return how many succeeded, and seconds of the answers."""
    seconds = [second for _, second in answers]
    median, late, worst = np.percentile(seconds, [50, 95, 100]).tolist()
    return {
        "requests": len(answers),
        "succeeded": sum(status == 200 for status, _ in answers),
        "median_s": median,
        "p95_s": late,
        "max_s": worst,
        "images_per_s": len(answers) / wall_s,
    }


def measure(port: int, path: str, images: list[bytes]) -> dict[str, dict]:
    """Send the images one after the other, then 20 at a time."""
    started_s = time.perf_counter()
    alone = summary([ask(port, "POST", path, image) for image in images], wall_s=time.perf_counter() - started_s)
    started_s = time.perf_counter()
    with ThreadPoolExecutor(PARALLEL) as pool:
        answers = list(pool.map(lambda image: ask(port, "POST", path, image), images[:PARALLEL]))
    return {"alone": alone, "together": summary(answers, wall_s=time.perf_counter() - started_s)}


def print_table(result: dict) -> None:
    """Print one line for each question and way."""
    line = "{:34}{:>15}{:>12}{:>9}{:>9}{:>9}{:>11}".format
    print(line("500 x 375, MobileNetV2", "uploads", "succeeded", "median", "95 %", "longest", "images/s"))
    for name, (_, title) in QUESTIONS.items():
        for way, found in result[name].items():
            uploads = "one by one" if way == "alone" else f"{found['requests']} at a time"
            times = [f"{found[key]:.2f} s" for key in ("median_s", "p95_s", "max_s")]
            rate = f"{found['images_per_s']:.2f}"
            print(line(title, uploads, f"{found['succeeded']}/{found['requests']}", *times, rate))
    print(f"ready {result['start_s']:.1f} s after its start; bars (1 s, all of 20): {result['bars']}")


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="The browser app's server: seconds a photograph.")
    parser.add_argument("--data", type=Path, help="data set in VOC layout, for its photographs")
    parser.add_argument("--images", type=int, default=40, help="sent one by one, at least 20")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "serve.json")
    asked = parser.parse_args()
    images = photographs(asked.data, max(PARALLEL, asked.images))
    with tempfile.TemporaryDirectory() as folder:
        save_run(Path(folder))
        with served(Path(folder), threads=asked.threads) as (port, start_s):
            result: dict = {name: measure(port, path, images) for name, (path, _) in QUESTIONS.items()}
    found = [result[name] for name in QUESTIONS]
    met = all(each["alone"]["median_s"] < BAR_S for each in found) and all(
        each[way]["succeeded"] == each[way]["requests"] for each in found for way in each
    )
    result |= {"start_s": start_s, "bars": "met" if met else "missed"}
    print_table(result)
    machine = {"torch": torch.__version__, "machine": platform.machine(), "python": platform.python_version()}
    inputs = "photographs" if asked.data else "noise"
    report = {"machine": machine, "inputs": inputs, "threads": asked.threads, "serve": result}
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(report, indent=2) + "\n")
    return int(not met)


if __name__ == "__main__":
    sys.exit(main())
