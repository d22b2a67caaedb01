"""Words of list options: a command line is rewritten so that any parser of repeated options reads it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagseg.cli.list_options import spread_lists
from tagseg.errors import RecipeError

LISTS = ("--images", "--columns")


@pytest.mark.parametrize(
    ("words", "spread"),
    [
        (
            "x --images a b c --columns d e --out f",
            "x --images a --images b --images c --columns d --columns e --out f",
        ),
        ("--images a --out f x y", "--images a --out f x y"),
        ("x --images a b", "x --images a --images b"),
        ("x --images=a y", "x --images=a y"),
        ("x --images a -- b --images c", "x --images a -- b --images c"),
        ("x --image a y", "x --image a y"),
        ("--images a --images b c", "--images a --images b --images c"),
        ("", ""),
    ],
)
def test_a_list_ends_at_the_next_option(words: str, spread: str) -> None:
    assert spread_lists(words.split(), LISTS) == spread.split()


@given(st.lists(st.sampled_from(["a", "b/c", "--out", "--set", "-x", "--columns=q"])))
def test_without_a_list_nothing_changes(words: list[str]) -> None:
    assert spread_lists(words, LISTS) == words


@given(st.lists(st.text(st.characters(exclude_characters="-"), min_size=1), min_size=1))
def test_spread_words_stay_as_they_are(words: list[str]) -> None:
    once = spread_lists(["--images", *words], LISTS)
    assert once == [part for word in words for part in ("--images", word)]
    assert spread_lists(once, LISTS) == once


@pytest.mark.parametrize("rest", [[], ["--out", "f"], ["--"]])
def test_an_empty_list(rest: list[str]) -> None:
    with pytest.raises(RecipeError) as caught:
        spread_lists(["x", "--images", *rest], LISTS)
    found = rest[0] if rest else "the end"
    assert str(caught.value) == f"--images takes one word or more, got none before {found}; name some or leave it out"


def test_a_run_folder_in_a_list(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").touch()
    assert spread_lists([str(tmp_path), "--images", "a"], LISTS)[0] == str(tmp_path)
    with pytest.raises(RecipeError) as caught:
        spread_lists(["--columns", "a", str(tmp_path)], LISTS)
    assert str(caught.value) == (
        f"--columns takes all words up to the next option, got the run folder {tmp_path} among them; "
        "put run folders before --columns"
    )
