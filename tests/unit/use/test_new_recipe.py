"""A recipe written for a folder: it loads, says what was found, and keeps the constants of the packaged one."""

from pathlib import Path

import pytest
from kit.command_line import exit_code
from PIL import Image as PillowImage

from tagseg.data.drawn_pictures import write_dataset
from tagseg.recipe import load_recipe
from tagseg.recipe.packaged import packaged_names
from tagseg.use.new_recipe import write_new_recipe


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current folder, in which lies `photos`."""
    monkeypatch.chdir(tmp_path)
    for name, count in {"cat": 3, "dog": 2}.items():
        for index in range(count):
            path = tmp_path / "photos" / name / f"{index}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            PillowImage.new("RGB", (60 + 10 * index, 50), (40 * count, 30 * index, 60)).save(path)
    return tmp_path


def comment(path: Path) -> str:
    """Return the comment at the top of a recipe as one line."""
    lines = path.read_text(encoding="utf-8").partition("\nname = ")[0].splitlines()
    return " ".join(" ".join(line.lstrip("# ") for line in lines).split())


def test_what_is_found_is_said(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("init", "photos") == 0
    assert capsys.readouterr().out == (
        "photos: 5 photographs, 2 classes, no masks\n"
        "recipe: photos.toml\n"
        "next: tagseg check photos.toml\n"
        "then: tagseg run photos.toml\n"
    )
    said = comment(here / "photos.toml")
    for sentence in (
        "The photographs in photos: written by 'tagseg init' from the packaged recipe 'folder'.",
        "tagseg check photos.toml tagseg run photos.toml --out runs/photos",
        "Found: 5 photographs, 2 classes, no masks. Classes: cat 3, dog 2.",
        "Sizes: 50 x 60 to 50 x 80 px (height x width), median 50 x 70.",
        "With 5 photographs a run changes these values, and its log says so: 5 images, fewer than small_set.below "
        "(500): classifier.frozen_stages='all',",
        "training.epochs 5 -> 100: 1 step an epoch, and training.least_steps is 100",
    ):
        assert sentence in said
    assert "Problems" not in said
    assert all(len(line) <= 120 for line in (here / "photos.toml").read_text(encoding="utf-8").splitlines())


def test_the_written_recipe_passes_the_check(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("init", "photos", "--out", "new/mine.toml") == exit_code("check", "new/mine.toml") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == ["split 'all': 0 errors, 0 warnings, in order", "next: tagseg run new/mine.toml"]


@pytest.mark.parametrize("base", packaged_names())
def test_the_constants_are_those_of_the_packaged_recipe(here: Path, base: str) -> None:
    written = load_recipe(write_new_recipe(Path("photos"), base=base).path)
    theirs = load_recipe(base)
    assert written.data.model_dump(exclude_none=True) == {"format": "folder", "root": Path("photos")}
    if theirs.classifier.weights.startswith("../shared/"):  # it is where its numbers were measured, not elsewhere
        downloaded = theirs.classifier.model_copy(update={"weights": "pretrained"})
        theirs = theirs.model_copy(update={"classifier": downloaded})
    assert written.model_copy(update={"name": theirs.name, "data": theirs.data}) == theirs
    assert written.name == "photos"


def test_runs_may_lie_beside_the_images(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "photos").rename(here / "images")
    monkeypatch.chdir(here)
    assert load_recipe(write_new_recipe(Path(), out=Path("mine.toml")).path).data.place == "."


def test_masks_and_problems_are_said(tmp_path: Path) -> None:
    write_dataset(tmp_path / "drawn", num_images=2, size=(32, 32))
    (tmp_path / "drawn" / "images" / "notes.txt").write_text("mine")
    said = comment(write_new_recipe(tmp_path / "drawn", out=tmp_path / "a.toml").path)
    assert "2 with masks" in said and "No masks" not in said
    assert "Problems: 1, which 'tagseg check' lists." in said


@pytest.mark.parametrize("name", ['a "b" \\ c', "line\nbreak", "\N{GRINNING FACE}", "x" * 150, "a\x7fb", "[data]"])
def test_names_of_any_kind(here: Path, name: str) -> None:
    (here / "photos" / "cat").rename(here / "photos" / name)
    (here / "photos").rename(here / name)
    path = write_new_recipe(Path(name), out=Path("mine.toml")).path
    recipe = load_recipe(path)
    assert (recipe.name, recipe.data.place) == (name, name)
    lines = path.read_text(encoding="utf-8").splitlines()
    named = next(line for line in lines if line.startswith("# classes = "))
    path.write_text("\n".join(line.removeprefix("# ") if line == named else line for line in lines), encoding="utf-8")
    assert load_recipe(path).data.classes == tuple(sorted([name, "dog"]))


def test_many_classes_are_counted_from_the_rarest_to_the_most_frequent(tmp_path: Path) -> None:
    rows = [f"{index}.png,{'all;' if index else ''}c{index}" for index in range(14)]
    for index in range(14):
        PillowImage.new("RGB", (32, 32), (index, 0, 0)).save(tmp_path / f"{index}.png")
    (tmp_path / "tags.csv").write_text("\n".join(["image,tags", *rows]))
    said = comment(write_new_recipe(tmp_path, out=tmp_path / "mine.toml").path)
    assert "Classes: from 1 (c9) to 13 (all) photographs." in said
