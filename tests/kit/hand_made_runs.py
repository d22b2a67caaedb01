"""Run folders that are made by hand: maps from the masks, no network, no training."""

import json
from pathlib import Path

import numpy as np

from tagseg.artifacts.cam_file import write_cam
from tagseg.artifacts.mask_file import write_confidence, write_mask
from tagseg.classes import VOID
from tagseg.data.layouts.folder import read_folder
from tagseg.recipe import make_recipe, to_toml

NUM_IMAGES = 8

SIDE = 64

SSC_SCORE, PLAIN_SCORE = 0.45, 0.15


def make_run(root: Path, photos: Path, *settings: str, best: dict[str, float] | None = None) -> Path:
    """Write a run folder: the recipe, maps that fade from 1 to 0.3 over each tagged class, and scores."""
    data = {"format": "folder", "root": str(photos), "masks": str(photos / "masks")}
    superpixels = {"cache": str(photos.parent / "cache"), "max_regions": 8}
    recipe = make_recipe({"name": "small", "data": data, "superpixels": superpixels}, list(settings))
    root.mkdir(parents=True)
    (root / "recipe.toml").write_text(to_toml(recipe))
    fade = np.linspace(1, 0.3, SIDE, dtype=np.float32)
    for record in read_folder(photos, masks=photos / "masks").records:
        assert record.mask is not None
        truth = record.mask.read()
        cam = np.stack([(truth == label) * fade for label in record.tags]).astype(np.float32)
        write_cam(root / "2_cams" / f"{record.image_id}.npz", cam, record.tags)
    if best is not None:
        seeds = {kind: {"best": {"background_score": score}} for kind, score in best.items()}
        (root / "scores.json").write_text(json.dumps({"seeds": seeds}))
    return root


def add_masks(root: Path, photos: Path, *parts: str, names: tuple[str, ...] = ()) -> Path:
    """Write what later stages leave: sure seeds (unknown on the left), masks and what is trusted (the right half)."""
    split = read_folder(photos, masks=photos / "masks")
    right = np.arange(SIDE)[None].repeat(SIDE, axis=0) >= SIDE // 2
    for record in split.records:
        if names and record.image_id not in names:
            continue
        assert record.mask is not None
        truth = record.mask.read()
        labels = np.where(truth == VOID, 0, np.roll(truth, 5, axis=0)).astype(np.uint8)
        labels[labels == VOID] = 0
        if "sure" in parts:
            sure = np.where(right, labels, np.uint8(VOID))
            write_mask(root / "3_affinity" / "seeds" / f"{record.image_id}.png", sure, split.classes)
        if "mask" in parts:
            write_mask(root / "4_masks" / "labels" / f"{record.image_id}.png", labels, split.classes)
        if "confident" in parts:
            write_confidence(root / "4_masks" / "confidence" / f"{record.image_id}.png", right)
    return root


def ids_of(run: Path) -> list[str]:
    return sorted(path.stem for path in (run / "2_cams").glob("*.npz"))
