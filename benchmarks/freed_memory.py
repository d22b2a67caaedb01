"""What it gains to keep freed memory at hand: forward passes and training steps of a network, with and without.

    python benchmarks/freed_memory.py --processes 1 2 --rounds 3 --json benchmarks/results/freed_memory.json

Each round times both ways in turn, each in fresh processes of one thread; the median of the rounds is printed. Several
processes work at once, as those of `tagseg run --devices` do.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from this_machine import this_machine

from tagseg.models.backbone import build_backbone
from tagseg.models.mode import evaluation_mode
from tagseg.system.allocator import freed_memory_kept

WORK = ("extraction", "training")
WAYS = {"returned": False, "kept": True}


def seconds_an_image(work: str, *, images: int) -> float:
    """Return the wall time of an image in this process, of views of 375 x 500 px or of crops of 224 px."""
    network = build_backbone("mobilenetv2_100", weights=None, output_stride=16)
    batch = torch.rand(2, 3, 375, 500) if work == "extraction" else torch.rand(16, 3, 224, 224)
    count = max(1, images // len(batch))

    def step() -> None:
        features = network(batch)
        if work == "training":
            features.mean().backward()

    with nullcontext() if work == "training" else evaluation_mode(network), torch.set_grad_enabled(work == "training"):
        step()  # the heap grows
        started = perf_counter()
        for _ in range(count):
            step()
    return (perf_counter() - started) / (count * len(batch))


def measured(work: str, *, kept: bool, processes: int, images: int) -> float:
    """Return the mean time of an image of processes that work at once."""
    words = [sys.executable, __file__, "--work", work, *(["--kept"] if kept else []), "--images", str(images)]
    started = [
        subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        for _ in range(processes)
    ]
    return statistics.mean(float(each.communicate()[0]) for each in started)


def rows(processes: list[int], *, rounds: int, images: int) -> Iterator[dict[str, Any]]:
    """Yield a row for each kind of work and number of processes."""
    for work in WORK:
        for count in processes:
            found = {way: [] for way in WAYS}
            for _ in range(rounds):
                for way, kept in WAYS.items():
                    found[way].append(measured(work, kept=kept, processes=count, images=images))
            medians = {f"{way}_ms": round(1e3 * statistics.median(each), 1) for way, each in found.items()}
            yield {"work": work, "processes": count, **medians}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=48, help="timed in each process")
    parser.add_argument("--json", type=Path, help="file of the result")
    parser.add_argument("--work", choices=WORK, help=argparse.SUPPRESS)
    parser.add_argument("--kept", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.work:
        torch.set_num_threads(1)
        with freed_memory_kept() if asked.kept else nullcontext():
            print(seconds_an_image(asked.work, images=asked.images))
        return
    found = []
    for row in rows(asked.processes, rounds=asked.rounds, images=asked.images):
        found.append(row)
        print(json.dumps(row), flush=True)
    if asked.json:
        asked.json.write_text(json.dumps({**this_machine(), "rows": found}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
