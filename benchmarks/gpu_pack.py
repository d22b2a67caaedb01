"""The data of ``on_gpu.py`` in one folder: photographs shrunk until all of it fits under a limit, and the weights.

``pack`` can be stopped at any moment; the same call goes on. What it leaves:

    pack.json               what is in it, written last
    voc/                    the data set in VOC's layout: photographs at most ``side_px`` long, masks of their sizes
    tiles/train tiles/test  folders of one's own photographs, as they were
    weights/*.xz            files of weights, compressed without loss
"""

import lzma
import shutil
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from gpu_data import Source, copy_files, read_json, write_json
from PIL import Image as PillowImage

from tagseg.artifacts.mask_file import read_mask
from tagseg.classes import VOC_CLASSES, ClassTable
from tagseg.cli.console import ConsoleProgress
from tagseg.data.images import read_image
from tagseg.errors import DataError
from tagseg.ops.spacing import evenly_spaced
from tagseg.system.atomic import atomic_write

MIB = 2**20
QUALITY = 85
SIDES_PX = tuple(range(96, 501, 4))
LEAST_BESIDE_TILES_PX = 256  # the crops that networks learn from are of 224 and 256 px
TRIED_IMAGES = 200  # their mean size is within 3 % of that of all
MARGIN = 0.97

Shrunk = tuple[bytes, bytes | None]
"""The bytes of a photograph, and those of its mask where it has one."""


def shrunk(source: Source, name: str, *, side_px: int) -> Shrunk:
    """Return a photograph with its long side at ``side_px`` at most, and its mask by nearest neighbours.

    Raises:
        DataError: when the photograph cannot be read.
        ArtifactError: when the mask cannot be read.
    """
    path, photo, mask = source.photo(name), BytesIO(), BytesIO()
    image = PillowImage.fromarray(read_image(path))
    scale = min(1.0, side_px / max(image.size))
    wanted = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    image.resize(wanted, PillowImage.Resampling.LANCZOS).save(photo, "JPEG", quality=QUALITY, optimize=True)
    kept = path.read_bytes() if scale == 1 and path.stat().st_size < photo.tell() else photo.getvalue()
    if not source.mask(name).exists():
        return kept, None
    labels = PillowImage.fromarray(read_mask(source.mask(name))).resize(wanted, PillowImage.Resampling.NEAREST)
    labels.putpalette(ClassTable(VOC_CLASSES).palette())
    labels.save(mask, "PNG", optimize=True)
    return kept, mask.getvalue()


def pack(root: Path, out: Path, *, max_mib: float, tiles: Path | None, weights: Sequence[Path]) -> dict[str, Any]:
    """Pack a data set in VOC's layout, or one of tiles alone, and return what ``pack.json`` says.

    Raises:
        DataError: when the folder is neither, or it does not fit however small the photographs are.
    """
    asked = {"max_mib": max_mib, "weights": [path.name for path in weights], "tiles": tiles is not None}
    asked |= {"root": root.name}
    if read_json(out / "pack.json").get("asked") == asked:
        return read_json(out / "pack.json")
    if not (root / "JPEGImages").is_dir() and not is_tiles(root):
        raise DataError(
            f"{root} must hold JPEGImages, or train and test with tags.csv, got neither",
            help="name the folder of the data set",
        )
    if tiles is not None and not is_tiles(tiles):
        raise DataError(
            f"{tiles} must hold train and test with tags.csv, got a folder without", help="name the folder of the tiles"
        )
    progress, limit = ConsoleProgress(), int(max_mib * MIB)
    if read_json(out / "packing.json").get("asked") != asked:  # of another limit, say: nothing of it is of use
        for name in ("voc", "tiles", "weights"):
            shutil.rmtree(out / name, ignore_errors=True)
        (out / "pack.json").unlink(missing_ok=True)
        write_json(out / "packing.json", {"asked": asked})
    _pack_weights(weights, out / "weights", progress)
    about: dict[str, Any] = {"asked": asked, "weights": sorted(path.name for path in weights)}
    alone, beside = (root, None) if is_tiles(root) else (None, tiles)
    if alone is None:
        about |= _pack_photographs(Source(root), out, limit=limit, tiles=beside, progress=progress)
    if chosen := alone or (tiles if about.get("tiles") else None):
        _copy(chosen, out / "tiles", progress)
        about["tiles"] = {"images": sum(1 for path in (out / "tiles").rglob("*.jpg"))}
    about["mib"] = round(folder_bytes(out) / MIB, 2)
    if folder_bytes(out) > limit:
        raise DataError(f"pack {out} must fit under {max_mib:g} MiB, got {about['mib']}", help="raise --max-mib")
    write_json(out / "pack.json", about)
    (out / "packing.json").unlink()
    return about


def is_tiles(root: Path) -> bool:
    return all((root / part / "tags.csv").is_file() for part in ("train", "test"))


def folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def largest_side(sizes: Callable[[int], int], room: int) -> int:
    """Return the largest of ``SIDES_PX`` at which something fits, 0 when it never does.

    >>> largest_side(lambda side_px: side_px * 10, 1234), largest_side(lambda side_px: side_px, 3)
    (120, 0)
    """
    low, high = 0, len(SIDES_PX)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if sizes(SIDES_PX[middle]) <= room else (low, middle)
    return SIDES_PX[low - 1] if low else 0


def _pack_photographs(
    source: Source, out: Path, *, limit: int, tiles: Path | None, progress: ConsoleProgress
) -> dict[str, Any]:
    """Shrink all photographs, with room for the tiles where they leave enough, and return what was chosen."""
    room = limit - folder_bytes(out) - _tables_bytes(source)
    side_px = read_json(out / "packing.json").get("side_px")
    fits = read_json(out / "packing.json").get("tiles", False)
    if side_px is None:
        side_px, fits = _choose_side(source, room, tiles)
    while side_px:
        write_json(out / "packing.json", {**read_json(out / "packing.json"), "side_px": side_px, "tiles": fits})
        progress.note(f"photographs of at most {side_px} px, JPEG quality {QUALITY}")
        _shrink_all(source, out / "voc", side_px=side_px, progress=progress)
        if folder_bytes(out) + (folder_bytes(tiles) if tiles and fits else 0) <= limit:
            images = len(source.ids())
            return {"voc": {"images": images, "side_px": side_px, "quality": QUALITY}, "tiles": fits}
        progress.note("a little too large: once more, smaller")
        shutil.rmtree(out / "voc")
        side_px = max((side for side in SIDES_PX if side < side_px), default=0)
    raise DataError(
        f"photographs of {SIDES_PX[0]} px must fit beside the weights, got {room / MIB:.1f} MiB of room for them",
        help="raise --max-mib, or name fewer --weights",
    )


def _choose_side(source: Source, room: int, tiles: Path | None) -> tuple[int, bool]:
    """Return the side by a trial on some photographs, and whether the tiles fit beside them."""
    ids = source.ids()
    tried = evenly_spaced(ids, TRIED_IMAGES)

    def estimate(side_px: int) -> int:
        found = [shrunk(source, name, side_px=side_px) for name in tried]
        return round(sum(len(photo) + len(mask or b"") for photo, mask in found) * len(ids) / len(tried) / MARGIN)

    sizes: dict[int, int] = {}

    def remembered(side_px: int) -> int:
        if side_px not in sizes:
            sizes[side_px] = estimate(side_px)
        return sizes[side_px]

    progress = ConsoleProgress()
    progress.note(f"trying sizes on {len(tried)} of {len(ids)} photographs")
    side_px = largest_side(remembered, room)
    if tiles is None:
        return side_px, False
    with_tiles = largest_side(remembered, room - folder_bytes(tiles))
    if with_tiles >= min(side_px, LEAST_BESIDE_TILES_PX) and with_tiles:
        return with_tiles, True
    progress.warn(
        f"the tiles are left out: beside their {folder_bytes(tiles) / MIB:.0f} MiB the photographs would have "
        f"{with_tiles} px; pack them alone: on_gpu.py pack {tiles} OUT"
    )
    return side_px, False


def _shrink_all(source: Source, out: Path, *, side_px: int, progress: ConsoleProgress) -> None:
    copy_files([*source.lists, source.root / "image_tags.csv"], source.root, out)
    ids, goal = source.ids(), Source(out)
    missing = [name for name in ids if not goal.photo(name).exists()]
    with progress.task("Shrinking photographs", total=len(ids), done=len(ids) - len(missing)) as task:
        for name in missing:
            photo, mask = shrunk(source, name, side_px=side_px)
            if mask is not None:
                goal.mask(name).parent.mkdir(parents=True, exist_ok=True)
                goal.mask(name).write_bytes(mask)
            atomic_write(goal.photo(name), photo)  # last: a photograph that is there is done
            task.advance()


def _tables_bytes(source: Source) -> int:
    return sum(path.stat().st_size for path in [*source.lists, source.root / "image_tags.csv"])


def _pack_weights(weights: Sequence[Path], out: Path, progress: ConsoleProgress) -> None:
    with progress.task("Compressing weights", total=len(weights), unit="files") as task:
        for path in weights:
            goal = out / f"{path.name}.xz"
            if not goal.exists():
                atomic_write(goal, lzma.compress(path.read_bytes(), preset=6))
            task.advance()


def _copy(root: Path, out: Path, progress: ConsoleProgress) -> None:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    with progress.task("Copying tiles", total=len(files), unit="files") as task:
        for path in files:
            copy_files([path], root, out)
            task.advance()
