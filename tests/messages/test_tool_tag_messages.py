"""What is wrong with the tags of annotation tools, word for word."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from kit.files import save, write
from kit.messages import ROW, assert_says, row

from tagseg.data.layouts.folder import read_folder
from tagseg.data.problems import Problem
from tagseg.data.tags import read_tags
from tagseg.errors import DataError

LS_AGAIN, FIFTYONE_AGAIN = "export the project again as JSON", "export it from FiftyOne again"
CVAT_AGAIN = "export the task from CVAT again as 'CVAT for images 1.1'"


def as_json(content: object) -> Callable[[Path], Path]:
    return lambda folder: write(folder / "tags.json", json.dumps(content))


def as_text(name: str, text: str) -> Callable[[Path], Path]:
    return lambda folder: write(folder / name, text)


def chosen(*names: object, about: str = "seen") -> dict[str, object]:
    return {"type": "choices", "from_name": about, "value": {"choices": list(names)}}


def tasks(*answers: list[object], image: str = "a.jpg") -> Callable[[Path], Path]:
    return as_json([{"annotations": [{"result": each} for each in answers], "data": {"image": image}}])


def samples(**fields: object) -> Callable[[Path], Path]:
    return as_json({"samples": [{"filepath": "a.jpg", **fields}]})


CAT = {"_cls": "Classification", "label": "cat"}


@pytest.mark.parametrize(
    ROW,
    [
        row(
            "nothing_annotated",
            as_json([{"data": {"image": "a.jpg"}, "predictions": []}]),
            "PATH must hold annotated tasks, got 1 without an annotation",
            "annotate them in Label Studio and export them again as JSON",
        ),
        row(
            "two_questions",
            tasks([chosen("cat"), chosen("blurred", about="quality")]),
            "PATH must hold one set of choices, got 'seen' and 'quality'",
            "leave the others out of the labelling configuration, or write tags.csv",
        ),
        row(
            "two_answers",
            tasks([chosen("cat")], []),
            "PATH at task 1 must be annotated in one way, got cat and none",
            "mark the right annotation as ground truth",
        ),
        row(
            "no_photograph",
            tasks([], image=""),
            "PATH at task 1 must name a photograph in its data, got none",
            LS_AGAIN,
        ),
        row(
            "no_names",
            tasks([chosen(3)]),
            "PATH at task 1 must hold names of choices or labels, got something else",
            LS_AGAIN,
        ),
        row(
            "video",
            as_text("a.xml", "<annotations><track/></annotations>"),
            "PATH must hold the images of CVAT's annotations, got tracks of a video",
            CVAT_AGAIN,
        ),
        row(
            "other_xml",
            as_text("a.xml", "<annotation/>"),
            "PATH must hold the images of CVAT's annotations, got 'annotation' without images",
            CVAT_AGAIN,
        ),
        row("no_xml", as_text("a.xml", "<a"), "file of tags PATH must be XML, got something else", "restore it"),
        row(
            "tag_without_label",
            as_text("a.xml", '<annotations><image name="a.jpg"><tag/></image></annotations>'),
            "PATH at image 1 must have a name and labels, got 'a.jpg' with an element without a label",
            CVAT_AGAIN,
        ),
        row(
            "image_without_name",
            as_text("a.xml", "<annotations><image/></annotations>"),
            "PATH at image 1 must have a name and labels, got no name",
            CVAT_AGAIN,
        ),
        row(
            "index_of_no_class",
            as_json({"classes": ["cat"], "labels": {"a": 1}}),
            "PATH at image 'a' must name a photograph and its classes, got something else",
            FIFTYONE_AGAIN,
        ),
        row(
            "two_fields",
            samples(one=CAT, two=CAT),
            "PATH must hold one field of classes, got 'one' and 'two'",
            "export the field alone, with label_field, or call it ground_truth",
        ),
        row(
            "no_field",
            samples(guess={"_cls": "Heatmap"}),
            "PATH must hold a field of classes, got guess",
            "export the data set with its field of classifications",
        ),
        row(
            "sample_without_name",
            as_json({"samples": [{"ground_truth": CAT}]}),
            "PATH at sample 1 must name a photograph and its classes, got something else",
            FIFTYONE_AGAIN,
        ),
        row(
            "no_column",
            as_text("metadata.jsonl", '{"file_name": "a.jpg", "text": "a cat"}\n'),
            "PATH must have a column of tags such as 'label' or 'labels', got file_name, text",
            'write {"file_name": "a.jpg", "labels": ["cat"]}, a line an image',
        ),
        row(
            "numbers",
            as_text("metadata.jsonl", '{"file_name": "a.jpg", "label": 3}\n'),
            "PATH at line 1 must hold names of tags in 'label', got 3",
            "write names in the place of numbers",
        ),
        row(
            "line_that_is_no_json",
            as_text("metadata.jsonl", '{"file_name": "a.jpg", "label": "cat"}\nb.jpg,cat\n'),
            "PATH at line 2 must hold JSON with a file_name, got something else",
            "correct that line",
        ),
    ],
)
def test_files_of_tools_that_do_not_fit(tmp_path: Path, call: Callable[[Path], Path], problem: str, help: str) -> None:
    path = call(tmp_path)
    assert_says(lambda: read_tags(path), DataError, problem, help, PATH=path)
    if " at " in problem:  # of one entry: collected, and the others are read
        found: list[Problem] = []
        read_tags(path, problems=found)
        assert [each.problem for each in found] == [problem.replace("PATH", str(path))]


def test_two_files_of_tools_in_one_folder(tmp_path: Path) -> None:
    save(tmp_path / "a.jpg")
    write(tmp_path / "metadata.jsonl", '{"file_name": "a.jpg", "label": "cat"}\n')
    write(tmp_path / "b.xml", '<annotations><image name="a.jpg"/></annotations>')
    assert_says(
        lambda: read_folder(tmp_path),
        DataError,
        f"folder {tmp_path} must hold one file of tags, got b.xml and metadata.jsonl",
        f"remove one, or name one in the recipe's data.tags, such as {tmp_path / 'b.xml'}",
    )
