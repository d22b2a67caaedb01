"""What a newcomer's ninety photographs become: ``recipes/folder.toml`` as it is, on 30 each of cat, dog and horse.

    python benchmarks/small_set.py ../shared/data/voc2012_animals --weights mobilenetv2_100_imagenet.safetensors

The photographs are drawn by seed from ``train_aug``: those that show one of the three classes only, whatever else they
show. They lie in one folder a class, as a newcomer has them. Masks (SBD's, outside of ``train``) are read for scores
alone; every class but the three is background in them. Nothing of the recipe changes but the backbone, its weights and
the seed; the segmentation network is left out unless ``--segmenter`` asks for it. Each drawing is one unit: it resumes
where it was stopped, and its row of the JSON is written when it is done.
"""

import argparse
import csv
import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

import tagseg
from tagseg.artifacts.mask_file import read_mask
from tagseg.recipe import load_recipe

CLASSES = ("cat", "dog", "horse")
PER_CLASS = 30


def draw(root: Path, photos: Path, *, seed: int) -> None:
    """Draw the photographs of a seed into one folder a class, with their masks beside them."""
    from PIL import Image as PillowImage

    subset = set((root / "ImageSets" / "Segmentation" / "train_aug.txt").read_text().split())
    with (root / "image_tags.csv").open(encoding="utf-8") as file:
        tags = {Path(row["image"]).stem: set(row["tags"].split()) for row in csv.DictReader(file)}
    generator = np.random.default_rng(seed)
    for label, name in enumerate(CLASSES, start=1):
        shown = sorted(key for key, found in tags.items() if key in subset and found & set(CLASSES) == {name})
        for key in generator.choice(shown, PER_CLASS, replace=False):
            image, mask = photos / name / f"{key}.jpg", photos / "masks" / name / f"{key}.png"
            image.parent.mkdir(parents=True, exist_ok=True)
            mask.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / "JPEGImages" / f"{key}.jpg", image)
            truth = read_mask(root / "SegmentationClass" / f"{key}.png")
            PillowImage.fromarray(_own_ids(truth, name, label)).save(mask)
    (photos / "classes.txt").write_text("\n".join(CLASSES) + "\n")


def _own_ids(truth: np.ndarray, name: str, label: int) -> np.ndarray:
    """Return 0, the photograph's class and void of a mask with VOC's ids."""
    voc_id = {"cat": 8, "dog": 12, "horse": 13}[name]
    return np.where(truth == voc_id, label, np.where(truth == 255, 255, 0)).astype(np.uint8)


def run_unit(args: argparse.Namespace, *, seed: int) -> dict[str, Any]:
    """Run the recipe on one drawing and return its row."""
    unit = args.out / f"{args.backbone}-{seed}"
    photos = unit / "photos"
    if not (photos / "classes.txt").exists():
        draw(args.root, photos, seed=seed)
    overrides = [
        f"data.root={photos}",
        f"classifier.backbone={args.backbone}",
        f"classifier.weights={args.weights}",
        f"seed={seed}",
        f"segmenter.enabled={str(args.segmenter).lower()}",
        *args.set,
    ]
    started = time.perf_counter()
    tagseg.run(load_recipe(Path(args.recipe), overrides), out=unit / "run")
    seconds = time.perf_counter() - started
    scores = json.loads((unit / "run" / "scores.json").read_text())
    made = scores["pseudo_masks"]
    kept = ("mean_iou", "precision", "recall")
    row = {"backbone": args.backbone, "seed": seed, "minutes": round(seconds / 60, 2), "set": args.set}
    row |= {"background_score": made["background_score"]}
    row |= {"masks": {key: made["masks"][key] for key in kept}, "best": made["best"]}
    return row


def main() -> None:
    """Run the units and write their rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="voc2012_animals")
    parser.add_argument("--backbone", default="mobilenetv2_100", help="a timm name")
    parser.add_argument("--weights", type=Path, required=True, help="its ImageNet weights")
    parser.add_argument("--recipe", default="recipes/folder.toml")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--segmenter", action="store_true", help="train the segmentation network too")
    parser.add_argument("--set", action="append", default=[], help="any recipe value, for trials")
    parser.add_argument("--out", type=Path, default=Path("runs/small_set"))
    parser.add_argument("--json", type=Path, default=None, help="file of rows; a unit's row is replaced")
    args = parser.parse_args()
    for seed in args.seeds:
        row = run_unit(args, seed=seed)
        print(json.dumps(row), flush=True)
        if args.json is not None:
            _keep(args.json, row)


def _keep(path: Path, row: dict[str, Any]) -> None:
    rows = json.loads(path.read_text()) if path.exists() else []
    rows = [each for each in rows if (each["backbone"], each["seed"]) != (row["backbone"], row["seed"])]
    path.write_text(json.dumps([*rows, row], indent=2) + "\n")


if __name__ == "__main__":
    main()
