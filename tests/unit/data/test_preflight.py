"""A folder with more than twenty kinds of broken files ends in one report that names each."""

import json
import os
import shutil
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from tagseg.classes import ClassTable
from tagseg.data.layouts.folder import read_folder
from tagseg.data.preflight import CheckReport, check_split
from tagseg.data.problems import Problem, ProblemKind
from tagseg.types import ImageRecord, LabelMap, Split

SIZE = (40, 48)
BROKEN = {
    "MISSING_IMAGE": {"gone.jpg", "broken_link.jpg"},
    "UNREADABLE_IMAGE": {
        "empty.jpg", "text.jpg", "cut.jpg", "cut.png", "flipped_bits.png", "bomb.png", "float.tif",
        *(() if os.geteuid() == 0 else ("locked.jpg",)),
    },
    "REPEATED_IMAGE": {"tags.csv"},
    "NO_TAGS_KNOWN": {"no_row.jpg"},
    "BAD_TAGS": {"tags.csv"},
    "UNKNOWN_TAG": {"tags.csv"},
    "UNREADABLE_MASK": {"mask_text.png", "mask_lossy.png"},
    "REPEATED_MASK": {"fine.tif"},
    "MASK_SIZE": {"mask_size.png", "turned_wrong_mask.png"},
    "MASK_LABELS": {"mask_ids.png", "mask_colors.png"},
    "MISSING_MASK": {"wrong_ending.jpg", "tiny.png", "twin.jpg", "mask_missing.jpg"},
    "UNUSED_MASK": {"left_over.png"},
    "UNTAGGED_MASK_CLASS": {"mask_untagged.png"},
    "UNTAGGED_IMAGE": {"untagged.jpg"},
    "EMPTY_CLASS": {"class 'zebra' should have images in all, got none"},
    "DUPLICATE_IMAGE": {"twin.jpg"},
    "TINY_IMAGE": {"tiny.png"},
    "WRONG_ENDING": {"wrong_ending.jpg"},
    "OTHER_FORMAT": {"photo.psd"},
    "UNUSED_FILE": {"notes.odt"},
    "IMAGE_NAMED_FOLDER": {"folder.jpg"},
}  # fmt: skip
FINE = {"fine", "cmyk", "grey16", "turned", "palette", "alpha", "no_object", "größe & farbe.v2"}


def noise(name: str, *, size: tuple[int, int] = SIZE) -> np.ndarray:
    return np.random.default_rng(zlib.crc32(name.encode())).integers(0, 256, (*size, 3), np.uint8)


def bomb() -> bytes:
    """Return a PNG of 60 bytes that promises 50,000 x 50,000 pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)) + bytes(16)


def write_good_files(images: Path, masks: Path) -> None:
    for name in (
        "fine.jpg", "alpha.png", "no_object.jpg", "größe & farbe.v2.png", "mask_text.jpg", "mask_lossy.jpg",
        "mask_size.jpg", "mask_ids.jpg", "mask_colors.jpg", "mask_untagged.jpg", "mask_missing.jpg", "untagged.jpg",
        "no_row.jpg", "locked.jpg", "double.jpg", "turned_wrong_mask.jpg",
    ):  # fmt: skip
        image = PillowImage.fromarray(noise(name))
        image = image.convert("RGBA") if name == "alpha.png" else image
        image.save(images / name)
        label = 0 if name in ("untagged.jpg", "no_object.jpg") else 1
        PillowImage.fromarray(np.full(SIZE, label, np.uint8)).save(masks / name.replace(".jpg", ".png"))
    PillowImage.fromarray(noise("cmyk")).convert("CMYK").save(images / "cmyk.jpg")
    PillowImage.fromarray(noise("grey16")[..., 0].astype(np.uint16) * 257).save(images / "grey16.png")
    PillowImage.fromarray(noise("palette")).quantize(16).save(images / "palette.gif")
    exif = PillowImage.Exif()
    exif[0x0112] = 6
    for name in ("turned.jpg", "turned_wrong_mask.jpg"):
        PillowImage.fromarray(noise(name, size=SIZE[::-1])).save(images / name, exif=exif)
    for name in ("cmyk", "grey16", "palette", "turned"):
        PillowImage.fromarray(np.full(SIZE, 1, np.uint8)).save(masks / f"{name}.png")
    PillowImage.fromarray(np.full(SIZE[::-1], 1, np.uint8)).save(masks / "turned_wrong_mask.png")


def write_broken_images(images: Path) -> None:
    (images / "empty.jpg").write_bytes(b"")
    (images / "text.jpg").write_text("no image at all")
    for name in ("cut.jpg", "cut.png"):
        PillowImage.fromarray(noise(name)).save(images / name)
        (images / name).write_bytes((images / name).read_bytes()[:-800])
    PillowImage.fromarray(noise("flipped")).save(images / "flipped_bits.png")
    content = bytearray((images / "flipped_bits.png").read_bytes())
    content[1000] ^= 0xFF
    (images / "flipped_bits.png").write_bytes(bytes(content))
    (images / "bomb.png").write_bytes(bomb())
    PillowImage.fromarray(np.zeros(SIZE, np.float32)).save(images / "float.tif")
    PillowImage.fromarray(noise("wrong")).save(images / "wrong_ending.jpg", format="PNG")
    PillowImage.fromarray(noise("tiny", size=(1, 1))).save(images / "tiny.png")
    shutil.copyfile(images / "fine.jpg", images / "twin.jpg")
    (images / "broken_link.jpg").symlink_to(images / "nowhere.jpg")
    (images / "folder.jpg").mkdir()
    (images / "photo.psd").write_bytes(b"8BPS")
    (images / "notes.odt").write_bytes(b"PK")
    (images / ".hidden.jpg").write_bytes(b"")


def write_broken_masks(masks: Path) -> None:
    (masks / "mask_text.png").write_text("no mask at all")
    PillowImage.fromarray(np.zeros(SIZE, np.uint8)).save(masks / "mask_lossy.png", format="JPEG")
    PillowImage.fromarray(np.zeros((SIZE[0] - 1, SIZE[1]), np.uint8)).save(masks / "mask_size.png")
    PillowImage.fromarray(np.full(SIZE, 200, np.uint8)).save(masks / "mask_ids.png")
    PillowImage.fromarray(np.full((*SIZE, 3), 255, np.uint8)).save(masks / "mask_colors.png")
    PillowImage.fromarray(np.full(SIZE, 2, np.uint8)).save(masks / "mask_untagged.png")
    PillowImage.fromarray(np.zeros(SIZE, np.uint8)).save(masks / "left_over.png")
    (masks / "mask_missing.png").unlink()
    shutil.copyfile(masks / "fine.png", masks / "fine.tif")


def write_tags(root: Path) -> None:
    images = [path.name for path in sorted((root / "images").iterdir()) if path.is_file() or path.is_symlink()]
    left_out = ("no_row.jpg", "photo.psd", "notes.odt", ".hidden.jpg", "double.jpg", "untagged.jpg", "no_object.jpg")
    rows = [f'"{name}",cat' for name in images if name not in left_out]
    rows += [
        "untagged.jpg,",
        "no_object.jpg,dog",
        "double.jpg,cat dgo",
        "double.jpg,dog",
        "gone.jpg,cat",
        "odd,row,of,4",
    ]
    (root / "tags.csv").write_text("\n".join(["image,tags", *rows]), encoding="utf-8")
    (root / "classes.txt").write_text("cat\ndog\nzebra\n")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    path.chmod(0)
    yield
    path.chmod(0o600)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("broken")
    (root / "images").mkdir()
    (root / "masks").mkdir()
    write_good_files(root / "images", root / "masks")
    write_broken_images(root / "images")
    write_broken_masks(root / "masks")
    write_tags(root)
    return root


@pytest.fixture(scope="module")
def checked(root: Path) -> tuple[Split, CheckReport]:
    problems: list[Problem] = []
    with locked(root / "images" / "locked.jpg"):
        split = read_folder(root, problems=problems)
        return split, check_split(split, reader_problems=problems)


def names_of(problems: tuple[Problem, ...]) -> set[str]:
    return {problem.path.name if problem.path else problem.problem for problem in problems}


def test_one_report_names_every_broken_file_under_its_kind(checked: tuple[Split, CheckReport]) -> None:
    _, report = checked
    assert {kind.name: names_of(problems) for kind, problems in report.by_kind().items()} == BROKEN
    assert sum(len(names) for names in BROKEN.values()) > 20


def test_nothing_is_said_about_the_good_files(checked: tuple[Split, CheckReport]) -> None:
    split, report = checked
    assert {record.image_id for record in split.records} >= FINE
    assert {problem.image_id for problem in report.problems} & FINE == set()


def test_errors_come_before_warnings_in_a_fixed_order(checked: tuple[Split, CheckReport]) -> None:
    _, report = checked
    assert [kind.name for kind in report.by_kind()] == list(BROKEN)
    assert [kind.is_error for kind in report.by_kind()] == [True] * 10 + [False] * 11
    assert not report.is_clean


def test_every_message_names_its_path_and_ends_in_a_move(root: Path, checked: tuple[Split, CheckReport]) -> None:
    _, report = checked
    for problem in report.problems:
        assert problem.help and not problem.help.endswith(".") and not problem.problem.endswith(".")
        if problem.kind is not ProblemKind.EMPTY_CLASS:
            assert str(root) in problem.problem


def test_report_survives_json(checked: tuple[Split, CheckReport]) -> None:
    _, report = checked
    content = json.loads(json.dumps(report.to_dict()))
    assert content["num_images"] == report.num_images
    assert content["images_by_class"]["zebra"] == 0
    counts = {kind.value: len(problems) for kind, problems in report.by_kind().items()}
    assert {item["kind"]: item["count"] for item in content["problems"]} == counts
    assert {item["severity"] for item in content["problems"]} == {"error", "warning"}


def test_number_of_threads_changes_nothing(checked: tuple[Split, CheckReport]) -> None:
    split, _ = checked
    assert check_split(split, num_threads=1) == check_split(split, num_threads=5)


class CountingTask:
    def __init__(self) -> None:
        self.count = 0

    def advance(self, count: int = 1, **fields: float) -> None:
        self.count += count


class CountingProgress:
    def __init__(self) -> None:
        self.task_under_way = CountingTask()
        self.total = 0

    def stage(self, name: str, status: str, detail: str) -> None: ...
    def note(self, text: str) -> None: ...
    def warn(self, text: str) -> None: ...

    @contextmanager
    def task(self, title: str, *, total: int, done: int = 0, unit: str = "images") -> Iterator[CountingTask]:
        self.total = total
        yield self.task_under_way


def test_progress_hears_of_every_image(checked: tuple[Split, CheckReport]) -> None:
    split, _ = checked
    progress = CountingProgress()
    check_split(split, progress=progress)
    assert progress.task_under_way.count == progress.total == len(split)


class FixedMask:
    """A mask source that is not a file."""

    def __init__(self, label: int) -> None:
        self.label = label

    def read(self) -> LabelMap:
        return np.full((64, 64), self.label, np.uint8)


def test_labels_beyond_the_class_table_are_found_in_any_mask_source(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    PillowImage.fromarray(noise("a", size=(64, 64))).save(path)
    for label, kinds in ((1, []), (255, []), (0, []), (2, ["MASK_LABELS"])):
        split = Split("train", ClassTable(("cat",)), (ImageRecord("a", path, (1,), FixedMask(label)),))
        assert [problem.kind.name for problem in check_split(split).problems] == kinds


def test_huge_image_is_a_warning(tmp_path: Path) -> None:
    for name, height in (("a.png", 40), ("b.png", 41)):
        PillowImage.fromarray(noise(name, size=(height, 50))).save(tmp_path / name)
    records = tuple(ImageRecord(name, tmp_path / name, (1,)) for name in ("a.png", "b.png"))
    problems = check_split(Split("train", ClassTable(("cat",)), records), huge_pixels=40 * 50).problems
    assert [(problem.kind.name, problem.image_id) for problem in problems] == [("HUGE_IMAGE", "b.png")]
