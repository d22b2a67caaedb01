"""Picture files that store fewer pixels than their header claims: none is read, as background or as black."""

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from tagseg.artifacts.mask_file import read_mask
from tagseg.classes import ClassTable
from tagseg.data.image_files import NamedBytes
from tagseg.data.images import read_image
from tagseg.data.mask_ids import read_ids
from tagseg.data.stored_pixels import lacks_pixels
from tagseg.errors import ArtifactError, DataError

WIDTH, STORED, CLAIMED = 12, 4, 11
IDS = np.random.default_rng(0).integers(1, 3, (STORED, WIDTH)).astype(np.uint8)


def encoded(form: str, *, mode: str = "P", **options: object) -> bytes:
    picture = PillowImage.fromarray(IDS).convert("P")
    picture.putpalette(ClassTable(("a", "b")).palette())
    file = BytesIO()
    picture.convert(mode).save(file, form, **options)
    return file.getvalue()


def taller_png(data: bytes, rows: int = CLAIMED) -> bytes:
    header = data[12:20] + struct.pack(">I", rows) + data[24:29]
    return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]


def taller_bmp(data: bytes) -> bytes:
    return data[:22] + struct.pack("<i", CLAIMED) + data[26:]


def taller_gif(data: bytes) -> bytes:
    """Make the canvas taller, and leave the frame in it as it is."""
    return data[:8] + struct.pack("<H", CLAIMED) + data[10:]


def taller_tiff(data: bytes) -> bytes:
    """Claim more rows than the strips hold, which Pillow notices for libtiff's compressions alone."""
    start = data.index(struct.pack("<HH", 257, 4) if struct.pack("<HH", 257, 4) in data else struct.pack("<HH", 257, 3))
    return data[: start + 8] + struct.pack("<I", CLAIMED) + data[start + 12 :]


def interlaced_png(rows_stored: int) -> bytes:
    """Return a grey PNG of Adam7 of (11, 12) ones, its passes cut after so many of all their rows."""
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    rows = [
        b"\0" + b"\1" * len(range(left, WIDTH, step))
        for left, top, step, down in passes
        for _ in range(top, CLAIMED, down)
    ]
    parts = {
        b"IHDR": struct.pack(">IIBBBBB", WIDTH, CLAIMED, 8, 0, 0, 0, 1),
        b"IDAT": zlib.compress(b"".join(rows[: rows_stored or None])),
        b"IEND": b"",
    }
    chunks = (
        struct.pack(">I", len(of)) + name + of + struct.pack(">I", zlib.crc32(name + of)) for name, of in parts.items()
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


SHORT = {
    "palette.png": lambda: taller_png(encoded("PNG")),
    "bits.png": lambda: taller_png(encoded("PNG", bits=2)),
    "colour.png": lambda: taller_png(encoded("PNG", mode="RGB")),
    "huge.png": lambda: taller_png(encoded("PNG", mode="RGB"), 9_437_196),
    "interlaced.png": lambda: interlaced_png(-1),
    "cut.png": lambda: encoded("PNG")[:-30],
    "raw.tif": lambda: taller_tiff(encoded("TIFF")),
    "colour.tif": lambda: taller_tiff(encoded("TIFF", mode="RGB")),
    "lzw.tif": lambda: taller_tiff(encoded("TIFF", compression="tiff_lzw")),
    "grey.bmp": lambda: taller_bmp(encoded("BMP", mode="L")),
    "a.gif": lambda: taller_gif(encoded("GIF")),
    "a.webp": lambda: encoded("WEBP", mode="RGB", lossless=True)[:-4],
}


@pytest.mark.parametrize("name", SHORT)
def test_a_mask_that_lacks_rows_is_damaged(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(SHORT[name]())
    found = {".tif": "a TIFF file", ".webp": "a file"}.get(path.suffix, f"a {path.suffix[1:].upper()} file")
    with pytest.raises(DataError) as caught:
        read_ids(path)
    assert caught.value.problem == f"mask {path} must be complete, got {found} that breaks off or is damaged"
    assert caught.value.help == "restore the file or remove it from the data set"


@pytest.mark.parametrize("name", [name for name in SHORT if name != "a.gif"])
def test_a_photograph_that_lacks_rows_is_damaged(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(SHORT[name]())
    with pytest.raises(DataError, match="must be complete, got a"):
        read_image(path)


def test_a_pseudo_mask_that_lacks_rows_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(SHORT["palette.png"]())
    with pytest.raises(ArtifactError, match="must be a whole PNG file"):
        read_mask(path)


@pytest.mark.parametrize(
    "whole",
    [
        lambda: encoded("PNG"),
        lambda: encoded("PNG", bits=2),
        lambda: encoded("PNG", mode="RGBA"),
        lambda: interlaced_png(0),
        lambda: encoded("TIFF"),
        lambda: encoded("TIFF", mode="RGB", compression="tiff_lzw"),
        lambda: encoded("BMP", mode="RGB"),
        lambda: encoded("GIF"),
        lambda: encoded("WEBP", mode="RGB", lossless=True),
        lambda: encoded("JPEG", mode="RGB"),
    ],
)
def test_a_whole_file_lacks_nothing(whole: Callable[[], bytes]) -> None:
    data = whole()
    with PillowImage.open(BytesIO(data)) as image:
        assert not lacks_pixels(NamedBytes("a", data), image)
        image.load()


def test_rows_in_many_chunks_are_counted(tmp_path: Path) -> None:
    data = encoded("PNG")
    start = data.index(b"IDAT") - 4
    length = int.from_bytes(data[start : start + 4])
    rows = data[start + 8 : start + 8 + length]
    chunks = b"".join(
        struct.pack(">I", 1) + b"IDAT" + rows[at : at + 1] + struct.pack(">I", zlib.crc32(b"IDAT" + rows[at : at + 1]))
        for at in range(length)
    )
    path = tmp_path / "a.png"
    path.write_bytes(data[:start] + chunks + data[start + 12 + length :])
    np.testing.assert_array_equal(read_ids(path), IDS)
