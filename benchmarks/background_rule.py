"""How good the background score is that each rule finds: Otsu's threshold, and what frozen features promise.

    python benchmarks/background_rule.py runs/animals
    python benchmarks/background_rule.py runs/animals --maps affinity masks --json rows.json

One row for each kind of maps of a finished run: as the network gave them, averaged over regions, after region affinity,
and those that the masks are cut from (``masks``; after the walk where the recipe walks). Both rules look at photographs
and tags alone, as stage 4 does, but for its least number of images. All images with ground truth score them, and a
sweep in steps of 0.01 names the best score. Masks are cut from the maps without the refinement that follows the cut.
A row of the same run, changes and maps is replaced in the file of rows. The table of a file of rows:

    python benchmarks/background_rule.py --table benchmarks/results/background_rule.json
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from this_machine import this_machine

from tagseg.artifacts.cam_file import CamFile
from tagseg.artifacts.run_folder import RunFolder
from tagseg.assemble.data import read_splits, superpixel_cache, without_bad_files
from tagseg.assemble.maps import chosen_records, read_maps, read_mask_maps
from tagseg.assemble.networks import build_frozen_backbone
from tagseg.data.images import read_image
from tagseg.evaluation.threshold import BackgroundSweep, ThresholdPoint, best
from tagseg.ops.spacing import evenly_spaced
from tagseg.recipe import Recipe, load_run_recipe
from tagseg.refine.background import otsu_background
from tagseg.refine.certain_cells import image_cells, promised_background
from tagseg.stages.make_masks import FEATURE_IMAGES, OTSU_IMAGES
from tagseg.types import ImageRecord, Split

MASKS = "masks"
SWEPT = np.round(np.arange(0.01, 1, 0.01), 2).tolist()

ReadMaps = Callable[[ImageRecord], CamFile]


def measure(root: Path, kinds: Sequence[str], changes: Sequence[str]) -> list[dict[str, Any]]:
    """Return one row for each kind of maps of a run; none named: all that it has."""
    run, recipe = RunFolder(root), load_run_recipe(root / "recipe.toml", changes)
    splits, gone = read_splits(recipe.data, drawn=run.drawn_data), run.read_manifest()["data"]
    train = without_bad_files(splits.train, gone)
    if splits.evaluation is None:
        raise SystemExit(f"{root}: no image of the run has ground truth")
    scored = without_bad_files(splits.evaluation, gone)
    tagged = [record for record in chosen_records(recipe.masks.splits, train, scored) if record.tags]
    regions = superpixel_cache(recipe)

    def reader(kind: str) -> ReadMaps:
        if kind == MASKS:
            return lambda record: read_mask_maps(run, record, recipe, regions=regions)
        return lambda record: read_maps(run, record, kind=kind, regions=regions)

    receipt = {
        "run": root.name,
        "set": list(changes),
        "recipe": recipe.name,
        "seed": recipe.seed,
        "backbone": recipe.classifier.backbone,
    }
    asked = kinds or (*recipe.cams.kinds, MASKS)
    return [
        {**receipt, "maps": kind, **_rules(run, recipe, reader(kind), tagged, scored), **this_machine()}
        for kind in asked
    ]


def _rules(
    run: RunFolder, recipe: Recipe, maps: ReadMaps, tagged: Sequence[ImageRecord], scored: Split
) -> dict[str, Any]:
    """Return the score of each rule, its mean IoU, and those of the best score."""
    otsu = otsu_background(maps(record) for record in evenly_spaced(tagged, OTSU_IMAGES))
    if otsu is None:
        raise SystemExit("the maps have fewer than two different scores above 0")
    backbone = build_frozen_backbone(recipe, run, device=torch.device("cpu"))
    looked_at, started = evenly_spaced(tagged, FEATURE_IMAGES), time.perf_counter()
    cells = [image_cells(backbone, read_image(record.image_path), maps(record), otsu=otsu) for record in looked_at]
    promised = promised_background(cells, otsu=otsu)
    seconds = time.perf_counter() - started
    found = {"otsu": otsu} if promised is None else {"otsu": otsu, "features": promised}
    points = _points(maps, scored, sorted({*SWEPT, *found.values()}))
    top = best([points[score] for score in SWEPT])
    return {
        "images": len(tagged),
        "looked_at": len(looked_at),
        "scored": len(scored.records),
        "seconds_an_image": round(seconds / len(looked_at), 3),
        **{rule: [score, points[score].scores.mean_iou] for rule, score in found.items()},
        "best": [top.background_score, top.scores.mean_iou],
    }


def _points(maps: ReadMaps, scored: Split, cuts: Sequence[float]) -> dict[float, ThresholdPoint]:
    """Return what the masks of each background score are worth."""
    sweep = BackgroundSweep(scored.classes.label_names, cuts)
    for record in scored.records:
        if record.mask is not None:
            sweep.update(maps(record), record.mask.read(), name=record.image_id)
    return {point.background_score: point for point in sweep.points()}


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the rows as a Markdown table: of each rule its score, and the points of mIoU that it loses."""
    lines = [
        "| recipe | maps | looked at | best | Otsu | by frozen features |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        score, most = row["best"]
        rules = [_less(row[rule], most) if rule in row else "says nothing" for rule in ("otsu", "features")]
        cells = [row["recipe"], row["maps"], f"{row['looked_at']}", f"{100 * most:.1f} at {score:.2f}", *rules]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _less(found: Sequence[float], most: float) -> str:
    """Return a score, and how many points its masks lose."""
    return f"{found[0]:.2f}: {round(100 * (most - found[1]), 1) + 0.0:.1f} less"


def keep(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows into a file, each in the place of that of the same run, changes of the recipe and maps."""

    def key(row: dict[str, Any]) -> tuple[Any, ...]:
        return (*(row[name] for name in ("run", "recipe", "backbone", "seed", "maps")), *row["set"])

    old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    new = {key(row) for row in rows}
    kept = [row for row in old if key(row) not in new]
    path.write_text(json.dumps([*kept, *rows], indent=1) + "\n", encoding="utf-8")


def main(words: Sequence[str] | None = None) -> None:
    """Measure the maps of a run, or print the table of a file of rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, nargs="?", help="a finished run folder with ground truth")
    parser.add_argument("--maps", nargs="+", default=[], metavar="KIND", help="network, averaged, affinity, masks; all")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change the recipe")
    parser.add_argument("--json", type=Path, help="file of rows; an older row of the same is replaced")
    parser.add_argument("--table", type=Path, help="print the table of this file of rows, and measure nothing")
    options = parser.parse_args(words)
    if options.table:
        print(table(json.loads(options.table.read_text(encoding="utf-8"))))
        return
    if options.run is None:
        parser.error("name a run folder, or a file of rows with --table")
    torch.set_num_threads(1)
    rows = measure(options.run, options.maps, options.set)
    if options.json:
        keep(options.json, rows)
    print(table(rows))


if __name__ == "__main__":
    main()
