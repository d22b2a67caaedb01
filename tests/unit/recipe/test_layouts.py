"""What a data section answers about its layout."""

from pathlib import Path

import pytest

from tagseg.recipe import make_recipe
from tagseg.recipe.layouts import CocoData, Data, FolderData, SyntheticData, VocData

VALUES = {
    "voc": {"root": "VOC2012"},
    "coco": {"train_images": "train2014", "train_annotations": "train.json"},
    "folder": {"root": "photos"},
    "synthetic": {},
}
DRAWN = Path("run", "drawn")


def section(format: str, **values: str) -> Data:
    return make_recipe({"name": "mine", "data": {"format": format, **VALUES[format], **values}}).data


@pytest.mark.parametrize(
    ("format", "kind"), [("voc", VocData), ("coco", CocoData), ("folder", FolderData), ("synthetic", SyntheticData)]
)
def test_the_format_tells_the_section(format: str, kind: type) -> None:
    assert type(section(format)) is kind


@pytest.mark.parametrize(
    ("format", "place"), [("voc", "VOC2012"), ("coco", "train2014"), ("folder", "photos"), ("synthetic", "")]
)
def test_people_are_told_where_the_data_set_is(format: str, place: str) -> None:
    assert section(format).place == place


def test_drawn_pictures_have_a_place_when_one_is_named() -> None:
    assert section("synthetic", root="pictures").place == "pictures"


@pytest.mark.parametrize("format", ["voc", "coco", "folder"])
def test_what_is_not_drawn_stays(format: str) -> None:
    data = section(format)
    assert data.with_drawn(DRAWN) is data


def test_what_is_drawn_is_drawn_there_unless_a_folder_is_named() -> None:
    assert section("synthetic").with_drawn(DRAWN) == section("synthetic", root=str(DRAWN))
    named = section("synthetic", root="pictures")
    assert named.with_drawn(DRAWN) is named


def test_keys_of_places() -> None:
    assert section("voc").path_keys() == {"root", "tags"}
    assert section("coco").path_keys() == {"train_images", "train_annotations", "eval_images", "eval_annotations"}
    assert section("folder").path_keys() == {"root", "tags", "masks", "test_root", "test_masks"}
    assert section("synthetic").path_keys() == {"root", "tags"}
