"""What each refinement makes of the same maps: scores and seconds an image, side by side on one finished run.

    python benchmarks/mask_methods.py runs/animals
    python benchmarks/mask_methods.py runs/animals --every 4 --set superpixels.cache=...

Every method starts from the maps of stage 2: as the network gave them, averaged over regions and, where the run has it,
after region affinity. The background score of each kind of maps (before the walk, after the walk) is found by the rule
that needs no masks, so that no row is tuned on the masks that score it; "best" is the best one of a sweep, before the
steps that follow. Seconds are wall time for one image on one thread without reading it; those of the walk include the
boundaries, not the training of the affinity network, which the table names apart. Prints one table and writes JSON.
"""

import argparse
import json
import platform
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from tagseg.artifacts.cam_file import CamFile
from tagseg.artifacts.run_folder import RunFolder
from tagseg.assemble.data import read_splits, superpixel_cache
from tagseg.assemble.maps import read_maps
from tagseg.assemble.refinements import build_refinements
from tagseg.data.images import read_image
from tagseg.evaluation.confusion import ConfusionMatrix
from tagseg.evaluation.scores import compute_scores
from tagseg.evaluation.threshold import BackgroundSweep, best
from tagseg.pipeline.run_inputs import RunInputs
from tagseg.pipeline.screening import LoadedData
from tagseg.recipe import load_run_recipe
from tagseg.refine.background import otsu_background
from tagseg.refine.pseudo_mask import PseudoMask, label_scores
from tagseg.refine.refinement import Refinement, refine_in_order
from tagseg.types import Image, ImageRecord

STEPS = ("none", "superpixels", "pixel_adaptive", "crf")


@dataclass
class Row:
    """The counts of one method."""

    matrix: ConfusionMatrix
    seconds: list[float] = field(default_factory=list)


class Comparison:
    """All methods on the images of one run."""

    def __init__(self, context: RunInputs, records: list[ImageRecord]) -> None:
        self.context, self.records = context, records
        self.regions = superpixel_cache(context.recipe)
        self.classes = context.data.splits.train.classes
        names, device = ("walk", *STEPS[1:]), torch.device("cpu")
        built = build_refinements(context.recipe, names, layout=context.folder, regions=self.regions, device=device)
        self.steps = dict(zip(names, built, strict=True))
        self.rows: dict[tuple[str, str], Row] = {}
        self.walk_seconds: dict[str, list[float]] = defaultdict(list)
        self.maps: dict[tuple[str, str], CamFile] = {}

    def starting_maps(self, record: ImageRecord) -> dict[str, CamFile]:
        """Return each kind of maps of an image, the walked ones among them, and note what the walk took."""
        image = read_image(record.image_path)
        kinds = {}
        for kind in self.context.recipe.cams.kinds:
            maps = read_maps(self.context.folder, record, kind=kind, regions=self.regions)
            started = time.perf_counter()
            walked = _refine(self.steps["walk"], image, torch.from_numpy(maps.cam), record)
            self.walk_seconds[kind].append(time.perf_counter() - started)
            kinds |= {kind: maps, f"{kind}, walk": CamFile(walked.numpy(), maps.label_ids)}
        return kinds

    def measure(self, record: ImageRecord, kinds: dict[str, CamFile], background: dict[str, float]) -> None:
        """Refine an image's maps by every method and count."""
        assert record.mask is not None
        image, truth = read_image(record.image_path), record.mask.read()
        for kind, maps in kinds.items():
            scores = label_scores(torch.from_numpy(maps.cam), background[kind])
            for name in STEPS:
                row = self.rows.setdefault((kind, name), Row(ConfusionMatrix(self.classes.num_labels)))
                started = time.perf_counter()
                refined = scores if name == "none" else _refine(self.steps[name], image, scores, record)
                row.seconds.append(time.perf_counter() - started)
                row.matrix.update(PseudoMask.from_scores(refined, maps.label_ids).labels, truth, name=record.image_id)


def _refine(step: Refinement, image: Image, scores: Tensor, record: ImageRecord) -> Tensor:
    return refine_in_order(image, scores, step.prepare([image], [record]))


def compare(context: RunInputs, every: int) -> list[dict[str, Any]]:
    """Return one row a method."""
    assert context.data.splits.evaluation is not None
    records = [record for record in context.data.splits.evaluation.records[::every] if record.mask]
    comparison = Comparison(context, records)
    maps = [comparison.starting_maps(record) for record in records]
    background, swept = {}, {}
    for kind in maps[0]:
        background[kind] = otsu_background(each[kind] for each in maps) or context.recipe.masks.background_score
        sweep = BackgroundSweep(comparison.classes.label_names, context.recipe.evaluation.background_scores)
        for record, each in zip(records, maps, strict=True):
            assert record.mask is not None
            sweep.update(each[kind], record.mask.read())
        swept[kind] = best(sweep.points())
    for record, each in zip(records, maps, strict=True):
        comparison.measure(record, each, background)
    rows = []
    for (kind, name), row in comparison.rows.items():
        scores = compute_scores(row.matrix, comparison.classes.label_names)
        source, _, walk = kind.partition(", ")
        seconds = sum(row.seconds) + (sum(comparison.walk_seconds[source]) if walk else 0)
        rows.append(
            {
                "maps": source,
                "steps": [step for step in (walk, name) if step and step != "none"],
                "background_score": background[kind],
                "mean_iou": scores.mean_iou,
                "precision": scores.precision,
                "recall": scores.recall,
                "seconds_an_image": seconds / len(records),
                "best_background_score": swept[kind].background_score if name == "none" else None,
                "best_mean_iou": swept[kind].scores.mean_iou if name == "none" else None,
            }
        )
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as a Markdown table."""
    lines = [
        "| maps | refined by | background | mIoU | precision | recall | s an image | best of a sweep |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        swept = (
            ""
            if row["best_mean_iou"] is None
            else f"{100 * row['best_mean_iou']:.1f} at {row['best_background_score']:.2f}"
        )
        cells = [
            row["maps"],
            ", ".join(row["steps"]) or "nothing",
            f"{row['background_score']:.2f}",
            *(f"{100 * row[score]:.1f}" for score in ("mean_iou", "precision", "recall")),
            f"{row['seconds_an_image']:.2f}",
            swept,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def open_context(root: Path, settings: list[str]) -> RunInputs:
    recipe = load_run_recipe(root / "recipe.toml", settings)
    splits = read_splits(recipe.data, drawn=RunFolder(root).drawn_data)
    fabric = Fabric(accelerator="cpu", devices=1)
    fabric.launch()
    return RunInputs(fabric, recipe, RunFolder(root), LoadedData(splits, "", ""))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a finished run folder with an affinity network and ground truth")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="look at every Nth image")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change the recipe")
    default = Path(__file__).parent / "results" / "mask_methods.json"
    parser.add_argument("--out", type=Path, default=default)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    context = open_context(asked.run, asked.set)
    rows = compare(context, asked.every)
    stages = RunFolder(asked.run).read_manifest()["stages"]
    receipt = {
        "recipe": context.recipe.name,
        "seed": context.recipe.seed,
        "split": context.data.splits.evaluation.name if context.data.splits.evaluation else None,
        "images": len(context.data.splits.evaluation.records[:: asked.every]) if context.data.splits.evaluation else 0,
        "affinity_training_minutes": round(stages["train_affinity"]["details"]["time_s"] / 60, 1),
        "machine": {"torch": torch.__version__, "machine": platform.machine(), "threads": 1},
    }
    asked.out.write_text(json.dumps({**receipt, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    print(
        f"{receipt['images']} images of '{receipt['split']}', one thread; seeds and affinity network took "
        f"{receipt['affinity_training_minutes']} min once\n"
    )
    print(table(rows))


if __name__ == "__main__":
    main()
