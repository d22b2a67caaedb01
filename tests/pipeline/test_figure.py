"""The command ``tagseg figure`` on runs of the real pipeline: plain CAM beside SSC, on a small drawn data set."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tagseg.artifacts.cam_file import read_cam
from tagseg.classes import VOID, voc_color
from tagseg.cli.main import app_main
from tagseg.data.synthetic import write_dataset
from tagseg.progress import SilentProgress
from tagseg.recipe import make_recipe
from tagseg.stages import run_with_baseline


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an SSC run, with that of plain CAM in it, over six images of 64 x 64 pixels."""
    root = tmp_path_factory.mktemp("figure")
    write_dataset(root / "photos", num_images=6, size=(64, 64), seed=3)
    recipe = make_recipe(
        {
            "name": "small",
            "data": {"format": "folder", "root": str(root / "photos"), "masks": str(root / "photos" / "masks")},
            "superpixels": {"cache": str(root / "cache"), "max_regions": 16},
            "classifier": {"backbone": "test_resnet", "weights": "random", "frozen_stages": 0},
            "suppression": {"positions": ["last_stage"]},
            "reconstruction": {"enabled": False},
            "self_modulation": {"warmup_epochs": 0},
            "training": {"epochs": 1, "batch_size": 3, "crop_size_px": 64, "long_side_px": [64, 64]},
            "cams": {"scales": [1.0], "average_over_regions": True},
            "engine": {"accelerator": "cpu", "threads": 1},
        }
    )
    run_with_baseline(recipe, root / "run", progress=SilentProgress())
    return root / "run"


def test_plain_cam_beside_ssc(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "fig.png"
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    with pytest.raises(SystemExit) as stopped:
        app_main(["figure", str(run / "plain"), str(run), "--count", "4", "--out", str(out)])
    assert stopped.value.code == 0
    best = {
        kind: json.loads((folder / "scores.json").read_text())["seeds"][kind]["best"]["background_score"]
        for kind, folder in (("network", run / "plain"), ("averaged", run))
    }
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        f"  plain CAM ({run / 'plain'}): seeds from the network's maps above {best['network']:.2f} [best of its sweep]",
        f"  SSC ({run}): seeds from maps averaged over regions above {best['averaged']:.2f} [best of its sweep]",
    ]
    assert lines[-1] == f"figure: {out} (4 images)"
    with Image.open(out) as picture:
        assert picture.format == "PNG" and picture.width == 900
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before  # a run folder is only read


def test_the_seeds_of_a_figure_are_those_of_the_maps(run: Path, tmp_path: Path) -> None:
    """At full size, one image and one column: the share of coloured pixels is that of the seeds."""
    path = sorted((run / "plain" / "2_cams").glob("*.npz"))[0]
    labels = read_cam(path).labels(0.5)
    share = np.count_nonzero((labels != 0) & (labels != VOID)) / labels.size
    words = ["figure", str(run / "plain"), "--image", path.stem, "--background-score", "0.5", "--out"]
    cells = []
    for column in ("image", "seed"):
        out = tmp_path / f"{column}.png"
        with pytest.raises(SystemExit):
            app_main([*words, str(out), "--columns", column])
        with Image.open(out) as picture:
            cells.append(np.asarray(picture)[50 : 42 + 884, 8 : 8 + 884].astype(int))
    photo, seeds = (cell[: min(len(cell) for cell in cells)] for cell in cells)
    changed = (np.abs(photo - seeds).max(axis=-1) > 0).mean()
    assert 0 < share < 1 and abs(changed - share) < 0.05
    label = np.bincount(labels[labels != 0]).argmax()
    tint = (seeds - 0.4 * photo)[(np.abs(photo - seeds).max(axis=-1) > 0)] / 0.6
    near = (np.abs(tint - np.array(voc_color(int(label)))).max(axis=-1) < 3).mean()
    assert near > 0.3  # the commonest class alone; edges are blended
