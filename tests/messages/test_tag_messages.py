"""The errors of files of tags, of class names and of annotations, word for word."""

from collections.abc import Callable
from pathlib import Path

import pytest
from kit.files import write
from kit.messages import ROW, assert_says, row

from tagseg.data.json_elements import list_elements
from tagseg.data.names import choose_classes, read_class_names
from tagseg.data.tags import read_tags
from tagseg.errors import DataError

FIRST_LINE = "write that line first"
ROW_OF_TAGS = "write 'name.jpg,cat;dog', with quotes around a name or tags that hold a comma"
ENTRY = "must hold an image name and a list of tag names, got something else"
WRITE_ENTRY = 'write {"image": "a.jpg", "tags": ["cat"]}'
ONE_ROW = "join both into one row"
PLAIN_TEXT = "write it again as plain UTF-8 text"


@pytest.mark.parametrize(
    ("content", "problem", "help"),
    [
        row("nothing", b"", "PATH must start with the header 'image,tags', got an empty line", FIRST_LINE),
        row("no_header", "a.jpg,cat\n", "PATH must start with the header 'image,tags', got 'a.jpg,cat'", FIRST_LINE),
        row("three_values", "image,tags\n\na,cat,dog\n", "PATH at line 3 must hold 2 values, got 3", ROW_OF_TAGS),
        row("no_name", "image,tags\n,cat\n", "PATH at line 2 must hold 2 values, got no image name", ROW_OF_TAGS),
        row(
            "a_tag_that_is_near_one",
            "image,tags\na,dgo\n",
            "PATH at line 2 must hold known tags, got 'dgo'",
            "did you mean 'dog'?",
        ),
        row(
            "an_unknown_tag",
            "image,tags\na,xyz\n",
            "PATH at line 2 must hold known tags, got 'xyz'",
            "use one of: cat, dog",
        ),
        row(
            "an_image_twice",
            "image,tags\na,cat\nb,\na,dog\n",
            "PATH names an image once, got 'a' at line 2 and at line 4",
            ONE_ROW,
        ),
        row(
            "an_open_quotation_mark",
            'image,tags\na,"cat\nb,dog\n',
            "PATH must close every quotation mark, got an open one before line 4",
            "correct the quotes",
        ),
        row(
            "no_names_in_a_list",
            'image,tags\na,cat\nb,"[{""x"": 3}]"\n',
            'PATH at line 3 must hold tag names, got [{"x": 3}]',
            'write \'name.jpg,cat;dog\', or a list such as ["cat", "dog"]',
        ),
        row(
            "no_yes_and_no_no",
            "image,cat\na,1\nb,2\n",
            "PATH at line 3 must hold 0 or 1 in the column 'cat', got '2'",
            "write 1 where it shows the class",
        ),
        row(
            "a_column_twice",
            "image,tags,tags\na,cat,dog\n",
            "PATH must name each column once, got 'tags' twice",
            "rename or remove one",
        ),
        row(
            "another_case",
            "image,tags\na,Cat\n",
            "PATH at line 2 must hold known tags, got 'Cat'",
            "did you mean 'cat'?",
        ),
        row(
            "no_text",
            b"image,tags\na,cat\nb,\xff\n",
            "file of tags PATH must be UTF-8 text, got other bytes at line 3",
            "save it with the encoding UTF-8",
        ),
    ],
)
def test_tags_csv(tmp_path: Path, content: bytes | str, problem: str, help: str) -> None:
    path = write(tmp_path / "tags.csv", content)
    assert_says(lambda: read_tags(path, ("cat", "dog")), DataError, problem, help, PATH=path)


@pytest.mark.parametrize(
    ("content", "problem", "help"),
    [
        row("no_json", '{"a": ["cat"],\n"b"}', "PATH must be JSON, got a mistake at line 2", "correct that line"),
        row(
            "many_digits",
            '{"a": ' + "7" * 5000 + "}",
            "PATH must be JSON with image and tag names, got a number of too many digits",
            "remove it",
        ),
        row(
            "lists_in_lists",
            '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}",
            "PATH must hold image names and lists of tag names, got lists that lie too deep in each other",
            'write {"a.jpg": ["cat"]}',
        ),
        row("infinity", '{"a": Infinity}', f"PATH at image 'a' {ENTRY}", WRITE_ENTRY),
        row("a_number", "7", "PATH must hold an object or a list, got 7", 'write {"a.jpg": ["cat"]}'),
        row("a_tag_that_is_no_text", '{"a": ["\\ud800"]}', f"PATH at image 'a' {ENTRY}", WRITE_ENTRY),
        row("a_tag_that_is_no_list", '{"a": "cat"}', f"PATH at image 'a' {ENTRY}", WRITE_ENTRY),
        row(
            "an_entry_without_tags",
            '[{"image": "a", "tags": []}, {"image": "b"}]',
            f"PATH at entry 2 {ENTRY}",
            WRITE_ENTRY,
        ),
        row(
            "a_tag_that_is_near_one",
            '{"a": ["dgo"]}',
            "PATH at image 'a' must hold known tags, got 'dgo'",
            "did you mean 'dog'?",
        ),
        row(
            "an_image_twice",
            '{"a": [], "a": ["cat"]}',
            "PATH names an image once, got 'a' at image 'a' and at image 'a'",
            ONE_ROW,
        ),
    ],
)
def test_tags_json(tmp_path: Path, content: str, problem: str, help: str) -> None:
    path = write(tmp_path / "tags.json", content)
    assert_says(lambda: read_tags(path, ("cat", "dog")), DataError, problem, help, PATH=path)


def folder(path: Path) -> Path:
    path.mkdir()
    return path


@pytest.mark.parametrize(
    ROW,
    [
        row("no_file_of_tags", read_tags, "file of tags PATH must exist, got no such file", "correct the path"),
        row(
            "a_folder_of_tags",
            lambda path: read_tags(folder(path)),
            "file of tags PATH must be readable, got Is a directory",
            "correct the path",
        ),
        row(
            "no_class_names",
            read_class_names,
            "PATH must be UTF-8 text with a class name a line, got no such file",
            PLAIN_TEXT,
        ),
        row(
            "class_names_of_other_bytes",
            lambda path: read_class_names(write(path, b"\xea\xee\xf2\n")),
            "PATH must be UTF-8 text with a class name a line, got something else",
            PLAIN_TEXT,
        ),
        row(
            "a_class_name_twice",
            lambda path: read_class_names(write(path, "cat\ncat\n")),
            "PATH: class names are different and not empty, got ['cat']",
            "rename or remove them",
        ),
        row(
            "a_class_name_that_is_no_text",
            lambda path: choose_classes(("cat", "dog\udcff"), None, source="the data set's classes"),
            "class names are text, got 'dog\\udcff'",
            "rename the class",
        ),
        row(
            "background_between_class_names",
            lambda path: read_class_names(write(path, "cat\nbackground\n")),
            "PATH must name classes, with background in the first line or nowhere, got 'background' at line 2",
            "remove that line and correct the ids behind it",
        ),
        row(
            "class_names_to_ignore_without_background",
            lambda path: read_class_names(write(path, "__ignore__\ncat\n")),
            "PATH must hold _background_ behind __ignore__, got 'cat'",
            "write it there, as labelme does",
        ),
        row(
            "class_names_with_ids",
            lambda path: read_class_names(write(path, "0: background\n1: cat\n")),
            "PATH must hold a class name a line, got an id before it: '0: background'",
            "take the ids away: the line says which id a class has",
        ),
        row(
            "a_class_in_upper_and_in_lower_case",
            lambda path: read_tags(write(path, "image,tags\na,Dog\nb,dog\n")),
            "PATH at line 3 must spell a class as before, got 'dog' after 'Dog'",
            "write 'Dog' everywhere, or one line for each class in classes.txt",
        ),
        row(
            "classes_in_upper_and_in_lower_case",
            lambda path: choose_classes(("Dog", "cat", "dog"), None, source="the data set's classes"),
            "the data set's classes must differ in more than upper and lower case, got 'Dog' and 'dog'",
            "spell the class one way, 'Dog' or 'dog', everywhere",
        ),
        row(
            "background_to_learn",
            lambda path: choose_classes(("cat",), ["background", "cat"], source="the data set's classes"),
            "a class to learn is none of the names of background, got 'background'",
            "leave it out: it has id 0",
        ),
        row(
            "an_unknown_class",
            lambda path: choose_classes(("cat", "dog"), ["dgo"], source="the data set's classes"),
            "class 'dgo' must be one of the data set's classes, got another name",
            "did you mean 'dog'?",
        ),
        row(
            "no_annotations",
            lambda path: list(list_elements(path)),
            "annotations PATH must exist, got no such file",
            "correct the path",
        ),
        row(
            "annotations_that_are_no_json",
            lambda path: list(list_elements(write(path, '{"a": [\n'))),
            "annotations PATH must be one JSON object, got a mistake at line 2",
            "restore the file or name another",
        ),
        row(
            "a_folder_of_annotations",
            lambda path: list(list_elements(folder(path))),
            "annotations PATH must be readable, got Is a directory",
            "correct the path",
        ),
    ],
)
def test_files(tmp_path: Path, call: Callable[[Path], object], problem: str, help: str) -> None:
    path = tmp_path / "tags.csv"
    assert_says(lambda: call(path), DataError, problem, help, PATH=path)
