"""Run folders over grey photographs of 4 x 6 px, one sub-folder a class: only what the sentences of errors need."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from tagseg.artifacts.cam_file import write_cam
from tagseg.recipe import make_recipe, to_toml


def make_photos(root: Path, *names: str) -> Path:
    """Write photographs such as `cat/tom.png`."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 4), (90, 90, 90)).save(root / name)
    return root


def make_grey_run(root: Path, photos: Path, *settings: str, masks: Path | None = None) -> Path:
    """Write a run folder over photographs, with a map of the image `cat/tom`."""
    data = {"format": "folder", "root": str(photos), **({"masks": str(masks)} if masks else {})}
    root.mkdir(parents=True)
    (root / "recipe.toml").write_text(to_toml(make_recipe({"name": "small", "data": data}, list(settings))))
    write_cam(root / "2_cams" / "cat" / "tom.npz", np.full((1, 4, 6), 0.5, np.float32), (1,))
    return root


def mark_done(run: Path, *stages: str) -> None:
    """Note stages as done, with an output folder for each of those that leave masks."""
    for folder in ("3_affinity", "4_masks", "6_predictions"):
        (run / folder).mkdir(exist_ok=True)
    entries = {stage: {"state": "done", "fingerprint": "x"} for stage in stages}
    (run / "manifest.json").write_text(json.dumps({"format": 1, "stages": entries}))
