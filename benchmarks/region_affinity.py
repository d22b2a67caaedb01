"""What region affinity costs an image beyond the forward pass of its network, at extraction.

    python benchmarks/region_affinity.py --side 500 375 --regions 64 --repeats 20

Both are timed in turns in one process, so that a busy machine slows them alike; medians of processor time are printed.
The exit code is 1 when it costs more than 0.05 s.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from this_machine import this_machine

from tagseg.cams.region_means import mean_by_region
from tagseg.models.backbone import build_backbone
from tagseg.models.mode import evaluation_mode
from tagseg.models.region_transitions import FINE_STRIDE, RegionTransitions

BAR_S = 0.05


def seconds(work: Callable[[], Any]) -> float:
    """Return the processor time of a call, in seconds; all is done by one thread."""
    started = time.process_time()
    work()
    return time.process_time() - started


def squares(height: int, width: int, count: int) -> np.ndarray:
    """Return regions of equal size, about ``count`` of them in rows and columns."""
    across = round(count**0.5)
    rows, columns = (np.arange(length) * across // length for length in (height, width))
    return (rows[:, None] * across + columns).astype(np.int32)


def main() -> None:
    """Time the forward pass alone, and with all that region affinity adds to it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="mobilenetv2_100")
    parser.add_argument("--side", type=int, nargs=2, default=(500, 375), help="width and height in px")
    parser.add_argument("--regions", type=int, default=64)
    parser.add_argument("--tags", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--json", type=Path, help="where the record goes")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    width, height = asked.side
    backbone = build_backbone(asked.backbone, weights=None, output_stride=None).eval()
    affinity = RegionTransitions(backbone, rounds=asked.rounds)
    pixels, regions = torch.randn(1, 3, height, width), squares(height, width, asked.regions)
    labels, cam = [torch.from_numpy(regions.astype(np.int64))], torch.rand(asked.tags, height, width)

    def forward() -> None:
        with torch.no_grad(), evaluation_mode(backbone):
            backbone.features_at(pixels, FINE_STRIDE)

    def whole() -> None:
        sharing = affinity(pixels, labels)[0]
        sharing(torch.from_numpy(mean_by_region(cam, regions)))

    forward(), whole()
    pairs = [(seconds(forward), seconds(whole)) for _ in range(asked.repeats)]
    alone, both = (statistics.median(column) for column in zip(*pairs, strict=True))
    beyond = statistics.median(whole_of - alone_of for alone_of, whole_of in pairs)
    print(f"forward pass {1000 * alone:.1f} ms, region affinity {1000 * both:.1f} ms, beyond {1000 * beyond:.1f} ms")
    if asked.json:
        settings = {key: value for key, value in vars(asked).items() if key != "json"}
        numbers = {"forward_s": alone, "region_affinity_s": both, "beyond_s": beyond, "bar_s": BAR_S}
        record = {**settings, **numbers, "machine": this_machine()}
        asked.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    sys.exit(beyond > BAR_S)


if __name__ == "__main__":
    main()
