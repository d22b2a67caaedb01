"""The browser app in a real browser: what people do with it, what they see, what they take along."""

import base64
import json
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kit.app_page import PHOTO, SMALL, choose, download, drawn, encoded, labels_of, opened, settled, show, slide, upload
from kit.browser_checks import axe_serious, has_horizontal_scroll
from kit.serving import Client, running, save_classifier
from PIL import Image as PillowImage

from tagseg.data.image_formats import ENDINGS_BY_FORMAT
from tagseg.report.colors import safe_color


def error_text(page: Any) -> str:
    return page.locator("#message").inner_text()


class TestIn:
    def test_dropped_images_get_their_masks(self, page: Any, both: Client) -> None:
        texts = [base64.b64encode(encoded(image)).decode() for image in (PHOTO, SMALL)]
        transfer = page.evaluate_handle(
            """texts => {
                const transfer = new DataTransfer();
                texts.forEach((text, place) => {
                    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
                    transfer.items.add(new File([bytes], `${place}.png`, { type: "image/png" }));
                });
                return transfer;
            }""",
            texts,
        )
        page.dispatch_event("body", "dragover", {"dataTransfer": transfer})
        assert page.locator("#curtain").is_visible()
        page.dispatch_event("body", "drop", {"dataTransfer": transfer})
        settled(page, 2)
        assert not page.locator("#curtain").is_visible()
        assert page.locator("#progress").inner_text() == "2 of 2 done"
        assert page.locator("#view-title").inner_text() == "0.png"
        assert drawn(page).shape == (72, 96, 3)
        page.locator("#items button").nth(1).click()
        assert drawn(page).shape == (40, 96, 3)

    def test_a_pasted_image(self, page: Any, both: Client) -> None:
        page.evaluate(
            """text => {
                const transfer = new DataTransfer();
                const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
                transfer.items.add(new File([bytes], "image.png", { type: "image/png" }));
                document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true }));
            }""",
            base64.b64encode(encoded()).decode(),
        )
        settled(page, 1)
        assert page.locator("#items .name").inner_text() == "image.png"

    def test_a_turned_photograph_and_kinds_that_browsers_do_not_draw(self, page: Any, both: Client) -> None:
        exif = PillowImage.Exif()
        exif[0x0112] = 6
        choose(
            page, upload("turned.jpg", encoded(PHOTO, "JPEG", exif=exif)), upload("scan.tif", encoded(PHOTO, "TIFF"))
        )
        slide(page, "opacity", 0)
        assert drawn(page).shape == (96, 72, 3)
        page.locator("#items button").nth(1).click()
        np.testing.assert_array_equal(drawn(page), PHOTO)

    def test_a_broken_file_shows_a_sentence_and_the_next_works(self, page: Any, watch: Any, both: Client) -> None:
        watch.expect("status of 415")
        choose(page, upload("notes.jpg", b"text"), upload("a.png", encoded()))
        sentence = f"image notes.jpg must be one of {', '.join(ENDINGS_BY_FORMAT)}, got another content"
        assert page.locator("#items li").nth(0).locator(".status").inner_text() == f"{sentence}; send another file"
        assert error_text(page).split() == [*sentence.split(), "send", "another", "file"]
        assert page.locator("#progress").inner_text() == "1 of 2 done, 1 could not be used"
        assert page.locator("button[data-file=mask]").is_disabled()
        page.locator("#items button").nth(1).click()
        assert drawn(page).shape == (72, 96, 3)
        assert page.locator("button[data-file=mask]").is_enabled()

    def test_a_file_that_is_too_large_is_not_sent(
        self, page: Any, serving: Callable[..., Client], full_run: Path
    ) -> None:
        page.goto(serving(full_run, upload_mb=1).address)
        requests: list[str] = []
        page.on("request", lambda request: requests.append(request.method))
        choose(page, upload("huge.png", bytes(1_500_000)))
        assert error_text(page).startswith("upload must be at most 1 MB, got 1.5 MB")
        assert "POST" not in requests

    def test_a_server_that_has_ended(self, page: Any, watch: Any, full_run: Path) -> None:
        with running(full_run) as client:
            page.goto(client.address)
            page.locator("#limits", has_text="3 classes").wait_for()
        watch.expect("ERR_CONNECTION_REFUSED")
        choose(page, upload("a.png", encoded()))
        assert error_text(page).startswith("the server does not answer")


class TestLook:
    def test_the_slider_lays_the_mask_over_the_photograph(self, page: Any, both: Client) -> None:
        choose(page, upload("a.png", encoded()))
        labels = labels_of(both, PHOTO)
        palette = np.reshape(both.get("/info").json()["palettes"]["voc"], (-1, 3))
        found = labels != 0
        assert 0 < found.mean() <= 1
        slide(page, "opacity", 0)
        np.testing.assert_array_equal(drawn(page), PHOTO)
        slide(page, "opacity", 1)
        np.testing.assert_array_equal(drawn(page), np.where(found[..., None], palette[labels], PHOTO))
        slide(page, "opacity", 0.5)
        half = np.where(found[..., None], 0.5 * PHOTO + 0.5 * palette[labels], PHOTO)
        assert np.abs(drawn(page) - half).max() <= 2
        assert page.locator("#opacity-value").inner_text() == "50 %"

    def test_the_legend_has_names_areas_and_scores(self, page: Any, both: Client) -> None:
        choose(page, upload("a.png", encoded()))
        drawn(page)
        (found,) = both.send("/predict", ("a.png", encoded())).json()["images"]
        rows = [row.split("\t") for row in page.locator("#legend tr").all_inner_texts()]
        wanted = [
            [label["name"], f"{100 * label['share']:.1f} %", f"{label['mean_score']:.2f}"] for label in found["labels"]
        ]
        assert [[cell.strip() for cell in row] for row in rows] == wanted

    def test_the_palette_changes_picture_and_legend(self, page: Any, both: Client) -> None:
        choose(page, upload("a.png", encoded()))
        slide(page, "opacity", 1)
        labels = labels_of(both, PHOTO)
        label = int(labels[labels > 0][0])
        page.locator("#palette").select_option("safe")
        assert (drawn(page)[labels == label] == safe_color(label)).all()
        swatch = page.locator("#legend .swatch:not(.none)").first
        first = min(set(labels[labels > 0].tolist()))
        assert swatch.evaluate("each => getComputedStyle(each).backgroundColor") == f"rgb{safe_color(first)}"

    def test_the_score_is_that_of_the_server(self, page: Any, both: Client) -> None:
        choose(page, upload("a.png", encoded()))
        (found,) = both.send("/predict", ("a.png", encoded()), score=True).json()["images"]
        score = opened(base64.b64decode(found["score_png"]))
        show(page, "score")
        slide(page, "opacity", 1)
        brightness = drawn(page).sum(axis=-1)
        order = np.argsort(score, axis=None, kind="stable")
        assert (np.diff(brightness.ravel()[order]) >= -3).all()  # brighter is surer
        assert page.locator("#scale").is_visible()

    def test_the_cam_of_a_chosen_tag(self, page: Any, both: Client) -> None:
        choose(page, upload("a.png", encoded()))
        show(page, "cam")
        slide(page, "opacity", 1)
        page.locator("#tag option").nth(2).wait_for(state="attached")
        drawn(page)
        options = page.locator("#tag option").all_inner_texts()
        answer = both.send("/cams", ("a.png", encoded()), tags="cat,dog,red fox").json()["images"][0]
        assert options == [f"{tag['name']} ({100 * tag['probability']:.1f} %)" for tag in answer["tags"]]
        pictures = {}
        for each in answer["maps"]:
            page.locator("#tag").select_option(str(each["id"]))
            map_ = opened(base64.b64decode(each["map_png"]))
            pictures[each["name"]] = drawn(page)
            for value, color in ((0, (0, 0, 4)), (255, (252, 255, 164))):
                assert (pictures[each["name"]][map_ == value] == color).all()
        assert not np.array_equal(pictures["cat"], pictures["dog"])

    def test_what_is_under_the_pointer(self, page: Any, both: Client) -> None:
        choose(page, upload("a.png", encoded()))
        drawn(page)
        labels, names = labels_of(both, PHOTO), ["background", "cat", "dog", "red fox"]
        box = page.locator("#canvas").bounding_box()
        scale = min(box["width"] / 96, box["height"] / 72)
        left, top = box["x"] + (box["width"] - 96 * scale) / 2, box["y"] + (box["height"] - 72 * scale) / 2
        for column, row in ((10, 20), (80, 60)):
            page.mouse.move(left + (column + 0.5) * scale, top + (row + 0.5) * scale)
            assert (
                page.locator("#readout")
                .inner_text()
                .startswith(f"{column}, {row}: {names[labels[row, column]]}, score")
            )


class TestClassifierOnly:
    def test_background_score_and_tags_change_the_mask_as_the_server_does(self, page: Any, cams_only: Client) -> None:
        choose(page, upload("a.png", encoded()))
        palette = np.reshape(cams_only.get("/info").json()["palettes"]["voc"], (-1, 3))
        slide(page, "opacity", 1)
        assert page.locator("#background-value").inner_text() == "0.20"
        for name in ("cat", "dog", "red fox"):
            page.locator("#tags label", has_text=name).locator("input").set_checked(name != "cat")
        pictures = []
        for score in (0.3, 0.7):
            slide(page, "background", score)
            labels = labels_of(cams_only, PHOTO, tags="dog,red fox", background_score=score)
            pictures.append(drawn(page))
            np.testing.assert_array_equal(pictures[-1], np.where(labels[..., None] > 0, palette[labels], PHOTO))
        assert not np.array_equal(*pictures)
        name, mask = download(page, "mask")
        assert name == "a.png"
        np.testing.assert_array_equal(opened(mask), labels)
        _, coco = download(page, "coco")
        options = {"format": "coco", "tags": "dog,red fox", "background_score": 0.7}
        assert json.loads(coco) == cams_only.send("/predict", ("a.png", encoded()), **options).json()

    def test_maps_of_a_vit(self, page: Any, serving: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
        client = serving(save_classifier(tmp_path_factory.mktemp("vit"), backbone="test_vit"))
        page.goto(client.address)
        choose(page, upload("a.png", encoded()))
        show(page, "cam")
        slide(page, "opacity", 1)
        answer = client.send("/cams", ("a.png", encoded()), tags="cat,dog,red fox").json()["images"][0]
        for each in answer["maps"]:
            page.locator("#tag").select_option(str(each["id"]))
            picture, map_ = drawn(page), opened(base64.b64decode(each["map_png"]))
            assert map_.shape == PHOTO.shape[:2]
            assert (picture[map_ == 255] == (252, 255, 164)).all()
        assert len({each["map_png"] for each in answer["maps"]}) == 3
        assert any(np.ptp(opened(base64.b64decode(each["map_png"]))) == 255 for each in answer["maps"])

    def test_without_any_tag_all_is_background(self, page: Any, cams_only: Client) -> None:
        choose(page, upload("a.png", encoded()))
        for name in ("cat", "dog", "red fox"):
            page.locator("#tags label", has_text=name).locator("input").uncheck()
        slide(page, "opacity", 1)
        np.testing.assert_array_equal(drawn(page), PHOTO)
        assert json.loads(download(page, "coco")[1])["annotations"] == []

    def test_the_likely_tags_are_ticked(self, page: Any, cams_only: Client) -> None:
        choose(page, upload("a.png", encoded()))
        drawn(page)
        (found,) = cams_only.send("/cams", ("a.png", encoded())).json()["images"]
        ticked = page.locator("#tags li", has=page.locator("input:checked")).locator(".name").all_inner_texts()
        assert set(ticked) == {each["name"] for each in found["maps"]}


class TestFiles:
    def test_a_mask_is_a_palette_png_of_label_ids(self, page: Any, both: Client) -> None:
        choose(page, upload("my photo.jpeg", encoded()))
        name, content = download(page, "mask")
        assert name == "my photo.png"
        picture = PillowImage.open(BytesIO(content))
        assert picture.mode == "P"
        np.testing.assert_array_equal(np.array(picture), labels_of(both, PHOTO))
        assert picture.getpalette()[3:6] == [128, 0, 0]
        page.locator("#palette").select_option("safe")
        _, content = download(page, "mask")
        assert tuple(PillowImage.open(BytesIO(content)).getpalette()[3:6]) == safe_color(1)

    def test_an_overlay_is_what_is_seen(self, page: Any, both: Client) -> None:
        choose(page, upload("a.png", encoded()))
        slide(page, "opacity", 0.3)
        name, content = download(page, "overlay")
        assert name == "a.mask.png"
        np.testing.assert_array_equal(opened(content)[..., :3], drawn(page))

    def test_all_images_at_once(self, page: Any, watch: Any, both: Client) -> None:
        watch.expect("status of 415")
        files = [("a.png", encoded()), ("a.jpg", encoded(SMALL)), ("Übung.png", encoded(SMALL))]
        choose(page, *[upload(*file) for file in files[:1]])
        assert not page.locator("#downloads-all").is_visible()
        choose(page, upload("bad.jpg", b"text"), *[upload(*file) for file in files[1:]])
        name, content = download(page, "masks")
        assert name == "masks.zip"
        with zipfile.ZipFile(BytesIO(content)) as archive:
            assert archive.testzip() is None
            assert archive.namelist() == ["a.png.png", "a.jpg.png", "Übung.png"]
            for entry, image in zip(archive.namelist(), (PHOTO, SMALL, SMALL), strict=True):
                np.testing.assert_array_equal(opened(archive.read(entry)), labels_of(both, image))
        for format in ("coco", "yolo", "cvat"):
            page.locator("#export-format").select_option(format)
            name, content = download(page, "export")
            assert name == f"{format}.{'json' if format == 'coco' else 'zip'}"
            assert content == both.send("/predict", *files, format=format).body


class TestForEverybody:
    @pytest.mark.parametrize("theme", ["light", "dark"])
    @pytest.mark.parametrize("width", [390, 1440])
    def test_every_view_fits_and_is_accessible(
        self, page: Any, watch: Any, cams_only: Client, width: int, theme: str
    ) -> None:
        watch.expect("status of 415")
        page.set_viewport_size({"width": width, "height": 844})
        page.emulate_media(color_scheme=theme)
        page.reload()
        assert page.locator("html").get_attribute("data-theme") == theme
        assert (axe_serious(page), has_horizontal_scroll(page)) == ([], False)
        choose(page, upload(f"{'a long name ' * 12}.png", encoded()), upload("bad.jpg", b"text"))
        for view in ("mask", "score", "cam"):
            show(page, view)
            drawn(page)
            assert (axe_serious(page), has_horizontal_scroll(page)) == ([], False)
        page.locator("#export-format").select_option("cvat")
        download(page, "export")
        page.locator("#download-note", has_text="agreement with the masks").wait_for()
        assert (axe_serious(page), has_horizontal_scroll(page)) == ([], False)
        page.locator("#items button").nth(1).click()
        assert page.locator("#export-format").is_enabled()
        assert (axe_serious(page), has_horizontal_scroll(page)) == ([], False)
        page.goto(f"{cams_only.address}/docs")
        assert (axe_serious(page), has_horizontal_scroll(page)) == ([], False)

    def test_the_theme_is_switched_and_kept(self, page: Any, both: Client) -> None:
        light = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.locator("#theme").click()
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert light != dark
        page.reload()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark

    def test_the_keyboard_is_enough(self, page: Any, both: Client) -> None:
        choose(page, upload("a.png", encoded()), upload("b.png", encoded(SMALL)))
        page.locator("#items button").first.focus()
        page.keyboard.press("ArrowDown")
        assert page.locator("#view-title").inner_text() == "b.png"
        assert page.evaluate("document.activeElement.textContent").startswith("b.png")
        page.keyboard.press("ArrowUp")
        assert page.locator("#view-title").inner_text() == "a.png"
        drawn(page)
        reached = set()
        for _ in range(30):
            page.keyboard.press("Tab")
            reached.add(
                page.evaluate(
                    "document.activeElement.id || document.activeElement.dataset.file || document.activeElement.name"
                )
            )
        assert {"opacity", "palette", "mask", "overlay", "coco", "masks", "view"} <= reached
        page.locator("#views input:checked").focus()
        page.keyboard.press("ArrowRight")
        assert page.locator("#views input[value=score]").is_checked()
        assert page.locator("#scale").is_visible()

    def test_names_are_text(self, page: Any, both: Client) -> None:
        name = "<img src=x onerror=alert(1)>.png"
        choose(page, upload(name, encoded()))
        assert page.locator("#view-title").inner_text() == name
        assert page.locator("main img").count() == 0
