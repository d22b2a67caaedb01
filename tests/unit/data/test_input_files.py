"""Which photographs words name, and how what is made of them is called."""

from pathlib import Path

import pytest

from tagseg.data.images import read_image
from tagseg.data.input_files import LeftOut, find_inputs
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


def test_a_pattern_of_folders_gives_the_images_in_them(photos):
    assert names([photos / "[a]"]) == {"c": "c.PNG", "d.jpg": "d.jpg", "d.png": "d.png"}
    (photos / "b" / "e").mkdir(parents=True)
    (photos / "b" / "e" / "c.png").write_bytes(b"")
    assert set(names([photos / "[ab]"])) == {"a/c", "a/d.jpg", "a/d.png", "b/e/c"}


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


def left_out(*words: Path, **options) -> tuple[dict[str, str], list[LeftOut]]:
    others: list[LeftOut] = []
    return names(words, left_out=others, **options), others


def test_pictures_of_other_formats_are_named(photos):
    for name in ("draft.PSD", "a/raw.cr2", ".hidden.psd", "film.mp4"):
        (photos / name).write_bytes(b"")
    for words in ([photos], [photos / "*", photos / "a" / "*"]):
        _, others = left_out(*words)
        assert {other.path.name: other.is_failure for other in others} == {"draft.PSD": True, "raw.cr2": True}
        assert any(other.reason.endswith("got a .PSD file; convert it to JPEG or PNG") for other in others)


def test_jpeg_has_further_endings(tmp_path):
    for name in ("a.jfif", "b.JPE"):
        (tmp_path / name).write_bytes(b"")
    assert list(names([tmp_path])) == ["a", "b"]


def test_linked_folders_are_followed_once(photos, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "f.jpg").write_bytes(b"")
    (elsewhere / "loop").symlink_to(photos)
    (photos / "link").symlink_to(elsewhere)
    (photos / "broken").symlink_to(elsewhere / "gone")
    found, others = left_out(photos)
    assert set(found) == {"a/c", "a/d.jpg", "a/d.png", "b", "link/f"}
    assert [(other.path.name, other.is_failure) for other in others] == [("broken", True)]


def test_the_folder_of_masks_is_left_out_unless_it_is_named(photos):
    (photos / "masks").mkdir()
    (photos / "masks" / "b.png").write_bytes(b"")
    found, (other,) = left_out(photos)
    assert set(found) == {"a/c", "a/d.jpg", "a/d.png", "b"}
    assert (other.path, other.is_failure) == (photos / "masks", False)
    assert left_out(photos / "masks") == ({"b": "b.png"}, [])


@pytest.mark.parametrize("name", ["@eaDir", "__MACOSX", ".thumbnails"])
def test_folders_that_systems_make_hold_no_photographs(photos, name):
    (photos / name).mkdir()
    (photos / name / "t.jpg").write_bytes(b"")
    assert names([photos]) == {"a/c": "c.PNG", "a/d.jpg": "d.jpg", "a/d.png": "d.png", "b": "b.jpg"}


def test_made_files_are_no_photographs_behind_a_link_either(photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    (out / "b.png").write_bytes(b"")
    (photos / "made").symlink_to(out)
    assert "made/b" not in names([photos], without={out / "b.png"})


def test_the_home_folder_may_be_short(photos, monkeypatch):
    monkeypatch.setenv("HOME", str(photos))
    assert names(["~/b.jpg", "~/a"]) == {"b": "b.jpg", "c": "c.PNG", "d.jpg": "d.jpg", "d.png": "d.png"}
    assert names(["-"], lines=["~/b.jpg"]) == {"b": "b.jpg"}


def test_a_name_that_no_file_can_have_is_left_to_who_reads_it():
    name = "é" * 300 + ".jpg"
    assert list(names([name]).values()) == [name]


def test_what_is_there_in_the_place_of_images_is_told(tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "a.psd").write_bytes(b"")
    with pytest.raises(DataError, match=r"got only others, such as .*a\.psd"):
        find_inputs([str(tmp_path / "p")])
    (tmp_path / "q" / "masks").mkdir(parents=True)
    (tmp_path / "q" / "masks" / "a.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"must hold images, got .*masks only"):
        find_inputs([str(tmp_path / "q")])


@pytest.mark.parametrize("line", [".", "..", "../..", "/", "//", "a/..", "~\0/a", "~\0", "~no such user/a.jpg"])
def test_a_line_that_is_no_file_gets_a_name_and_is_told_of_when_it_is_read(line):
    """A path without a name of its own ended the whole call."""
    (image,) = find_inputs(["-"], lines=[line])
    assert image.name and ".." not in image.name and image.name[0] != "/"


@pytest.mark.parametrize("word", ["[" * 20_000, "*/" * 3000, "**/" * 3000 + "*.jpg", "<a>*</a>" * 3000])
def test_a_word_that_is_longer_or_deeper_than_any_path_is_no_pattern(word):
    """One of these took minutes of a processor, another ran out of Python's stack."""
    (image,) = find_inputs([word])
    with pytest.raises(DataError, match="must have a name of at most 255 bytes"):
        read_image(image.path)
