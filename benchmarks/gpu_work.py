"""The process of ``on_gpu.py`` that runs units one after the other and writes the row of each as soon as it is there.

It loads torch once for all units. Who started it ends it when the time is up, and starts another one when it breaks.
"""

import os
import platform
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from collect_results import record
from gpu_data import Packs, few_photographs, few_tiles
from gpu_probe import measure_agreement, measure_speed
from gpu_rows import GOES_ON, Rows, commit_of, head
from gpu_units import Unit
from small_set import CLASSES, PER_CLASS, draw

from tagseg.artifacts.layout import FULL_FOLDER, PLAIN_FOLDER
from tagseg.artifacts.run_folder import RunFolder
from tagseg.artifacts.scores_file import read_scores, scores_content
from tagseg.cli.console import ConsoleProgress
from tagseg.errors import TagsegError
from tagseg.pipeline import run_compared
from tagseg.recipe import Recipe, load_recipe
from tagseg.system.atomic import atomic_write
from tagseg.training.accelerator import choose_accelerator

FEW = 12
"""Images of each list that a tiny budget sees."""
MOST_READERS = 8

Result = tuple[dict[str, Any], float]
"""Scores, and minutes of work in all sittings."""


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where units work, and on what.

    Args:
        packs: the data.
        root: of the units' folders; other devices, sizes and budgets have other ones.
        device: ``cpu``, ``cuda`` or ``mps``.
        tiny: whether the budget is tiny.
    """

    packs: Packs
    root: Path
    device: str
    tiny: bool

    def data(self, unit: Unit) -> Path:
        """Return the folder of the unit's data set: a few images of it for a tiny budget."""
        source, few = self.packs.places[unit.data], {"voc": few_photographs, "tiles": few_tiles}[unit.data]
        return few(source, self.root / unit.data, count=FEW) if self.tiny else source

    @property
    def engine(self) -> list[str]:
        """Settings that say what to run on; a CPU has those of the recipe."""
        found, cores = [f"engine.accelerator={self.device}"], os.cpu_count() or 1
        if self.device != "cpu":
            found += [f"engine.workers={min(MOST_READERS, cores)}", f"engine.threads={cores}"]
        return found

    def recipe(self, unit: Unit) -> Recipe:
        places = {"data": self.data(unit), "place": self.root}
        shared = [f"superpixels.cache={self.root / 'superpixels'}", *self.engine]
        if unit.kind == "photographs":
            shared.append(f"data.root={self.root / unit.name / 'photos'}")
        return load_recipe(unit.recipe, [*unit.settings(**places), *shared])


def do_unit(unit: Unit, place: Workplace) -> Result:
    """Run one unit, or what is missing of it."""
    recipe, started = place.recipe(unit), time.monotonic()
    if unit.kind in ("agreement", "speed"):
        measure = measure_agreement if unit.kind == "agreement" else measure_speed
        return measure(recipe, device=place.device), (time.monotonic() - started) / 60
    folder = place.root / unit.name
    if unit.kind == "photographs" and not (folder / "photos" / "classes.txt").exists():
        per_class = FEW // len(CLASSES) if place.tiny else PER_CLASS
        draw(place.packs.places["voc"], folder / "photos", seed=unit.seed, per_class=per_class)
    run_compared(
        recipe,
        folder / "run",
        baseline="plain" in unit.beside,
        upper_bound="full" in unit.beside,
        progress=ConsoleProgress(),
    )
    found = {name: scores_of(path) for name, path in runs_of(folder).items()}
    return found, sum(sum(run["stage_s"].values()) for run in found.values()) / 60


def runs_of(folder: Path) -> dict[str, Path]:
    """Return the run of a unit and those beside it, by what they are."""
    every = {"run": folder / "run"} | {name: folder / "run" / name for name in (PLAIN_FOLDER, FULL_FOLDER)}
    return {name: path for name, path in every.items() if (path / "scores.json").exists()}


def scores_of(folder: Path) -> dict[str, Any]:
    """Return scores, seconds and memory of a run: what ``collect_results.py`` keeps of it, and what a sweep found."""
    scores, manifest = read_scores(folder / "scores.json"), RunFolder(folder).read_manifest()
    assert scores is not None
    kept = {
        key: value for key, value in record(scores, manifest).items() if key not in ("command", "hardware", "commit")
    }
    made = scores_content(scores).get("pseudo_masks")
    details = {name: stage.get("details", {}) for name, stage in manifest["stages"].items()}
    return {
        **kept,
        "best_of_sweep": [made["best"]["background_score"], made["best"]["mean_iou"]] if made else None,
        "warnings": list(scores.warnings),
        "stage_s": {name: found["total_time_s"] for name, found in details.items() if "total_time_s" in found},
        "images_per_s": {name: found["images_per_s"] for name, found in details.items() if "images_per_s" in found},
        "peak_mib": {
            kind: round(max(found.get(key, 0) for found in details.values()) / 2**20)
            for kind, key in (("process", "peak_memory_bytes"), ("gpu", "peak_gpu_memory_bytes"))
        },
    }


def peak_of(scores: dict[str, Any]) -> dict[str, int]:
    """Return the highest peaks of memory of a unit's runs; measurements name theirs themselves."""
    peaks = [run["peak_mib"] for run in scores.values() if isinstance(run, dict) and "peak_mib" in run]
    return {kind: max(peak[kind] for peak in peaks) for kind in ("process", "gpu")} if peaks else {}


def work_through(
    units: Sequence[Unit],
    rows: Rows,
    *,
    do: Callable[[Unit], Result],
    about: dict[str, Any],
    at_work: Path,
) -> bool:
    """Run units; the row of one that fails holds its error.

    Args:
        units: in their order.
        rows: their file.
        do: runs one.
        about: what the pack says of the data.
        at_work: a file that names the unit at work, for who started this process.

    Returns:
        False when one failed in a way that may have broken this process: the others are for another one.
    """
    for unit in units:
        atomic_write(at_work, unit.name.encode())
        print(f"{unit.name}: starts", flush=True)
        error, broken, scores, minutes = "", False, {}, None
        try:
            scores, minutes = do(unit)
        except TagsegError as why:
            error = str(why)
        except Exception as why:  # one unit never stops the others
            error, broken = f"{type(why).__name__}: {next(iter(str(why).splitlines()), '')}", True
        rounded = None if minutes is None else round(minutes, 2)
        found = {"minutes": rounded, "peak_mib": peak_of(scores), "scores": scores, "error": error}
        rows.add({**head(unit, rows.machine, about), **found})
        print(f"{unit.name}: {f'failed ({error})' if error else f'done in {rounded} min'}", flush=True)
        if broken:
            return False
    at_work.unlink(missing_ok=True)
    return True


def open_workplace(packs: Packs, out: Path, *, device: str, tiny: bool) -> Workplace:
    kind, _ = choose_accelerator(device)
    size = f"{packs.about['voc']['side_px']}px" if "voc" in packs.about else "tiles"
    root = (out / f"{kind}-{size}{'-tiny' if tiny else ''}").absolute()
    packs.unpack_weights(root / "weights")
    return Workplace(packs, root, kind, tiny)


def describe_machine(place: Workplace, *, commit: str | None) -> dict[str, Any]:
    """Return what all rows have in common; where nothing names a commit, the rows say so."""
    on_gpu = place.device == "cuda"
    return {
        "device": place.device,
        "name": torch.cuda.get_device_name() if on_gpu else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "commit": commit,
        "engine": place.engine,
        "tiny": place.tiny,
    }


def end_with_starter() -> None:
    """End this process when the one that started it is gone: it holds the other end of the standard input."""

    def watch() -> None:
        os.read(0, 1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def work(units: Sequence[Unit], asked: Any, *, at_work: Path) -> int:
    """Run units in this process; the exit code is 0 when all have a row."""
    end_with_starter()
    place = open_workplace(Packs.read(asked.pack), asked.out, device=asked.device, tiny=asked.tiny)
    rows = Rows.read(asked.json, out=asked.out)
    rows.of_machine(describe_machine(place, commit=commit_of(asked.commit)))
    through = work_through(units, rows, do=lambda unit: do_unit(unit, place), about=place.packs.about, at_work=at_work)
    sys.stdout.flush()
    return 0 if through else GOES_ON
