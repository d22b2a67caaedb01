"""Packaged recipes: what each says of itself, and which file a word names."""

import tomllib
from pathlib import Path

import pytest

from tagseg.recipe import load_recipe, make_recipe, to_toml
from tagseg.recipe.packaged import (
    FOLDER,
    RecipeSheet,
    packaged_names,
    packaged_sheets,
    packaged_text,
    read_sheet,
    recipe_path,
)


def test_every_packaged_recipe_says_what_it_is_for_and_what_it_takes() -> None:
    sheets = list(packaged_sheets())
    assert [sheet.name for sheet in sheets] == packaged_names() == sorted(path.stem for path in FOLDER.iterdir())
    assert [sheet.name for sheet in sheets if not (sheet.purpose and sheet.hardware and sheet.time)] == []


def test_the_demo_says_what_its_header_says() -> None:
    assert read_sheet("demo", packaged_text("demo")) == RecipeSheet(
        name="demo",
        purpose="Drawn creatures with tags, SSC against plain CAM; nothing is downloaded",
        hardware="any CPU, 2 GB of memory",
        time="two to five minutes on two idle cores",
    )


@pytest.mark.parametrize(
    ("text", "sheet"),
    [
        ("", RecipeSheet("a", "", "", "")),
        ('name = "a"\n# Hardware: any.', RecipeSheet("a", "", "", "")),
        ("# One line", RecipeSheet("a", "One line", "", "")),
        (
            "# Birds\n# and fish.\n#\n# Time: 1.5 h, e 2.\n",
            RecipeSheet("a", "Birds and fish", "", "1.5 h, e 2"),
        ),
        ("# Birds.\n#\n# Any Time: never.\n", RecipeSheet("a", "Birds", "", "")),
        ("# Birds.\r\n#\r\n# Hardware: any. Time: an\r\n# hour. End.\r\n", RecipeSheet("a", "Birds", "any", "an hour")),
    ],
    ids=["empty", "no comment at the top", "no full stop", "two lines", "inside a sentence", "line ends of Windows"],
)
def test_the_comment_at_the_top_is_read(text: str, sheet: RecipeSheet) -> None:
    assert read_sheet("a", text) == sheet


def test_a_name_is_the_packaged_recipe_whatever_lies_in_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").mkdir()
    assert recipe_path("demo") == FOLDER / "demo.toml"
    (tmp_path / "demo").rmdir()
    (tmp_path / "demo").write_text("name = 'mine'")
    assert recipe_path("demo") == FOLDER / "demo.toml"
    assert recipe_path("./demo") == recipe_path(Path("demo")) == Path("demo")
    (tmp_path / "mine").write_text("name = 'mine'")
    assert recipe_path("mine") == Path("mine")


def test_a_packaged_recipe_loads_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert [load_recipe(name).name for name in ("demo", "voc2012_animals")] == ["demo", "voc2012_animals"]
    assert load_recipe("folder", ["data.root=birds"]).data.place == "birds"


@pytest.mark.parametrize("name", ["caf\N{LATIN SMALL LETTER E WITH ACUTE}", "\N{GRINNING FACE}", "a\x7fb", '"\\'])
def test_any_name_comes_back_from_toml(name: str) -> None:
    recipe = make_recipe({"name": name, "data": {"format": "folder", "root": f"photos of {name}", "classes": [name]}})
    assert make_recipe(tomllib.loads(to_toml(recipe))) == recipe
