"""What `tagseg init` says of what it cannot do, word for word."""

import os
from pathlib import Path

import pytest
from kit.messages import assert_says
from PIL import Image as PillowImage

from tagseg.errors import DataError, RecipeError
from tagseg.use.new_recipe import write_new_recipe


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    PillowImage.new("RGB", (40, 30)).save(tmp_path / "photos" / "cat" / "a.jpg")
    return Path("photos")


def test_a_recipe_that_is_there_is_kept(photos: Path) -> None:
    Path("photos.toml").write_text("mine")
    help = "choose another --out, or move it away"
    assert_says(
        lambda: write_new_recipe(photos), RecipeError, "recipe photos.toml must not be there yet, got one", help
    )
    assert Path("photos.toml").read_text() == "mine"
    assert_says(
        lambda: write_new_recipe(photos, out=photos),
        RecipeError,
        "recipe photos must not be there yet, got a folder",
        help,
    )


def test_a_folder_that_is_not_there(photos: Path) -> None:
    assert_says(
        lambda: write_new_recipe(Path("fotos")),
        DataError,
        "fotos must be a folder of photographs, got none",
        "did you mean 'photos'?",
    )


def test_a_recipe_that_is_not_packaged(photos: Path) -> None:
    assert_says(
        lambda: write_new_recipe(photos, base="fodler"),
        RecipeError,
        "recipe 'fodler' must be a packaged one, got none",
        "did you mean 'folder'? 'tagseg recipes' lists all",
    )


def test_photographs_without_tags(photos: Path) -> None:
    (photos / "cat" / "a.jpg").rename(photos / "a.jpg")
    with pytest.raises(DataError):
        write_new_recipe(photos)
    assert not Path("photos.toml").exists()


@pytest.mark.parametrize("inside", [".", "cat"])
def test_a_folder_that_would_hold_the_runs(photos: Path, monkeypatch: pytest.MonkeyPatch, inside: str) -> None:
    root = photos.absolute()
    monkeypatch.chdir(root / inside)
    assert_says(
        lambda: write_new_recipe(root),
        DataError,
        f"a folder of photographs must not hold the current folder, since runs are written there, got {root}",
        "go to the folder above and write: tagseg init photos",
    )
    assert list(root.glob("**/*.toml")) == []


def test_the_layout_of_voc_without_a_list(photos: Path) -> None:
    for folder in ("JPEGImages", "ImageSets/Segmentation"):
        (photos / folder).mkdir(parents=True)
    (photos / "ImageSets" / "Segmentation" / "mine.txt").write_text("a\n")
    assert_says(
        lambda: write_new_recipe(photos),
        DataError,
        "photos/ImageSets/Segmentation must hold a list train_aug, trainaug, train, trainval, got mine",
        "write train.txt there, one image id a line, or a recipe with data.train_split",
    )


def test_a_name_that_is_no_text(photos: Path) -> None:
    strange = Path(os.fsdecode(b"photos \xff"))
    try:
        photos.rename(strange)
    except OSError:
        pytest.skip("names are text on this file system")
    assert_says(
        lambda: write_new_recipe(strange, out=Path("mine.toml")),
        DataError,
        f"folder {strange} must have a name that is text, as its classes must, got bytes that are none",
        "rename it",
    )
