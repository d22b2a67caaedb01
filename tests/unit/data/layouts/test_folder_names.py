"""Names inside a folder of one's own: forms of accents, folders that systems make, splits, rows that fit nothing."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from kit.files import GREY, save, write

from tagseg.data.layouts.folder import read_folder
from tagseg.data.problems import Problem, ProblemKind
from tagseg.errors import DataError
from tagseg.types import Split

FORMS = [("NFC", "NFD"), ("NFD", "NFC")]


def names_by_image(split: Split) -> dict[str, tuple[str, ...]]:
    return {record.image_id: tuple(split.classes.name(tag) for tag in record.tags) for record in split.records}


@pytest.mark.parametrize(("one", "other"), FORMS)
def test_masks_match_however_their_accents_are_composed(tmp_path: Path, one: str, other: str) -> None:
    save(tmp_path / "images" / unicodedata.normalize(one, "é/café.jpg"))
    save(tmp_path / "masks" / unicodedata.normalize(other, "é/café.png"))
    write(tmp_path / "tags.csv", "image,tags\ncafé,cat\n")
    (record,) = read_folder(tmp_path).records
    assert record.mask is not None


RGB = np.zeros((2, 3, 3), np.uint8)


def test_masks_in_the_place_of_a_class_are_told(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save(tmp_path / "cat" / f"{name}.jpg", RGB)
        save(tmp_path / "mask" / f"{name}.png", np.zeros((2, 3), np.uint8))
    problems: list[Problem] = []
    assert read_folder(tmp_path, problems=problems).classes.names == ("cat", "mask")
    (found,) = [problem for problem in problems if problem.kind is ProblemKind.MASKS_AS_CLASS]
    assert found.problem == (
        f"folder {tmp_path / 'mask'} should hold photographs of its class, got what looks like masks"
    )
    assert found.help == (
        f"rename it to masks, or set data.masks={tmp_path / 'mask'}, if it holds the masks of the others"
    )
    assert not found.kind.is_error


@pytest.mark.parametrize(
    ("names", "pixels"),
    [
        (("1.png", "2.png"), (RGB, RGB)),  # photographs that are numbered in each folder
        (("1.png", "2.png"), (GREY, GREY)),  # all of them grey
        (("1.png", "3.png"), (RGB, GREY)),  # one has no namesake
        (("1.png", "2.png"), (RGB, b"")),  # they cannot be read
    ],
)
def test_photographs_of_two_classes_are_no_masks(tmp_path: Path, names: tuple[str, str], pixels: tuple) -> None:
    for folder, picture, files in (("cat", pixels[0], ("1.png", "2.png")), ("dog", pixels[1], names)):
        for file in files:
            (write if isinstance(picture, bytes) else save)(tmp_path / folder / file, picture)
    problems: list[Problem] = []
    read_folder(tmp_path, problems=problems)
    assert ProblemKind.MASKS_AS_CLASS not in {problem.kind for problem in problems}


def test_a_json_of_tags_in_another_shape_is_not_called_absent(tmp_path: Path) -> None:
    save(tmp_path / "a.jpg")
    write(tmp_path / "tags.json", '{"a.jpg": "cat"}')
    for problems in (None, []):
        with pytest.raises(
            DataError, match=r"tags\.json at image 'a\.jpg' must hold an image name and a list of tag names"
        ):
            read_folder(tmp_path, problems=problems)


@pytest.mark.parametrize(("one", "other"), FORMS)
def test_classes_match_however_their_accents_are_composed(tmp_path: Path, one: str, other: str) -> None:
    for number, form in enumerate((one, other)):
        save(tmp_path / unicodedata.normalize(form, "Kühe") / f"{number}.jpg")
    asked = [unicodedata.normalize(other, "Kühe")]
    assert read_folder(tmp_path).classes.names == ("Kühe",)
    write(tmp_path / "classes.txt", unicodedata.normalize(one, "Kühe\nHunde\n"))
    assert [record.tags for record in read_folder(tmp_path, classes=asked).records] == [(1,), (1,)]
    write(tmp_path / "tags.csv", unicodedata.normalize(other, "image,tags\n0,Kühe\n1,\n"))
    assert sorted(record.tags for record in read_folder(tmp_path, classes=asked).records) == [(), (1,)]


@pytest.mark.parametrize("name", ["@eaDir", "__MACOSX", ".thumbnails", "$RECYCLE.BIN", "System Volume Information"])
def test_folders_that_systems_make_are_no_classes(tmp_path: Path, name: str) -> None:
    for place in ("cat/a.jpg", f"{name}/b.jpg", f"cat/{name}/c.jpg"):
        save(tmp_path / place)
    assert names_by_image(read_folder(tmp_path)) == {"cat/a": ("cat",)}


def test_a_folder_of_background_shows_none_of_the_classes(tmp_path: Path) -> None:
    for place in ("cat/a.jpg", "Background/b.jpg"):
        save(tmp_path / place)
    assert names_by_image(read_folder(tmp_path)) == {"Background/b": (), "cat/a": ("cat",)}


@pytest.mark.parametrize(
    "places",
    [
        ["train/cat/a.jpg", "val/cat/b.jpg"],
        ["train/a.jpg", "valid/b.jpg", "test/c.jpg"],
        ["Train/cat/a.jpg", "Train/dog/b.jpg"],
        ["train/cat/a.jpg", "validation/cat/b.jpg", "more/c.jpg"],
    ],
)
def test_splits_are_no_classes(tmp_path: Path, places: list[str]) -> None:
    for place in places:
        save(tmp_path / place)
    with pytest.raises(DataError, match=r"must hold a folder for each class, got the splits [Tt]rain"):
        read_folder(tmp_path)


@pytest.mark.parametrize("places", [["train/a.jpg"], ["train/a.jpg", "bus/b.jpg"], ["train/steam/a.jpg", "bus/b.jpg"]])
def test_trains_are_a_class(tmp_path: Path, places: list[str]) -> None:
    for place in places:
        save(tmp_path / place)
    assert "train" in read_folder(tmp_path).classes.names


def test_splits_that_classes_txt_names_are_classes(tmp_path: Path) -> None:
    for place in ("train/a.jpg", "test/b.jpg"):
        save(tmp_path / place)
    write(tmp_path / "classes.txt", "train\ntest\n")
    assert names_by_image(read_folder(tmp_path)) == {"test/b": ("test",), "train/a": ("train",)}


def test_a_table_of_roboflow_is_read(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        save(tmp_path / name)
    write(tmp_path / "_classes.csv", "filename, cat, dog\na.jpg, 0, 1\nb.jpg, 1, 1\n")
    assert names_by_image(read_folder(tmp_path)) == {"a": ("dog",), "b": ("cat", "dog")}
    write(tmp_path / "tags.csv", "image,tags\na,cow\nb,cow\n")  # one's own file goes before it
    assert names_by_image(read_folder(tmp_path)) == {"a": ("cow",), "b": ("cow",)}


@pytest.mark.parametrize(
    ("files", "rows", "help"),
    [
        (["0001.jpg", "0002.jpg"], ["1", "2"], "write the numbers with their zeros"),
        (["0001.jpg", "0002.jpg"], ["1.jpg", "2.jpg"], "write the numbers with their zeros"),
        (["a.jpg", "b.jpg"], ["https://x.org/?get=a.jpg", "https://x.org/?get=b.jpg"], "in the place of web addresses"),
        (["a.jpg", "b.jpg"], ["/home/me/a.jpg", "/home/me/b.jpg"], "write the paths below the folder"),
        (["a.jpg", "b.jpg"], ["C:\\me\\a.jpg", "C:\\me\\b.jpg"], "write the paths below the folder"),
        (["my-dog.jpg", "b.jpg"], ["3f9a2c1d-my-dog.jpg", "0c0ffee1-b.jpg"], "what the annotation tool put before"),
        (["a.jpg", "b.jpg"], ["x.jpg", "y.jpg"], "correct data.root or data.tags"),
    ],
)
def test_rows_that_name_no_image_are_told_with_the_cause(
    tmp_path: Path, files: list[str], rows: list[str], help: str
) -> None:
    for name in files:
        save(tmp_path / name)
    write(tmp_path / "tags.csv", "image,tags\n" + "".join(f"{row},cat\n" for row in rows))
    with pytest.raises(DataError) as refused:
        read_folder(tmp_path, problems=[])
    there, found = (" and ".join(f"'{name}'" for name in names) for names in (sorted(files), rows))
    assert refused.value.problem == (
        f"{tmp_path / 'tags.csv'} must name images that are there, such as {there}, got only others, such as {found}"
    )
    assert help in refused.value.help


def test_a_folder_whose_name_is_no_text_is_no_class(tmp_path: Path) -> None:
    """The scores of the run could not be written at its end."""
    save(tmp_path / "cat" / "a.jpg")
    try:
        save(tmp_path / "dog\udcff" / "b.jpg")
    except (OSError, UnicodeError):
        pytest.skip("names of this file system are text")
    with pytest.raises(DataError) as caught:
        read_folder(tmp_path)
    assert caught.value.problem == f"folder {tmp_path / 'dog'}\udcff must have a name in UTF-8, got 'dog\\udcff'"
    problems: list[Problem] = []
    assert names_by_image(read_folder(tmp_path, problems=problems)) == {"cat/a": ("cat",)}
    assert [problem.kind for problem in problems] == [ProblemKind.UNKNOWN_TAG]
