"""The dense CRF (ours) against pydensecrf2, the authors' C++ code: time, memory, labels and mIoU, on the same inputs.

Speed: photographs of 375 x 500, 3 labels, 10 iterations, both parameter sets, ours with one and with two threads (the
reference has one); both take turns and the best round of each counts. Memory: how far one CRF raises the peak of
resident memory in a fresh process (Linux). Quality: whole photographs, with unaries from the CAMs of a run, or without
one from the ground truth seen at one vote every 20 pixels.

    pip install -e '.[crf]'
    python benchmarks/dense_crf.py --data ../shared/data/voc2012_animals --run runs/animals

Two threads need two idle cores; on a machine that others use too, start it with ``OMP_WAIT_POLICY=passive``.
The exit code is 1 when a bar is missed: 1.5 times the reference's time, 600 MB, 98 % of labels, 0.3 points of mIoU.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import numpy as np
import torch
from pydensecrf import densecrf  # pyright: ignore[reportAttributeAccessIssue]
from pydensecrf.utils import unary_from_softmax
from torch import Tensor
from torch.nn import functional

from tagseg.artifacts.cam_file import read_cam
from tagseg.classes import VOID
from tagseg.data.images import image_size, read_image
from tagseg.data.layouts.voc import read_voc
from tagseg.evaluation.confusion import ConfusionMatrix
from tagseg.evaluation.scores import compute_scores
from tagseg.refine.dense_crf import FINAL_CRF, CrfSettings, DenseCrf, label_probabilities
from tagseg.types import Image, ImageRecord, Split

SETTINGS = {"affinity labels": CrfSettings(), "final": FINAL_CRF}
SIZE, LABELS, ROUNDS = (375, 500), 3, 4
SPEED_BAR, MEMORY_BAR_MB, AGREEMENT_BAR, MIOU_BAR = 1.5, 600, 0.98, 0.3
VOTE_PX = 20
CAM_BACKGROUND, CAM_SHARPNESS = 0.3, 6.0


def reference(image: Image, probabilities: Tensor, settings: CrfSettings) -> Tensor:
    """Run pydensecrf2 with its default, symmetric normalisation."""
    num_labels, height, width = probabilities.shape
    model = densecrf.DenseCRF2D(width, height, num_labels)
    model.setUnaryEnergy(np.ascontiguousarray(unary_from_softmax(probabilities.numpy())))
    model.addPairwiseGaussian(sxy=settings.gaussian_sigma_px, compat=settings.gaussian_weight)
    sigmas = {"sxy": settings.bilateral_sigma_px, "srgb": settings.bilateral_sigma_rgb}
    model.addPairwiseBilateral(**sigmas, rgbim=np.ascontiguousarray(image), compat=settings.bilateral_weight)
    return torch.from_numpy(np.array(model.inference(settings.iterations))).view(probabilities.shape)


def ours(image: Image, probabilities: Tensor, settings: CrfSettings) -> Tensor:
    """Build the kernels and run mean field."""
    return DenseCrf(image, settings=settings).infer(probabilities)


PROGRAMS = {"ours": ours, "pydensecrf2": reference}


def random_unary(size: tuple[int, int]) -> Tensor:
    """Return probabilities of 3 labels from one seed."""
    return torch.rand(LABELS, *size, generator=torch.Generator().manual_seed(0)).softmax(0)


def vote_unary(truth: Tensor, *, settings_name: str) -> Tensor:
    """Return what one vote every 20 pixels says of the ground truth's labels 0..L-1."""
    middle = VOTE_PX // 2
    votes = functional.one_hot(truth[middle::VOTE_PX, middle::VOTE_PX]).permute(2, 0, 1)[None].float()
    scores = functional.interpolate(votes, size=truth.shape, mode="bilinear")[0]
    return hard_or_soft(scores, settings_name=settings_name)


def cam_unary(run: Path, record: ImageRecord, *, settings_name: str) -> tuple[Tensor, np.ndarray]:
    """Return probabilities from a run's CAMs with a constant background score, and the label id of each channel."""
    stored = read_cam(run / "2_cams" / f"{record.image_id}.npz")
    maps = functional.pad(torch.from_numpy(stored.cam), (0, 0, 0, 0, 1, 0), value=CAM_BACKGROUND)
    scores = maps if settings_name == "affinity labels" else (CAM_SHARPNESS * maps).softmax(0)
    return hard_or_soft(scores, settings_name=settings_name), np.array([0, *stored.label_ids])


def hard_or_soft(scores: Tensor, *, settings_name: str) -> Tensor:
    """Return the unary that a parameter set is meant for: labels with one certainty, or the scores."""
    if settings_name == "affinity labels":
        return label_probabilities(scores.argmax(0), num_labels=len(scores))
    return scores


def unary_of(record: ImageRecord, run: Path | None, *, settings_name: str) -> tuple[Tensor, np.ndarray, np.ndarray]:
    """Return probabilities, the label id of each channel, and the ground truth of one image."""
    assert record.mask is not None
    truth = record.mask.read()
    if run is not None:
        return *cam_unary(run, record, settings_name=settings_name), truth
    label_ids = np.unique(np.append(truth[truth != VOID], 0))
    channels = torch.from_numpy(np.searchsorted(label_ids, np.where(truth == VOID, 0, truth)))
    unary = vote_unary(channels, settings_name=settings_name)
    return unary, label_ids[: len(unary)], truth


def time_row(images: list[Image], *, settings_name: str, threads: int) -> dict:
    """Time both programs in turns on every image."""
    torch.set_num_threads(threads)
    settings, unary = SETTINGS[settings_name], random_unary(SIZE)
    best = {name: [float("inf")] * len(images) for name in PROGRAMS}
    for index, image in enumerate(images):
        for _ in range(ROUNDS):
            for name, program in PROGRAMS.items():
                start = time.perf_counter()
                program(image, unary, settings)
                best[name][index] = min(best[name][index], time.perf_counter() - start)
    ratios = np.array(best["ours"]) / np.array(best["pydensecrf2"])
    seconds = {name: float(np.mean(times)) for name, times in best.items()}
    ratio, worst = seconds["ours"] / seconds["pydensecrf2"], float(ratios.max())
    row = {"settings": settings_name, "threads": threads, "images": len(images), "seconds": seconds, "ratio": ratio}
    return row | {"worst_ratio": worst, "bar": "met" if ratio <= SPEED_BAR else "missed"}


def quality_row(records: list[ImageRecord], split: Split, run: Path | None, *, settings_name: str) -> dict:
    """Compare labels and mIoU over whole images."""
    torch.set_num_threads(1)
    settings, agreements = SETTINGS[settings_name], []
    matrices = {name: ConfusionMatrix(split.classes.num_labels) for name in ("unary", *PROGRAMS)}
    for record in records:
        image = read_image(record.image_path)
        unary, label_ids, truth = unary_of(record, run, settings_name=settings_name)
        marginals = {"unary": unary} | {name: program(image, unary, settings) for name, program in PROGRAMS.items()}
        labels = {name: label_ids[scores.argmax(0).numpy()] for name, scores in marginals.items()}
        agreements.append(float((labels["ours"] == labels["pydensecrf2"]).mean()))
        for name, predicted in labels.items():
            matrices[name].update(predicted, truth, name=record.image_id)
    miou = {name: 100 * compute_scores(matrix, split.classes.label_names).mean_iou for name, matrix in matrices.items()}
    difference = miou["ours"] - miou["pydensecrf2"]
    met = min(agreements) >= AGREEMENT_BAR and abs(difference) <= MIOU_BAR
    return {
        "settings": settings_name,
        "images": len(records),
        "agreement": float(np.mean(agreements)),
        "least_agreement": min(agreements),
        "miou": miou,
        "miou_difference": difference,
        "bar": "met" if met else "missed",
    }


def peak_mb() -> float:
    """Return the peak resident memory since the last reset."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024 / 1e6


def measure_memory(image_path: Path, *, program: str, settings_name: str) -> None:
    """Run one CRF in this process, and print how far it raised the peak."""
    torch.set_num_threads(1)
    image, unary = read_image(image_path), random_unary(SIZE)
    PROGRAMS[program](image[:8, :8], unary[:, :8, :8].contiguous(), SETTINGS[settings_name])
    Path("/proc/self/clear_refs").write_text("5")
    before = peak_mb()
    PROGRAMS[program](image, unary, SETTINGS[settings_name])
    print(json.dumps(peak_mb() - before))


def memory_row(image_path: Path, *, settings_name: str) -> dict:
    """Measure both programs, each in a fresh process."""
    peaks = {}
    for program in PROGRAMS:
        command = [sys.executable, __file__, "--memory", program, settings_name, str(image_path)]
        peaks[program] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {"settings": settings_name, "peak_mb": peaks, "bar": "met" if peaks["ours"] < MEMORY_BAR_MB else "missed"}


def print_table(times: list[dict], memory: list[dict], quality: list[dict]) -> None:
    """Print one line a measurement."""
    line = "{:34}{:>12}{:>14}{:>12}{:>22}{:>8}".format
    print(line("375 x 500, 3 labels, 10 iterations", "ours", "pydensecrf2", "ratio", "worst image", "bar"))
    for row in times:
        name = f"{row['settings']}, threads: {row['threads']}"
        cells = [f"{row['seconds'][program]:.3f} s" for program in PROGRAMS]
        print(line(name, *cells, f"{row['ratio']:.2f}", f"{row['worst_ratio']:.2f}", row["bar"]))
    for row in memory:
        cells = [f"{row['peak_mb'][program]:.0f} MB" for program in PROGRAMS]
        print(line(f"{row['settings']}, memory", *cells, "", "", row["bar"]))
    print(line(f"mIoU, {quality[0]['images']} images", "ours", "pydensecrf2", "unary", "same labels (least)", "bar"))
    for row in quality:
        cells = [f"{row['miou'][name]:.2f}" for name in (*PROGRAMS, "unary")]
        share = f"{row['agreement']:.3%} ({row['least_agreement']:.2%})"
        print(line(row["settings"], *cells, share, row["bar"]))


def main() -> int:
    """Measure memory of one program when asked (a child process), else everything."""
    parser = argparse.ArgumentParser(description="Dense CRF: ours against pydensecrf2.")
    parser.add_argument("--data", type=Path, help="data set in VOC layout with masks for its split train")
    parser.add_argument("--run", type=Path, help="run folder whose 2_cams give the unaries; else the ground truth does")
    parser.add_argument("--images", type=int, default=40, help="images for labels and mIoU")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "dense_crf.json")
    parser.add_argument("--memory", nargs=3, help="used by the program itself: program, settings, image")
    asked = parser.parse_args()
    if asked.memory:
        program, settings_name, image_path = asked.memory
        measure_memory(Path(image_path), program=program, settings_name=settings_name)
        return 0
    if asked.data is None:
        parser.error("--data is needed")
    recipe = tomllib.loads((asked.run / "recipe.toml").read_text()) if asked.run else {}
    split = read_voc(asked.data, split="train", classes=recipe.get("data", {}).get("classes") or None)
    order = np.random.default_rng(0).permutation(len(split))
    chosen = [split.records[index] for index in order[: asked.images]]
    sized = [record.image_path for record in split.records if image_size(record.image_path) == SIZE][:6]
    images = [read_image(path) for path in sized]
    times = [time_row(images, settings_name=name, threads=threads) for threads in (1, 2) for name in SETTINGS]
    memory = [memory_row(sized[0], settings_name=name) for name in SETTINGS]
    quality = [quality_row(chosen, split, asked.run, settings_name=name) for name in SETTINGS]
    print_table(times, memory, quality)
    machine = {"torch": torch.__version__, "machine": platform.machine(), "python": platform.python_version()}
    machine["OMP_WAIT_POLICY"] = os.environ.get("OMP_WAIT_POLICY", "not set")
    unaries = "CAMs" if asked.run else "ground truth at one vote every 20 pixels"
    report = {"machine": machine, "time": times, "memory": memory, "unaries": unaries, "quality": quality}
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(report, indent=2) + "\n")
    return int(any(row["bar"] == "missed" for row in (*times, *memory, *quality)))


if __name__ == "__main__":
    sys.exit(main())
