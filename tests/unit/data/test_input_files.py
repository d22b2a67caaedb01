"""Which photographs words name, and how what is made of them is called."""

from pathlib import Path

import pytest

from tagseg.data.input_files import find_inputs
from tagseg.errors import DataError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in ("b.jpg", "a/c.PNG", "a/d.jpg", "a/d.png", "notes.txt", ".hidden.jpg", ".cache/e.jpg"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    return tmp_path


def names(words, **options) -> dict[str, str]:
    return {image.name: image.path.name for image in find_inputs([str(word) for word in words], **options)}


def test_a_folder_gives_the_images_below_it_and_nothing_hidden(photos):
    assert names([photos]) == {"a/c": "c.PNG", "a/d.jpg": "d.jpg", "a/d.png": "d.png", "b": "b.jpg"}


def test_files_are_called_by_their_names(photos):
    assert names([photos / "b.jpg", photos / "a" / "d.jpg"]) == {"b": "b.jpg", "d": "d.jpg"}


def test_a_file_is_taken_once(photos):
    assert len(find_inputs([str(photos / "b.jpg"), str(photos), str(photos / "b.jpg")])) == 4


def test_a_pattern_gives_what_it_matches_sorted(photos):
    assert list(names([photos / "**" / "*.jpg"])) == ["a/d", "b"]
    assert list(names([photos / "a" / "*"])) == ["c", "d.jpg", "d.png"]


def test_a_list_names_files_that_need_not_be_there(tmp_path):
    lines = [f"{tmp_path}/x/one.jpg\n", "\n", f"  {tmp_path}/y/two.jpg  \n"]
    assert names(["-"], lines=lines) == {"one": "one.jpg", "two": "two.jpg"}


def test_a_file_with_signs_of_a_pattern_in_its_name_is_a_file(tmp_path):
    path = tmp_path / "holiday [1].jpg"
    path.write_bytes(b"")
    assert names([path]) == {"holiday [1]": path.name}


def test_equal_names_of_two_folders_get_their_folders_in_front(tmp_path):
    paths = [tmp_path / "x" / "one.jpg", tmp_path / "y" / "one.jpg"]
    found = find_inputs([str(path) for path in paths])
    assert [image.name.endswith(f"{folder}/one.jpg") for image, folder in zip(found, "xy", strict=True)] == [True, True]
    assert len({image.name for image in found}) == 2


def test_names_that_differ_in_case_only_keep_their_endings(tmp_path):
    found = names(["-"], lines=[f"{tmp_path}/A.jpg", f"{tmp_path}/a.png"])
    assert list(found) == ["A.jpg", "a.png"]


def test_the_file_name_has_the_ending_of_the_photograph_once(photos):
    assert sorted(image.file_name for image in find_inputs([str(photos)])) == ["a/c.PNG", "a/d.jpg", "a/d.png", "b.jpg"]


def test_nothing_found_is_an_error_word_for_word(tmp_path):
    (tmp_path / "empty").mkdir()
    for words, problem in [
        ([str(tmp_path / "empty")], f"folder {tmp_path / 'empty'} must hold images, got none"),
        ([f"{tmp_path}/*.jpg"], f"pattern '{tmp_path}/*.jpg' must match images, got none"),
        (["-"], "predict needs at least one image, got none"),
    ]:
        with pytest.raises(DataError) as refused:
            find_inputs(words)
        assert refused.value.problem == problem
