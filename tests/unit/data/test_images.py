"""Images of every mode, depth, orientation and state of decay, against answers worked out by hand."""

import hashlib
import os
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image as PillowImage

from tagseg.data.image_files import MAX_PIXELS
from tagseg.data.images import ImageHeader, content_fingerprint, image_size, read_header, read_image
from tagseg.errors import DataError

UPRIGHT = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3) * 14


def stored_for(orientation: int, upright: np.ndarray) -> np.ndarray:
    """Return the pixels that a camera stores: EXIF says on which side of the picture row 0 and column 0 lie."""
    height, width = upright.shape[:2]
    at = {  # stored (row, column) -> upright (row, column)
        1: lambda r, c: (r, c),  # row 0 top, column 0 left
        2: lambda r, c: (r, width - 1 - c),  # top, right
        3: lambda r, c: (height - 1 - r, width - 1 - c),  # bottom, right
        4: lambda r, c: (height - 1 - r, c),  # bottom, left
        5: lambda r, c: (c, r),  # left, top
        6: lambda r, c: (c, width - 1 - r),  # right, top
        7: lambda r, c: (height - 1 - c, width - 1 - r),  # right, bottom
        8: lambda r, c: (height - 1 - c, r),  # left, bottom
    }[orientation]
    shape = (height, width) if orientation < 5 else (width, height)
    return np.array([[upright[at(r, c)] for c in range(shape[1])] for r in range(shape[0])], np.uint8)


def save_with_orientation(path: Path, pixels: np.ndarray, orientation: int, **options: object) -> None:
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    PillowImage.fromarray(pixels).save(path, exif=exif, **options)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("ending", "options"), [("png", {}), ("tif", {}), ("webp", {"lossless": True})])
def test_every_exif_orientation_comes_out_upright(
    tmp_path: Path, orientation: int, ending: str, options: dict[str, object]
) -> None:
    path = tmp_path / f"a.{ending}"
    save_with_orientation(path, stored_for(orientation, UPRIGHT), orientation, **options)
    np.testing.assert_array_equal(read_image(path), UPRIGHT)
    assert image_size(path) == (2, 3)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_jpeg_size_is_that_of_the_upright_image(tmp_path: Path, orientation: int) -> None:
    path = tmp_path / "a.jpg"
    save_with_orientation(path, stored_for(orientation, np.zeros((8, 24, 3), np.uint8)), orientation)
    assert read_image(path).shape == (8, 24, 3)
    assert image_size(path) == (8, 24)


@pytest.mark.parametrize("orientation", [0, 9, 300, 65535])
@pytest.mark.parametrize("ending", ["png", "tif", "webp"])
def test_orientation_outside_the_standard_is_upright(tmp_path: Path, orientation: int, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    save_with_orientation(path, UPRIGHT, orientation, lossless=True)
    np.testing.assert_array_equal(read_image(path), UPRIGHT)
    assert image_size(path) == (2, 3)


def test_broken_exif_keeps_the_pixels_and_stays_silent(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    PillowImage.fromarray(UPRIGHT).save(path, exif=b"Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\xff\x00")
    np.testing.assert_array_equal(read_image(path), UPRIGHT)
    assert image_size(path) == (2, 3)


def palette_image() -> PillowImage.Image:
    image = PillowImage.new("P", (1, 1), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    return image


def palette_image_with_transparent_index() -> PillowImage.Image:
    image = palette_image()
    image.info["transparency"] = 1
    return image


@pytest.mark.parametrize(
    ("image", "name", "expected"),
    [
        (PillowImage.new("1", (1, 1), 1), "bit.png", (255, 255, 255)),
        (PillowImage.new("L", (1, 1), 77), "grey.png", (77, 77, 77)),
        (PillowImage.new("LA", (1, 1), (77, 255)), "grey_opaque.png", (77, 77, 77)),
        (PillowImage.new("LA", (1, 1), (77, 0)), "grey_clear.png", (255, 255, 255)),
        (palette_image(), "palette.png", (10, 20, 30)),
        (palette_image(), "palette.gif", (10, 20, 30)),
        (palette_image_with_transparent_index(), "palette_clear.png", (255, 255, 255)),
        (PillowImage.new("RGBA", (1, 1), (10, 20, 30, 255)), "opaque.png", (10, 20, 30)),
        (PillowImage.new("RGBA", (1, 1), (10, 20, 30, 0)), "clear.png", (255, 255, 255)),
        (PillowImage.new("RGBA", (1, 1), (0, 100, 200, 51)), "fifth.png", (204, 224, 244)),  # 51 = 255 / 5
        (PillowImage.new("CMYK", (1, 1), (255, 0, 0, 0)), "cyan.tif", (0, 255, 255)),
        (PillowImage.new("CMYK", (1, 1), (0, 0, 0, 255)), "black.tif", (0, 0, 0)),
        (PillowImage.fromarray(np.array([[0]], np.uint16)), "deep_black.png", (0, 0, 0)),
        (PillowImage.fromarray(np.array([[65535]], np.uint16)), "deep_white.png", (255, 255, 255)),
        (PillowImage.fromarray(np.array([[25700]], np.uint16)), "deep_grey.png", (100, 100, 100)),
        (PillowImage.fromarray(np.array([[25700]], np.uint16)), "deep_grey.tif", (100, 100, 100)),
        (PillowImage.fromarray(np.array([[25700]], np.int32)), "deep_grey_32.tif", (100, 100, 100)),
        (PillowImage.new("RGB", (1, 1), (10, 20, 30)), "plain.bmp", (10, 20, 30)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_mode_becomes_rgb(
    tmp_path: Path, image: PillowImage.Image, name: str, expected: tuple[int, int, int]
) -> None:
    image.save(tmp_path / name)
    pixels = read_image(tmp_path / name)
    assert pixels.dtype == np.uint8
    assert pixels.shape == (1, 1, 3)
    assert tuple(pixels[0, 0].tolist()) == expected


def test_cmyk_jpeg_keeps_its_colours(tmp_path: Path) -> None:
    PillowImage.new("CMYK", (16, 16), (255, 0, 0, 0)).save(tmp_path / "a.jpg", quality=100)
    assert np.abs(read_image(tmp_path / "a.jpg").astype(int) - (0, 255, 255)).max() <= 3


def test_sixteen_bits_round_to_the_nearest_of_256(tmp_path: Path) -> None:
    deep = np.arange(0, 65536, 7, dtype=np.uint16)[None]
    PillowImage.fromarray(deep).save(tmp_path / "a.png")
    expected = np.round(deep.astype(float) * 255 / 65535)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png")[..., 0], expected)


def test_first_frame_of_an_animation_counts(tmp_path: Path) -> None:
    frames = [PillowImage.new("RGB", (4, 4), color) for color in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert read_image(tmp_path / "a.gif")[0, 0].tolist() == [255, 0, 0]


def test_format_is_found_from_the_content(tmp_path: Path) -> None:
    PillowImage.fromarray(UPRIGHT).save(tmp_path / "a.jpg", format="PNG")
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg"), UPRIGHT)
    assert read_header(tmp_path / "a.jpg") == ImageHeader((2, 3), "PNG")


def test_image_can_be_written_to(tmp_path: Path) -> None:
    PillowImage.fromarray(UPRIGHT).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").flags.writeable


@settings(max_examples=25, deadline=None)
@given(pixels=hnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))))
def test_lossless_formats_come_back_as_written(tmp_path_factory: pytest.TempPathFactory, pixels: np.ndarray) -> None:
    folder = tmp_path_factory.mktemp("lossless")
    for ending, options in (("png", {}), ("bmp", {}), ("tiff", {}), ("webp", {"lossless": True})):
        path = folder / f"a.{ending}"
        PillowImage.fromarray(pixels).save(path, **options)
        np.testing.assert_array_equal(read_image(path), pixels)
        assert image_size(path) == pixels.shape[:2]


def png_header(height: int, width: int) -> bytes:
    """Return the start of a PNG that promises more pixels than it holds."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(64))) + chunk(b"IEND", b"")


def test_header_alone_stops_a_decompression_bomb(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png_header(30000, 30000))
    with pytest.raises(DataError, match="at most"):
        read_image(path)
    with pytest.raises(DataError, match="at most"):
        image_size(path)


def test_size_up_to_the_limit_raises_no_warning_of_pillow(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png_header(10_000, 10_000))
    with pytest.warns(PillowImage.DecompressionBombWarning):
        PillowImage.open(path).close()
    assert image_size(path) == (10_000, 10_000)


def test_the_limit_is_the_one_at_which_pillow_itself_refuses() -> None:
    assert PillowImage.MAX_IMAGE_PIXELS is not None  # Pillow warns at this size and refuses at twice as much
    assert MAX_PIXELS == 2 * PillowImage.MAX_IMAGE_PIXELS


def test_smaller_limit_can_be_asked_for(tmp_path: Path) -> None:
    PillowImage.fromarray(UPRIGHT).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png", max_pixels=6).shape == (2, 3, 3)
    with pytest.raises(DataError, match="got 2 x 3"):
        read_image(tmp_path / "a.png", max_pixels=5)


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "bmp", "tif", "gif"])
def test_truncation_anywhere_is_a_data_error(tmp_path: Path, ending: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)
    path = tmp_path / f"a.{ending}"
    PillowImage.fromarray(noise).save(path)
    whole = path.read_bytes()
    for share in (0.01, 0.1, 0.3, 0.5, 0.7, 0.9):
        path.write_bytes(whole[: max(1, int(len(whole) * share))])
        with pytest.raises(DataError, match="must be"):
            read_image(path)


@settings(max_examples=150, deadline=None)
@given(
    ending=st.sampled_from(["jpg", "png", "webp", "bmp", "tif", "gif"]),
    place=st.floats(0, 1, exclude_max=True),
    junk=st.binary(min_size=1, max_size=12),
)
def test_damage_gives_pixels_or_a_data_error(
    tmp_path_factory: pytest.TempPathFactory, ending: str, place: float, junk: bytes
) -> None:
    path = tmp_path_factory.mktemp("damage") / f"a.{ending}"
    PillowImage.fromarray(UPRIGHT.repeat(6, axis=0).repeat(6, axis=1)).save(path)
    whole = bytearray(path.read_bytes())
    start = int(place * len(whole))
    whole[start : start + len(junk)] = junk
    path.write_bytes(bytes(whole))
    try:
        pixels = read_image(path, max_pixels=100_000)
    except DataError as error:
        assert str(path) in error.problem
    else:
        assert pixels.ndim == 3 and pixels.shape[2] == 3


def test_warnings_are_as_before_after_many_threads_read(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    PillowImage.fromarray(UPRIGHT).save(path, exif=b"Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\xff\x00")
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: read_image(path), range(200)))
    assert all(np.array_equal(result, UPRIGHT) for result in results)
    assert list(warnings.filters) == before


def test_fingerprint_follows_the_content_and_not_the_name(tmp_path: Path) -> None:
    for name, content in (("a.jpg", b"one"), ("b.png", b"one"), ("c.jpg", b"two")):
        (tmp_path / name).write_bytes(content)
    first, second, other = (content_fingerprint(tmp_path / name) for name in ("a.jpg", "b.png", "c.jpg"))
    assert first == second == hashlib.sha256(b"one").hexdigest()
    assert other != first


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read every file")
def test_file_without_permission_is_a_data_error(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    PillowImage.fromarray(UPRIGHT).save(path)
    path.chmod(0)
    with pytest.raises(DataError, match="got no permission"):
        read_image(path)


@pytest.mark.parametrize("error", [OSError(24, "Too many open files"), MemoryError()])
def test_what_the_machine_refuses_is_not_the_fault_of_the_file(tmp_path, monkeypatch, error):
    path = tmp_path / "a.png"
    PillowImage.new("RGB", (3, 2)).save(path)

    def refuse(*args, **options):
        raise error

    monkeypatch.setattr(PillowImage, "open", refuse)
    with pytest.raises(type(error)):
        read_image(path)


def bitmap_of_bit_fields() -> bytes:
    """Return a BMP of 32 bits a pixel whose masks are none of the usual ones."""
    header = struct.pack("<IiiHHIIiiII", 40, 1, 1, 1, 32, 3, 4, 2835, 2835, 0, 0)
    masks = struct.pack("<III", 0xFF800000, 0x007FC000, 0x00003FE0)
    return struct.pack("<2sIHHI", b"BM", 70, 0, 0, 66) + header + masks + b"\0" * 4


def tiff_of_doubles() -> bytes:
    """Return a TIFF of one pixel with a floating-point value of 64 bits."""
    entries = ((256, 3, 1), (257, 3, 1), (258, 3, 64), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1), (278, 3, 1))
    entries += ((279, 4, 8), (339, 3, 3))
    fields = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    return struct.pack("<2sHI", b"II", 42, 16) + struct.pack("<d", 0.5) + struct.pack("<H", 10) + fields + b"\0" * 4


def jpeg_of_12_bits() -> bytes:
    """Return a JPEG whose header says that a channel has 12 bits."""
    file = BytesIO()
    PillowImage.new("RGB", (3, 2)).save(file, "JPEG")
    return file.getvalue().replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (bitmap_of_bit_fields(), "must be of a kind that is read, got an unsupported BMP bitfields layout"),
        (tiff_of_doubles(), "got a TIFF file that is damaged or of a kind that is not read, such as 64 bits a channel"),
        (b"8BPS\0\1" + b"\0" * 40, "got the content of a PSD file"),
        (b"\n<!DOCTYPE html><html>not found</html>", "got the content of a HTML file"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "got the content of a Git LFS pointer file"),
        (jpeg_of_12_bits(), "got a JPEG file that is damaged or of a kind that is not read, such as 12 bits a channel"),
        (b"hello, world", "got another content"),
    ],
)
def test_contents_that_are_not_read_are_named(tmp_path: Path, content: bytes, found: str) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    for read in (read_image, image_size):
        with pytest.raises(DataError) as refused:
            read(path)
        assert refused.value.problem.endswith(found)
