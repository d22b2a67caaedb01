"""The report in a real browser: what is drawn follows the controls, and the numbers are those of the run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from kit.browser_checks import axe_serious, has_horizontal_scroll
from kit.report_page import drawn_labels, set_slider, settle, shown_ids
from kit.report_samples import LABELS, SampleData, empty_report, hostile_report, make_report, score_values, seeds
from kit.report_samples import confusion as count_confusion

from tagseg.report.content import Report
from tagseg.report.html import render_report

COUNT = 12


@pytest.fixture(scope="module")
def report() -> Report:
    return make_report(count=COUNT)


@pytest.fixture(scope="module")
def data() -> SampleData:
    return SampleData(COUNT)


@pytest.fixture
def opened(page: Any, report: Report, tmp_path: Path) -> Any:
    """The page of the sample report, at its gallery."""
    return open_report(page, report, tmp_path)


def open_report(page: Any, report: Report, folder: Path) -> Any:
    path = folder / "report.html"
    path.write_text(render_report(report), encoding="utf-8")
    page.goto(path.as_uri())
    if report.gallery:
        page.locator("#gallery").scroll_into_view_if_needed()
        page.locator('.card .live-miou:not([data-value=""])').first.wait_for(state="attached")
    return page


def card(page: Any, image_id: str) -> Any:
    found = page.locator(f'.card[data-image-id="{image_id}"]')
    found.scroll_into_view_if_needed()
    found.locator('.live-miou:not([data-value=""])').wait_for(state="attached")
    return found


@pytest.mark.parametrize("score", [0.0, 0.2, 0.47, 1.0])
@pytest.mark.parametrize("kind", ["network", "averaged"])
def test_the_slider_cuts_the_seeds_to_the_pixel(opened: Any, data: SampleData, kind: str, score: float) -> None:
    opened.locator("#maps").select_option(kind)
    set_slider(opened, "#background-score", score)
    for index in (0, 4):
        found = card(opened, data.ids[index])
        drawn = drawn_labels(opened, found.locator('canvas[data-kind="seed"]'))
        expected = seeds(data.cams[index][kind], score)
        assert np.array_equal(drawn, expected)
        miou = score_values(count_confusion([(data.truths[index], expected)], len(LABELS)))["mean_iou"]
        live = float(found.locator(".live-miou").get_attribute("data-value"))
        assert live == pytest.approx(100 * miou, abs=1e-9)


def test_the_printed_miou_is_the_sweeps_own_where_it_was_swept(opened: Any, report: Report) -> None:
    for sweep in report.sweeps:
        opened.locator("#maps").select_option(sweep.key)
        for point in (sweep.points[0], sweep.points[7], sweep.points[-1]):
            set_slider(opened, "#background-score", point.background_score)
            output = opened.locator("#sweep-miou")
            assert float(output.get_attribute("data-value")) == pytest.approx(100 * point.mean_iou, abs=1e-9)
            assert output.text_content() == f"{100 * point.mean_iou:.1f} %"


def test_between_swept_scores_it_is_mixed_and_says_so(opened: Any, report: Report) -> None:
    opened.locator("#maps").select_option("network")
    low, high = report.sweeps[0].points[5:7]
    set_slider(opened, "#background-score", round(low.background_score + 0.02, 2))
    output = opened.locator("#sweep-miou")
    expected = 100 * (low.mean_iou + 0.4 * (high.mean_iou - low.mean_iou))
    assert float(output.get_attribute("data-value")) == pytest.approx(expected, abs=1e-6)
    assert output.text_content().startswith("≈ ")


@pytest.mark.parametrize("score", [0.0, 0.01, 0.99, 1.0])
def test_beyond_the_sweep_there_is_no_number(opened: Any, score: float) -> None:
    set_slider(opened, "#background-score", score)
    assert opened.locator("#sweep-miou").text_content() == "not swept"
    assert opened.locator("#sweep-miou").get_attribute("data-value") == ""


def test_all_sliders_of_the_background_score_move_as_one(opened: Any) -> None:
    set_slider(opened, "#sweep-score", 0.31)
    assert opened.locator("#background-score").input_value() == "0.31"
    assert opened.locator("#viewer-score").input_value() == "0.31"
    assert set(opened.locator(".mark.cursor").evaluate_all("(m) => m.map((mark) => mark.getAttribute('x1'))")) == {
        "31%"
    }


def test_the_slider_works_from_the_keyboard(opened: Any) -> None:
    set_slider(opened, "#background-score", 0.5)
    opened.locator("#background-score").focus()
    opened.keyboard.press("ArrowRight")
    settle(opened)
    assert opened.locator("output[for=background-score]").text_content() == "0.51"


def test_orders(opened: Any, report: Report) -> None:
    by_miou = sorted(report.gallery, key=lambda image: image.mean_iou)
    opened.locator("#sort").select_option("worst")
    settle(opened)
    assert shown_ids(opened) == [image.image_id for image in by_miou]
    opened.locator("#sort").select_option("best")
    settle(opened)
    assert shown_ids(opened)[0] == by_miou[-1].image_id
    opened.locator("#sort").select_option("uncertain")
    settle(opened)
    uncertainties = {image.image_id: image.uncertainty for image in report.gallery}
    shown = [uncertainties[image_id] for image_id in shown_ids(opened)]
    assert shown == sorted(shown, reverse=True)
    opened.locator("#sort").select_option("id")
    settle(opened)
    assert shown_ids(opened) == [image.image_id for image in report.gallery]


def test_the_random_order_is_another_one_and_always_the_same(opened: Any, report: Report) -> None:
    opened.locator("#sort").select_option("random")
    settle(opened)
    first = shown_ids(opened)
    assert sorted(first) == [image.image_id for image in report.gallery]
    assert first != sorted(first)
    opened.reload()
    opened.locator("#sort").select_option("random")
    settle(opened)
    assert shown_ids(opened) == first


def test_filters(opened: Any, report: Report) -> None:
    opened.locator("#sort").select_option("id")
    opened.locator("#filter-class").select_option("6")
    settle(opened)
    tagged = [image.image_id for image in report.gallery if 6 in image.tags]
    assert shown_ids(opened) == tagged
    assert opened.locator("#shown-count").text_content() == f"{len(tagged)} of {COUNT} images"
    opened.locator("#filter-why").select_option("worst")
    settle(opened)
    assert shown_ids(opened) == [i.image_id for i in report.gallery if 6 in i.tags and "worst" in i.why]
    opened.locator("#filter-class").select_option("")
    settle(opened)
    assert shown_ids(opened) == [i.image_id for i in report.gallery if "worst" in i.why]


def test_no_image_left_is_said(page: Any, report: Report, tmp_path: Path) -> None:
    open_report(page, report, tmp_path)
    page.locator("#filter-class").select_option("1")
    for why in ("best", "uncertain", "random", "worst"):
        page.locator("#filter-why").select_option(why)
        settle(page)
        fits = [image for image in report.gallery if 1 in image.tags and why in image.why]
        assert page.locator("#none-shown").is_visible() == (not fits)
        assert len(shown_ids(page)) == len(fits)


def test_every_tag_has_its_map(opened: Any, data: SampleData, report: Report) -> None:
    image = next(image for image in report.gallery if len(image.tags) == 2)
    index = data.ids.index(image.image_id)
    found = card(opened, image.image_id)
    canvas = found.locator('canvas[data-kind="cam"]')
    opened.locator("#maps").select_option("network")
    settle(opened)
    strongest = np.stack([data.cams[index]["network"][tag] for tag in image.tags]).max(axis=0)
    assert shows_map(canvas, strongest)
    for position, tag in enumerate(image.tags):
        found.locator(".chip").nth(position).click()
        assert found.locator(".chip").nth(position).get_attribute("aria-pressed") == "true"
        assert shows_map(canvas, data.cams[index]["network"][tag])
    found.locator(".chip").nth(len(image.tags) - 1).click()
    assert shows_map(canvas, strongest)
    opened.locator("#cam-class").select_option(str(image.tags[0]))
    settle(opened)
    assert shows_map(canvas, data.cams[index]["network"][image.tags[0]])
    assert LABELS[image.tags[0]] in found.locator(".tile-cam figcaption").text_content()


def shows_map(canvas: Any, cam: np.ndarray) -> bool:
    """Return whether a canvas shows a map in inferno's colours, as near as eleven stops come to its 256."""
    values = canvas.evaluate("(c) => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]")
    rgb = np.array(values).reshape(*cam.shape, 4)[..., :3]
    inferno = 255 * np.array(matplotlib.colormaps["inferno"].colors)
    return bool(np.abs(rgb - inferno[cam]).max() < 10)


def test_masks_are_drawn_as_they_are(opened: Any, data: SampleData) -> None:
    found = card(opened, data.ids[1])
    drawn = drawn_labels(opened, found.locator('canvas[data-kind="truth"]'))
    truth = data.truths[1].astype(int)
    assert np.array_equal(drawn, np.where(truth == 255, -1, truth))


def test_the_palette_changes_every_colour(opened: Any, data: SampleData) -> None:
    opened.locator("#palette").select_option("safe")
    settle(opened)
    found = card(opened, data.ids[0])
    canvas = found.locator('canvas[data-kind="seed"]')
    score = float(opened.locator("#background-score").input_value())
    assert np.array_equal(drawn_labels(opened, canvas, "safe"), seeds(data.cams[0]["averaged"], score))
    swatch = opened.locator("#legend .swatch").first.evaluate("(s) => getComputedStyle(s).backgroundColor")
    assert swatch == "rgb(230, 159, 0)"
    opened.reload()
    assert opened.locator("#palette").input_value() == "safe"


def test_opacity_lets_the_photo_through(opened: Any, data: SampleData) -> None:
    set_slider(opened, "#opacity", 0.3)
    canvas = card(opened, data.ids[0]).locator('canvas[data-kind="mask"]')
    assert float(canvas.evaluate("(c) => getComputedStyle(c).opacity")) == pytest.approx(0.3)
    assert opened.locator("#opacity-value").text_content() == "30 %"


def test_the_viewer_moves_in_the_order_and_the_filter_of_the_gallery(opened: Any, report: Report) -> None:
    opened.locator("#sort").select_option("best")
    opened.locator("#filter-class").select_option("6")
    settle(opened)
    order = shown_ids(opened)
    assert len(order) >= 3
    viewer = opened.locator("#viewer")
    card(opened, order[1]).locator(".open").click()
    assert viewer.is_visible()
    assert viewer.get_attribute("data-image-id") == order[1]
    opened.keyboard.press("ArrowRight")
    assert viewer.get_attribute("data-image-id") == order[2]
    opened.keyboard.press("ArrowLeft")
    opened.keyboard.press("ArrowLeft")
    assert viewer.get_attribute("data-image-id") == order[0]
    opened.keyboard.press("ArrowLeft")
    assert viewer.get_attribute("data-image-id") == order[0]
    assert opened.locator("#viewer-previous").is_disabled()
    opened.keyboard.press("Escape")
    assert not viewer.is_visible()
    focused = opened.evaluate("document.activeElement.getAttribute('aria-label')")
    assert focused == f"Enlarge {order[0]}"


def test_the_viewer_shows_every_map_and_follows_its_slider(opened: Any, data: SampleData, report: Report) -> None:
    image = next(image for image in report.gallery if len(image.tags) == 2)
    index = data.ids.index(image.image_id)
    card(opened, image.image_id).locator(".tiles").click()
    tiles = opened.locator("#viewer-tiles .tile")
    assert tiles.count() == 9
    set_slider(opened, "#viewer-score", 0.6)
    canvas = opened.locator('#viewer-tiles canvas[data-kind="seed"]')
    assert np.array_equal(drawn_labels(opened, canvas), seeds(data.cams[index]["averaged"], 0.6))
    opened.locator("#viewer-score").focus()
    opened.keyboard.press("ArrowRight")
    settle(opened)
    assert opened.locator("#viewer").get_attribute("data-image-id") == image.image_id
    assert opened.locator("output[for=viewer-score]").text_content() == "0.61"


@pytest.mark.parametrize(
    "close",
    [
        "() => viewer.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape', bubbles: true, cancelable: true }))",
        "() => document.getElementById('viewer-close').click()",
        "() => viewer.click()",
    ],
    ids=["escape", "button", "outside"],
)
def test_the_focus_is_at_the_image_that_was_seen_last_as_soon_as_the_viewer_is_closed(opened: Any, close: str) -> None:
    order = shown_ids(opened)
    card(opened, order[1]).locator(".open").click()
    opened.keyboard.press("ArrowRight")
    closed, focused = opened.evaluate(
        f"""() => {{
            const viewer = document.getElementById("viewer");
            ({close})();
            return [!viewer.open, document.activeElement.getAttribute("aria-label")];
        }}"""
    )
    assert closed
    assert focused == f"Enlarge {order[2]}"


def test_the_viewer_closes_by_its_button(opened: Any, data: SampleData) -> None:
    card(opened, data.ids[2]).locator(".open").click()
    opened.locator("#viewer-close").click()
    assert not opened.locator("#viewer").is_visible()


def test_the_theme_follows_the_system_until_it_is_chosen(opened: Any) -> None:
    assert opened.evaluate("document.documentElement.dataset.theme") == "light"
    opened.emulate_media(color_scheme="dark")
    opened.reload()
    assert opened.evaluate("document.documentElement.dataset.theme") == "dark"
    assert opened.locator("#theme").get_attribute("aria-pressed") == "true"
    opened.locator("#theme").click()
    background = opened.evaluate("getComputedStyle(document.body).backgroundColor")
    opened.reload()
    assert opened.evaluate("document.documentElement.dataset.theme") == "light"
    assert opened.evaluate("getComputedStyle(document.body).backgroundColor") == background == "rgb(250, 250, 248)"


def test_the_matrix_follows_its_choice_and_reads_its_pixels(opened: Any, report: Report) -> None:
    scores = next(scores for scores in report.scores if scores.key == "pseudo_masks")
    opened.locator("#matrix-choice").select_option("pseudo_masks")
    cell = opened.locator("#matrix tbody tr").nth(2).locator("td").nth(2)
    pixels = scores.confusion[2][2]
    assert cell.get_attribute("data-pixels") == str(pixels)
    cell.hover()
    share = 100 * pixels / sum(scores.confusion[2])
    assert opened.locator("#matrix-readout").text_content() == (
        f"cat seen as cat: {pixels:,} pixels, {share:.1f} % of cat"
    )


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("make", [make_report, empty_report, hostile_report])
def test_it_is_readable_by_all_at_any_width(
    page: Any, tmp_path: Path, make: Callable[[], Report], theme: str, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.emulate_media(color_scheme=theme)
    open_report(page, make(), tmp_path)
    assert not has_horizontal_scroll(page)
    assert axe_serious(page) == []
    if page.locator(".card .open").count():
        page.locator(".card .open").first.click()
        settle(page)
        assert axe_serious(page) == []
        assert not has_horizontal_scroll(page)


def test_only_cards_in_sight_are_drawn(opened: Any) -> None:
    opened.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
    opened.reload()
    settle(opened)
    drawn = opened.locator(".card .live-miou").evaluate_all("(all) => all.filter((one) => one.dataset.value).length")
    assert drawn < COUNT


def test_a_gallery_of_sixty_follows_the_slider(page: Any, tmp_path: Path) -> None:
    open_report(page, make_report(count=60), tmp_path)
    frame_ms = page.evaluate(
        """async () => {
            const slider = document.getElementById("background-score");
            const started = performance.now();
            for (let step = 0; step < 40; step++) {
                slider.value = step / 40;
                slider.dispatchEvent(new Event("input", { bubbles: true }));
                await new Promise(requestAnimationFrame);
            }
            return (performance.now() - started) / 40;
        }"""
    )
    assert frame_ms < 200  # 25 to 40 ms on two cores; a page that draws all cards takes a second
