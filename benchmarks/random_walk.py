"""The random walk: a Chebyshev polynomial of shifted maps (ours) against the dense matrix and against plain steps.

2 classes, radius 5, beta 10, 256 steps, two threads, on the cells of images of 188 x 252, 376 x 500 and 1000 x 1000
pixels. "dense" squares the transition matrix eight times in double precision, which only the first grid has the memory
for (2961 cells, 67 MiB a matrix; the last would take 29 GiB); "plain" applies the same shifts 256 times, in double
precision too. Every case runs in its own process, which reports its best time, how far the peak of its resident memory
rose above the inputs, and that peak itself, libraries included (Linux). Differences are those of the maps from the
dense ones, or where there are none from the plain ones, relative to the peak of each map.

    python benchmarks/random_walk.py --out benchmarks/results/random_walk.json

The exit code is 1 when ours misses a bar: 0.5 s at 94 x 125; 5 s and 1 GiB at 250 x 250; equal within 1e-4.
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from tagseg.ops.pairs import neighbour_offsets, path_maximum
from tagseg.refine.random_walk import random_walk

CLASSES, RADIUS, BETA, DOUBLINGS = 2, 5, 10.0, 8
THREADS = 2
EQUAL_BAR = 1e-4
# Grid: formulations, the first of which the others are compared with; the bars for ours, in seconds and MiB.
CASES = {
    (47, 63): (("dense", "plain", "ours"), None, None),
    (94, 125): (("plain", "ours"), 0.5, None),
    (250, 250): (("plain", "ours"), 5.0, 1024.0),
}
REPEATS = {"dense": 1, "plain": 3, "ours": 7}


def make_inputs(size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return maps with a few blobs, and a boundary of winding ridges, from one seed."""
    generator = torch.Generator().manual_seed(0)

    def smooth(channels: int, cells: int) -> Tensor:
        noise = torch.randn(1, channels, -(-size[0] // cells) + 1, -(-size[1] // cells) + 1, generator=generator)
        return functional.interpolate(noise, size=size, mode="bicubic", align_corners=True)[0]

    maps = (smooth(CLASSES, 24) - 0.5).relu()
    ridges = torch.exp(-((smooth(1, 12)[0] / 0.15) ** 2))
    return maps / maps.amax(dim=(1, 2), keepdim=True), ridges.clamp(0, 1)


def pair_affinities(boundary: Tensor) -> list[tuple[tuple[int, int], Tensor]]:
    """Return the affinity of every cell and its neighbour at each offset, 0 where that is outside."""
    margin = RADIUS - 1
    padded = functional.pad(boundary.double(), (margin, margin, 0, margin), value=1.0)
    offsets = neighbour_offsets(RADIUS)
    return [(offset, (1 - path_maximum(padded, offset, radius=RADIUS)) ** BETA) for offset in offsets]


def dense_walk(maps: Tensor, boundary: Tensor) -> Tensor:
    """Square the dense transition matrix."""
    height, width = boundary.shape
    affinity = torch.eye(height * width, dtype=torch.float64)
    for (dy, dx), values in pair_affinities(boundary):
        row, column = values.nonzero(as_tuple=True)
        source, neighbour = row * width + column, (row + dy) * width + column + dx
        affinity[source, neighbour] = affinity[neighbour, source] = values[row, column]
    transition = affinity / affinity.sum(dim=0)
    for _ in range(DOUBLINGS):
        transition = transition @ transition
    return ((maps * (1 - boundary)).double().flatten(1) @ transition).view_as(maps)


def plain_walk(maps: Tensor, boundary: Tensor) -> Tensor:
    """Apply the transition as often as there are steps, as shifts of a flat grid with a margin at the right."""
    height, width = boundary.shape
    stride = width + RADIUS - 1
    pairs = []
    for (dy, dx), values in pair_affinities(boundary):
        shift = dy * stride + dx
        pairs.append((shift, functional.pad(values, (0, RADIUS - 1)).flatten()[:-shift]))
    state = functional.pad((maps * (1 - boundary)).double(), (0, RADIUS - 1)).flatten(1)

    def multiply(source: Tensor) -> Tensor:
        total = source.clone()
        for shift, weight in pairs:
            total[:, :-shift].addcmul_(weight, source[:, shift:])
            total[:, shift:].addcmul_(weight, source[:, :-shift])
        return total

    degree = multiply(torch.ones_like(state[:1]))
    for _ in range(2**DOUBLINGS):
        state = multiply(state) / degree
    return state.unflatten(1, (height, stride))[..., :width]


def our_walk(maps: Tensor, boundary: Tensor) -> Tensor:
    return random_walk(maps, boundary, radius=RADIUS, beta=BETA, doublings=DOUBLINGS)


WALKS = {"dense": dense_walk, "plain": plain_walk, "ours": our_walk}


def peak_mib() -> float:
    """Return the peak resident memory since the last reset, in MiB."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024


def measure(size: tuple[int, int], formulation: str, *, outputs: Path) -> None:
    """Time one case in this process, print its best seconds and its memory, and store its maps."""
    torch.set_num_threads(THREADS)
    walk, (maps, boundary) = WALKS[formulation], make_inputs(size)
    walk(*make_inputs((8, 8)))
    Path("/proc/self/clear_refs").write_text("5")  # sets the peak to what is resident now
    before, seconds = peak_mib(), []
    walked = maps
    for _ in range(REPEATS[formulation]):
        start = time.perf_counter()
        walked = walk(maps, boundary)
        seconds.append(time.perf_counter() - start)
    peak = peak_mib()
    torch.save(walked.double(), outputs)
    print(json.dumps({"seconds": min(seconds), "rise_mib": peak - before, "process_mib": peak}))


def run_case(size: tuple[int, int], formulation: str, *, folder: Path) -> tuple[dict[str, float], Tensor]:
    """Measure one case in a fresh process; return its numbers and its maps."""
    outputs = folder / "walked.pt"
    command = [sys.executable, __file__, "--size", *map(str, size), "--formulation", formulation]
    finished = subprocess.run([*command, "--outputs", str(outputs)], check=True, capture_output=True, text=True)
    return json.loads(finished.stdout), torch.load(outputs, weights_only=True)


def compare(size: tuple[int, int], *, folder: Path) -> list[dict[str, object]]:
    """Run all formulations on one grid and return a row each."""
    formulations, seconds_bar, mib_bar = CASES[size]
    rows, reference = [], None
    for formulation in formulations:
        numbers, walked = run_case(size, formulation, folder=folder)
        reference = walked if reference is None else reference
        error = (walked - reference).abs().amax(dim=(1, 2)) / reference.amax(dim=(1, 2))
        row = {"cells": list(size), "formulation": formulation, **numbers, "relative_difference": error.max().item()}
        if formulation == "ours":
            met = row["relative_difference"] <= EQUAL_BAR
            met &= seconds_bar is None or numbers["seconds"] <= seconds_bar
            met &= mib_bar is None or numbers["process_mib"] <= mib_bar
            row["bar"] = "met" if met else "missed"
        rows.append(row)
    return rows


def print_table(rows: list[dict]) -> None:
    """Print one line a case."""
    print(f"{'cells':<12}{'walk':<8}{'ms':>9}{'rise MiB':>11}{'process MiB':>13}{'differs':>10}{'bar':>8}")
    for row in rows:
        cells = " x ".join(map(str, row["cells"]))
        print(
            f"{cells:<12}{row['formulation']:<8}{1e3 * row['seconds']:>9.0f}{row['rise_mib']:>11.0f}"
            f"{row['process_mib']:>13.0f}{row['relative_difference']:>10.0e}{row.get('bar', ''):>8}"
        )


def main() -> int:
    """Measure one case when asked (a child process), else all of them."""
    parser = argparse.ArgumentParser(description="The random walk against the dense matrix and against plain steps.")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "random_walk.json")
    child = parser.add_argument_group("one case, used by the program itself")
    child.add_argument("--size", type=int, nargs=2)
    child.add_argument("--formulation", choices=WALKS)
    child.add_argument("--outputs", type=Path)
    asked = parser.parse_args()
    if asked.size:
        measure(tuple(asked.size), asked.formulation, outputs=asked.outputs)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        rows = [row for size in CASES for row in compare(size, folder=Path(folder))]
    print_table(rows)
    machine = {"torch": torch.__version__, "machine": platform.machine(), "python": platform.python_version()}
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps({"machine": machine, "threads": THREADS, "rows": rows}, indent=2) + "\n")
    return int(any(row.get("bar") == "missed" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
