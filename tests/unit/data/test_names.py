"""Ids of images, paths that stay inside their folder, and lists of classes."""

import unicodedata
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagseg.data.names import choose_classes, is_inside, read_class_names, same_named_file, unique_image_ids
from tagseg.errors import DataError


@pytest.mark.parametrize(
    ("paths", "ids"),
    [
        (["a.jpg", "b.jpg"], ["a", "b"]),
        (["a.jpg", "a.png", "x/a.jpg"], ["a.jpg", "a.png", "x/a"]),
        # 'a.jpg' keeps its ending because of 'a.png', and so meets the short form of 'a.jpg.png'
        (["a.jpg", "a.png", "a.jpg.png"], ["a.jpg", "a.png", "a.jpg.png"]),
        (["v1.2 (final).jpeg"], ["v1.2 (final)"]),
    ],
)
def test_ids_are_short_unless_two_would_be_equal(paths: list[str], ids: list[str]) -> None:
    assert unique_image_ids([PurePosixPath(path) for path in paths]) == ids


parts = st.text("ab.", min_size=1, max_size=4).filter(lambda name: name.strip("."))
image_paths = st.builds(lambda stem, ending: PurePosixPath(f"{stem}.{ending}"), parts, st.sampled_from(["a", "b"]))


@settings(max_examples=200, deadline=None)
@given(paths=st.lists(image_paths, unique=True, max_size=8))
def test_ids_are_always_different(paths: list[PurePosixPath]) -> None:
    ids = unique_image_ids(paths)
    assert len(set(ids)) == len(ids) == len(paths)
    assert all(str(path).startswith(image_id) for path, image_id in zip(paths, ids, strict=True))


@pytest.mark.parametrize("path", ["../a.jpg", "/etc/passwd", "a/../../b.jpg", "", "..", "..\\a.jpg", "x\\..\\..\\a"])
def test_paths_that_climb_out_are_seen(path: str) -> None:
    assert not is_inside(path)


@pytest.mark.parametrize("path", ["a.jpg", "a/b.jpg", "a..b.jpg", "...jpg", "a b/ü.jpg"])
def test_odd_names_that_stay_inside_are_fine(path: str) -> None:
    assert is_inside(path)


def test_class_file_keeps_order_and_spaces(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_bytes("\ufeffzebra\r\n traffic light \r\ncat\r\n\r\n".encode())
    assert read_class_names(tmp_path / "classes.txt") == ("zebra", "traffic light", "cat")


@pytest.mark.parametrize("content", [b"", b"cat\n\ndog\n", b"cat\ncat\n", b"\xea\xee\xf2\n"])
def test_bad_class_file_is_a_data_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "classes.txt").write_bytes(content)
    with pytest.raises(DataError, match=r"classes\.txt"):
        read_class_names(tmp_path / "classes.txt")


@pytest.mark.parametrize(
    "begin", ["background\n", "Background\n", "_background_\n", "__ignore__\n_background_\n", "__background__\n"]
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_background_in_the_first_line_moves_no_id(tmp_path: Path, begin: str, encoding: str) -> None:
    (tmp_path / "classes.txt").write_bytes(f"{begin}cat\ndog\n".encode(encoding))
    assert read_class_names(tmp_path / "classes.txt") == ("cat", "dog")


@pytest.mark.parametrize("content", ["cat\nbackground\n", "__ignore__\ncat\n", "__ignore__\n", "0 background\n1 cat\n"])
def test_background_elsewhere_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "classes.txt").write_text(content)
    with pytest.raises(DataError, match=r"classes\.txt must "):
        read_class_names(tmp_path / "classes.txt")


@pytest.mark.parametrize("classes", [None, ["dog"]])
def test_names_that_differ_in_case_only_are_refused(classes: list[str] | None) -> None:
    with pytest.raises(DataError, match="got 'Dog' and 'dog'"):
        choose_classes(("cat", "Dog", "dog"), classes, source="x")


def test_background_is_no_class() -> None:
    assert choose_classes(("background", "cat"), None, source="x").names == ("cat",)
    with pytest.raises(DataError, match="names of background"):
        choose_classes(("background", "cat"), ["background", "cat"], source="x")


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_file_is_found_in_either_form_of_its_accents(tmp_path: Path, forms: tuple[str, str]) -> None:
    on_disk, written = (unicodedata.normalize(form, "é/café.jpg") for form in forms)
    (tmp_path / on_disk).parent.mkdir()
    (tmp_path / on_disk).touch()
    assert same_named_file(tmp_path, written) == tmp_path / on_disk
    assert same_named_file(tmp_path, "é" * 300) is None


def test_subset_keeps_the_asked_order() -> None:
    assert choose_classes(("a", "b", "c"), ["c", "a"], source="x").names == ("c", "a")
    assert choose_classes(("a", "b", "c"), None, source="x").names == ("a", "b", "c")


def test_class_file_of_a_western_windows_is_read_and_reported(tmp_path: Path) -> None:
    path, problems = tmp_path / "classes.txt", []
    path.write_bytes("Kühe\nHund\n".encode("cp1252"))
    assert read_class_names(path, problems=problems) == ("Kühe", "Hund")
    assert [(problem.kind.name, problem.problem) for problem in problems] == [
        ("OTHER_ENCODING", f"{path} should be UTF-8 text, got other bytes, read as Windows-1252: Kühe")
    ]


@pytest.mark.parametrize(("known", "found"), [((), "none"), (("background",), "background only")])
def test_no_class_at_all_is_told_with_its_source(known: tuple[str, ...], found: str) -> None:
    with pytest.raises(DataError, match=f"^the categories of a.json must name an object, got {found};"):
        choose_classes(known, None, source="the categories of a.json")
