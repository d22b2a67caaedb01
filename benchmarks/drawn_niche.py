"""A niche where tags and scenes always go together: what the recipe ``folder`` makes of it, and whether it warns.

    python benchmarks/drawn_niche.py --backbone mobilenetv2_100 --weights mobilenetv2_100_imagenet.safetensors

Sixty pictures of surfaces are drawn from a seed, twenty a class. Every class has a ground of its own (fine grains,
coarse grains, stripes), and no picture is without a class. So the tag says as much of the ground as of the object.
Objects cover 1 to 5 % of their picture: a dark disc, a bent bright line, a stain. Masks are read for scores alone. The
row of a drawing, scores and warnings, is in the JSON when it is done; the same command goes on after a stop.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from PIL import Image as PillowImage
from scipy.ndimage import gaussian_filter
from small_set import keep, scored_run
from this_machine import this_machine

CLASSES = ("pit", "scratch", "stain")
PER_CLASS = 20
SIZE = (240, 320)
LEAST_SHARE, MOST_SHARE = 0.01, 0.05


def ground(name: str, rng: np.random.Generator) -> Float[ndarray, "H W"]:
    """Return the brightness of the ground of a class, about 0.5."""
    noise = rng.standard_normal(SIZE)
    if name == "stain":
        rows = np.arange(SIZE[0])[:, None] + 6 * gaussian_filter(noise, 20)
        return 0.5 + 0.12 * np.sin(rows / 3.0) + 0.03 * noise
    grains = gaussian_filter(noise, 1.0 if name == "pit" else 4.0)
    return 0.5 + 0.12 * grains / grains.std()


def shape(name: str, rng: np.random.Generator) -> Bool[ndarray, "H W"]:
    """Return the pixels of an object that covers a fit share of the picture."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]].astype(float)
    while True:
        row, column = (rng.uniform(0.2, 0.8) * side for side in SIZE)
        if name == "scratch":
            angle = rng.uniform(0, np.pi)
            along = (rows - row) * np.sin(angle) + (columns - column) * np.cos(angle)
            across = (columns - column) * np.sin(angle) - (rows - row) * np.cos(angle)
            bent = across - 8 * np.sin(along / rng.uniform(15, 30))
            found = (np.abs(along) < rng.uniform(60, 110)) & (np.abs(bent) < rng.uniform(4, 7))
        else:
            reach = np.hypot(rows - row, (columns - column) * rng.uniform(0.7, 1.3))
            edge = 4 * gaussian_filter(rng.standard_normal(SIZE), 6) / 0.05 if name == "stain" else 0.0
            found = reach + edge < rng.uniform(16, 34)
        if LEAST_SHARE <= found.mean() <= MOST_SHARE:
            return found


def draw(photos: Path, *, seed: int) -> None:
    """Draw the pictures, in a folder a class, and their masks."""
    for label, name in enumerate(CLASSES, start=1):
        (photos / name).mkdir(parents=True, exist_ok=True)
        (photos / "masks" / name).mkdir(parents=True, exist_ok=True)
        for number in range(PER_CLASS):
            rng = np.random.default_rng([seed, label, number])
            level, pixels = ground(name, rng), shape(name, rng)
            soft = gaussian_filter(pixels.astype(float), 0.8)
            picture = np.repeat(level[:, :, None], 3, axis=2)
            color = {"pit": (-0.3, -0.3, -0.3), "scratch": (0.3, 0.3, 0.3), "stain": (0.12, -0.02, -0.2)}[name]
            picture = np.clip(picture + soft[:, :, None] * np.array(color), 0, 1)
            PillowImage.fromarray((255 * picture).astype(np.uint8)).save(photos / name / f"{number:02}.png")
            mask = PillowImage.fromarray((label * pixels).astype(np.uint8))
            mask.save(photos / "masks" / name / f"{number:02}.png")
    (photos / "classes.txt").write_text("".join(f"{name}\n" for name in CLASSES), encoding="utf-8")


def run_unit(args: argparse.Namespace, *, seed: int) -> dict[str, Any]:
    """Run the recipe on one drawing and return its row."""
    unit = args.out / f"{args.backbone}-{seed}"
    photos = unit / "photos"
    if not (photos / "classes.txt").exists():
        draw(photos, seed=seed)
    scores = scored_run(args, unit, recipe="folder", seed=seed, chosen=["segmenter.enabled=false"])
    made = scores["pseudo_masks"]
    return {
        "backbone": args.backbone,
        "seed": seed,
        "images": scores["images"],
        "background_score": made["background_score"],
        "masks": {key: made["masks"][key] for key in ("mean_iou", "precision", "recall", "iou")},
        "warnings": scores["warnings"],
        **this_machine(),
    }


def main() -> None:
    """Run the drawings and write their rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="mobilenetv2_100", help="a timm name")
    parser.add_argument("--weights", type=Path, required=True, help="its ImageNet weights")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--out", type=Path, default=Path("runs/drawn_niche"))
    parser.add_argument("--json", type=Path, default=None, help="file of rows; a drawing's row is replaced")
    args = parser.parse_args()
    for seed in args.seeds:
        row = run_unit(args, seed=seed)
        print(json.dumps(row), flush=True)
        if args.json is not None:
            keep(args.json, row)


if __name__ == "__main__":
    main()
