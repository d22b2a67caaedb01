"""What a newcomer's ninety photographs become: the recipe ``folder`` as it is, on 30 each of cat, dog and horse.

    python benchmarks/small_set.py ../shared/data/voc2012_animals --weights mobilenetv2_100_imagenet.safetensors

The photographs are drawn by seed from ``train_aug``: those that show one of the three classes only, whatever else they
show. They lie in one folder a class, as a newcomer has them. Masks (SBD's, outside of ``train``) are read for scores
alone; every class of VOC but the three is void in them. Nothing of the recipe changes but the backbone, its weights and
the seed; the segmentation network is left out unless ``--segmenter`` asks for it. Each drawing is one unit: it resumes
where it was stopped, and its row of the JSON is written when it is done. Minutes are of the last sitting: by the clock,
and of this process alone, without those that cut superpixels. The table of a finished file of rows:

    python benchmarks/small_set.py --table benchmarks/results/small_set.json

``--several`` draws 100 photographs that show two or more of cat, dog, horse and person, in one folder with tags.csv.
"""

import argparse
import csv
import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage
from this_machine import this_machine

import tagseg
from tagseg.artifacts.mask_file import read_mask
from tagseg.classes import BACKGROUND, VOID
from tagseg.cli.console import ConsoleProgress

CLASSES = ("cat", "dog", "horse")
VOC_IDS = (8, 12, 13)
PER_CLASS = 30
SEVERAL = {"cat": 8, "dog": 12, "horse": 13, "person": 15}
"""Classes of ``--several`` and their ids in VOC."""
SEVERAL_COUNT = 100


def draw(root: Path, photos: Path, *, seed: int, per_class: int = PER_CLASS) -> None:
    """Draw the photographs of a seed into one folder a class, with their masks beside them."""
    tags, generator = _tags(root), np.random.default_rng(seed)
    for name in CLASSES:
        shown = sorted(key for key, found in tags.items() if found & set(CLASSES) == {name})
        for key in generator.choice(shown, per_class, replace=False):
            _copy(root, photos, key, name, voc_ids=VOC_IDS)
    (photos / "classes.txt").write_text("\n".join(CLASSES) + "\n")


def draw_several(root: Path, photos: Path, *, seed: int, count: int = SEVERAL_COUNT) -> None:
    """Draw the photographs of a seed with two or more tags into one folder, with tags.csv and masks beside them."""
    tags = {key: sorted(found & set(SEVERAL)) for key, found in _tags(root).items()}
    shown = sorted(key for key, found in tags.items() if len(found) > 1)
    drawn = sorted(np.random.default_rng(seed).choice(shown, count, replace=False))
    for key in drawn:
        _copy(root, photos, key, "images", voc_ids=tuple(SEVERAL.values()))
    rows = [f"{key}.jpg,{';'.join(tags[key])}" for key in drawn]
    (photos / "tags.csv").write_text("\n".join(["image,tags", *rows]) + "\n")
    (photos / "classes.txt").write_text("\n".join(SEVERAL) + "\n")


def _tags(root: Path) -> dict[str, set[str]]:
    """Return the tags of every photograph to learn from, by its id."""
    subset = set((root / "ImageSets" / "Segmentation" / "train_aug.txt").read_text().split())
    with (root / "image_tags.csv").open(encoding="utf-8") as file:
        found = {Path(row["image"]).stem: set(row["tags"].split()) for row in csv.DictReader(file)}
    return {key: tags for key, tags in found.items() if key in subset}


def _copy(root: Path, photos: Path, key: str, folder: str, *, voc_ids: tuple[int, ...]) -> None:
    """Copy a photograph, and its mask with the ids 1, 2, ... for some of VOC's; the others are void."""
    below_masks = "" if folder == "images" else folder  # an id is the path below the folder of photographs
    image, mask = photos / folder / f"{key}.jpg", photos / "masks" / below_masks / f"{key}.png"
    image.parent.mkdir(parents=True, exist_ok=True)
    mask.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(root / "JPEGImages" / f"{key}.jpg", image)
    ids = np.full(256, VOID, np.uint8)
    ids[BACKGROUND] = BACKGROUND
    ids[list(voc_ids)] = np.arange(1, 1 + len(voc_ids))
    PillowImage.fromarray(ids[read_mask(root / "SegmentationClass" / f"{key}.png")]).save(mask)


def run_unit(args: argparse.Namespace, *, seed: int) -> dict[str, Any]:
    """Run the recipe on one drawing and return its row."""
    unit = args.out / f"{'several-' if args.several else ''}{args.backbone}-{seed}"
    photos = unit / "photos"
    if not (photos / "classes.txt").exists():
        (draw_several if args.several else draw)(args.root, photos, seed=seed)
    chosen = [f"segmenter.enabled={str(args.segmenter).lower()}", *args.set]
    started, worked = time.perf_counter(), time.process_time()
    scores = scored_run(args, unit, recipe=args.recipe, seed=seed, chosen=chosen)
    minutes, processor_minutes = (time.perf_counter() - started) / 60, (time.process_time() - worked) / 60
    made, kept = scores["pseudo_masks"], ("mean_iou", "precision", "recall")
    return {
        "backbone": args.backbone,
        "seed": seed,
        "several": args.several,
        "set": args.set,
        "images": scores["images"],
        "minutes": round(minutes, 2),
        "processor_minutes": round(processor_minutes, 2),
        "seeds": {
            kind: [of["best"]["background_score"], of["best"]["mean_iou"]] for kind, of in scores["seeds"].items()
        },
        "background_score": made["background_score"],
        "masks": {key: made["masks"][key] for key in kept} | {"iou": made["masks"]["iou"]},
        "best_of_sweep": _best(made),
        "warnings": scores["warnings"],
        **this_machine(),
    }


def scored_run(args: argparse.Namespace, unit: Path, *, recipe: str, seed: int, chosen: list[str]) -> dict[str, Any]:
    """Run a recipe on the photographs of a unit, with the backbone that is asked for, and return its scores."""
    overrides = [
        f"data.root={unit / 'photos'}",
        f"classifier.backbone={args.backbone}",
        f"classifier.weights={args.weights}",
        f"seed={seed}",
        *chosen,
    ]
    tagseg.run(recipe, unit / "run", overrides=overrides, progress=ConsoleProgress())
    return json.loads((unit / "run" / "scores.json").read_text(encoding="utf-8"))


def _best(scores: dict[str, Any]) -> list[float]:
    return [scores["best"]["background_score"], scores["best"]["mean_iou"]]


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as a table in Markdown, with the mean over the seeds of each backbone and kind of drawing."""
    lines = [
        "| backbone | seed | network | affinity | pseudo masks | precision | recall | cut | best cut, before the CRF |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for group in dict.fromkeys(map(_group, rows)):
        own = sorted((row for row in rows if _group(row) == group), key=lambda row: row["seed"])
        figures = np.array([_figures(row) for row in own])
        for row, values in zip([*(row["seed"] for row in own), "mean"], [*figures, figures.mean(axis=0)], strict=True):
            percent = " | ".join(f"{100 * value:.1f}" for value in values[:5])
            lines.append(f"| {group} | {row} | {percent} | {values[5]:.2f} | {100 * values[6]:.1f} |")
    return "\n".join(lines)


def _group(row: dict[str, Any]) -> str:
    """Return what the first column says: the backbone, and of which drawings."""
    return row["backbone"] + (", several tags" if row.get("several") else "")


def _figures(row: dict[str, Any]) -> list[float]:
    masks, seeds = row["masks"], list(row["seeds"].values())
    of_masks = [masks["mean_iou"], masks["precision"], masks["recall"]]
    return [seeds[0][1], seeds[-1][1], *of_masks, row["background_score"], row["best_of_sweep"][1]]


def main() -> None:
    """Run the units and write their rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, nargs="?", help="voc2012_animals")
    parser.add_argument("--backbone", default="mobilenetv2_100", help="a timm name")
    parser.add_argument("--weights", type=Path, help="its ImageNet weights")
    parser.add_argument("--recipe", default="folder")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--several", action="store_true", help="photographs of two or more tags")
    parser.add_argument("--segmenter", action="store_true", help="train the segmentation network too")
    parser.add_argument("--set", action="append", default=[], help="any recipe value, for trials")
    parser.add_argument("--out", type=Path, default=Path("runs/small_set"))
    parser.add_argument("--json", type=Path, default=None, help="file of rows; a unit's row is replaced")
    parser.add_argument("--table", type=Path, help="print the table of this file of rows, and run nothing")
    args = parser.parse_args()
    if args.table:
        print(table(json.loads(args.table.read_text(encoding="utf-8"))))
        return
    if args.root is None or args.weights is None:
        parser.error("name the folder of the data set and --weights")
    for seed in args.seeds:
        row = run_unit(args, seed=seed)
        print(json.dumps(row), flush=True)
        if args.json is not None:
            keep(args.json, row)


def keep(path: Path, row: dict[str, Any]) -> None:
    """Write a row into a file of rows, in the place of that of the same backbone, kind of drawing and seed."""
    rows = json.loads(path.read_text()) if path.exists() else []
    rows = [each for each in rows if (_group(each), each["seed"]) != (_group(row), row["seed"])]
    path.write_text(json.dumps([*rows, row], indent=2) + "\n")


if __name__ == "__main__":
    main()
