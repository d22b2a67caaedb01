"""What is said about a word that names no recipe, word for word."""

from pathlib import Path

import pytest
from kit.command_line import exit_code
from kit.messages import assert_says, row

from tagseg.errors import RecipeError
from tagseg.recipe import load_recipe
from tagseg.recipe.packaged import packaged_text

LIST = "'tagseg recipes' lists the packaged ones, 'tagseg init FOLDER' writes one for your photographs"


@pytest.mark.parametrize(
    ("word", "problem", "help"),
    [
        row(
            "a_name_that_is_nearly_one",
            "voc2021",
            "recipe 'voc2021' must be a packaged recipe or a TOML file, got neither",
            "did you mean 'voc2012'? 'tagseg recipes' lists all",
        ),
        row(
            "a_name_in_other_letters",
            "DEMO",
            "recipe 'DEMO' must be a packaged recipe or a TOML file, got neither",
            "did you mean 'demo'? 'tagseg recipes' lists all",
        ),
        row(
            "a_name_of_nothing",
            "cats",
            "recipe 'cats' must be a packaged recipe or a TOML file, got neither",
            LIST,
        ),
        row(
            "a_packaged_recipe_where_it_was_before",
            "recipes/demo.toml",
            "recipe recipes/demo.toml must exist, got no such file",
            "check the path, or write 'demo', the packaged recipe",
        ),
        row(
            "a_file_that_is_not_there",
            "mine.toml",
            "recipe mine.toml must exist, got no such file",
            "check the path",
        ),
        row(
            "a_home_of_nobody",
            "~nobody of this name/mine.toml",
            "recipe ~nobody of this name/mine.toml must exist, got no such file",
            "check the path",
        ),
        row(
            "a_folder",
            "photos",
            "recipe photos must be a packaged recipe or a TOML file, got a folder",
            "'tagseg init photos' writes a recipe for a folder of photographs",
        ),
        row(
            "a_run_folder",
            "runs/photos",
            "recipe runs/photos must be a packaged recipe or a TOML file, got a folder",
            "name runs/photos/recipe.toml, the recipe of this run",
        ),
    ],
)
def test_a_word_that_names_no_recipe(
    word: str, problem: str, help: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "runs" / "photos").mkdir(parents=True)
    (tmp_path / "runs" / "photos" / "recipe.toml").write_text('name = "photos"')
    assert_says(lambda: load_recipe(word), RecipeError, problem, help)


@pytest.mark.parametrize("command", ["check", "run", "train-classifier", "make-masks", "evaluate"])
def test_every_command_that_takes_a_recipe_says_it(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(command, "dmeo") == 2
    assert capsys.readouterr().err == (
        "error: recipe 'dmeo' must be a packaged recipe or a TOML file, got neither\n"
        "help: did you mean 'demo'? 'tagseg recipes' lists all\n"
    )


def test_the_text_of_a_recipe_that_is_not_packaged() -> None:
    assert_says(lambda: packaged_text("mine"), RecipeError, "recipe 'mine' must be a packaged one, got none", LIST)
