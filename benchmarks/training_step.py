"""One training step with all of Spatial Structure Constraints against the plain step with the same backbone.

320 x 320 crops, one thread, random weights (values cost no time). Both steps are built and evaluated by the package
from one recipe, which leaves every constant of the method at its default, and from that recipe's plain baseline; they
take turns, so that noise of the machine hits both. Times are processor time, the median over the rounds. Peak memory
is how far the resident memory of a process of its own rises over three steps, networks included (Linux).

    python benchmarks/training_step.py
    python benchmarks/training_step.py --backbone resnet50
    python benchmarks/training_step.py --set reconstruction.width=32

The exit code is 1 when the full step takes more than 1.6 times the plain one.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn import functional

from tagseg.assemble.networks import build_classifier_learner
from tagseg.assemble.terms import build_terms
from tagseg.data.datasets import REGIONS_STRIDE
from tagseg.losses.reconstruction import ReconstructionTerm
from tagseg.recipe import Recipe
from tagseg.recipe.toml_file import make_recipe
from tagseg.training.objective import evaluate_objective

BAR = 1.6
BATCH, CROP_PX, REGIONS, WARM_UP_ROUNDS = 6, 320, 64, 2
# Backbone: its number of classes and what else the recipe says about it.
BACKBONES = {
    "mobilenetv2_100": (6, {"output_stride": 16, "feature_layer": "last_stage"}),
    "resnet50": (20, {"output_stride": 16}),
}
# Parts of a step, in the order in which they happen.
PARTS = (
    "backbone forward",
    "L_cls and L_a",
    "decoder forward",
    "pyramid forward",
    "pyramid backward",
    "decoder backward",
    "backbone backward",
    "optimizers",
)


class Stopwatch:
    """Adds up processor time by part: each stretch goes to the part that it ends in."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.last = time.process_time()

    def lap(self, part: str) -> None:
        now = time.process_time()
        self.seconds[part] += now - self.last
        self.last = now


class Step:
    """One training step as the loop takes it, with a stopwatch between its parts."""

    def __init__(self, recipe: Recipe, *, num_classes: int) -> None:
        torch.manual_seed(0)
        self.recipe = recipe
        self.classifier, learner = build_classifier_learner(recipe, num_classes=num_classes)
        self.fabric = Fabric(accelerator="cpu", devices=1)
        self.terms = build_terms(recipe, learner, self.classifier.backbone, device=self.fabric.device)
        self.optimizers = list(learner.optimizers.values())
        self.watch = Stopwatch()
        for term in self.terms:
            if isinstance(term, ReconstructionTerm):
                term.decoder.register_forward_pre_hook(self._decoding)
                term.decoder.register_forward_hook(self._decoded)
                term.pyramid.register_forward_hook(lambda *_: self.watch.lap("pyramid forward"))
        self.classifier.train()

    def _decoding(self, module: object, inputs: tuple[Tensor]) -> None:
        self.watch.lap("L_cls and L_a")
        # The gradient reaches the class maps when the decoder is through with it.
        inputs[0].register_hook(lambda gradient: self.watch.lap("decoder backward"))

    def _decoded(self, module: object, inputs: object, rebuilt: Tensor) -> None:
        self.watch.lap("decoder forward")
        # The gradient reaches the rebuilt image when the distances and the pyramid are through with it.
        rebuilt.register_hook(lambda gradient: self.watch.lap("pyramid backward"))

    def step(self, batch: dict[str, Tensor]) -> dict[str, float]:
        """Take one step and return the seconds of each part."""
        self.watch = Stopwatch()
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        class_maps = self.classifier(batch["image"])
        self.watch.lap("backbone forward")
        epoch = self.recipe.self_modulation.warmup_epochs
        result = evaluate_objective(self.terms, class_maps, batch, epoch=epoch, fabric=self.fabric)
        assert result.figures["loss"].isfinite()
        self.watch.lap("L_cls and L_a")
        class_maps.backward(gradient=result.gradient)
        self.watch.lap("backbone backward")
        for optimizer in self.optimizers:
            optimizer.step()
        self.watch.lap("optimizers")
        return dict(self.watch.seconds)


def make_batch(recipe: Recipe, *, num_classes: int) -> dict[str, Tensor]:
    """Return smooth random images of the recipe's crops, 1.5 tags an image (VOC's average), and 64 blocky regions.

    Their scores come with them where the warm-up sets the target of self-modulation.
    """
    size, crop_px = recipe.training.batch_size, recipe.training.crop_size_px
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(size, 3, crop_px // 16, crop_px // 16, generator=generator)
    tags = torch.zeros(size, num_classes)
    for image in range(size):
        tags[image, torch.randperm(num_classes, generator=generator)[: 1 + image % 2]] = 1
    cell = crop_px // REGIONS_STRIDE // 8
    blocks = torch.stack([torch.randperm(REGIONS, generator=generator).view(8, 8) for _ in range(size)])
    batch = {
        "image": functional.interpolate(coarse, size=(crop_px, crop_px), mode="bilinear", align_corners=False),
        "tags": tags,
        "regions": blocks.repeat_interleave(cell, 1).repeat_interleave(cell, 2).contiguous(),
    }
    if recipe.self_modulation.target == "warmup":
        batch["region_scores"] = torch.rand(size, num_classes, REGIONS, generator=generator) * tags[..., None]
    return batch


def make_recipes(backbone: str, overrides: list[str]) -> dict[str, Recipe]:
    """Return the full recipe, every constant of SSC at its default, and its plain baseline."""
    values = {
        "name": "training-step",
        "data": {"format": "synthetic"},
        "classifier": {"backbone": backbone, "weights": "random", **BACKBONES[backbone][1]},
        "training": {"batch_size": BATCH, "crop_size_px": CROP_PX, "optimizer": "adamw", "lr": 1e-5},
    }
    full = make_recipe(values, overrides)
    return {"plain": full.plain(), "full": full}


def measure_times(recipes: dict[str, Recipe], *, num_classes: int, rounds: int) -> dict[str, dict[str, float]]:
    """Let the steps take turns; return the median milliseconds of each part and of the whole step."""
    batch = make_batch(recipes["full"], num_classes=num_classes)
    steps = {kind: Step(recipe, num_classes=num_classes) for kind, recipe in recipes.items()}
    taken: dict[str, list[dict[str, float]]] = {kind: [] for kind in steps}
    for _ in range(WARM_UP_ROUNDS + rounds):
        for kind, step in steps.items():
            taken[kind].append(step.step(batch))
    medians = {}
    for kind, every in taken.items():
        kept = every[WARM_UP_ROUNDS:]
        parts = {part: statistics.median(one.get(part, 0.0) for one in kept) for part in PARTS}
        medians[kind] = {**parts, "total": statistics.median(sum(one.values()) for one in kept)}
    return {kind: {part: 1e3 * seconds for part, seconds in parts.items()} for kind, parts in medians.items()}


def measure_memory(recipe: Recipe, *, num_classes: int) -> float:
    """Return how many MiB the resident memory of this process rises in three steps, networks included."""
    batch = make_batch(recipe, num_classes=num_classes)
    Path("/proc/self/clear_refs").write_text("5")  # sets the peak to what is resident now
    before = resident_peak_mib()
    step = Step(recipe, num_classes=num_classes)
    for _ in range(3):
        step.step(batch)
    return resident_peak_mib() - before


def resident_peak_mib() -> float:
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024


def child_memory(kind: str, asked: argparse.Namespace) -> float:
    """Measure the memory of one kind of step in a process of its own."""
    command = [sys.executable, __file__, "--memory-of", kind, "--backbone", asked.backbone]
    settings = [word for setting in asked.set for word in ("--set", setting)]
    return float(subprocess.run([*command, *settings], check=True, capture_output=True, text=True).stdout)


def print_table(times: dict[str, dict[str, float]], memory: dict[str, float]) -> None:
    """Print one line a part."""
    rows = [(part, f"{times['plain'][part]:.0f}", f"{times['full'][part]:.0f}", "") for part in PARTS]
    for name, numbers in (("total, ms", {kind: times[kind]["total"] for kind in times}), ("peak memory, MiB", memory)):
        rows.append((name, f"{numbers['plain']:.0f}", f"{numbers['full']:.0f}", ratio_text(numbers)))
    for row in (("part of the step, ms", "plain", "full SSC", "ratio"), *rows):
        print(f"{row[0]:<22}{row[1]:>10}{row[2]:>10}{row[3]:>10}")


def ratio_text(numbers: dict[str, float]) -> str:
    return f"{numbers['full'] / numbers['plain']:.2f}x"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The full SSC training step against the plain one.")
    parser.add_argument("--backbone", choices=BACKBONES, default="mobilenetv2_100")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change the recipe")
    parser.add_argument("--rounds", type=int, default=9, help="steps of each kind that count")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "training_step.json")
    parser.add_argument("--memory-of", choices=("plain", "full"), help="used by the program itself")
    return parser.parse_args()


def main() -> int:
    asked = parse_arguments()
    torch.set_num_threads(1)
    num_classes, recipes = BACKBONES[asked.backbone][0], make_recipes(asked.backbone, asked.set)
    if asked.memory_of:
        print(measure_memory(recipes[asked.memory_of], num_classes=num_classes))
        return 0
    memory = {kind: child_memory(kind, asked) for kind in recipes}
    times = measure_times(recipes, num_classes=num_classes, rounds=asked.rounds)
    ratio = times["full"]["total"] / times["plain"]["total"]
    met = ratio <= BAR
    print(
        f"{asked.backbone}, batch {BATCH}, {CROP_PX} x {CROP_PX}, {num_classes} classes {' '.join(asked.set)}".strip()
    )
    print_table(times, memory)
    print(f"bar: at most {BAR} times the plain step: {'met' if met else 'missed'}")
    machine = {"torch": torch.__version__, "machine": platform.machine(), "python": platform.python_version()}
    case = {"backbone": asked.backbone, "num_classes": num_classes, "batch": BATCH, "crop_px": CROP_PX}
    report = {"machine": machine, "threads": 1, **case, "overrides": asked.set, "rounds": asked.rounds}
    report |= {"milliseconds": times, "peak_mib": memory, "ratio": ratio, "bar": "met" if met else "missed"}
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(report, indent=2) + "\n")
    return int(not met)


if __name__ == "__main__":
    sys.exit(main())
