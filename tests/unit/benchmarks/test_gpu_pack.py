import lzma
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from kit.voc_folder import write_voc_folder
from PIL import Image

from tagseg.errors import DataError

sys.path.append(str(Path(__file__).resolve().parents[3] / "benchmarks"))

from gpu_data import Packs, few_tiles
from gpu_pack import MIB, SIDES_PX, folder_bytes, largest_side, pack


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_voc_folder(tmp_path / "voc", count=12, size=(150, 200))


def packed(root: Path, out: Path, *, mib: float, tiles: Path | None = None, weights: tuple[Path, ...] = ()) -> dict:
    return pack(root, out, max_mib=mib, tiles=tiles, weights=weights)


def some_of(root: Path, scratch: Path) -> float:
    """Return 0.6 of the MiB that all photographs take at their own size."""
    packed(root, scratch, mib=60.0)
    return 0.6 * folder_bytes(scratch) / MIB


def write_tiles(root: Path, *, size_bytes: int) -> Path:
    for part in ("train", "test"):
        (root / part / "images").mkdir(parents=True)
        (root / part / "tags.csv").write_text("image,tags\na.jpg,crack\nb.jpg,\n")
        for name in "ab":
            (root / part / "images" / f"{name}.jpg").write_bytes(bytes(size_bytes // 4))
    return root


def test_photographs_shrink_until_they_fit(root: Path, tmp_path: Path) -> None:
    limit = some_of(root, tmp_path / "whole")
    about = packed(root, tmp_path / "out", mib=limit)
    side_px = about["voc"]["side_px"]
    assert side_px in SIDES_PX and side_px < 200
    assert 0.5 * limit < folder_bytes(tmp_path / "out") / MIB <= limit + 0.001  # pack.json comes last
    voc = tmp_path / "out" / "voc"
    for path in (voc / "JPEGImages").glob("*.jpg"):
        with Image.open(path) as image, Image.open(voc / "SegmentationClass" / f"{path.stem}.png") as mask:
            assert image.size == mask.size and max(image.size) == side_px
            assert mask.mode == "P"
            assert set(np.unique(np.asarray(mask)).tolist()) <= {0, 8, 12, 13}
    for name in ("image_tags.csv", "ImageSets/Segmentation/val.txt"):
        assert (voc / name).read_bytes() == (root / name).read_bytes()


def test_a_damaged_file_is_named(root: Path, tmp_path: Path) -> None:
    photo = sorted((root / "JPEGImages").iterdir())[3]
    photo.write_bytes(photo.read_bytes()[:100])
    with pytest.raises(DataError, match=re.escape(str(photo))):
        packed(root, tmp_path / "out", mib=60.0)


def test_photographs_that_fit_stay_as_they_are(root: Path, tmp_path: Path) -> None:
    assert packed(root, tmp_path / "out", mib=60.0)["voc"]["side_px"] == max(SIDES_PX)
    small, large = (folder_bytes(folder / "JPEGImages") for folder in (tmp_path / "out" / "voc", root))
    assert small <= large


def test_a_pack_that_was_stopped_goes_on(root: Path, tmp_path: Path) -> None:
    once = packed(root, tmp_path / "out", mib=60.0)
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "voc").rglob("*.jpg")}
    (first, *others) = kept
    first.unlink()
    (tmp_path / "out" / "pack.json").rename(tmp_path / "out" / "packing.json")
    assert packed(root, tmp_path / "out", mib=60.0) == once
    assert first.exists() and [path.stat().st_mtime_ns for path in others] == [kept[path] for path in others]


def test_another_limit_packs_anew(root: Path, tmp_path: Path) -> None:
    limit = some_of(root, tmp_path / "out")
    assert packed(root, tmp_path / "out", mib=limit) == packed(root, tmp_path / "new", mib=limit)
    assert folder_bytes(tmp_path / "out") == folder_bytes(tmp_path / "new")


def test_weights_come_back_to_the_bit(root: Path, tmp_path: Path) -> None:
    weights = tmp_path / "some.safetensors"
    weights.write_bytes(np.random.default_rng(0).bytes(1000))
    about = packed(root, tmp_path / "out", mib=60.0, weights=(weights,))
    assert about["weights"] == ["some.safetensors"]
    assert lzma.decompress((tmp_path / "out" / "weights" / "some.safetensors.xz").read_bytes()) == weights.read_bytes()
    Packs.read([tmp_path / "out"]).unpack_weights(tmp_path / "back")
    assert (tmp_path / "back" / "some.safetensors").read_bytes() == weights.read_bytes()


def test_tiles_come_along_where_there_is_room(root: Path, tmp_path: Path) -> None:
    tiles = write_tiles(tmp_path / "tiles", size_bytes=4000)
    assert packed(root, tmp_path / "out", mib=60.0, tiles=tiles)["tiles"] == {"images": 4}
    assert folder_bytes(tmp_path / "out" / "tiles") == folder_bytes(tiles)


def test_tiles_without_room_are_left_out_with_a_word(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiles = write_tiles(tmp_path / "tiles", size_bytes=2 * MIB)
    about = packed(root, tmp_path / "out", mib=2.0, tiles=tiles)
    assert about["tiles"] is False and about["voc"]["side_px"] == max(SIDES_PX)
    assert not (tmp_path / "out" / "tiles").exists()
    assert "the tiles are left out: beside their 2 MiB the photographs would have 0 px" in capsys.readouterr().out


def test_tiles_alone_are_a_pack(tmp_path: Path) -> None:
    tiles = write_tiles(tmp_path / "tiles", size_bytes=4000)
    about = packed(tiles, tmp_path / "out", mib=60.0)
    assert about["tiles"] == {"images": 4} and "voc" not in about


def test_packs_are_one(root: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(name.encode())
    tiles = write_tiles(tmp_path / "source", size_bytes=4000)
    photographs = packed(root, tmp_path / "voc", mib=60.0, weights=(tmp_path / "one",))
    packed(tiles, tmp_path / "tiles", mib=60.0, weights=(tmp_path / "two",))
    packs = Packs.read([tmp_path / "voc", tmp_path / "tiles"])
    assert packs.about == {"voc": photographs["voc"], "tiles": {"images": 4}, "weights": ["one", "two"]}
    assert packs.places == {"voc": tmp_path / "voc" / "voc", "tiles": tmp_path / "tiles" / "tiles"}
    packs.unpack_weights(tmp_path / "back")
    assert sorted(path.read_text() for path in (tmp_path / "back").iterdir()) == ["one", "two"]


def test_few_tiles_keep_their_rows_and_images(tmp_path: Path) -> None:
    tiles = write_tiles(tmp_path / "tiles", size_bytes=400)
    few = few_tiles(tiles, tmp_path / "few", count=1)
    assert (few / "train" / "tags.csv").read_text() == "image,tags\nb.jpg,"
    assert sorted(path.name for path in few.rglob("*.jpg")) == ["b.jpg", "b.jpg"]


def test_what_cannot_be_packed_is_said_in_a_sentence(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"must hold JPEGImages, or train and test with tags\.csv, got neither"):
        packed(tmp_path, tmp_path / "out", mib=60.0)
    with pytest.raises(DataError, match=r"must hold train and test with tags\.csv, got a folder without"):
        packed(root, tmp_path / "out", mib=60.0, tiles=root)
    with pytest.raises(DataError, match=r"photographs of 96 px must fit beside the weights, got 0\.0 MiB of room"):
        packed(root, tmp_path / "out", mib=0.005)


@pytest.mark.parametrize(("room", "side_px"), [(95, 0), (96, 96), (101, 100), (10**6, 500)])
def test_the_largest_side_that_fits(room: int, side_px: int) -> None:
    assert largest_side(lambda side: side, room) == side_px
