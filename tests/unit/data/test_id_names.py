"""Names of the ids of another tool."""

import json
from pathlib import Path

import pytest
from kit.messages import ROW, assert_says, row

from tagseg.artifacts.label_formats.labelled_image import labels_by_id
from tagseg.classes import ClassTable
from tagseg.data.id_names import (
    class_names,
    label_table,
    listed_names,
    names_by_id,
    read_id_names,
    require_named,
)
from tagseg.errors import DataError

EXAMPLE = 'write {"0": "background", "7": "cat", "255": "void"}, as labels.json of an export has it'


def test_the_file_of_an_export_is_one(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(labels_by_id(ClassTable(("cat", "dog")))))
    names = read_id_names(path)
    assert class_names(names) == ("cat", "dog")
    table = label_table(names, ("cat", "dog"))
    assert (table[:4], table[255]) == ((0, 1, 2, -1), 255)


def test_several_ids_may_be_one_class_and_255_may_be_another() -> None:
    table = label_table({1: "cat", 2: "cat", 3: "void", 255: "dog"}, ("dog", "cat"))
    assert (table[:4], table[255]) == ((0, 2, 2, 255), 1)


def test_a_mark_of_the_byte_order_is_read_over(tmp_path: Path) -> None:
    path = tmp_path / "ids.json"
    path.write_text('{"1": " cat "}', encoding="utf-8-sig")
    assert read_id_names(path) == {1: "cat"}


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ('{"0": "background", "1": "cat", "2": "dog", "255": "void"}', ("cat", "dog")),
        ('{"1": "dog", "0": "_background_"}', ("dog",)),
        ('{"0": "background", "1": "gro\\u0308\u00dfe"}', ("gr\u00f6\u00dfe",)),
        ('{"0": "background", "2": "dog"}', None),
        ('{"0": "road", "1": "dog"}', None),
        ('{"0": "background", "1": "\\udcf6"}', None),
        ('{"label": "dog"}', None),
        ("[]", None),
        ("{", None),
    ],
)
def test_a_file_beside_masks_names_their_ids_or_is_something_else(
    tmp_path: Path, content: str, names: tuple[str, ...] | None
) -> None:
    path = tmp_path / "labels.json"
    path.write_text(content, encoding="utf-8")
    assert names_by_id(path) == names
    assert listed_names(tmp_path) == names
    assert names_by_id(tmp_path / "other.json") is None


@pytest.mark.parametrize(
    ROW,
    [
        row("no_json", "1 cat", "a file that is no JSON", EXAMPLE),
        row("a_list", '["background", "cat"]', "another JSON value", EXAMPLE),
        row("names_as_keys", '{"cat": 1}', "the id 'cat'", EXAMPLE),
        row("too_large", '{"256": "cat"}', "the id '256'", EXAMPLE),
        row("twice", '{"7": "cat", "07": "dog"}', "the id 7 twice", EXAMPLE),
        row("no_name", '{"7": ""}', "no name of the id 7", EXAMPLE),
        row("empty", "{}", "no ids", EXAMPLE),
    ],
)
def test_what_is_no_such_file(tmp_path: Path, call: str, problem: str, help: str) -> None:
    path = tmp_path / "ids.json"
    path.write_text(call)
    rule = f"file of ids {path} must be a JSON object of names by id 0 to 255, got {problem}"
    assert_says(lambda: read_id_names(path), DataError, rule, help)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"got a file that cannot be read: No such file or directory"):
        read_id_names(tmp_path / "ids.json")


def test_a_class_without_an_id(tmp_path: Path) -> None:
    assert_says(
        lambda: require_named(Path("ids.json"), {1: "cat", 2: "dog"}, ("cat", "dgo")),
        DataError,
        "file of ids ids.json must name every class to score, got none for 'dgo'",
        "did you mean 'dog'?",
    )
