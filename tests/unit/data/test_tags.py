"""Files of tags in every spelling that people use, and what happens at each mistake."""

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tagseg.data.names import composed, is_background, other_case
from tagseg.data.problems import Problem, ProblemKind
from tagseg.data.tag_cells import is_missing
from tagseg.data.tags import read_tags
from tagseg.errors import DataError

CLASSES = ("cat", "dog", "traffic light")


def read(folder: Path, text: str | bytes, name: str = "tags.csv", **options: object) -> dict[str, tuple[str, ...]]:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_tags(path, **options)


@pytest.mark.parametrize(
    "text",
    [
        "image,tags\na.jpg,cat dog\nb.jpg,\n",
        'image,tags\na.jpg,"cat,dog"\nb.jpg,\n',
        "image,tags\na.jpg,cat;dog\nb.jpg,\n",
        "image,tags\na.jpg,cat | dog\nb.jpg,\n",
        "image;tags\na.jpg;cat|dog\nb.jpg;\n",
        "image\ttags\na.jpg\tcat dog\nb.jpg\t\n",
        "\ufeffimage,tags\r\na.jpg,cat dog\r\n\r\nb.jpg,\r\n",
        "tags,source, Image \ncat dog,me,a.jpg\n,you,b.jpg",
        "image,tags\na.jpg,cat dog cat\nb.jpg, \n",
    ],
)
def test_every_spelling_of_a_csv_reads_the_same(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == {"a.jpg": ("cat", "dog"), "b.jpg": ()}


@pytest.mark.parametrize(
    "content",
    [
        {"a.jpg": ["cat", "dog"], "b.jpg": []},
        [{"image": "a.jpg", "tags": ["cat", "dog", "cat"], "source": "me"}, {"image": "b.jpg", "tags": []}],
    ],
)
def test_both_forms_of_json_read_the_same(tmp_path: Path, content: object) -> None:
    assert read(tmp_path, json.dumps(content), "tags.json") == {"a.jpg": ("cat", "dog"), "b.jpg": ()}


def test_name_with_a_space_is_one_name_where_the_file_separates_otherwise(tmp_path: Path) -> None:
    rows = read(tmp_path, "image,tags\na.jpg,cat;traffic light\nb.jpg,traffic light\n")
    assert rows == {"a.jpg": ("cat", "traffic light"), "b.jpg": ("traffic light",)}


def test_cell_that_is_a_known_name_is_one_name(tmp_path: Path) -> None:
    rows = read(tmp_path, "image,tags\na.jpg,cat dog\nb.jpg,traffic light\n", classes=CLASSES)
    assert rows == {"a.jpg": ("cat", "dog"), "b.jpg": ("traffic light",)}


@pytest.mark.parametrize(
    "cell",
    [
        "\"['cat', 'dog']\"",
        '"[""cat"", ""dog""]"',
        "\"('cat', 'dog')\"",
        "\"{'cat', 'dog'}\"",
        "['cat' 'dog']",
        '"[cat, dog]"',
        '"{""choices"": [""cat"", ""dog""]}"',
        "\"{'choices': ['cat', 'dog']}\"",
        '"[{""choices"": [""cat"", ""dog""]}]"',
        "'cat';'dog'",
    ],
)
def test_lists_that_programs_write_into_a_cell_are_lists(tmp_path: Path, cell: str) -> None:
    rows = read(tmp_path, f"image,tags\na.jpg,{cell}\nb.jpg,traffic light;\nc.jpg,[]\n")
    assert {image: sorted(tags) for image, tags in rows.items()} == {
        "a.jpg": ["cat", "dog"], "b.jpg": ["traffic light"], "c.jpg": [],
    }  # fmt: skip


def test_names_of_a_list_keep_their_commas_and_quotes(tmp_path: Path) -> None:
    assert read(tmp_path, 'image,tags\na,"[\'cat, old\', ""dog\'s""]"\n') == {"a": ("cat, old", "dog's")}


@pytest.mark.parametrize("value", ["nan", "NaN", "None", "null", "<NA>", "N/A", "background", "_background_"])
def test_nothing_and_background_are_no_classes(tmp_path: Path, value: str) -> None:
    assert read(tmp_path, f"image,tags\na.jpg,{value}\nb.jpg,cat\n") == {"a.jpg": (), "b.jpg": ("cat",)}
    assert read(tmp_path, f"image,tags\na.jpg,{value}\n", classes=("cat",)) == {"a.jpg": ()}


def test_a_class_may_be_called_like_a_missing_value(tmp_path: Path) -> None:
    assert read(tmp_path, "image,tags\na.jpg,Na\n", classes=("Na", "Cl")) == {"a.jpg": ("Na",)}


def test_cell_that_holds_something_else_is_a_problem(tmp_path: Path) -> None:
    problems: list[Problem] = []
    text = 'image,tags\na,"[{""x"": 3}]"\nb,"[[""cat""], 4]"\nc,cat\n'
    assert read(tmp_path, text, problems=problems) == {"c": ("cat",)}
    assert [problem.kind for problem in problems] == [ProblemKind.BAD_TAGS] * 2


@pytest.mark.parametrize("classes", [None, ("caf\xe9",), ("cafe\u0301",)])
def test_accents_of_tags_match_however_they_are_composed(tmp_path: Path, classes: tuple[str, ...] | None) -> None:
    rows = read(tmp_path, "image,tags\na,caf\xe9\nb,cafe\u0301\n", classes=classes)
    assert rows == {"a": ("caf\xe9",), "b": ("caf\xe9",)}


def test_upper_and_lower_case_are_one_class_that_is_told(tmp_path: Path) -> None:
    problems: list[Problem] = []
    rows = read(tmp_path, "image,tags\na,Dog\nb,dog cat\nc,DOG\n", problems=problems)
    assert rows == {"a": ("Dog",), "b": ("Dog", "cat"), "c": ("Dog",)}
    assert [problem.kind for problem in problems] == [ProblemKind.TWO_SPELLINGS] * 2


letters = st.characters(categories=["L", "N", "Zs"], include_characters="._-()é")
names = st.text(letters, min_size=1).map(str.strip).filter(bool)
classes = names.filter(lambda name: not is_missing(name) and not is_background(name))
tag_tables = st.dictionaries(names, st.lists(classes, unique=True, max_size=4), max_size=6)


@settings(max_examples=60, deadline=None)
@given(table=tag_tables)
def test_any_table_of_names_survives_csv_and_json(
    tmp_path_factory: pytest.TempPathFactory, table: dict[str, list[str]]
) -> None:
    folder = tmp_path_factory.mktemp("tags")
    expected = {image: tuple(dict.fromkeys(map(composed, tags))) for image, tags in table.items()}
    assume(other_case(tag for tags in expected.values() for tag in tags) is None)
    text = io.StringIO()
    # A trailing separator in each cell tells that names may hold spaces.
    csv.writer(text).writerows(
        [("image", "tags"), *((image, ";".join([*tags, ""]) + ";") for image, tags in table.items())]
    )
    assert read(folder, text.getvalue()) == expected
    assert read(folder, json.dumps(table), "tags.json") == expected
    assert read(folder, json.dumps(table, ensure_ascii=False), "tags.json") == expected


def test_all_problems_are_collected_and_the_good_rows_kept(tmp_path: Path) -> None:
    problems: list[Problem] = []
    text = "image,tags\na.jpg,cat dgo\nb.jpg,cat,dog\n,cat\na.jpg,dog\nc.jpg,dog\n"
    assert read(tmp_path, text, classes=CLASSES, problems=problems) == {"a.jpg": ("cat",), "c.jpg": ("dog",)}
    assert sorted(problem.kind for problem in problems) == sorted(
        [ProblemKind.UNKNOWN_TAG, ProblemKind.BAD_TAGS, ProblemKind.BAD_TAGS, ProblemKind.REPEATED_IMAGE]
    )
    assert {problem.path for problem in problems} == {tmp_path / "tags.csv"}


def test_repeated_names_of_a_json_object_are_found(tmp_path: Path) -> None:
    problems: list[Problem] = []
    rows = read(tmp_path, '{"a.jpg": ["cat"], "a.jpg": ["dog"]}', "tags.json", problems=problems)
    assert rows == {"a.jpg": ("cat",)}
    assert [problem.kind for problem in problems] == [ProblemKind.REPEATED_IMAGE]


@pytest.mark.parametrize(
    ("content", "good"),
    [
        ('{"a": "cat", "b": ["dog"]}', {"b": ("dog",)}),
        ('{"a": [1], "b": ["dog"]}', {"b": ("dog",)}),
        ('{"a": {"x": 1}, "b": ["dog"]}', {"b": ("dog",)}),
        ('[{"image": 3, "tags": []}, {"image": "b", "tags": ["dog"]}, 7, {"image": "c"}]', {"b": ("dog",)}),
    ],
)
def test_bad_entries_of_json_are_left_out(tmp_path: Path, content: str, good: dict[str, tuple[str, ...]]) -> None:
    problems: list[Problem] = []
    assert read(tmp_path, content, "tags.json", problems=problems) == good
    assert {problem.kind for problem in problems} == {ProblemKind.BAD_TAGS}


def test_without_a_list_the_first_problem_stops(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'dgo'"):
        read(tmp_path, "image,tags\na.jpg,dgo\nb.jpg,cow\n", classes=CLASSES)
