"""What the commands report and compare say, word for word."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tagseg.artifacts.cam_file import write_cam
from tagseg.cli.main import app_main
from tagseg.errors import TagsegError
from tagseg.progress import SilentProgress
from tagseg.recipe import make_recipe, to_toml
from tagseg.results.compare import gather_comparison
from tagseg.results.page import write_report


def make_run(root: Path, photos: Path, *settings: str) -> Path:
    """Write a run folder over a data set of one class a folder, with a map of its first image."""
    root.mkdir(parents=True)
    recipe = make_recipe({"name": "small", "data": {"format": "folder", "root": str(photos)}}, list(settings))
    (root / "recipe.toml").write_text(to_toml(recipe))
    write_cam(root / "2_cams" / "cat" / "tom.npz", np.full((1, 4, 6), 0.5, np.float32), (1,))
    return root


def make_photos(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 4), (90, 90, 90)).save(root / name)
    return root


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    photos = make_photos(tmp_path / "photos", "cat/tom.png", "cat/pip.png")
    return [make_run(tmp_path / "runs" / name, photos) for name in ("one", "two")]


def compared(*roots: Path, image_ids: tuple[str, ...] = ()) -> str:
    with pytest.raises(TagsegError) as caught:
        gather_comparison(roots, image_ids=image_ids, count=1, progress=SilentProgress())
    return str(caught.value)


def words(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        app_main(arguments)
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


def test_a_report_of_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(TagsegError) as caught:
        write_report(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path} is the folder of a run, got no recipe.toml in it; give the folder that 'tagseg run' printed"
    )


def test_a_comparison_of_one_run(runs: list[Path]) -> None:
    assert compared(runs[0]) == (
        "compare takes two or more run folders, got 1; name another one; 'tagseg report' shows a single run"
    )


def test_a_comparison_of_other_classes(runs: list[Path], tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "others", "cat/tom.png", "owl/ada.png")
    other = make_run(tmp_path / "runs" / "owls", photos)
    assert compared(runs[0], other) == (
        f"{other} has the classes of {runs[0]} (cat), got cat, owl; compare runs of the same data"
    )


@pytest.mark.parametrize(("section", "what"), [("data", "images and tags"), ("test_data", "images to test on")])
def test_a_comparison_of_other_images(runs: list[Path], section: str, what: str) -> None:
    for root, name in zip(runs, ("a", "b"), strict=True):
        sections = {"data": {"fingerprint": "x", "bad_files": []}, section: {"fingerprint": name, "bad_files": []}}
        (root / "manifest.json").write_text(json.dumps({"format": 1, "stages": {}, **sections}))
    assert compared(*runs) == f"{runs[1]} has the {what} of {runs[0]}, got others; compare runs of the same data"


def test_a_comparison_of_an_image_that_nothing_was_made_of(runs: list[Path]) -> None:
    assert compared(*runs, image_ids=("cat/tim",)) == (
        f"'cat/tim' is an image that all runs made something of, got none in {runs[0]}; did you mean 'cat/tom'?"
    )
    (runs[1] / "2_cams" / "cat" / "tom.npz").unlink()
    assert compared(*runs, image_ids=("cat/tom",)) == (
        f"'cat/tom' is an image that all runs made something of, got none in {runs[1]}; "
        "leave out --images to see some that are"
    )


def test_the_commands_print_where_the_pages_are(runs: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert words("report", str(runs[0])) == 0
    out = runs[0].parent / "compare.html"
    assert words("compare", str(runs[0]), str(runs[1]), "--out", str(out), "--images", "cat/tom") == 0
    printed = [line for line in capsys.readouterr().out.splitlines() if line and not line.startswith("  ")]
    sizes = [f"{path.stat().st_size / 1e6:.1f} MB" for path in (runs[0] / "report.html", out)]
    assert printed == [
        f"report: {runs[0] / 'report.html'} ({sizes[0]})",
        "recipes: the same, but for names and places of files",
        f"comparison: {out} ({sizes[1]})",
    ]


def test_the_command_names_what_is_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert words("compare", str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(tmp_path / "c.html")) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"error: {tmp_path / 'a'} is the folder of a run, got no recipe.toml in it",
        "help: give the folder that 'tagseg run' printed",
    ]
    assert not (tmp_path / "c.html").exists()


def test_the_help_says_what_is_written_and_which_images_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    shown = {}
    for command in ("report", "compare"):
        assert words(command, "--help") == 0
        shown[command] = " ".join(capsys.readouterr().out.split())
    assert "The HTML file [default: RUN/report.html]." in shown["report"]
    assert "Example: tagseg report runs/demo" in shown["report"]
    assert "N images evenly spaced over the scored ones that all runs made something of" in shown["compare"]
    assert "An unfinished run is compared as far as it goes." in shown["compare"]
    assert "Example: tagseg compare runs/demo/plain runs/demo --out compare.html" in shown["compare"]
