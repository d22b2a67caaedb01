"""What the documents show as the output of `tagseg check` and `tagseg init` is what the program prints."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tagseg.cli.main import app_main

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE, TUTORIAL = DOCS / "own_data.md", DOCS / "start" / "tutorial.md"
RECIPE = 'name = "photos"\n\n[data]\nformat = "folder"\nroot = "photos"\n'
TAGS = """\
image,tags
holiday/beach 1.jpg,dog;person
dog 7.jpg,dgo
street.png,traffic light
broken.jpg,person
thin.webp,
gone.jpg,dog
"""


def make_photos(root: Path) -> None:
    """Make the folder of the page: five images, one of them empty, and tags with two mistakes."""
    (root / "holiday").mkdir(parents=True)
    (root / "masks").mkdir()
    rng = np.random.default_rng(0)
    for name, size in (
        ("holiday/beach 1.jpg", (120, 160)),
        ("dog 7.jpg", (120, 160)),
        ("street.png", (120, 160)),
        ("thin.webp", (20, 160)),
    ):
        Image.fromarray(rng.integers(0, 255, (*size, 3), dtype=np.uint8)).save(root / name)
    (root / "broken.jpg").touch()
    mask = np.zeros((120, 160), np.uint8)
    mask[20:60, 20:60] = 1
    Image.fromarray(mask).save(root / "masks" / "dog 7.png")
    Image.fromarray(mask[:60]).save(root / "masks" / "street.png")
    (root / "classes.txt").write_text("dog\nperson\ntraffic light\n")
    (root / "tags.csv").write_text(TAGS)


def without_times(text: str) -> list[str]:
    """Return the lines without the one that says how long it took, and without spaces at their ends."""
    lines = [line.rstrip() for line in text.splitlines()]
    return [line for line in lines if line and not re.search(r"images in .* s ", line)]


def test_the_check_of_the_page_is_what_the_program_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_photos(tmp_path / "photos")
    (tmp_path / "photos.toml").write_text(RECIPE)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        app_main(["check", "photos.toml"])
    assert ended.value.code == 1
    (shown,) = re.findall(r"```console\n\$ tagseg check photos.toml\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    assert without_times(capsys.readouterr().out) == without_times(shown)


@pytest.mark.parametrize("command", ["init photos", "check photos.toml"])
def test_the_output_in_the_tutorial_is_what_the_program_prints(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    for name in ("cat", "dog", "horse"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(20):
            pixels = rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    if command != "init photos":
        with pytest.raises(SystemExit):
            app_main(["init", "photos"])
        capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        app_main(command.split())
    assert ended.value.code == 0
    (shown,) = re.findall(rf"```console\n\$ tagseg {command}\n(.*?)```", TUTORIAL.read_text(), flags=re.DOTALL)
    assert without_times(capsys.readouterr().out) == without_times(shown)
