"""The pages of docs/reference that are made from the code are those of the code, and every key says what it means."""

import pytest

from benchmarks.docs_reference import FOLDER, commands_page, meanings_of, recipe_page, recipe_rows, section_models


@pytest.mark.parametrize(("name", "page"), [("recipe.md", recipe_page), ("command_line.md", commands_page)])
def test_a_page_is_that_of_the_code(name: str, page: object) -> None:
    assert callable(page)
    assert (FOLDER / name).read_text(encoding="utf-8") == page(), "run make docs-reference"


def test_every_key_has_a_meaning() -> None:
    rows = recipe_rows()
    assert len(rows) > 150
    assert [key for key, _, _, text in rows if len(text.split()) < 2 or not text.endswith(".")] == []


def test_a_key_that_not_every_layout_has_names_those_that_have_it() -> None:
    texts = {key: text for key, _, _, text in recipe_rows()}
    assert texts["`data.train_images`"].startswith("`coco`: ")
    assert texts["`data.mask_255`"].startswith("`voc`, `folder`: ")
    assert texts["`data.classes`"].startswith("Classes to learn")


def test_a_key_with_two_meanings_names_the_kinds_of_each() -> None:
    models = section_models("data")
    owners = {kind: model for kind, model in models.items() if "root" in model.model_fields}
    one, other = meanings_of(owners, "root", everyone=len(models))
    assert one.startswith("`voc`, `folder`: ")
    assert other.startswith("`synthetic`: ")


def test_rows_show_nested_keys_types_bounds_and_defaults() -> None:
    rows = {key: (kind, default) for key, kind, default, _ in recipe_rows()}
    assert rows["`name`"] == ("word", "required")
    assert rows["`suppression.delta`"] == ("number, above 0, at most 1", "`0.55`")
    assert rows["`training.long_side_px`"] == ("list of 2 whole numbers", "`[320, 640]`")
    assert rows["`prediction.max_side_px`"] == ("whole number, at least 32, or auto", '`"auto"`')
    assert rows["`data.format`"] == ("voc, coco, folder, synthetic", "required")
    assert rows["`data.root`"] == ("path", "required; `synthetic`: none")
    assert rows["`data.tags`"] == ("path", "none")
    assert rows["`engine.threads`"] == ("whole number, at least 1", "none")
    assert rows["`classifier.output_stride`"] == ("8, 16, 32", "`16`")
