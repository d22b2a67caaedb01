"""The ids of mask files: every way to store them gives the same ids, and what does not keep them is refused."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from tagseg.classes import ClassTable
from tagseg.data.mask_ids import read_ids
from tagseg.errors import DataError

IDS = np.zeros((6, 9), np.uint8)
IDS[1:4, 2:6], IDS[4, 4] = 1, 3
VOC_PALETTE = ClassTable(("cat",)).palette()


def image(pixels: np.ndarray = IDS, palette: list[int] | None = None) -> PillowImage.Image:
    picture = PillowImage.fromarray(pixels)
    if palette:
        picture.putpalette(palette)
    return picture


def packed_rows(bits: int, pixels: np.ndarray) -> list[bytes]:
    """Return each row with so many bits a pixel, filled up to whole bytes."""
    digits = ["".join(format(int(value), f"0{bits}b") for value in row) for row in pixels]
    filled = [row.ljust(-(-len(row) // 8) * 8, "0") for row in digits]
    return [bytes(int(row[at : at + 8], 2) for at in range(0, len(row), 8)) for row in filled]


def grey_png(bits: int, pixels: np.ndarray, *, extra: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], bits, 0, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in packed_rows(bits, pixels)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def chunk(name: bytes, data: bytes, *, error: int = 0) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data) ^ error)


def grey_tiff(bits: int, *, white_is_0: bool = False) -> bytes:
    data = b"".join(packed_rows(bits, IDS))
    entries = {256: 9, 257: 6, 258: bits, 259: 1, 262: int(not white_is_0), 273: 122, 277: 1, 278: 6, 279: len(data)}
    rows = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries.items())
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + rows + bytes(4) + data


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize(("make", "ending"), [(lambda bits: grey_png(bits, IDS), ".png"), (grey_tiff, ".tif")])
def test_grey_values_of_few_bits_are_not_stretched(
    tmp_path: Path, make: Callable[[int], bytes], ending: str, bits: int
) -> None:
    path = tmp_path / f"a{ending}"
    path.write_bytes(make(bits))
    np.testing.assert_array_equal(read_ids(path), IDS)


def test_one_bit_is_0_or_1(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(grey_png(1, IDS.clip(0, 1)))
    np.testing.assert_array_equal(read_ids(tmp_path / "a.png"), IDS.clip(0, 1))


@pytest.mark.parametrize(
    ("name", "picture", "options"),
    [
        ("grey.webp", image(), {"lossless": True}),
        ("voc.webp", image(palette=VOC_PALETTE).convert("RGB"), {"lossless": True}),
        ("exif.webp", image(), {"lossless": True, "exif": b"Exif\0\0", "icc_profile": b"profile"}),
        ("opaque.webp", image(np.dstack([IDS, IDS, IDS, np.full_like(IDS, 255)])), {"lossless": True, "exact": True}),
        ("grey.gif", image(), {}),
        ("voc.gif", image(palette=VOC_PALETTE), {}),
        ("lzw.tif", image(), {"compression": "tiff_lzw"}),
        ("grey.bmp", image(), {}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_lossless_format_keeps_the_ids(
    tmp_path: Path, name: str, picture: PillowImage.Image, options: dict[str, Any]
) -> None:
    picture.save(tmp_path / name, **options)
    np.testing.assert_array_equal(read_ids(tmp_path / name), IDS)


def test_the_writer_of_a_gif_renumbers_its_indices(tmp_path: Path) -> None:
    """Or the test of GIF above would show nothing."""
    image(palette=VOC_PALETTE).save(tmp_path / "a.gif")
    with PillowImage.open(tmp_path / "a.gif") as stored:
        assert sorted(np.unique(np.asarray(stored)).tolist()) == [0, 1, 2]


@pytest.mark.parametrize("kind", [np.uint8, np.int64, ">i4", bool])
def test_arrays_of_whole_numbers_are_ids(tmp_path: Path, kind: Any) -> None:
    np.save(tmp_path / "a.npy", IDS.astype(kind))
    np.testing.assert_array_equal(read_ids(tmp_path / "a.npy"), IDS.clip(0, 1) if kind is bool else IDS)


def saved(pixels: np.ndarray, name: str, **options: Any) -> Callable[[Path], None]:
    return lambda folder: PillowImage.fromarray(pixels).save(folder / name, **options)


def written(data: bytes, name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(data)


def array(values: np.ndarray, *, change: Callable[[bytes], bytes] = bytes) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        np.save(folder / "a.npy", values, allow_pickle=True)
        (folder / "a.npy").write_bytes(change((folder / "a.npy").read_bytes()))

    return make


def with_huge_header(data: bytes) -> bytes:
    return data.replace(b"(6, 9)", b"(600000000, 9)").replace(b" " * 8 + b"\n", b"\n")


OWN_COLOURS = [(7 * value) % 256 for value in range(768)]
FOUR = np.dstack([IDS] * 4)


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (saved(IDS, "a.jpg"), "must be of a lossless format, got a JPEG file"),
        (saved(IDS, "a.png", format="JPEG"), "must be of a lossless format, got a JPEG file"),
        (saved(IDS, "a.webp", quality=100), "must be of a lossless format, got a lossy WebP file"),
        (saved(IDS, "a.webp", exif=b"Exif"), "must be of a lossless format, got a lossy WebP file"),
        (saved(FOUR, "a.webp", lossless=True), "lossless format, got a WebP file with transparent pixels"),
        (saved(IDS, "a.tif", compression="jpeg"), "lossless format, got a TIFF file with jpeg compression"),
        (lambda folder: image(palette=OWN_COLOURS).save(folder / "a.gif"), "must have VOC's colours or greys"),
        (saved(IDS > 0, "a.tif", compression="group4"), "so that a broken end is noticed, got a TIFF file with group4"),
        (
            lambda folder: image(FOUR).save(folder / "a.webp", save_all=True, lossless=True, append_images=[image()]),
            "must be one picture, got an animation",
        ),
        (
            lambda folder: image().save(folder / "a.tif", save_all=True, append_images=[image()]),
            "must be one picture, got 2 frames",
        ),
        (written(grey_tiff(8, white_is_0=True), "a.tif"), "must store black as 0"),
        (written(grey_tiff(4, white_is_0=True), "a.tif"), "must store black as 0"),
        (
            written(grey_png(8, IDS, extra=chunk(b"tEXt", b"a\0b", error=1)), "a.png"),
            "must be complete, got a PNG file that breaks off or is damaged",
        ),
        (array(IDS[None]), r"must hold whole numbers of height x width, got the shape \(1, 6, 9\) of uint8"),
        (array(IDS.astype(float)), r"must hold whole numbers of height x width, got the shape \(6, 9\) of float64"),
        (array(IDS.astype(int) - 1), "must hold ids 0 to 255, got -1 to 2"),
        (array(IDS.astype(int) * 100), "must hold ids 0 to 255, got 0 to 300"),
        (array(np.zeros((0, 4), np.uint8)), "must have 1 to 178,956,970 pixels, got 0"),
        (array(IDS, change=lambda data: data[:-9]), "must be complete, got a npy file"),
        (array(IDS, change=with_huge_header), "must be complete, got a npy file"),
        (array(IDS, change=lambda data: b"hello"), "must be complete, got a npy file"),
        (array(IDS, change=lambda data: b""), "must be complete, got a npy file"),
        (array(np.array([[{}]])), "must be complete, got a npy file"),
    ],
)  # fmt: skip
def test_what_does_not_keep_ids_is_refused(tmp_path: Path, make: Callable[[Path], object], found: str) -> None:
    make(tmp_path)
    (path,) = tmp_path.iterdir()
    with pytest.raises(DataError, match=found) as caught:
        read_ids(path)
    assert str(path) in caught.value.problem


def test_a_missing_array_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="must be a file, got no such file"):
        read_ids(tmp_path / "a.npy")
