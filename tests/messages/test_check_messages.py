"""What `tagseg check` says of a data set, word for word."""

from pathlib import Path

import numpy as np
from kit.files import GREY, save, write

from tagseg.classes import ClassTable
from tagseg.data.image_formats import ENDINGS_BY_FORMAT, IMAGE_ENDINGS
from tagseg.data.layouts.folder import read_folder
from tagseg.data.mask_images import PaletteMask, label_ids
from tagseg.data.preflight import check_split, never_absent
from tagseg.data.problems import Problem
from tagseg.types import ImageRecord, Split


def warnings_of(split: Split, reader_problems: list[Problem]) -> list[str]:
    report = check_split(split, reader_problems=reader_problems)
    return [f"{problem.problem}; {problem.help}" for problem in report.problems]


def test_warnings_of_the_folder_reader(tmp_path: Path) -> None:
    save(tmp_path / "cat" / "a.png", np.zeros((32, 32), np.uint8))
    (tmp_path / "b.jpg").mkdir()
    film, draft = write(tmp_path / "c.mp4", "x"), write(tmp_path / "d.psd", "x")
    old = save(tmp_path / "masks" / "old.png", GREY)
    problems: list[Problem] = []
    split = read_folder(tmp_path, problems=problems)
    endings, formats = ", ".join(sorted(IMAGE_ENDINGS)), ", ".join(ENDINGS_BY_FORMAT)
    assert warnings_of(split, problems) == [
        f"image {tmp_path / 'b.jpg'} must be a file, got a folder; rename or remove the folder",
        f"file {film} is left out, since an image ends in {endings}; convert it if it is an image",
        f"image {draft} must be one of {formats}, got a .psd file; convert it to JPEG or PNG",
        f"mask {old} must have the path of an image, got none that fits; rename it like its image or remove it",
    ]


def test_warnings_of_a_folder_of_no_image_and_of_a_table_that_is_not_read(tmp_path: Path) -> None:
    save(tmp_path / "cat" / "a.png", np.zeros((32, 32), np.uint8))
    save(tmp_path / "masks" / "cat" / "a.png", np.zeros((32, 32), np.uint8))
    (tmp_path / "dog").mkdir()
    (tmp_path / "@eaDir").mkdir()
    table, endings = write(tmp_path / "labels.csv", "image,tags\ncat/a,cat\n"), ", ".join(sorted(IMAGE_ENDINGS))
    problems: list[Problem] = []
    assert warnings_of(read_folder(tmp_path, problems=problems), problems) == [
        f"file {table} is left out, since an image ends in {endings}; name it in data.tags if it holds the tags",
        f"folder {tmp_path / 'dog'} should hold images of its class, got none; put images there, or remove the folder",
    ]
    problems.clear()
    assert warnings_of(read_folder(tmp_path, tags=table, problems=problems), problems) == []


def test_warnings_of_classes_that_every_image_shows(tmp_path: Path) -> None:
    table = ClassTable(("cat", "dog"))
    records = [ImageRecord(str(tags), tmp_path, tags) for tags in ((1, 2), (1,))]
    advice = "add images that do not show it, with empty tags or of another class: nothing else tells it from its scene"
    (found,) = never_absent(Split("all", table, tuple(records)))
    assert found.problem == "class 'cat' should be absent from some images of all, got it in each of 2"
    assert (found.kind.value, found.kind.is_error, found.help) == ("class that nearly every image shows", False, advice)
    assert len(never_absent(Split("all", table, tuple(records[:1])))) == 2
    assert never_absent(Split("all", table, (*records, ImageRecord("none", tmp_path, ())))) == []
    many = [ImageRecord(str(index), tmp_path, (1, 2) if index < 96 else (2,)) for index in range(100)]
    assert [each.problem for each in never_absent(Split("all", table, tuple(many)))] == [
        "class 'cat' should be absent from more images of all, got it in 96 of 100",
        "class 'dog' should be absent from some images of all, got it in each of 100",
    ]
    assert never_absent(Split("all", table, tuple(many)))[0].help == advice.replace("nothing", "too little")
    assert len(never_absent(Split("all", table, (*many[6:], *[many[-1]] * 6)))) == 1  # 90 of 100
    more = [ImageRecord(str(index), tmp_path, (1,) if index < 950 else (2,)) for index in range(1000)]
    assert never_absent(Split("all", table, tuple(more))) == []  # 50 without it are enough
    assert len(never_absent(Split("all", table, tuple(more[:-1])))) == 1


def test_warnings_of_the_check(tmp_path: Path) -> None:
    cats, table = np.ones((32, 40), np.uint8), ClassTable(("cat", "dog"))
    one = save(tmp_path / "one.png", cats)
    two = save(tmp_path / "two.png", cats)
    tiny = save(tmp_path / "tiny.jpg", GREY, format="PNG")
    mask = PaletteMask(save(tmp_path / "mask.png", cats), label_ids(table.names, table))
    wrong_size = PaletteMask(save(tmp_path / "small.png", GREY), mask.label_ids)
    records = (
        ImageRecord("one", one, (), mask),
        ImageRecord("tiny", tiny, (2,)),
        ImageRecord("two", two, (2,), wrong_size),
    )
    tag_it = "tag it, or leave it as an image that shows none of the classes"
    assert warnings_of(Split("train", table, records), []) == [
        f"image {one} should show a class, got no tag; {tag_it}",
        f"mask of {one} should show tagged classes only, got cat; add the tag or correct the mask",
        f"image {tiny} should end in .png, got a PNG file; rename it; it is read by its content",
        f"image {tiny} should have sides of 32 px or more, got 2 x 3; remove it if it is a thumbnail",
        f"image {tiny} should have a mask as others do, got none; add it, or leave the image out of the scores",
        f"mask of {two} must have the image's size, got 2 x 3 for an upright image of 32 x 40; "
        "draw it on the upright image",
        f"image {two} should differ from the others, got the content of {one}; remove one of the two",
        "class 'cat' should have images in train, got none; tag some, or leave the class out of data.classes",
    ]
