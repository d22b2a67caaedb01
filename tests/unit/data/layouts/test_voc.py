"""The VOC reader: lists, both sources of tags, masks, subsets, and single bad files."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from tagseg.classes import VOC_CLASSES
from tagseg.data.layouts.voc import VocLayout, read_voc
from tagseg.data.problems import Problem, ProblemKind
from tagseg.errors import DataError

XML = "<annotation>{}</annotation>"
OBJECT = "<object><name>{}</name><difficult>{}</difficult><part><name>head</name></part></object>"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three images; XML tags; a mask for the first in one folder and for the second in the other."""
    for folder in ("ImageSets/Segmentation", "JPEGImages", "Annotations", "SegmentationClass", "SegmentationClassAug"):
        (tmp_path / folder).mkdir(parents=True)
    tags = {"2007_1": [("dog", 0), ("cat", 1), ("dog", 0)], "2007_2": [("person", 0)], "2007_3": []}
    for image_id, objects in tags.items():
        PillowImage.new("RGB", (4, 3)).save(tmp_path / "JPEGImages" / f"{image_id}.jpg")
        xml = XML.format("".join(OBJECT.format(name, difficult) for name, difficult in objects))
        (tmp_path / "Annotations" / f"{image_id}.xml").write_text(xml)
    for folder, image_id, value in (
        ("SegmentationClass", "2007_1", 12),
        ("SegmentationClassAug", "2007_1", 8),
        ("SegmentationClassAug", "2007_2", 15),
    ):
        PillowImage.fromarray(np.full((3, 4), value, np.uint8)).save(tmp_path / folder / f"{image_id}.png")
    write_list(tmp_path, "2007_2\n2007_1\n\n2007_3\n")
    return tmp_path


def write_list(root: Path, text: str) -> None:
    (root / "ImageSets" / "Segmentation" / "train.txt").write_text(text)


def tags_of(root: Path, **options: object) -> dict[str, tuple[str, ...]]:
    split = read_voc(root, split="train", **options)
    return {record.image_id: tuple(split.classes.name(tag) for tag in record.tags) for record in split.records}


def test_tags_of_the_xml_files_count_difficult_objects_and_no_parts(root: Path) -> None:
    assert tags_of(root) == {"2007_1": ("cat", "dog"), "2007_2": ("person",), "2007_3": ()}
    assert read_voc(root, split="train").classes.names == tuple(VOC_CLASSES)


def test_records_are_sorted_and_point_to_their_files(root: Path) -> None:
    split = read_voc(root, split="train")
    assert [record.image_id for record in split.records] == ["2007_1", "2007_2", "2007_3"]
    assert split.records[0].image_path == root / "JPEGImages" / "2007_1.jpg"
    assert split.name == "train"


def test_official_masks_come_before_the_others(root: Path) -> None:
    masks = [record.mask for record in read_voc(root, split="train").records]
    assert [None if mask is None else mask.read()[0, 0] for mask in masks] == [12, 15, None]


def test_a_subset_renumbers_tags_and_masks_alike(root: Path) -> None:
    split = read_voc(root, split="train", classes=["person", "dog"])
    assert [record.tags for record in split.records] == [(2,), (1,), ()]
    assert [record.mask.read()[0, 0] for record in split.records if record.mask is not None] == [2, 1]


def test_a_file_of_tags_goes_before_the_xml_files(root: Path) -> None:
    (root / "other.csv").write_text("image,tags\n2007_1,cow\n2007_2.jpg,sheep dog\n2007_3,\nnot_listed,cat\n")
    expected = {"2007_1": ("cow",), "2007_2": ("dog", "sheep"), "2007_3": ()}
    assert tags_of(root, tags_file=root / "other.csv") == expected


def test_image_tags_csv_is_found_where_there_are_no_xml_files(root: Path) -> None:
    for path in (root / "Annotations").iterdir():
        path.unlink()
    (root / "Annotations").rmdir()
    (root / "image_tags.csv").write_text("image,tags\n2007_1,cow\n2007_2,\n2007_3,\n")
    assert tags_of(root)["2007_1"] == ("cow",)


def test_lists_of_pairs_of_paths_are_understood(root: Path) -> None:
    write_list(root, "/JPEGImages/2007_1.jpg /SegmentationClassAug/2007_1.png\n")
    assert list(tags_of(root)) == ["2007_1"]


def test_own_classes_are_the_lines_of_classes_txt(root: Path) -> None:
    (root / "classes.txt").write_text("dog\ncat\nperson\n")
    with pytest.raises(DataError, match="must hold ids 0 to 3 or 255, got 12"):
        read_voc(root, split="train").records[0].mask.read()  # pyright: ignore[reportOptionalMemberAccess]
    assert tags_of(root)["2007_1"] == ("dog", "cat")


def test_single_bad_files_are_collected_and_left_out(root: Path) -> None:
    (root / "JPEGImages" / "2007_1.jpg").unlink()
    (root / "Annotations" / "2007_2.xml").write_text("<annotation><object>")
    (root / "Annotations" / "2007_3.xml").write_text(XML.format(OBJECT.format("dgo", 0) + OBJECT.format("dog", 0)))
    write_list(root, "2007_1\n2007_2\n2007_3\n2007_3\n../../secret\n")
    problems: list[Problem] = []
    assert tags_of(root, problems=problems) == {"2007_3": ("dog",)}
    assert sorted(problem.kind.name for problem in problems) == [
        "BAD_ANNOTATION", "MISSING_IMAGE", "MISSING_IMAGE", "REPEATED_IMAGE", "UNKNOWN_TAG",
    ]  # fmt: skip


def test_an_image_without_a_row_is_collected_and_left_out(root: Path) -> None:
    (root / "other.csv").write_text("image,tags\n2007_1,cow\n")
    problems: list[Problem] = []
    assert tags_of(root, tags_file=root / "other.csv", problems=problems) == {"2007_1": ("cow",)}
    assert [problem.kind for problem in problems] == [ProblemKind.NO_TAGS_KNOWN] * 2


def test_255_means_what_the_recipe_says(root: Path) -> None:
    (root / "classes.txt").write_text("dog\n")
    (root / "image_tags.csv").write_text("image,tags\n2007_1,dog\n")
    PillowImage.fromarray(np.array([[0, 255]], np.uint8)).save(root / "SegmentationClass" / "2007_1.png")
    write_list(root, "2007_1\n")
    layout = VocLayout(root, "train", eval_split="train", tags=root / "image_tags.csv", mask_255="object")
    mask = layout.readers().train().records[0].mask
    assert mask is not None and mask.read().tolist() == [[0, 1]]


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_match_however_their_accents_are_composed(tmp_path: Path, forms: tuple[str, str]) -> None:
    one, other = (unicodedata.normalize(form, "café") for form in forms)
    for name in ("JPEGImages", "ImageSets/Segmentation", "SegmentationClass", "Annotations"):
        (tmp_path / name).mkdir(parents=True)
    PillowImage.new("L", (4, 3)).save(tmp_path / "JPEGImages" / f"{one}.jpg")
    PillowImage.new("L", (4, 3)).save(tmp_path / "SegmentationClass" / f"{other}.png")
    (tmp_path / "ImageSets/Segmentation/train.txt").write_text(f"{other}\n", encoding="utf-16")
    (tmp_path / "Annotations" / f"{one}.xml").write_text("<annotation><object><name>dog</name></object></annotation>")
    (record,) = read_voc(tmp_path, split="train").records
    assert (record.image_id, record.tags, record.mask is None) == ("café", (12,), False)


def test_rows_of_tags_that_name_no_image_are_told(tmp_path: Path) -> None:
    for name in ("JPEGImages", "ImageSets/Segmentation"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "ImageSets/Segmentation/train.txt").write_text("0001\n0002\n")
    (tmp_path / "image_tags.csv").write_text("image,tags\n1,dog\n2,cat\n")
    with pytest.raises(DataError, match="such as '0001' and '0002', got only others, such as '1' and '2'"):
        read_voc(tmp_path, split="train", problems=[])


def test_a_list_of_a_western_windows_is_read_and_reported(root: Path) -> None:
    for path in [*root.rglob("2007_2.*")]:
        path.rename(path.with_stem("Kühe_2"))
    (root / "ImageSets" / "Segmentation" / "train.txt").write_bytes("2007_1\nKühe_2\n".encode("cp1252"))
    problems: list[Problem] = []
    split = read_voc(root, split="train", problems=problems)
    assert [record.image_id for record in split.records] == ["2007_1", "Kühe_2"]
    assert [problem.kind for problem in problems] == [ProblemKind.OTHER_ENCODING]
    assert problems[0].problem.endswith("train.txt should be UTF-8 text, got other bytes, read as Windows-1252: Kühe_2")


def test_xml_of_something_else_is_no_image_without_objects(root: Path) -> None:
    path = root / "Annotations" / "2007_3.xml"
    path.write_text("<html><body>404</body></html>")
    problems: list[Problem] = []
    assert [record.image_id for record in read_voc(root, split="train", problems=problems).records] == [
        "2007_1",
        "2007_2",
    ]
    assert [problem.problem for problem in problems] == [f"annotation {path} must be an <annotation>, got <html>"]
