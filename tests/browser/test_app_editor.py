"""Corrections by hand on the page, in a real browser: drawn, undone, kept, read back, and used by a run's reader."""

import json
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kit.app_page import PHOTO, SMALL, choose, download, drawn, encoded, labels_of, opened, slide, upload
from kit.browser_checks import axe_serious, has_horizontal_scroll
from kit.serving import Client, running
from kit.small_segmenter_run import run, small_recipe
from PIL import Image as PillowImage

from tagseg.classes import ClassTable, voc_color
from tagseg.data.corrections import read_corrections
from tagseg.data.seen_files import read_truth
from tagseg.ops.parts import merge_small_parts
from tagseg.serve.kept_corrections import fine_regions
from tagseg.types import ImageRecord, Split
from tagseg.use.label_files import MIN_AREA_PX

CLASSES = ClassTable(("cat", "dog", "red fox"))
VOC = np.array([voc_color(label) for label in range(CLASSES.num_labels)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "corrected"


@pytest.fixture
def editor(page: Any, full_run: Path, folder: Path) -> Iterator[Client]:
    """The page of a server that keeps corrections, with an image whose mask is to be corrected."""
    with running(full_run, corrections=folder) as client:
        page.goto(client.address)
        choose(page, upload("a.jpg.png", encoded()), upload("b.png", encoded(SMALL)))
        drawn(page)
        page.locator("#edit").click()
        yield client


def place(page: Any, column: float, row: float) -> tuple[float, float]:
    """Return where the middle of a pixel of the 96 x 72 image is in the window."""
    page.locator("#canvas").scroll_into_view_if_needed()
    box = page.locator("#canvas").bounding_box()
    scale = min(box["width"] / 96, box["height"] / 72)
    left, top = box["x"] + (box["width"] - 96 * scale) / 2, box["y"] + (box["height"] - 72 * scale) / 2
    return left + (column + 0.5) * scale, top + (row + 0.5) * scale


def stroke(page: Any, *places: tuple[float, float]) -> None:
    page.mouse.move(*place(page, *places[0]))
    page.mouse.down()
    for each in places[1:]:
        page.mouse.move(*place(page, *each))
    page.mouse.up()
    drawn(page)


def take(page: Any, tool: str, label: str | None = None) -> None:
    page.locator(f"input[name=tool][value={tool}]").check(force=True)
    if label is not None:
        page.locator("#edit-class").select_option(label=label)


def mask(page: Any) -> np.ndarray:
    return opened(download(page, "mask")[1])


def save(page: Any) -> str:
    page.locator("#save-correction").click()
    page.locator("#editor-note", has_text="saved as").wait_for()
    return page.locator("#editor-note").inner_text().removeprefix("saved as ")


def write_photos(root: Path) -> Path:
    """Write photographs with tags to learn from, the corrected one among them, and one to test on."""
    for part, names in (("learn", ("a.jpg.png", "b.png", "c.png", "d.png")), ("test", ("e.png",))):
        (root / part / "images").mkdir(parents=True)
        for name in names:
            (root / part / "images" / name).write_bytes(encoded(PHOTO if name == "a.jpg.png" else PHOTO[::-1]))
        (root / part / "classes.txt").write_text("".join(f"{name}\n" for name in CLASSES.names))
        rows = [f"{name},{tag}\n" for name, tag in zip(names, ("cat;dog", *CLASSES.names), strict=False)]
        (root / part / "tags.csv").write_text("".join(["image,tags\n", *rows]))
    return root


def archived(content: bytes, name: str = "a.jpg") -> np.ndarray:
    """Return a mask of CVAT's archive inside an export."""
    with (
        zipfile.ZipFile(BytesIO(content)) as export,
        zipfile.ZipFile(BytesIO(export.read("segmentation_mask.zip"))) as archive,
    ):
        return opened(archive.read(f"SegmentationClass/{name}.png"))


def cleaned(labels: np.ndarray) -> np.ndarray:
    return merge_small_parts(labels, min_area_px=MIN_AREA_PX)


def disc(column: int, row: int, radius: float) -> np.ndarray:
    rows, columns = np.ogrid[:72, :96]
    return (rows - row) ** 2 + (columns - column) ** 2 <= radius**2


def test_three_strokes_and_a_superpixel_are_kept_and_used(page: Any, editor: Client, folder: Path) -> None:
    wanted = labels_of(editor, PHOTO)
    slide(page, "brush", 10)
    take(page, "brush", "dog")
    stroke(page, (20, 20))
    wanted[disc(20, 20, 5)] = 2
    np.testing.assert_array_equal(mask(page), wanted)
    take(page, "eraser")
    stroke(page, (24, 20))
    wanted[disc(24, 20, 5)] = 0
    take(page, "brush", "red fox")
    stroke(page, (60, 40), (90, 40))
    found = mask(page)
    line = np.zeros_like(wanted, bool)
    line[36:45, 60:91] = True
    assert (found[line] == 3).all()
    rows, columns = np.ogrid[:72, :96]
    near = (np.abs(rows - 40) <= 5) & (columns >= 55) & (columns <= 95)
    np.testing.assert_array_equal(found[~near], wanted[~near])
    take(page, "fill", "cat")
    page.mouse.click(*place(page, 5, 60))
    page.locator("#undo:not([disabled])").wait_for()
    regions = fine_regions(PHOTO)
    page.locator("#editor-note:empty").wait_for(state="attached")
    wanted = np.where(regions == regions[60, 5], 1, found)
    drawn(page)
    np.testing.assert_array_equal(mask(page), wanted)

    assert save(page) == "a.jpg.png.png"
    saved = PillowImage.open(folder / "a.jpg.png.png")
    assert saved.mode == "P"
    np.testing.assert_array_equal(np.array(saved), wanted)
    photos = write_photos(folder.parent / "photos")
    record = ImageRecord("a.jpg", photos / "learn" / "images" / "a.jpg.png", (1,))
    (corrected,) = read_corrections(folder, Split("train", CLASSES, (record,))).records
    np.testing.assert_array_equal(read_truth(corrected), wanted)

    short = ("training.epochs=1", "segmenter.epochs=1", f"segmenter.corrections={folder}")
    out = folder.parent / "run"
    run(small_recipe(photos, *short), out)
    details = json.loads((out / "manifest.json").read_text())["stages"]["train_segmenter"]["details"]
    assert (details["images"], details["corrected"]) == (4, 1)
    assert "corrected 1: these masks are a person&#39;s" in (out / "report.html").read_text(encoding="utf-8")


def test_strokes_are_undone_one_by_one(page: Any, editor: Client) -> None:
    masks = [labels_of(editor, PHOTO)]
    assert page.locator("#undo").is_disabled()
    take(page, "brush", "dog")
    for column in (10, 40, 70):
        stroke(page, (column, 30), (column + 10, 45))
        masks.append(mask(page))
    for wanted in reversed(masks[:-1]):
        if len(wanted) % 2:
            page.locator("#undo").click()
        else:
            page.keyboard.press("Control+z")
        drawn(page)
        np.testing.assert_array_equal(mask(page), wanted)
    assert page.locator("#undo").is_disabled()


def test_a_stroke_leaves_the_image_and_comes_back(page: Any, editor: Client) -> None:
    take(page, "eraser")
    slide(page, "brush", 20)
    stroke(page, (40, 2), (60, -8), (80, 2))
    assert (mask(page)[disc(40, 2, 10) | disc(80, 2, 10)] == 0).all()


def test_each_image_keeps_its_corrections(page: Any, editor: Client) -> None:
    take(page, "brush", "dog")
    stroke(page, (20, 20))
    first = mask(page)
    page.locator("#items button").nth(1).click()
    drawn(page)
    np.testing.assert_array_equal(mask(page), labels_of(editor, SMALL))
    assert page.locator("#undo").is_disabled()
    page.locator("#items button").first.click()
    drawn(page)
    np.testing.assert_array_equal(mask(page), first)


def test_what_would_lose_or_ignore_a_correction_is_not_offered(page: Any, editor: Client) -> None:
    take(page, "brush", "dog")
    stroke(page, (20, 20))
    assert page.locator("#tags input").first.is_disabled()
    page.locator("#undo").click()
    drawn(page)
    assert page.locator("#tags input").first.is_enabled()


def test_exports_hold_corrected_masks(page: Any, editor: Client) -> None:
    found = [labels_of(editor, PHOTO), labels_of(editor, SMALL)]
    page.locator("#export-format").select_option("cvat")
    np.testing.assert_array_equal(archived(download(page, "export")[1]), VOC[cleaned(found[0])])
    take(page, "brush", "dog")
    slide(page, "brush", 40)
    stroke(page, (30, 30))
    wanted = mask(page)
    assert (wanted != found[0]).sum() > 500
    page.locator("#palette").select_option("safe")
    page.locator("#items button").nth(1).click()
    drawn(page)
    _, content = download(page, "export")
    np.testing.assert_array_equal(archived(content), VOC[cleaned(wanted)])
    np.testing.assert_array_equal(archived(content, "b"), VOC[cleaned(found[1])])
    with zipfile.ZipFile(BytesIO(content)) as archive:
        assert json.loads(archive.read("export.json"))["corrected"] == 1
    page.locator("#items button").first.click()
    drawn(page)
    annotations = json.loads(download(page, "coco")[1])["annotations"]
    assert 2 in {annotation["category_id"] for annotation in annotations}


def test_the_keyboard_draws_too(page: Any, editor: Client) -> None:
    take(page, "brush", "dog")
    slide(page, "brush", 10)
    before = mask(page)
    page.locator("#canvas").focus()
    for key in ("ArrowLeft", "ArrowUp", "Shift+ArrowUp", "Space"):
        page.keyboard.press(key)
    page.locator("#undo:not([disabled])").wait_for()
    np.testing.assert_array_equal(mask(page), np.where(disc(43, 30, 5), 2, before))
    assert page.locator("#view-title").inner_text() == "a.jpg.png"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_the_tools_fit_and_are_accessible(page: Any, editor: Client, width: int, theme: str) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.emulate_media(color_scheme=theme)
    page.reload()
    choose(page, upload("a.png", encoded()))
    drawn(page)
    page.locator("#edit").click()
    take(page, "brush", "dog")
    stroke(page, (20, 20))
    assert page.locator("#undo").is_enabled()
    assert (axe_serious(page), has_horizontal_scroll(page)) == ([], False)


def test_without_a_folder_there_are_no_tools(page: Any, both: Client) -> None:
    choose(page, upload("a.png", encoded()))
    drawn(page)
    assert not page.locator("#edit").is_visible()
