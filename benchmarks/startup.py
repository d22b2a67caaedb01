"""Processor time from a command to its answer, beside that of importing torch, timm and lightning_fabric.

Photographs are drawn, checked as a data set, and shown as a figure of a run whose maps and masks are made by hand. Each
program runs in a process of its own, all in turn, in rounds; the first round only leaves compiled Python files behind,
as an earlier call of a user does. The figures are medians of user and system time over the other rounds.

    python benchmarks/startup.py

The exit code is 1 when a bar is missed: 0.1 s over bare Python for the import, 0.5 s for the help, and a second and a
quarter of the import of the three libraries for ``check`` and ``figure``.
"""

import argparse
import json
import os
import platform
import resource
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np

from tagseg.artifacts.cam_file import write_cam
from tagseg.artifacts.mask_file import write_mask
from tagseg.artifacts.run_folder import RunFolder, describe_environment
from tagseg.assemble.data import read_splits
from tagseg.data.drawn_pictures import write_dataset
from tagseg.recipe import make_recipe, to_toml

TITLES = {
    "python": "bare Python",
    "libraries": "import torch, timm, lightning_fabric (T)",
    "import": "import tagseg",
    "help": "tagseg --help",
    "check": "tagseg check",
    "figure": "tagseg figure --columns image cam mask",
    "load": "import of what tagseg.load needs",
}


def write_run(folder: Path, photos: Path, *, count: int) -> Path:
    """Draw photographs, write the run folder of a recipe with a weights file, and return the recipe's path."""
    write_dataset(photos, num_images=count)
    weights = folder / "weights.safetensors"
    data = {"format": "folder", "root": str(photos), "masks": str(photos / "masks")}
    recipe = make_recipe({"name": "startup", "data": data, "classifier": {"weights": str(weights)}})
    run = RunFolder(folder)
    folder.mkdir(parents=True)
    weights.touch()
    run.recipe_path.write_text(to_toml(recipe))
    split = read_splits(recipe.data, drawn=folder).train
    for record in split.records:
        assert record.mask is not None
        truth = record.mask.read()
        cam = np.stack([(truth == label) * np.float32(0.8) for label in record.tags])
        write_cam(run.cam(record), cam, record.tags)
        write_mask(run.pseudo_mask(record), truth, split.classes)
    return run.recipe_path


def programs(recipe: Path, out: Path) -> dict[str, list[str]]:
    """Return the arguments of Python for each program."""
    tagseg = ["-c", "from tagseg.cli.main import app_main; app_main()"]
    return {
        "python": ["-c", "pass"],
        "libraries": ["-c", "import torch, timm, lightning_fabric"],
        "import": ["-c", "import tagseg"],
        "help": [*tagseg, "--help"],
        "check": [*tagseg, "check", str(recipe)],
        "figure": [*tagseg, "figure", str(recipe.parent), "--columns", "image", "cam", "mask", "--out", str(out)],
        "load": ["-c", "import tagseg; tagseg.load"],
    }


def processor_time_s(arguments: list[str], environment: dict[str, str]) -> float:
    """Run Python and return the user and system time that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(commands: dict[str, list[str]], cache: Path, *, rounds: int) -> dict[str, list[float]]:
    """Return the processor times of each program, s."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(cache)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds + 1):
        for name, arguments in commands.items():
            times[name].append(processor_time_s(arguments, environment))
    return {name: found[1:] for name, found in times.items()}


def bars_s(medians: dict[str, float]) -> dict[str, float]:
    """Return the most processor time that each program may take, s."""
    with_libraries = 1 + 0.25 * medians["libraries"]
    return {"import": medians["python"] + 0.1, "help": 0.5, "check": with_libraries, "figure": with_libraries}


def processor_name() -> str:
    """Return the model of the processor where Linux tells it, else its kind."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="Processor time of imports and of commands without a network.")
    parser.add_argument("--images", type=int, default=90)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "startup.json")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        recipe = write_run(folder / "run", folder / "photos", count=asked.images)
        times = measure(programs(recipe, folder / "figure.png"), folder / "compiled", rounds=asked.rounds)
    medians = {name: median(found) for name, found in times.items()}
    bars = bars_s(medians)
    missed = [name for name, bar in bars.items() if medians[name] > bar]
    for name, title in TITLES.items():
        bar = f"   at most {bars[name]:.2f}: {'missed' if name in missed else 'met'}" if name in bars else ""
        print(f"{title:44}{medians[name]:8.3f} s{bar}")
    environment = describe_environment()
    report = {
        "machine": {"processor": processor_name(), "cores": os.cpu_count(), "platform": environment["platform"]},
        "python": environment["python"],
        "torch": environment["packages"]["torch"],
        "commit": environment["commit"],
        "command": shlex.join(["python", "benchmarks/startup.py", *sys.argv[1:]]),
        "images": asked.images,
        "median_s": medians,
        "at_most_s": bars,
        "times_s": times,
    }
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(report, indent=2) + "\n")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
