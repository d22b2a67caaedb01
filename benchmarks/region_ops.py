"""Region means and the self-modulation loss: by index (ours) against one-hot region masks (the usual formulation).

Batch 6, 20 classes, 256 x 256 pixels, 64 regions, one thread. Every case runs in its own process, which reports its
best processor time and how far the peak of its resident memory rose above the inputs (Linux). "one-hot" multiplies by
N x C x R x H x W masks; "matmul" is the leanest use of one-hot masks, for comparison. All must give
the same numbers and gradients, relative to the largest.

    python benchmarks/region_ops.py --out benchmarks/results/region_ops.json

The exit code is 1 when a case with a bar misses it: 100 times faster, 1/20 of the memory, equal within 1e-5.
"""

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from tagseg.losses.self_modulation import SelfModulationSettings, reliable_activation, self_modulation_loss
from tagseg.ops.activation import max_normalize
from tagseg.ops.regions import region_mean

BATCH, CLASSES, SIDE, REGIONS, MAP_SIDE = 6, 20, 256, 64, 32
SPEED_BAR, MEMORY_BAR, EQUAL_BAR = 100, 1 / 20, 1e-5
SETTINGS = SelfModulationSettings(contrast=0.0)
FORMULATIONS = ("index", "one-hot", "one-hot matmul")
# Case: what is computed, tags an image, whether the bar holds for it. VOC images show 1.5 classes on average.
CASES = {
    "region mean": (0, True),
    "L_a, 1.5 tags an image": (1.5, True),
    "L_a, all 20 tagged": (20, False),
}


def make_inputs(tags_per_image: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return values (full size for the region mean, else class maps), tags and blocky regions, from one seed."""
    generator = torch.Generator().manual_seed(0)
    side = MAP_SIDE if tags_per_image else SIDE
    values = torch.randn(BATCH, CLASSES, side, side, generator=generator)
    tags = torch.zeros(BATCH, CLASSES)
    for image in range(BATCH):
        tags[image, : int(tags_per_image + 0.5 * (image % 2))] = 1
    blocks = torch.stack([torch.randperm(REGIONS, generator=generator).view(8, 8) for _ in range(BATCH)])
    cell = SIDE // 8
    return values, tags, blocks.repeat_interleave(cell, 1).repeat_interleave(cell, 2).contiguous()


def one_hot_region_mean(values: Tensor, regions: Tensor) -> Tensor:
    """Average through an N x C x R x H x W product."""
    masks = functional.one_hot(regions, REGIONS).permute(0, 3, 1, 2).to(values.dtype)
    return (values[:, :, None] * masks[:, None]).sum((3, 4)) / masks.sum((2, 3)).clamp_min(1)[:, None]


def matmul_region_mean(values: Tensor, regions: Tensor) -> Tensor:
    """Average through a product of (C, P) values and (P, R) masks, the leanest use of one-hot masks."""
    masks = functional.one_hot(regions.flatten(1), REGIONS).to(values.dtype)
    return values.flatten(2) @ masks / masks.sum(1).clamp_min(1)[:, None]


def one_hot_paint(means: Tensor, regions: Tensor) -> Tensor:
    """Paint means back through an N x C x R x H x W product."""
    masks = functional.one_hot(regions, REGIONS).permute(0, 3, 1, 2).to(means.dtype)
    return (means[..., None, None] * masks[:, None]).sum(2)


def matmul_paint(means: Tensor, regions: Tensor) -> Tensor:
    """Paint means back through a product of (C, R) means and (R, P) masks."""
    masks = functional.one_hot(regions.flatten(1), REGIONS).to(means.dtype)
    return (means @ masks.transpose(1, 2)).unflatten(2, regions.shape[1:])


def one_hot_loss(class_maps: Tensor, tags: Tensor, regions: Tensor, *, mean: Callable, paint: Callable) -> Tensor:
    """Compute L_a for all maps with the given formulation, then keep the tagged ones."""
    maps = functional.interpolate(class_maps, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
    cam = max_normalize(maps)
    with torch.no_grad():
        consistent = paint(mean(maps, regions), regions).relu() / maps.relu().amax((2, 3), keepdim=True)
        reliable = reliable_activation(cam, threshold=SETTINGS.threshold, erosion_px=SETTINGS.erosion_px)
        target = torch.maximum(consistent, cam * reliable)
    error = ((cam - target) ** 2).mean((2, 3)) * tags
    return (error.sum(1) / tags.sum(1).clamp_min(1)).mean()


def computation(case: str, formulation: str) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    """Return the function of the values that a case times, and the values."""
    tags_per_image, _ = CASES[case]
    values, tags, regions = make_inputs(tags_per_image)
    mean, paint = {
        "one-hot": (one_hot_region_mean, one_hot_paint),
        "one-hot matmul": (matmul_region_mean, matmul_paint),
    }.get(formulation, (None, None))
    if not tags_per_image:
        if mean is None:
            return lambda x: region_mean(x, regions, num_regions=REGIONS), values
        return lambda x: mean(x, regions), values
    if mean is None:
        return lambda x: self_modulation_loss(x, tags, regions, settings=SETTINGS), values
    return lambda x: one_hot_loss(x, tags, regions, mean=mean, paint=paint), values


def peak_mib() -> float:
    """Return the peak resident memory since the last reset, in MiB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def reset_peak() -> None:
    """Set the peak to the memory that is resident now."""
    Path("/proc/self/clear_refs").write_text("5")


def measure(case: str, formulation: str, *, backward: bool, repeats: int, result: Path) -> None:
    """Time one case in this process, and print its best seconds and peak MiB; store its values for the comparison."""
    torch.set_num_threads(1)
    compute, values = computation(case, formulation)
    values.requires_grad_(backward)
    tiny = torch.ones(1, 1, 8, 8)
    region_mean(tiny, torch.zeros(1, 8, 8, dtype=torch.int64), num_regions=1)
    seconds, outputs = [], []
    reset_peak()
    before = peak_mib()
    for _ in range(repeats):
        output = gradient = None  # what the last round left is not part of this one's memory
        outputs.clear()
        start = time.process_time()
        output = compute(values)
        gradient = torch.autograd.grad(output.square().sum(), values) if backward else ()
        seconds.append(time.process_time() - start)
        outputs = [output.detach(), *gradient]
    memory = peak_mib() - before
    torch.save(outputs, result)
    print(json.dumps({"seconds": min(seconds), "peak_mib": memory}))


def run_case(case: str, formulation: str, *, backward: bool, folder: Path) -> tuple[dict[str, float], list[Tensor]]:
    """Measure one case in a fresh process; return its numbers and its outputs."""
    result = folder / "outputs.pt"
    repeats = 2 if formulation == "one-hot" else 7
    command = [sys.executable, __file__, "--case", case, "--formulation", formulation, "--repeats", str(repeats)]
    finished = subprocess.run(
        [*command, "--outputs", str(result), *(["--backward"] if backward else [])],
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(finished.stdout), torch.load(result, weights_only=True)


def compare(case: str, *, backward: bool, folder: Path) -> dict[str, object]:
    """Run all formulations of one case and return a row of ratios to ours."""
    numbers, outputs = {}, {}
    for formulation in FORMULATIONS:
        numbers[formulation], outputs[formulation] = run_case(case, formulation, backward=backward, folder=folder)
    ours, usual = numbers["index"], numbers["one-hot"]
    difference = max(
        ((mine - theirs).abs().max() / theirs.abs().max()).item()
        for formulation in FORMULATIONS[1:]
        for mine, theirs in zip(outputs["index"], outputs[formulation], strict=True)
    )
    faster, memory = usual["seconds"] / ours["seconds"], ours["peak_mib"] / usual["peak_mib"]
    met = faster >= SPEED_BAR and memory <= MEMORY_BAR and difference <= EQUAL_BAR
    return {
        "case": f"{case}, {'forward + backward' if backward else 'forward'}",
        "numbers": numbers,
        "times_faster": faster,
        "memory_share": memory,
        "largest_relative_difference": difference,
        "bar": ("met" if met else "missed") if CASES[case][1] else "none",
    }


def print_table(rows: list[dict]) -> None:
    """Print one line a case."""
    header = (
        "case",
        "index ms",
        "one-hot ms",
        "matmul ms",
        "faster",
        "index MiB",
        "one-hot MiB",
        "memory",
        "differs",
        "bar",
    )
    widths = (44, 9, 11, 10, 8, 10, 12, 8, 9, 7)
    print(
        "".join(
            name.ljust(w) if i == 0 else name.rjust(w) for i, (name, w) in enumerate(zip(header, widths, strict=True))
        )
    )
    for row in rows:
        index, usual, matmul = (row["numbers"][name] for name in FORMULATIONS)
        cells = [
            row["case"],
            f"{1e3 * index['seconds']:.1f}",
            f"{1e3 * usual['seconds']:.0f}",
            f"{1e3 * matmul['seconds']:.0f}",
            f"{row['times_faster']:.0f}x",
            f"{index['peak_mib']:.0f}",
            f"{usual['peak_mib']:.0f}",
            f"1/{1 / row['memory_share']:.0f}",
            f"{row['largest_relative_difference']:.0e}",
            row["bar"],
        ]
        print(
            "".join(
                cell.ljust(w) if i == 0 else cell.rjust(w)
                for i, (cell, w) in enumerate(zip(cells, widths, strict=True))
            )
        )


def main() -> int:
    """Measure one case when asked (a child process), else all of them."""
    parser = argparse.ArgumentParser(description="Region means and L_a by index against one-hot masks.")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "region_ops.json")
    child = parser.add_argument_group("one case, used by the program itself")
    child.add_argument("--case", choices=CASES)
    child.add_argument("--formulation", choices=FORMULATIONS)
    child.add_argument("--backward", action="store_true")
    child.add_argument("--repeats", type=int, default=1)
    child.add_argument("--outputs", type=Path)
    asked = parser.parse_args()
    if asked.case:
        measure(asked.case, asked.formulation, backward=asked.backward, repeats=asked.repeats, result=asked.outputs)
        return 0
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    rows = [compare(case, backward=backward, folder=asked.out.parent) for case in CASES for backward in (False, True)]
    (asked.out.parent / "outputs.pt").unlink()
    print_table(rows)
    machine = {"torch": torch.__version__, "machine": platform.machine(), "python": platform.python_version()}
    asked.out.write_text(json.dumps({"machine": machine, "threads": 1, "rows": rows}, indent=2) + "\n")
    return int(any(row["bar"] == "missed" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
