"""CSV files of tags as spreadsheets and annotation tools write them."""

from pathlib import Path

import pytest

from tagseg.data.problems import Problem, ProblemKind
from tagseg.data.tags import read_tags
from tagseg.errors import DataError

ROWS = {"a.jpg": ("cat", "dog"), "b.jpg": (), "c.jpg": ("Kühe",)}
TABLE = "image,tags\r\na.jpg,cat|dog\r\nb.jpg,\r\nc.jpg,Kühe\r\n"
COLUMNS = "filename, cat, dog, Kühe\na.jpg, 1, 1, 0\nb.jpg, 0, 0, 0\nc.jpg, 0, 0, 1\n"


def read(folder: Path, text: str | bytes, **options: object) -> dict[str, tuple[str, ...]]:
    path = folder / "tags.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_tags(path, **options)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("text", [TABLE, COLUMNS])
def test_what_a_spreadsheet_saves_is_read(tmp_path: Path, text: str, delimiter: str, encoding: str) -> None:
    assert read(tmp_path, text.replace(",", delimiter).encode(encoding)) == ROWS


def test_the_line_in_which_excel_names_the_separator_is_none_of_the_rows(tmp_path: Path) -> None:
    assert read(tmp_path, "sep=;\n" + TABLE.replace(",", ";")) == ROWS


@pytest.mark.parametrize(
    "header", ["filename,labels", "file_name,class", "Image,Label", "path,category", "image,choice"]
)
def test_other_names_of_the_two_columns(tmp_path: Path, header: str) -> None:
    assert read(tmp_path, f"{header}\na.jpg,cat\n") == {"a.jpg": ("cat",)}


@pytest.mark.parametrize(("yes", "no"), [("1", "0"), ("1.0", "0.0"), ("True", "False"), ("TRUE", "FALSE")])
def test_a_column_for_each_class(tmp_path: Path, yes: str, no: str) -> None:
    text = f"cat,image,traffic light,Unlabeled\n{yes},a.jpg,{yes},{no}\n{no},b.jpg,{no},{yes}\n"
    assert read(tmp_path, text) == {"a.jpg": ("cat", "traffic light"), "b.jpg": ()}


def test_a_value_that_is_neither_yes_nor_no_is_a_problem(tmp_path: Path) -> None:
    problems: list[Problem] = []
    assert read(tmp_path, "image,cat\na,1\nb,0.7\nc,\n", problems=problems) == {"a": ("cat",)}
    assert [(problem.kind, problem.problem.split(" at ")[1]) for problem in problems] == [
        (ProblemKind.BAD_TAGS, "line 3 must hold 0 or 1 in the column 'cat', got '0.7'"),
        (ProblemKind.BAD_TAGS, "line 4 must hold 0 or 1 in the column 'cat', got ''"),
    ]


def test_other_columns_of_numbers_are_no_classes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="must start with the header"):
        read(tmp_path, "image,width,height\na.jpg,640,480\n")


def test_windows_text_is_told(tmp_path: Path) -> None:
    problems: list[Problem] = []
    assert read(tmp_path, TABLE.encode("cp1252"), problems=problems) == ROWS
    (problem,) = problems
    assert problem.kind == ProblemKind.OTHER_ENCODING and problem.problem.endswith("read as Windows-1252: Kühe")


@pytest.mark.parametrize(
    ("words", "encoding"),
    [
        ("狗,猫", "gb2312"),
        ("马", "gbk"),
        ("犬", "shift_jis"),
        ("кошка", "cp1251"),
        ("кот", "koi8-r"),
        ("고양이", "cp949"),
    ],
)
def test_other_old_encodings_are_refused(tmp_path: Path, words: str, encoding: str) -> None:
    with pytest.raises(DataError, match="must be UTF-8 text, got other bytes at line 2"):
        read(tmp_path, f'image,tags\na.jpg,"{words}"\n'.encode(encoding))


@pytest.mark.parametrize("cell", ["\"['dog', 'ca\"", '"[""dog"", ""c"', '"{""choices"": [""dog"'])
def test_a_list_that_was_cut_short_is_no_class(tmp_path: Path, cell: str) -> None:
    path, problems = tmp_path / "tags.csv", []
    path.write_text(f"image,tags\na.jpg,{cell}\nb.jpg,dog\n")
    assert read_tags(path, problems=problems) == {"b.jpg": ("dog",)}
    assert [problem.kind for problem in problems] == [ProblemKind.BAD_TAGS]


def test_text_of_a_macintosh_is_not_taken_for_windows(tmp_path: Path) -> None:
    path = tmp_path / "tags.csv"
    path.write_bytes("image,tags\na.jpg,Kühe\n".encode("mac_roman"))
    with pytest.raises(DataError, match="must be UTF-8 text, got other bytes at line 2"):
        read_tags(path)


def test_marks_of_no_width_around_a_name_make_no_class(tmp_path: Path) -> None:
    assert read(tmp_path, "image,tags\na.jpg,dog\u200b\nb.jpg,\u2060dog\n") == {"a.jpg": ("dog",), "b.jpg": ("dog",)}
