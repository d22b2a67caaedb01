"""The comparison of runs in a real browser."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kit.browser_checks import axe_serious, has_horizontal_scroll
from kit.report_page import drawn_labels, set_slider, settle, shown_ids
from kit.report_samples import LABELS, SampleData, empty_report, hostile_report, make_comparison, seeds

from tagseg.report.compare_page import render_comparison
from tagseg.report.comparison import Comparison

COUNT = 6
SHIFTS = (-0.12, 0.1, 0.0)  # of make_comparison


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return make_comparison(count=COUNT)


@pytest.fixture(scope="module")
def data() -> list[SampleData]:
    return [SampleData(COUNT, shift=shift) for shift in SHIFTS]


@pytest.fixture
def opened(page: Any, comparison: Comparison, tmp_path: Path) -> Any:
    return open_comparison(page, comparison, tmp_path)


def open_comparison(page: Any, comparison: Comparison, folder: Path) -> Any:
    path = folder / "compare.html"
    path.write_text(render_comparison(comparison), encoding="utf-8")
    page.goto(path.as_uri())
    if comparison.reports[0].gallery:
        page.locator("#gallery").scroll_into_view_if_needed()
        page.locator(".tile-score:not(:empty)").first.wait_for(state="attached")
    return page


def columns(page: Any, image_id: str, kind: str) -> list[Any]:
    found = page.locator(f'.card[data-image-id="{image_id}"]')
    found.scroll_into_view_if_needed()
    found.locator(".tile-score[data-value]").first.wait_for(state="attached")  # set when all columns are drawn
    return found.locator(f'canvas[data-kind="{kind}"]').all()


def test_each_run_is_cut_at_its_own_best_score(opened: Any, comparison: Comparison, data: list[SampleData]) -> None:
    assert opened.locator("#own-best").is_checked()
    image_id = data[0].ids[0]
    for run, sample, canvas in zip(comparison.reports, data, columns(opened, image_id, "seed"), strict=True):
        best = next(sweep.best for sweep in run.sweeps if sweep.key == "averaged")
        assert np.array_equal(drawn_labels(opened, canvas), seeds(sample.cams[0]["averaged"], best))
    values = opened.locator(".run-score").evaluate_all("(all) => all.map((one) => Number(one.dataset.value))")
    bests = [max(point.mean_iou for point in run.sweeps[1].points) for run in comparison.reports]
    assert values == pytest.approx([100 * best for best in bests], abs=1e-9)


def test_the_slider_puts_all_runs_at_one_score(opened: Any, comparison: Comparison, data: list[SampleData]) -> None:
    set_slider(opened, "#background-score", 0.35)
    assert not opened.locator("#own-best").is_checked()
    for sample, canvas in zip(data, columns(opened, data[0].ids[1], "seed"), strict=True):
        assert np.array_equal(drawn_labels(opened, canvas), seeds(sample.cams[1]["averaged"], 0.35))
    points = [next(p for p in run.sweeps[1].points if p.background_score == 0.35) for run in comparison.reports]
    values = opened.locator(".run-score").evaluate_all("(all) => all.map((one) => Number(one.dataset.value))")
    assert values == pytest.approx([100 * point.mean_iou for point in points], abs=1e-9)
    opened.locator("#own-best").check()
    settle(opened)
    assert opened.locator(".run-score").first.get_attribute("data-score") != "0.35"


def test_the_layer_is_chosen(opened: Any, data: list[SampleData]) -> None:
    opened.locator("#layer").select_option("mask")
    settle(opened)
    for sample, canvas in zip(data, columns(opened, data[0].ids[1], "mask"), strict=True):
        assert np.array_equal(drawn_labels(opened, canvas), seeds(sample.cams[1]["averaged"], 0.3))
    for layer in ("cam", "sure", "confident", "prediction"):
        opened.locator("#layer").select_option(layer)
        settle(opened)
        assert len(columns(opened, data[0].ids[1], layer)) == 3


def test_a_run_without_averaged_maps_shows_those_it_has(
    page: Any, comparison: Comparison, data: list[SampleData], tmp_path: Path
) -> None:
    plain = comparison.reports[0]
    images = tuple(replace(image, cams={"network": image.cams["network"]}) for image in plain.gallery)
    plain = replace(plain, gallery=images, sweeps=plain.sweeps[:1])
    open_comparison(page, replace(comparison, reports=(plain, *comparison.reports[1:])), tmp_path)
    page.locator("#maps").select_option("averaged")
    set_slider(page, "#background-score", 0.4)
    canvases = columns(page, data[0].ids[0], "seed")
    assert np.array_equal(drawn_labels(page, canvases[0]), seeds(data[0].cams[0]["network"], 0.4))
    assert np.array_equal(drawn_labels(page, canvases[1]), seeds(data[1].cams[0]["averaged"], 0.4))


def test_gains_and_losses_come_first_when_asked_for(opened: Any, comparison: Comparison) -> None:
    first, last = comparison.reports[0].gallery, comparison.reports[-1].gallery
    gains = {a.image_id: b.mean_iou - a.mean_iou for a, b in zip(first, last, strict=True)}
    for order, sign in (("gain", -1), ("loss", 1)):
        opened.locator("#sort").select_option(order)
        settle(opened)
        shown = [sign * gains[image_id] for image_id in shown_ids(opened)]
        assert shown == sorted(shown)


def test_the_class_filter(opened: Any, comparison: Comparison) -> None:
    opened.locator("#sort").select_option("id")
    opened.locator("#filter-class").select_option("6")
    settle(opened)
    assert shown_ids(opened) == [image.image_id for image in comparison.reports[0].gallery if 6 in image.tags]


def test_differences_of_classes_follow_their_choice(opened: Any, comparison: Comparison) -> None:
    base, other = (next(one for one in run.scores if one.key == "pseudo_masks") for run in comparison.reports[:2])
    opened.locator("#class-choice").select_option("pseudo_masks")
    row = opened.locator("#class-differences .bar-row").nth(2)
    assert row.locator(".bar-name").text_content() == "cat"
    difference = 100 * (other.iou["cat"] - base.iou["cat"])
    number = row.locator(".bar-numbers span").first.text_content()
    assert float(number.replace("\N{MINUS SIGN}", "-")) == pytest.approx(difference, abs=0.051)


def test_what_differs_in_the_recipes_is_marked(opened: Any) -> None:
    row = opened.locator("#recipes tbody tr").first
    assert row.locator("td").all_text_contents() == ["false", "true", "true"]
    assert row.locator("td.changed").count() == 2


def test_the_palette_holds_for_all_runs(opened: Any, data: list[SampleData]) -> None:
    opened.locator("#palette").select_option("safe")
    set_slider(opened, "#background-score", 0.5)
    for sample, canvas in zip(data, columns(opened, data[0].ids[2], "seed"), strict=True):
        assert np.array_equal(drawn_labels(opened, canvas, "safe"), seeds(sample.cams[2]["averaged"], 0.5))


def test_an_image_is_enlarged_in_all_runs(opened: Any, comparison: Comparison, data: list[SampleData]) -> None:
    opened.locator("#sort").select_option("gain")
    settle(opened)
    order = shown_ids(opened)
    opened.locator(f'.card[data-image-id="{order[0]}"] .open').click()
    viewer = opened.locator("#viewer")
    assert viewer.get_attribute("data-image-id") == order[0]
    assert opened.locator("#viewer-tiles .tile").count() == 5  # photo, truth, three runs
    assert opened.locator("#viewer-scores").text_content() == "each run at its own best background score"
    opened.keyboard.press("ArrowRight")
    assert viewer.get_attribute("data-image-id") == order[1]
    set_slider(opened, "#viewer-score", 0.6)
    opened.locator("#viewer-tiles .tile-score:not(:empty)").first.wait_for(state="attached")
    index = data[0].ids.index(order[1])
    canvases = opened.locator('#viewer-tiles canvas[data-kind="seed"]').all()
    for sample, canvas in zip(data, canvases, strict=True):
        assert np.array_equal(drawn_labels(opened, canvas), seeds(sample.cams[index]["averaged"], 0.6))
    assert not opened.locator("#own-best").is_checked()
    assert opened.locator("#viewer-scores").text_content() == ""
    opened.keyboard.press("Escape")
    assert opened.evaluate("document.activeElement.getAttribute('aria-label')") == f"Enlarge {order[1]}"


def test_the_enlarged_image_shows_the_chosen_layer(opened: Any, data: list[SampleData]) -> None:
    opened.locator("#layer").select_option("mask")
    settle(opened)
    opened.locator(f'.card[data-image-id="{data[0].ids[1]}"] .tiles').click()
    opened.locator("#viewer-tiles .tile-score:not(:empty)").first.wait_for(state="attached")
    for sample, canvas in zip(data, opened.locator('#viewer-tiles canvas[data-kind="mask"]').all(), strict=True):
        assert np.array_equal(drawn_labels(opened, canvas), seeds(sample.cams[1]["averaged"], 0.3))


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", ["full", "empty", "hostile"])
def test_it_is_readable_by_all_at_any_width(page: Any, tmp_path: Path, name: str, theme: str, width: int) -> None:
    comparisons = {
        "full": lambda: make_comparison(count=2),
        "empty": lambda: Comparison((empty_report(), replace(empty_report(), title="other"))),
        "hostile": lambda: Comparison((hostile_report(), replace(hostile_report(), title=LABELS[1]))),
    }
    page.set_viewport_size({"width": width, "height": 844})
    page.emulate_media(color_scheme=theme)
    open_comparison(page, comparisons[name](), tmp_path)
    for details in page.locator("details").all():
        details.evaluate("(one) => { one.open = true; }")
    assert not has_horizontal_scroll(page)
    assert axe_serious(page) == []
