"""The errors of images and of masks, word for word."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from kit.files import GREY, save, write
from kit.messages import ROW, assert_says, row
from PIL import Image as PillowImage

from tagseg.classes import ClassTable
from tagseg.data.image_formats import ENDINGS_BY_FORMAT
from tagseg.data.images import content_fingerprint, image_size, read_image
from tagseg.data.mask_images import PaletteMask, label_ids
from tagseg.errors import DataError

SQUARE = np.zeros((64, 64), np.uint8)
RESTORE = "restore the file or remove it from the data set"
REPLACE = "replace the file or remove it from the data set"
SCALE = "scale it to 16 bits"
LOSSY = "save the mask again from its source, as a palette PNG; a lossy format changes the ids"
PALETTE = "save it as a palette PNG whose indices are the ids"


def link_to_nothing(path: Path) -> Path:
    link = path.with_name("link.jpg")
    link.symlink_to(path)
    return link


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def cut(path: Path, kind: str, missing: int) -> Path:
    """Write a picture that lacks its last bytes."""
    save(path, SQUARE, format=kind)
    return write(path, path.read_bytes()[:-missing])


def of_65536_squared(path: Path) -> Path:
    """Write a small PNG that says it is very large."""
    whole = save(path, GREY, format="PNG").read_bytes()
    # A PNG is a signature of 8 bytes, then length, name, height, width, depth and check sum.
    header = b"IHDR" + struct.pack(">II", 65_536, 65_536) + whole[24:29]
    return write(path, whole[:12] + header + struct.pack(">I", zlib.crc32(header)) + whole[33:])


def as_tiff(path: Path, pixels: np.ndarray) -> Path:
    return save(path, pixels, format="TIFF")


@pytest.mark.parametrize(
    ROW,
    [
        row("no_file", read_image, "image PATH must be a file, got no such file", RESTORE),
        row(
            "a_long_name",
            lambda path: read_image(path.with_name("é" * 150)),
            f"image FOLDER/{'é' * 150} must have a name of at most 255 bytes, got a longer one",
            "rename it",
        ),
        row("no_file_to_name", content_fingerprint, "file PATH must be a file, got no such file", RESTORE),
        row(
            "a_link_to_nothing",
            lambda path: read_image(link_to_nothing(path)),
            "image FOLDER/link.jpg must be a file, got a link to PATH, which does not exist",
            RESTORE,
        ),
        row("a_folder", lambda path: read_image(folder(path)), "image PATH must be a file, got a folder", RESTORE),
        row(
            "an_empty_file",
            lambda path: image_size(write(path, b"")),
            "image PATH must not be empty, got 0 bytes",
            RESTORE,
        ),
        row(
            "text",
            lambda path: read_image(write(path, "hello")),
            f"image PATH must be one of {', '.join(ENDINGS_BY_FORMAT)}, got another content",
            REPLACE,
        ),
        row(
            "a_page_in_the_place_of_a_photograph",
            lambda path: read_image(write(path, "<html>not found</html>")),
            f"image PATH must be one of {', '.join(ENDINGS_BY_FORMAT)}, got the content of a HTML file",
            REPLACE,
        ),
        row(
            "a_file_that_breaks_off",
            lambda path: read_image(cut(path, "JPEG", 20)),
            "image PATH must be complete, got a JPEG file that breaks off or is damaged",
            RESTORE,
        ),
        row(
            "more_pixels_than_asked_for",
            lambda path: read_image(save(path, GREY), max_pixels=5),
            "image PATH must have at most 5 pixels, got 2 x 3",
            REPLACE,
        ),
        row(
            "more_pixels_than_can_be_read",
            lambda path: read_image(of_65536_squared(path)),
            "image PATH must have at most 178,956,970 pixels, got more",
            REPLACE,
        ),
        row(
            "floating_point_values",
            lambda path: read_image(as_tiff(path, np.zeros((2, 2), np.float32))),
            "image PATH must have 8 or 16 bits a channel, got floating-point values",
            SCALE,
        ),
        row(
            "32_bits",
            lambda path: read_image(as_tiff(path, np.array([[-4, 70_000]], np.int32))),
            "image PATH must have 8 or 16 bits a channel, got values from -4 to 70000",
            SCALE,
        ),
    ],
)
def test_images(tmp_path: Path, call: Callable[[Path], object], problem: str, help: str) -> None:
    path = tmp_path / "a.jpg"
    assert_says(lambda: call(path), DataError, problem, help, PATH=path, FOLDER=tmp_path)


def test_an_image_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.png")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(PillowImage, "open", refuse)  # the superuser may read every file, so chmod would not do
    assert_says(
        lambda: read_image(path),
        DataError,
        f"image {path} must be readable, got no permission",
        "give this user the right to read it",
    )


@pytest.mark.parametrize(
    ("make", "problem", "help"),
    [
        row("no_file", lambda path: None, "mask PATH must be a file, got no such file", RESTORE),
        row(
            "a_photograph",
            lambda path: save(path, GREY, format="JPEG"),
            "mask PATH must be of a lossless format, got a JPEG file",
            LOSSY,
        ),
        row(
            "text",
            lambda path: write(path, "hello"),
            "mask PATH must be one of PNG, BMP, TIFF, GIF, WEBP, got another content",
            REPLACE,
        ),
        row(
            "ids_of_no_class",
            lambda path: save(path, np.array([[0, 9, 3, 255]], np.uint8)),
            "mask PATH must hold ids 0 to 2 or 255, got 3, 9",
            "draw it again, or name the missing classes in classes.txt",
        ),
        row(
            "other_colours",
            lambda path: save(path, np.full((1, 1, 3), 7, np.uint8)),
            "mask PATH must hold the colours of VOC's palette, got (7, 7, 7)",
            PALETTE,
        ),
        row(
            "16_bits",
            lambda path: save(path, GREY.astype(np.uint16)),
            "mask PATH must be a palette, 8-bit grey or VOC-coloured image, got Pillow mode I;16",
            PALETTE,
        ),
        row(
            "a_file_that_breaks_off",
            lambda path: cut(path, "PNG", 30),
            "mask PATH must be complete, got a PNG file that breaks off or is damaged",
            RESTORE,
        ),
    ],
)
def test_masks(tmp_path: Path, make: Callable[[Path], object], problem: str, help: str) -> None:
    mask = PaletteMask(tmp_path / "a.png", label_ids(("cat", "dog"), ClassTable(("cat",))))
    make(mask.path)
    assert_says(mask.read, DataError, problem, help, PATH=mask.path)
