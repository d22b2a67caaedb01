"""The command ``tagseg figure`` on runs of the real pipeline: plain CAM beside SSC, on a small drawn data set."""

import json
import re
from pathlib import Path

import pytest
from PIL import Image

from tagseg.cli.main import app_main
from tagseg.data.drawn_pictures import write_dataset
from tagseg.pipeline import run_compared
from tagseg.progress import SilentProgress
from tagseg.recipe import make_recipe


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
            "self_modulation": {"target": "self", "warmup_epochs": 0},
            "training": {"epochs": 1, "batch_size": 3, "crop_size_px": 64, "long_side_px": [64, 64]},
            "cams": {"scales": [1.0], "average_over_regions": True},
            "affinity": {"epochs": 1, "batch_size": 3, "crop_size_px": 64, "long_side_px": [64, 64], "radius": 5},
            "segmenter": {"enabled": False},
            "engine": {"accelerator": "cpu", "threads": 1},
        }
    )
    run_compared(recipe, root / "run", baseline=True, upper_bound=False, progress=SilentProgress())
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


def test_what_stages_3_and_4_leave(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "fig.png"
    with pytest.raises(SystemExit) as stopped:
        app_main(["figure", str(run), "--columns", "image,sure,mask,confident", "--count", "2", "--out", str(out)])
    assert (stopped.value.code, capsys.readouterr().err) == (0, "")
    with Image.open(out) as picture:
        assert picture.width == 900 and picture.height > 400


@pytest.mark.parametrize("ending", ["pdf", "svg"])
def test_a_figure_for_a_paper(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], ending: str) -> None:
    ids = sorted(path.stem for path in (run / "2_cams").glob("*.npz"))[:3]
    out = tmp_path / f"fig.{ending}"
    words = ["figure", str(run), "--images", *ids, "--columns", "image", "cam", "mask", "truth", "--palette", "safe"]
    with pytest.raises(SystemExit) as stopped:
        app_main([*words, "--out", str(out)])
    printed = capsys.readouterr()
    assert (stopped.value.code, printed.err) == (0, "")
    assert printed.out.splitlines()[-1] == f"figure: {out} (3 images)"
    content = out.read_bytes()
    # Three rows of four images of 64 pixels, and the scale of the maps.
    assert len(re.findall(rb"/Subtype /Image|<image ", content)) == 3 * 4 + 1
    assert (b"/Width 64" in content) == (ending == "pdf")
