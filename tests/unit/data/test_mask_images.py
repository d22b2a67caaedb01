"""Masks of palette, grey and coloured files, mapped to the class table."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image as PillowImage

from tagseg.classes import VOC_CLASSES, ClassTable, voc_color
from tagseg.data.mask_ids import MaskLabelError
from tagseg.data.mask_images import Meaning255, PaletteMask, label_ids, mask_paths, with_255_as
from tagseg.data.problems import Problem, ProblemKind
from tagseg.errors import DataError
from tagseg.types import ImageRecord, MaskSource, Split

VOC = ClassTable(tuple(VOC_CLASSES))
VOC_IDS = label_ids(VOC_CLASSES, VOC)
IDS = np.array([[0, 1, 15], [20, 255, 7]], np.uint8)


def save_palette(path: Path, ids: np.ndarray, palette: list[int]) -> None:
    image = PillowImage.fromarray(ids)
    image.putpalette(palette)
    image.save(path)


@pytest.mark.parametrize("palette", [VOC.palette(), [255 - value for value in VOC.palette()]], ids=["voc", "other"])
def test_indices_of_a_palette_count_and_not_its_colours(tmp_path: Path, palette: list[int]) -> None:
    save_palette(tmp_path / "a.png", IDS, palette)
    np.testing.assert_array_equal(PaletteMask(tmp_path / "a.png", VOC_IDS).read(), IDS)


def test_grey_values_are_ids(tmp_path: Path) -> None:
    PillowImage.fromarray(IDS).save(tmp_path / "a.png")
    np.testing.assert_array_equal(PaletteMask(tmp_path / "a.png", VOC_IDS).read(), IDS)


def test_bits_are_background_and_the_first_class(tmp_path: Path) -> None:
    PillowImage.fromarray(np.array([[True, False]])).save(tmp_path / "a.png")
    mask = PaletteMask(tmp_path / "a.png", label_ids(("cat",), ClassTable(("cat",))))
    assert mask.read().tolist() == [[1, 0]]


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colours_of_voc_are_understood(tmp_path: Path, mode: str) -> None:
    colors = np.array([[voc_color(index) for index in row] for row in IDS.tolist()], np.uint8)
    PillowImage.fromarray(colors).convert(mode).save(tmp_path / "a.png")
    np.testing.assert_array_equal(PaletteMask(tmp_path / "a.png", VOC_IDS).read(), IDS)


def test_classes_outside_the_subset_are_background_and_the_others_follow_its_order(tmp_path: Path) -> None:
    save_palette(tmp_path / "a.png", IDS, VOC.palette())
    subset = ClassTable(("tvmonitor", "person"))  # ids 20 and 15 of VOC
    mask = PaletteMask(tmp_path / "a.png", label_ids(VOC_CLASSES, subset))
    assert mask.read().tolist() == [[0, 0, 2], [1, 255, 0]]


@settings(max_examples=30, deadline=None)
@given(
    ids=hnp.arrays(
        np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.sampled_from([*range(21), 255])
    ),
    chosen=st.lists(st.sampled_from(VOC_CLASSES), min_size=1, max_size=20, unique=True),
)
def test_mapping_agrees_with_a_look_up_of_names(
    tmp_path_factory: pytest.TempPathFactory, ids: np.ndarray, chosen: list[str]
) -> None:
    path = tmp_path_factory.mktemp("mask") / "a.png"
    save_palette(path, ids, VOC.palette())
    labels = PaletteMask(path, label_ids(VOC_CLASSES, ClassTable(tuple(chosen))), "void").read()
    for stored, label in zip(ids.ravel().tolist(), labels.ravel().tolist(), strict=True):
        name = {0: None, 255: "void"}.get(stored) if stored in (0, 255) else VOC_CLASSES[stored - 1]
        assert label == (255 if name == "void" else chosen.index(name) + 1 if name in chosen else 0)


def test_254_classes_leave_no_id_over() -> None:
    names = [f"class{index}" for index in range(254)]
    assert label_ids(names, ClassTable(tuple(names))) == tuple(range(256))


@pytest.mark.parametrize("wrong", [21, 254])
def test_id_of_no_class_is_an_error(tmp_path: Path, wrong: int) -> None:
    PillowImage.fromarray(np.array([[wrong]], np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(MaskLabelError, match=f"got {wrong}"):
        PaletteMask(tmp_path / "a.png", VOC_IDS).read()


def test_masks_of_one_data_set_share_one_table_when_pickled() -> None:
    one = len(pickle.dumps([PaletteMask(Path("0.png"), VOC_IDS)]))
    hundred = len(pickle.dumps([PaletteMask(Path(f"{index}.png"), VOC_IDS) for index in range(100)]))
    assert hundred - one < 99 * 100


def test_it_is_a_mask_source() -> None:
    assert isinstance(PaletteMask(Path("a.png"), VOC_IDS), MaskSource)


def test_mask_files_are_found_by_relative_path(tmp_path: Path) -> None:
    for name in ("a.png", "deep/b.c.TIF", ".hidden.png", "notes.txt", "a.jpg", "c.JPEG", "d.npy", "e.webp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    problems: list[Problem] = []
    assert mask_paths(tmp_path, problems=problems) == {
        "a": tmp_path / "a.png",
        "c": tmp_path / "c.JPEG",
        "d": tmp_path / "d.npy",
        "deep/b.c": tmp_path / "deep" / "b.c.TIF",
        "e": tmp_path / "e.webp",
    }
    assert [(problem.kind, problem.path) for problem in problems] == [(ProblemKind.UNUSED_FILE, tmp_path / "notes.txt")]


def test_two_masks_of_one_name_are_a_problem(tmp_path: Path) -> None:
    for name in ("a.gif", "a.png", "b.png", "deep/a.bmp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    problems: list[Problem] = []
    found = mask_paths(tmp_path, problems=problems)
    assert found == {"a": tmp_path / "a.gif", "b": tmp_path / "b.png", "deep/a": tmp_path / "deep" / "a.bmp"}
    assert [(problem.kind, problem.path) for problem in problems] == [(ProblemKind.REPEATED_MASK, tmp_path / "a.png")]
    with pytest.raises(DataError) as caught:
        mask_paths(tmp_path)
    assert str(caught.value) == (
        f"mask {tmp_path / 'a.png'} must be the only file of its name, got a.gif too; remove one of them"
    )


def one_class(folder: Path, pixels: list[int], meaning: Meaning255 | None) -> PaletteMask:
    """Return a mask of a data set of one class."""
    PillowImage.fromarray(np.array([pixels], np.uint8)).save(folder / "a.png")
    mask = PaletteMask(folder / "a.png", label_ids(("scratch",), ClassTable(("scratch",))))
    split = with_255_as(Split("all", ClassTable(("scratch",)), (ImageRecord("a", Path("a.jpg"), (1,), mask),)), meaning)
    found = split.records[0].mask
    assert isinstance(found, PaletteMask)
    return found


@pytest.mark.parametrize("pixels", [[0, 255], [255, 255]])
def test_mask_of_255_without_a_class_is_read_as_is_said(tmp_path: Path, pixels: list[int]) -> None:
    with pytest.raises(MaskLabelError, match="must show a class besides 255"):
        one_class(tmp_path, pixels, None).read()
    assert one_class(tmp_path, pixels, "void").read().tolist() == [pixels]
    assert one_class(tmp_path, pixels, "object").read().tolist() == [[min(pixel, 1) for pixel in pixels]]


@pytest.mark.parametrize("pixels", [[0, 0], [0, 1], [0, 1, 255]])
def test_mask_without_255_or_with_a_class_beside_it_needs_no_word(tmp_path: Path, pixels: list[int]) -> None:
    assert one_class(tmp_path, pixels, None).read().tolist() == [pixels]


def test_255_is_one_of_several_classes_in_no_data_set(tmp_path: Path) -> None:
    masks = PaletteMask(tmp_path / "a.png", label_ids(("cat", "dog"), ClassTable(("dog",))))
    split = Split(
        "all", ClassTable(("dog",)), (ImageRecord("a", Path("a.jpg"), (1,), masks), ImageRecord("b", Path(), ()))
    )
    assert with_255_as(split, None) is split
    with pytest.raises(DataError, match="needs masks of one class, got 2"):
        with_255_as(split, "object")
