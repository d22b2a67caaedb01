"""Readers of photographs and masks."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from fuzz.reader import Read, Reader, placed, with_png_sums
from tagseg.artifacts.mask_file import read_confidence, read_mask, write_confidence, write_mask
from tagseg.classes import ClassTable
from tagseg.data.images import content_fingerprint, image_size, read_header, read_image, read_image_bytes
from tagseg.data.mask_ids import read_ids
from tagseg.data.mask_images import PaletteMask, label_ids
from tagseg.data.superpixel_cache import SuperpixelCache, SuperpixelSettings
from tagseg.use.score_folders import evaluate_folders

CLASSES = ClassTable(("cat", "dog"))
SIDE = 12


def noise(*shape: int, high: int = 256) -> np.ndarray:
    return np.random.default_rng(0).integers(0, high, shape).astype(np.uint8)


def saved(picture: PillowImage.Image, kind: str, **options: Any) -> bytes:
    file = BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def turned(orientation: int) -> PillowImage.Exif:
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    return exif


def photographs() -> list[bytes]:
    color = PillowImage.fromarray(noise(SIDE, SIDE + 4, 3))
    grey, alpha = color.convert("L"), PillowImage.fromarray(noise(SIDE, SIDE, 4))
    deep = PillowImage.fromarray(noise(SIDE, SIDE).astype(np.uint16) * 257)
    real = PillowImage.fromarray(noise(SIDE, SIDE).astype(np.float32))
    palette = color.quantize(16)
    frames = {"save_all": True, "append_images": [color.rotate(90)]}
    return [
        saved(color, "JPEG", exif=turned(6)),
        saved(color, "JPEG", progressive=True, icc_profile=b"profile" * 9),
        saved(color.convert("CMYK"), "JPEG"),
        saved(grey, "JPEG", quality=20),
        saved(color, "PNG", exif=turned(3)),
        saved(palette, "PNG", transparency=3, bits=4),
        saved(deep, "PNG"),
        saved(alpha, "PNG", pnginfo=None),
        saved(grey.convert("1"), "PNG"),
        saved(color, "PNG", **frames),
        saved(alpha, "WEBP", lossless=True),
        saved(color, "WEBP", exif=turned(8), **frames),
        saved(color, "BMP"),
        saved(palette, "BMP"),
        *(saved(color, "TIFF", compression=name) for name in ("tiff_lzw", "jpeg", "tiff_deflate", "packbits")),
        saved(deep, "TIFF"),
        saved(real, "TIFF"),
        saved(color.convert("CMYK"), "TIFF", **frames),
        saved(grey.convert("1"), "TIFF", compression="group4"),
        saved(palette, "GIF", **frames),
        *([saved(color, "AVIF")] if "AVIF" in PillowImage.SAVE else []),
    ]


def prepare_photograph(folder: Path) -> Read:
    def read(path: Path) -> object:
        image = read_image(path)
        assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and image.size
        assert image_size(path) == image.shape[:2], (image_size(path), image.shape)
        header, kept = read_header(path), content_fingerprint(path)
        return header, kept

    return placed(folder / "photo.jpg", read)


def prepare_upload(folder: Path) -> Read:
    return lambda content: read_image_bytes(content, f"{folder.name}.jpg", max_pixels=1_000_000)


def masks() -> list[bytes]:
    ids = PillowImage.fromarray(noise(SIDE, SIDE, high=3))
    palette = ids.convert("P")
    palette.putpalette(CLASSES.palette())
    colors = palette.convert("RGB")
    small = PillowImage.fromarray(noise(SIDE, SIDE, high=2))
    return [
        saved(palette, "PNG"),
        saved(palette, "PNG", bits=2),
        saved(ids, "PNG"),
        saved(small.convert("1"), "PNG"),
        saved(colors, "PNG"),
        saved(colors.convert("RGBA"), "PNG"),
        saved(colors, "WEBP", lossless=True),
        saved(ids, "WEBP", lossless=True),
        saved(colors, "WEBP"),
        saved(palette, "GIF"),
        saved(ids, "BMP"),
        *(saved(ids, "TIFF", compression=name) for name in ("raw", "tiff_lzw", "tiff_deflate", "packbits")),
        saved(PillowImage.fromarray(noise(SIDE, SIDE).astype(np.uint16)), "TIFF"),
        saved(palette, "TIFF", save_all=True, append_images=[palette]),
        saved(colors, "JPEG"),
    ]


def arrays() -> list[bytes]:
    return [
        npy(array)
        for array in (
            noise(SIDE, SIDE, high=3),
            noise(SIDE, SIDE, high=3).astype(np.int64),
            noise(SIDE, SIDE, high=2).astype(bool),
            noise(SIDE, SIDE).astype(np.float32),
            np.asfortranarray(noise(SIDE, 3).astype(">u2")),
            noise(2, SIDE, SIDE),
        )
    ]


def npy(array: np.ndarray) -> bytes:
    file = BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def prepare_mask(name: str) -> Any:
    def prepare(folder: Path) -> Read:
        table = label_ids(CLASSES.names, CLASSES)

        def read(path: Path) -> object:
            ids = read_ids(path)
            assert ids.dtype == np.uint8 and ids.ndim == 2 and ids.size
            labels = PaletteMask(path, table).read()
            assert labels.shape == ids.shape and set(np.unique(labels)) <= {0, 1, 2, 255}
            return labels

        return placed(folder / name, read)

    return prepare


def prepare_scored(folder: Path) -> Read:
    """Masks beside a prediction, which ``tagseg evaluate`` scores."""
    write_mask(folder / "found" / "a.png", noise(SIDE, SIDE, high=3), CLASSES)

    def read(path: Path) -> object:
        scores = evaluate_folders(folder / "found", folder / "truth")
        assert scores["images"] == 1
        return scores

    return placed(folder / "truth" / "a.png", read)


def written(write: Any) -> Any:
    """Return what makes the bytes that a writer leaves."""

    def make() -> Sequence[bytes]:
        from tempfile import TemporaryDirectory

        with TemporaryDirectory() as folder:
            path = Path(folder, "a")
            write(path)
            return [path.read_bytes()]

    return make


def prepare_regions(folder: Path) -> Read:
    """A damaged file of the cache is computed again."""
    photo = folder / "photo.png"
    PillowImage.fromarray(noise(SIDE, SIDE, 3)).save(photo)
    cache = SuperpixelCache(folder / "cache", SuperpixelSettings(max_regions=4))

    def read(path: Path) -> object:
        regions = cache.read(photo)
        assert regions.shape == (SIDE, SIDE) and regions.min() >= 0 and regions.max() < 4, regions.shape
        return regions

    return placed(cache.path(photo), read)


def stored_regions() -> list[bytes]:
    regions = (np.arange(SIDE * SIDE).reshape(SIDE, SIDE) % 4).astype(np.uint16)
    return [saved(PillowImage.fromarray(regions), "PNG"), saved(PillowImage.fromarray(regions.astype(np.uint8)), "PNG")]


READERS = (
    Reader("photograph", photographs, prepare_photograph, with_png_sums),
    Reader("upload", photographs, prepare_upload, with_png_sums, names_file=False),
    Reader("mask-image", masks, prepare_mask("mask.png"), with_png_sums),
    Reader("mask-array", arrays, prepare_mask("mask.npy")),
    Reader("scored-mask", masks, prepare_scored, with_png_sums),
    Reader(
        "pseudo-mask",
        written(lambda path: write_mask(path, noise(SIDE, SIDE, high=3), CLASSES)),
        lambda folder: placed(folder / "a.png", read_mask),
        with_png_sums,
    ),
    Reader(
        "confidence",
        written(lambda path: write_confidence(path, noise(SIDE, SIDE, high=2) == 1)),
        lambda folder: placed(folder / "a.png", read_confidence),
        with_png_sums,
    ),
    Reader("superpixels", stored_regions, prepare_regions, with_png_sums, cost=20),
)
