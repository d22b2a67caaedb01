"""The errors of the readers of data sets, word for word."""

from pathlib import Path
from typing import Any

import pytest
from kit.files import save, write
from kit.messages import assert_says, row

from tagseg.data.image_formats import IMAGE_ENDINGS
from tagseg.data.layouts.folder import read_folder
from tagseg.data.layouts.voc import read_voc
from tagseg.errors import DataError

LIST = "ImageSets/Segmentation/train.txt"
REMOVE_LINE = "restore it or remove its line from the list"


@pytest.mark.parametrize(
    ("files", "problem", "help"),
    [
        row("no_list", {}, f"list FOLDER/{LIST} must exist, got no such file", "correct the path of the data set"),
        row(
            "another_list",
            {"ImageSets/Segmentation/trainval.txt": "a\n"},
            f"list FOLDER/{LIST} must exist, got no such file",
            "did you mean 'trainval'?",
        ),
        row(
            "an_empty_list",
            {LIST: "\n"},
            f"list FOLDER/{LIST} must name images, got none",
            "write one image id a line",
        ),
        row(
            "a_list_of_other_bytes",
            {LIST: b"\xff"},
            f"list FOLDER/{LIST} must be UTF-8 text, got something else",
            "write it again",
        ),
        row(
            "no_tags",
            {LIST: "../a\nb\n"},
            "data set FOLDER must hold Annotations or image_tags.csv, got neither",
            "name a CSV or JSON file of tags in the recipe's data.tags",
        ),
        row(
            "no_id",
            {LIST: "a\n..\n"},
            f"FOLDER/{LIST} at line 2 must hold an image id, got '..'",
            "correct the line",
        ),
        row(
            "an_id_twice",
            {LIST: "a\nb\na\n"},
            f"FOLDER/{LIST} names an image once, got 'a' at line 1 and at line 3",
            "remove one of the lines",
        ),
        row(
            "no_image",
            {LIST: "a\n", "image_tags.csv": "image,tags\nb,cat\n"},
            "image FOLDER/JPEGImages/a.jpg of the list train must exist, got no such file",
            REMOVE_LINE,
        ),
        row(
            "no_row_of_tags",
            {LIST: "a\n", "image_tags.csv": "image,tags\nb,cat\n", "JPEGImages/a.jpg": None},
            "image 'a' must have a row of tags, got none",
            "add the row, with empty tags if none fit",
        ),
        row(
            "no_annotation",
            {LIST: "a\n", "JPEGImages/a.jpg": None, "Annotations/b.xml": "<a>"},
            "annotation FOLDER/Annotations/a.xml must be XML, got no such file",
            "restore it",
        ),
        row(
            "an_annotation_that_is_no_xml",
            {LIST: "a\n", "JPEGImages/a.jpg": None, "Annotations/a.xml": "<a>"},
            "annotation FOLDER/Annotations/a.xml must be XML, got something else",
            "restore it",
        ),
        row(
            "an_annotation_of_an_unknown_encoding",
            {LIST: "a\n", "JPEGImages/a.jpg": None, "Annotations/a.xml": '<?xml version="1.0" encoding="x-y"?><a/>'},
            "annotation FOLDER/Annotations/a.xml must be XML, got the unknown encoding 'x-y'",
            "save it as UTF-8",
        ),
        row(
            "an_annotation_of_another_encoding",
            {LIST: "a\n", "JPEGImages/a.jpg": None, "Annotations/a.xml": "<a>\u72d7</a>".encode("gbk")},
            "annotation FOLDER/Annotations/a.xml must be XML, got bytes that are not of its encoding UTF-8",
            "save it as UTF-8",
        ),
        row(
            "an_annotation_of_an_unknown_class",
            {
                LIST: "a\n",
                "JPEGImages/a.jpg": None,
                "Annotations/a.xml": "<annotation><object><name>hrose</name></object></annotation>",
            },
            "annotation FOLDER/Annotations/a.xml must hold known classes, got 'hrose'",
            "did you mean 'horse'?",
        ),
        row(
            "xml_of_something_else",
            {LIST: "a\n", "JPEGImages/a.jpg": None, "Annotations/a.xml": "<html><body/></html>"},
            "annotation FOLDER/Annotations/a.xml must be an <annotation>, got <html>",
            "restore the file",
        ),
    ],
)
def test_voc(tmp_path: Path, files: dict[str, bytes | str | None], problem: str, help: str) -> None:
    fill(tmp_path, files)
    assert_says(lambda: read_voc(tmp_path, split="train"), DataError, problem, help, FOLDER=tmp_path)


def fill(folder: Path, files: dict[str, bytes | str | None]) -> None:
    """Write files below a folder; None stands for a picture."""
    for name, content in files.items():
        if content is None:
            save(folder / name)
        else:
            write(folder / name, content)


ENDINGS = ", ".join(sorted(IMAGE_ENDINGS))


@pytest.mark.parametrize(
    ("files", "options", "problem", "help"),
    [
        pytest.param(
            {},
            {},
            "folder FOLDER must hold images, got none",
            f"put files there that end in {ENDINGS}",
            id="no_images",
        ),
        pytest.param(
            {"a.jpg": None},
            {},
            "image FOLDER/a.jpg must lie in the folder of its class, got FOLDER itself",
            "move it into a sub-folder, or write tags.csv",
            id="an_image_in_no_folder",
        ),
        pytest.param(
            {"a.jpg": None, "labels.csv": "image,tags\na.jpg,cat\n"},
            {},
            "image FOLDER/a.jpg must lie in the folder of its class, got FOLDER itself",
            "rename FOLDER/labels.csv to tags.csv, or set data.tags=FOLDER/labels.csv, if it holds the tags; "
            "else move it into a sub-folder, or write tags.csv",
            id="a_file_of_tags_of_another_name",
        ),
        pytest.param(
            {"a.jpg": None, "labels.json": '{"a.jpg": ["cat"]}'},
            {"problems": []},
            "data set FOLDER must have tags, got none",
            "rename FOLDER/labels.json to tags.json, or set data.tags=FOLDER/labels.json, if it holds the tags; "
            "else write tags.csv, or a sub-folder for each class",
            id="no_tags_but_a_file_of_another_name",
        ),
        pytest.param(
            {"a.jpg": None},
            {"problems": []},
            "data set FOLDER must have tags, got none",
            "write tags.csv, or a sub-folder for each class",
            id="no_tags",
        ),
        pytest.param(
            {"a.jpg": None, "tags.csv": "image,tags\nb,cat\n"},
            {},
            "image 'b' of FOLDER/tags.csv must exist below FOLDER, got no such file",
            "restore the file, correct the name or remove the row",
            id="no_such_image",
        ),
        pytest.param(
            {"a.jpg": None, "tags.csv": "image,tags\na.jpg,cat\na,dog\n"},
            {},
            "FOLDER/tags.csv names an image once, got a second spelling 'a' of FOLDER/a.jpg",
            "join both into one row",
            id="a_second_spelling",
        ),
        pytest.param(
            {"a.jpg": None, "tags.csv": "image,tags\n"},
            {},
            "image FOLDER/a.jpg must have a row in FOLDER/tags.csv, got none",
            "add the row, with empty tags if none fit",
            id="no_row",
        ),
        pytest.param(
            {"a.jpg": None, "tags.csv": "image,tags\n", "tags.json": "{}"},
            {},
            "folder FOLDER must hold one file of tags, got tags.csv and tags.json",
            "remove one, or name one in the recipe's data.tags",
            id="two_files_of_tags",
        ),
        pytest.param(
            {"cat/a.jpg": None},
            {"root": "gone"},
            "folder FOLDER/gone must exist, got no such folder",
            "correct the path in the recipe's data",
            id="no_folder",
        ),
        pytest.param(
            {"train/cat/a.jpg": None, "val/cat/b.jpg": None},
            {},
            "folder FOLDER must hold a folder for each class, got the splits train, val",
            "set data.root=FOLDER/train and data.test_root=FOLDER/val, or write tags.csv",
            id="splits_in_the_place_of_classes",
        ),
        pytest.param(
            {"0001.jpg": None, "0002.jpg": None, "tags.csv": "image,tags\n1,cat\n2,cat\n"},
            {},
            "FOLDER/tags.csv must name images that are there, such as '0001.jpg' and '0002.jpg', "
            "got only others, such as '1' and '2'",
            "write the numbers with their zeros: a spreadsheet takes them away from cells that are not text",
            id="rows_that_fit_no_image",
        ),
        pytest.param(
            {"cat/a.jpg": None},
            {"masks": "gone"},
            "folder FOLDER/gone must exist, got no such folder",
            "correct the path in the recipe's data",
            id="no_folder_of_masks",
        ),
        pytest.param(
            {"x/a.jpg": None, "y/a.jpg": None, "tags.csv": "image,tags\na,cat\n"},
            {},
            "image 'a' of FOLDER/tags.csv must be one file, got 2",
            "write its whole path with the ending",
            id="a_name_that_fits_twice",
        ),
        pytest.param(
            {"x/a.jpg": None, "y/a.jpg": None, "classes.txt": "x\n"},
            {},
            "folder FOLDER/y must be named like a class of classes.txt, got 'y'",
            "rename it or add the name to classes.txt",
            id="a_folder_of_no_class",
        ),
    ],
)
def test_folders(
    tmp_path: Path, files: dict[str, bytes | str | None], options: dict[str, Any], problem: str, help: str
) -> None:
    fill(tmp_path, files)
    places = {key: tmp_path / value if key != "problems" else value for key, value in options.items()}
    assert_says(lambda: read_folder(**{"root": tmp_path, **places}), DataError, problem, help, FOLDER=tmp_path)
