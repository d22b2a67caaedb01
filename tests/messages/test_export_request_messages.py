"""The refusals of exports by the browser app, word for word."""

from io import BytesIO
from typing import Any

import pytest
from kit.serving import Client, photo
from PIL import Image

from tagseg.serve.export_formats import EXPORT_FORMATS
from tagseg.serve.options import EXPORT_OPTIONS, FORMATS

NAMES = ", ".join(EXPORT_FORMATS)
POLYGONS = "coco, yolo, label-studio-polygons, labelme"
HOW = "send files as curl -F masks=@mask.png -F images=@photo.jpg does"
BLACK = photo(noise=0)
ORDER = "send masks and photographs in the same order"


def turned_and_cut() -> bytes:
    """Return a photograph that has to be turned, of which only the first part is there."""
    exif, file = Image.Exif(), BytesIO()
    exif[0x0112] = 6
    Image.effect_noise((48, 32), 80).convert("RGB").save(file, format="JPEG", exif=exif)
    return file.getvalue()[:900]


CLEANING = [
    ({"format": "coco", "min_area": -1}, "min_area is 0 or more, got -1", "take 50, or 0 for every part"),
    ({"format": "coco", "min_area": "many"}, "min_area is a whole number, got 'many'", "send for example min_area=50"),
    ({"format": "coco", "min_area": "1.5"}, "min_area is a whole number, got '1.5'", "send for example min_area=50"),
    ({"format": "yolo", "simplify": 101}, "simplify lies in [0, 100] px, got 101", "take 2, or 0 for all corners"),
    ({"format": "yolo", "simplify": "inf"}, "simplify lies in [0, 100] px, got inf", "take 2, or 0 for all corners"),
    (
        {"format": "yolo", "simplify": "a bit"},
        "simplify is a number of pixels, got 'a bit'",
        "send for example simplify=1.5",
    ),
    (
        {"format": "voc", "simplify": 2},
        f"simplify goes with format {POLYGONS}, got voc",
        "leave simplify out, or ask for one of these formats",
    ),
    (
        {"format": "cvat", "images_at": "/x/"},
        "images_at goes with format label-studio, label-studio-polygons, got cvat",
        "leave images_at out, or ask for one of these formats",
    ),
]


@pytest.mark.parametrize(("fields", "problem", "help"), CLEANING)
def test_options_of_both_addresses(client: Client, fields: dict[str, Any], problem: str, help: str) -> None:
    assert client.send("/predict", ("a.png", photo()), **fields).sentences == (400, problem, help)
    sent = {"masks": [("a.png", BLACK)], "images": [("a.png", photo())]}
    assert client.send_files("/export", sent, **fields).sentences == (400, problem, help)


@pytest.mark.parametrize(
    ("fields", "problem", "help"),
    [
        (
            {"min_area": 5},
            f"min_area goes with format {NAMES}, got json",
            "leave min_area out, or ask for one of these formats",
        ),
        ({"format": "cvatt"}, f"format is one of {', '.join(FORMATS)}, got 'cvatt'", "did you mean 'cvat'?"),
        ({"format": "voc", "corrected": 1}, "option 'corrected' of a request is unknown", None),
        (
            {"format": "voc-server"},
            f"format is one of {', '.join(FORMATS)}, got 'voc-server'",
            None,
        ),
    ],
)
def test_options_of_predictions(client: Client, fields: dict[str, Any], problem: str, help: str | None) -> None:
    found = client.send("/predict", ("a.png", photo()), **fields).sentences
    assert found[:2] == (400, problem)
    assert help is None or found[2] == help


@pytest.mark.parametrize(
    ("masks", "images", "fields", "status", "problem", "help"),
    [
        (["a.png"], [], {}, 400, f"export has one of the formats {NAMES}, got none", "send for example format=coco"),
        (["a.png"], [], {"format": "json"}, 400, f"format is one of {NAMES}, got 'json'", None),
        (
            ["a.png"],
            [],
            {"format": "voc", "tags": "cat"},
            400,
            "option 'tags' of a request is unknown",
            f"use one of: {', '.join(sorted(EXPORT_OPTIONS))}",
        ),
        (
            [],
            ["a.png"],
            {"format": "voc"},
            400,
            "request has at least one file in the form's field 'masks', got none",
            HOW,
        ),
        (
            ["a.png", "b.png"],
            ["a.png"],
            {"format": "yolo"},
            400,
            "export as yolo holds photographs and has one for each mask, got 1 for 2 masks",
            "send in the field 'images' the photograph of each mask, in the same order",
        ),
        (
            ["a.png", "b.png"],
            ["a.png"],
            {"format": "voc"},
            400,
            "export as voc has one for each mask, got 1 for 2 masks",
            "send in the field 'images' the photograph of each mask, in the same order",
        ),
        (
            ["a.png", "b.png"],
            ["b.png", "a.png"],
            {"format": "yolo"},
            400,
            "mask has the name of its photograph, got 'a.png' for 'b.png'",
            f"{ORDER}, each mask under the name of its photograph",
        ),
        (
            ["a.png"],
            [],
            {"format": "voc", "corrected": 2},
            400,
            "corrected is a number of masks, 0 to 1 here, got 2",
            "send how many of the masks a person corrected",
        ),
        (
            ["ü" * 130],
            [],
            {"format": "voc"},
            400,
            "file name of an export has at most 240 bytes, got 260",
            "rename the file",
        ),
    ],
)
def test_exports(
    client: Client,
    masks: list[str],
    images: list[str],
    fields: dict[str, Any],
    status: int,
    problem: str,
    help: str | None,
) -> None:
    sent = {"masks": [(name, BLACK) for name in masks], "images": [(name, photo()) for name in images]}
    found = client.send_files("/export", sent, **fields).sentences
    assert found[:2] == (status, problem)
    assert help is None or found[2] == help


@pytest.mark.parametrize(
    ("mask", "image", "status", "problem", "help"),
    [
        (
            photo(size=(8, 4), noise=0),
            photo(),
            400,
            "mask a.png has the size of its upright photograph, 32 x 48 pixels, got 4 x 8",
            ORDER,
        ),
        (b"text", photo(), 415, "image a.png must be one of", None),
        (BLACK, b"text", 415, "image a.png must be one of", None),
        (photo(size=(32, 48), noise=0), turned_and_cut(), 422, "image a.png must be complete, got a JPEG file", None),
        (photo(), photo(), 400, "mask a.png shows PASCAL VOC's colours of the labels, got", None),
    ],
    ids=["size", "mask", "photograph", "turned", "colours"],
)
def test_files(client: Client, mask: bytes, image: bytes, status: int, problem: str, help: str | None) -> None:
    sent = {"masks": [("a.png", mask)], "images": [("a.png", image)]}
    found = client.send_files("/export", sent, format="yolo").sentences
    assert (found[0], found[1][: len(problem)]) == (status, problem)
    assert "tagseg-export" not in found[1]  # no path of the server
    assert help is None or found[2] == help


def test_other_bodies(client: Client) -> None:
    assert client.ask("POST", "/export?format=voc", BLACK, {"content-type": "image/png"}).sentences == (
        415,
        "request has the content type multipart/form-data, got image/png",
        HOW,
    )
    assert client.send_files("/export", {"pictures": [("a.png", BLACK)]}, format="voc").sentences == (
        400,
        "files are in the form's fields 'masks' and 'images', got one in 'pictures'",
        HOW,
    )
