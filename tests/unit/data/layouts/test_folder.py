"""A user's own folder: layouts, odd names, masks, and what happens to single bad files."""

import unicodedata
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image as PillowImage

from tagseg.data.layouts.folder import FolderLayout, read_folder
from tagseg.data.preflight import check_split
from tagseg.data.problems import Problem, ProblemKind
from tagseg.errors import DataError
from tagseg.types import Split


def save(path: Path, value: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.new("L", (4, 3), value).save(path)


def names_by_image(split: Split) -> dict[str, tuple[str, ...]]:
    return {record.image_id: tuple(split.classes.name(tag) for tag in record.tags) for record in split.records}


def write_tags(root: Path, *rows: str) -> None:
    (root / "tags.csv").write_text("\n".join(["image,tags", *rows]) + "\n", encoding="utf-8")


def test_tags_csv_beside_the_images(tmp_path: Path) -> None:
    for name in ("b.jpg", "a.png"):
        save(tmp_path / name)
    write_tags(tmp_path, "b.jpg,dog cat", "a.png,")
    split = read_folder(tmp_path)
    assert split.classes.names == ("cat", "dog")
    assert names_by_image(split) == {"a": (), "b": ("cat", "dog")}
    assert (split.name, split.has_masks) == ("all", False)


def test_tags_json_and_a_folder_of_images(tmp_path: Path) -> None:
    save(tmp_path / "images" / "deep" / "a.png")
    save(tmp_path / "preview.png")  # beside the folder of images: no part of the data set
    (tmp_path / "tags.json").write_text('{"deep/a.png": ["cat"]}')
    assert names_by_image(read_folder(tmp_path)) == {"deep/a": ("cat",)}


def test_one_sub_folder_for_each_class(tmp_path: Path) -> None:
    for name in ("cat/1.jpg", "cat/more/2.jpg", "traffic light/1.jpg"):
        save(tmp_path / name)
    expected = {"cat/1": ("cat",), "cat/more/2": ("cat",), "traffic light/1": ("traffic light",)}
    assert names_by_image(read_folder(tmp_path)) == expected


def test_classes_chosen_among_sub_folders_leave_the_others_as_background(tmp_path: Path) -> None:
    for name in ("cat/1.jpg", "cow/1.jpg", "dog/1.jpg"):
        save(tmp_path / name)
    split = read_folder(tmp_path, classes=["dog", "cat"])
    assert [(record.image_id, record.tags) for record in split.records] == [
        ("cat/1", (2,)),
        ("cow/1", ()),
        ("dog/1", (1,)),
    ]


@pytest.mark.parametrize("ending", ["jpg", "JPEG", "png", "webp", "bmp", "tif", "TIFF", "Gif"])
@pytest.mark.parametrize("stem", ["plain", "with space", "v1.2.final", "süß 猫", "semi;colon|bar", "#%&'()+=@[]{}~"])
def test_any_file_name_and_common_format(tmp_path: Path, stem: str, ending: str) -> None:
    save(tmp_path / f"{stem}.{ending}")
    write_tags(tmp_path, f'"{stem}.{ending}","cat"')
    assert names_by_image(read_folder(tmp_path)) == {stem: ("cat",)}


@pytest.mark.parametrize(
    "spelling", ["deep/b.c.jpg", "images/deep/b.c.jpg", "deep/b.c", "b.c.jpg", "b.c", "deep\\b.c.jpg", "./deep/b.c"]
)
def test_every_unambiguous_spelling_of_an_image_is_accepted(tmp_path: Path, spelling: str) -> None:
    save(tmp_path / "images" / "deep" / "b.c.jpg")
    write_tags(tmp_path, f"{spelling},cat")
    assert names_by_image(read_folder(tmp_path)) == {"deep/b.c": ("cat",)}


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_accents_match_however_they_are_composed(tmp_path: Path, forms: tuple[str, str]) -> None:
    on_disk, in_file = (unicodedata.normalize(form, "café.jpg") for form in forms)
    save(tmp_path / on_disk)
    write_tags(tmp_path, f"{in_file},cat")
    assert [record.tags for record in read_folder(tmp_path).records] == [(1,)]


def test_images_that_differ_in_the_ending_only_are_both_kept(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png"):
        save(tmp_path / name)
    write_tags(tmp_path, "a.jpg,cat", "a.png,dog")
    assert names_by_image(read_folder(tmp_path)) == {"a.jpg": ("cat",), "a.png": ("dog",)}


def test_full_spelling_goes_before_a_short_one(tmp_path: Path) -> None:
    for name in ("a.jpg", "x/a.jpg"):
        save(tmp_path / name)
    write_tags(tmp_path, "a.jpg,cat", "x/a.jpg,dog")
    assert names_by_image(read_folder(tmp_path)) == {"a": ("cat",), "x/a": ("dog",)}


def test_masks_are_found_by_path_and_read_with_the_class_table(tmp_path: Path) -> None:
    for name in ("images/a.jpg", "images/x/b.jpg", "images/c.jpg"):
        save(tmp_path / name)
    save(tmp_path / "masks" / "a.png", 1)
    save(tmp_path / "masks" / "x" / "b.jpg.png", 2)
    write_tags(tmp_path, "a,cat", "x/b,dog", "c,dog")
    split = read_folder(tmp_path)
    values = [None if record.mask is None else int(record.mask.read()[0, 0]) for record in split.records]
    assert values == [1, None, 2]


def test_masks_below_the_images_are_no_images(tmp_path: Path) -> None:
    save(tmp_path / "a.jpg")
    save(tmp_path / "masks" / "a.png", 1)
    write_tags(tmp_path, "a.jpg,cat")
    assert len(read_folder(tmp_path)) == 1


def test_classes_txt_numbers_the_masks_of_a_subset(tmp_path: Path) -> None:
    save(tmp_path / "a.jpg")
    PillowImage.fromarray(np.array([[0, 1, 2, 3, 255]], np.uint8)).save(tmp_path / "a_mask.png")
    (tmp_path / "masks").mkdir()
    (tmp_path / "a_mask.png").rename(tmp_path / "masks" / "a.png")
    (tmp_path / "classes.txt").write_text("zebra\ncat\ndog\n")
    write_tags(tmp_path, "a.jpg,zebra dog")
    record = read_folder(tmp_path, classes=["dog", "cat"]).records[0]
    assert record.tags == (1,)
    assert record.mask is not None and record.mask.read().tolist() == [[0, 0, 2, 1, 255]]


def test_order_on_the_disk_does_not_matter(tmp_path: Path) -> None:
    for root, names in ((tmp_path / "one", ["a", "b", "c"]), (tmp_path / "two", ["c", "a", "b"])):
        for name in names:
            save(root / "cat" / f"{name}.png")
    ids = [[record.image_id for record in read_folder(tmp_path / root).records] for root in ("one", "two")]
    assert ids[0] == ids[1] == ["cat/a", "cat/b", "cat/c"]


def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    save(tmp_path / "elsewhere" / "1.jpg")
    root = tmp_path / "root"
    root.mkdir()
    (root / "cat").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "elsewhere" / "loop").symlink_to(root, target_is_directory=True)
    assert names_by_image(read_folder(root)) == {"cat/1": ("cat",)}


def test_hidden_files_are_no_images(tmp_path: Path) -> None:
    for name in ("cat/a.jpg", "cat/._a.jpg", ".cache/b.jpg"):
        save(tmp_path / "x.png")
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / "x.png").rename(tmp_path / name)
    assert names_by_image(read_folder(tmp_path)) == {"cat/a": ("cat",)}


def test_single_problems_are_collected_and_the_rest_is_read(tmp_path: Path) -> None:
    for name in ("a.jpg", "x/a.jpg", "b.jpg", "c.jpg", "y/d.jpg", "z/d.jpg"):
        save(tmp_path / name)
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "notes.odt").write_bytes(b"")
    save(tmp_path / "masks" / "old.png")
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    write_tags(tmp_path, "a.jpg,cat", "x/a,dgo dog", "b.jpg,cat", "b,dog", "gone.jpg,cat", "d.jpg,cat")
    problems: list[Problem] = []
    assert names_by_image(read_folder(tmp_path, problems=problems)) == {"a": ("cat",), "b": ("cat",), "x/a": ("dog",)}
    assert sorted(problem.kind.name for problem in problems) == [
        "IMAGE_NAMED_FOLDER",
        "MISSING_IMAGE",  # gone.jpg
        "NO_TAGS_KNOWN", "NO_TAGS_KNOWN", "NO_TAGS_KNOWN",  # c, y/d and z/d
        "REPEATED_IMAGE", "REPEATED_IMAGE",  # b.jpg as b, and d.jpg of which there are two
        "UNKNOWN_TAG", "UNUSED_FILE", "UNUSED_MASK",
    ]  # fmt: skip


def test_warnings_do_not_stop_a_reader_without_a_list(tmp_path: Path) -> None:
    save(tmp_path / "cat" / "a.jpg")
    (tmp_path / "notes.txt").write_text("")
    assert len(read_folder(tmp_path)) == 1


def test_sub_folder_that_is_no_class_is_collected(tmp_path: Path) -> None:
    for name in ("cat/1.jpg", "dgo/1.jpg", "loose.jpg"):
        save(tmp_path / name)
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    problems: list[Problem] = []
    assert names_by_image(read_folder(tmp_path, problems=problems)) == {"cat/1": ("cat",)}
    assert {problem.kind for problem in problems} == {ProblemKind.UNKNOWN_TAG, ProblemKind.NO_TAGS_KNOWN}
    with pytest.raises(DataError):
        read_folder(tmp_path)


def test_images_to_test_on_need_no_tags_and_their_masks_mean_what_the_training_folder_says(tmp_path: Path) -> None:
    learn, test = tmp_path / "learn", tmp_path / "test"
    for path in (learn / "images" / "a.png", test / "nested" / "b.png", test / "c.png"):
        path.parent.mkdir(parents=True, exist_ok=True)
        PillowImage.new("RGB", (3, 1)).save(path)
    (learn / "classes.txt").write_text("cat\ncow\ndog\n")
    (learn / "tags.csv").write_text("image,tags\na.png,dog\n")
    mask = PillowImage.fromarray(np.array([[1, 2, 3]], np.uint8))
    (test / "masks").mkdir()
    mask.save(test / "masks" / "c.png")
    read_test = FolderLayout(learn, test_root=test, classes=("dog", "cat")).readers().test
    assert read_test is not None
    split = read_test()
    assert [(record.image_id, record.tags) for record in split.records] == [("c", ()), ("nested/b", ())]
    assert split.classes.names == ("dog", "cat")
    found = split.records[0].mask
    assert found is not None and found.read().tolist() == [[2, 0, 1]]  # cat is the second label, cow is background
    assert split.records[1].mask is None


def test_photograph_in_the_place_of_a_mask_is_a_mask_that_cannot_be_used(tmp_path: Path) -> None:
    for name in ("a.jpg", "masks/a.jpg", "b.jpg", "masks/b.jpg", "masks/b.png"):
        save(tmp_path / name)
    (tmp_path / "masks" / "notes.json").write_text("{}")
    write_tags(tmp_path, "a.jpg,cat", "b.jpg,cat")
    problems: list[Problem] = []
    split = read_folder(tmp_path, problems=problems)
    assert [problem.kind for problem in problems] == [ProblemKind.UNUSED_FILE]
    found = [problem for problem in check_split(split).problems if problem.kind is ProblemKind.UNREADABLE_MASK]
    assert [problem.image_id for problem in found] == ["a"]


@pytest.mark.parametrize(("meaning", "label"), [("object", 1), ("void", 255)])
def test_255_means_what_the_recipe_says_in_all_masks(
    tmp_path: Path, meaning: Literal["object", "void"], label: int
) -> None:
    learn, test = tmp_path / "learn", tmp_path / "test"
    for root in (learn, test):
        save(root / "a.png")
        save(root / "masks" / "a.png", 255)
        write_tags(root, "a.png,scratch")
    layout = FolderLayout(learn, test_root=test, mask_255=meaning)
    readers = layout.readers()
    assert readers.test is not None
    for split in (readers.train(), readers.test()):
        mask = split.records[0].mask
        assert mask is not None and mask.read().max() == label
    unsaid = FolderLayout(learn).readers().train()
    assert ProblemKind.MASK_LABELS in {problem.kind for problem in check_split(unsaid).problems}
