import base64
import json
import re
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser

import numpy as np
import pytest
from kit.report_samples import HOSTILE, empty_report, hostile_report, make_comparison, make_report

from tagseg.report.compare_page import render_comparison
from tagseg.report.comparison import Comparison
from tagseg.report.content import Report, ScoreSet
from tagseg.report.html import render_report

FETCHING = {"src", "href", "action", "data", "poster", "srcset", "xlink:href", "formaction", "background"}


class Elements(HTMLParser):
    """Tags with their attributes, the text of scripts, and what is shown."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.shown = ""
        self._inside = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            attributes, text = self.scripts[-1]
            self.scripts[-1] = (attributes, text + data)
        elif self._inside != "style":
            self.shown += data

    def page_data(self) -> dict:
        (text,) = [text for attributes, text in self.scripts if attributes.get("type") == "application/json"]
        return json.loads(text)


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {
        "report": render_report(make_report()),
        "empty": render_report(empty_report()),
        "hostile": render_report(hostile_report()),
        "comparison": render_comparison(make_comparison()),
        "empty comparison": render_comparison(Comparison((empty_report(), replace(empty_report(), title="b")))),
        "hostile comparison": render_comparison(
            Comparison((hostile_report(), replace(hostile_report(), title=HOSTILE[2])))
        ),
    }


ALL = ("report", "empty", "hostile", "comparison", "empty comparison", "hostile comparison")


@pytest.mark.parametrize("name", ALL)
def test_a_page_asks_for_nothing_outside_itself(pages: dict[str, str], name: str) -> None:
    elements = Elements(pages[name])
    addresses = [
        value
        for _, attributes in elements.tags
        for key, value in attributes.items()
        if key in FETCHING and value and not value.startswith(("#", "data:"))
    ]
    assert addresses == []
    assert "link" not in {tag for tag, _ in elements.tags}
    style = re.findall(r"<style>(.*?)</style>", pages[name], flags=re.DOTALL)
    assert len(style) == 1
    assert "url(" not in style[0]
    assert "@import" not in style[0]


@pytest.mark.parametrize("name", ALL)
def test_only_the_scripts_of_the_page_may_run(pages: dict[str, str], name: str) -> None:
    elements = Elements(pages[name])
    (policy,) = [
        attributes["content"]
        for tag, attributes in elements.tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert (rules["default-src"], rules["img-src"]) == ("'none'", "data:")
    running = [text for attributes, text in elements.scripts if "type" not in attributes]
    hashes = {f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'" for text in running}
    assert set(rules["script-src"].split()) == hashes
    assert not [key for _, attributes in elements.tags for key in attributes if key.startswith("on")]


def test_hostile_names_are_shown_as_text(pages: dict[str, str]) -> None:
    elements = Elements(pages["hostile"])
    assert [tag for tag, _ in elements.tags].count("script") == 3
    assert not [tag for tag, attributes in elements.tags if tag == "img" and attributes.get("src") == "x"]
    for name in HOSTILE:
        assert name in elements.shown, name


@pytest.mark.parametrize("name", ["hostile", "hostile comparison"])
def test_the_data_of_scripts_reads_back_whatever_the_names(pages: dict[str, str], name: str) -> None:
    data = Elements(pages[name]).page_data()
    assert [image["id"] for image in data["images"]] == list(HOSTILE)
    assert data["labels"] == ["background", *HOSTILE, "sheep"]


def test_the_pictures_read_back(pages: dict[str, str]) -> None:
    report = make_report()
    data = Elements(pages["report"]).page_data()
    for image, found in zip(report.gallery, data["images"], strict=True):
        assert base64.b64decode(found["photo"]) == image.photo
        for kind, maps in image.cams.items():
            assert {int(tag): base64.b64decode(png) for tag, png in found["cams"][kind].items()} == maps
        assert {name: base64.b64decode(png) for name, png in found["labels"].items()} == image.labels
        assert found["miou"] == image.mean_iou


def test_photos_and_truth_of_a_comparison_are_in_it_once(pages: dict[str, str]) -> None:
    comparison = make_comparison()
    data = Elements(pages["comparison"]).page_data()
    page = pages["comparison"]
    for image, shared in zip(comparison.reports[0].gallery, data["images"], strict=True):
        assert page.count(base64.b64encode(image.photo).decode()) == 1
        assert base64.b64decode(shared["labels"]["truth"]) == image.labels["truth"]
    assert all(
        "truth" not in image["labels"] and "photo" not in image for run in data["runs"] for image in run["images"]
    )


def test_a_run_that_has_only_started_says_why_parts_are_empty(pages: dict[str, str]) -> None:
    shown = " ".join(Elements(pages["empty"]).shown.split())
    assert "There are no scores: no image of the evaluation split has ground truth" in shown
    assert "There are no curves: no training has written one yet." in shown
    assert "There are no images to show" in shown
    assert "No file was left out and nothing was warned of." in shown
    assert '<svg class="plot"' not in pages["empty"]


def test_parts_come_in_the_order_of_the_navigation(pages: dict[str, str]) -> None:
    elements = Elements(pages["report"])
    linked = [attributes["href"] for tag, attributes in elements.tags if tag == "a" and attributes.get("class") is None]
    sections = [f"#{attributes['id']}" for tag, attributes in elements.tags if tag == "section"]
    assert linked == sections
    order = "scores beside sweep activation curves cost gallery problems facts"
    assert sections == [f"#{name}" for name in order.split()]


def test_the_head_tells_the_share_of_full_supervision() -> None:
    report = make_report()
    weak = next(scores.mean_iou for scores in report.scores if scores.key == "segmenter")
    full = report.beside[1].scores[0].mean_iou
    assert weak is not None
    assert full is not None
    shown = " ".join(Elements(render_report(report)).shown.split())
    assert f"Of full supervision{100 * weak / full:.1f} %" in shown.replace("supervision ", "supervision")
    without = replace(report, beside=tuple(replace(beside, upper_bound=False) for beside in report.beside))
    assert "Of full supervision" not in render_report(without)


def test_differences_carry_their_sign() -> None:
    shown = Elements(render_comparison(make_comparison())).shown
    assert re.search(r"\+\d+\.\d", shown)
    assert re.search("\N{MINUS SIGN}\\d+\\.\\d", shown)


def many_labels(count: int) -> Report:
    names = ("background", *(f"class {index}" for index in range(1, count)))
    rng = np.random.default_rng(0)
    matrix = tuple(tuple(int(n) for n in row) for row in rng.integers(0, 10**6, (count, count)))
    iou = {name: float(value) for name, value in zip(names, rng.uniform(size=count), strict=True)}
    scores = tuple(
        ScoreSet(key, key, "val", 40_000, 0.4, 0.5, 0.6, 0.7, iou, matrix)
        for key in ("seeds_network", "seeds_averaged", "sure_seeds", "pseudo_masks", "confident", "segmenter")
    )
    return Report("coco", "runs/coco", "", names, scores=scores)


@pytest.mark.parametrize(("labels", "most_mib"), [(2, 0.2), (81, 3), (255, 25)])
def test_any_number_of_labels_is_drawn(labels: int, most_mib: float) -> None:
    page = render_report(many_labels(labels))
    assert page.count("<template") == 6
    assert page.count('class="bar-row"') == labels
    assert len(page.encode()) < most_mib * 2**20


def test_a_page_is_little_more_than_its_pictures() -> None:
    report = make_report()
    pictures = sum(
        len(image.photo) + sum(len(png) for maps in image.cams.values() for png in maps.values())
        + sum(map(len, image.labels.values()))
        for image in report.gallery
    )  # fmt: skip
    assert len(render_report(report).encode()) < pictures * 4 / 3 + 150 * 1024


def test_names_that_are_no_text_do_not_stop_the_page() -> None:
    report = make_report(count=1)
    (image,) = report.gallery
    page = render_report(replace(report, gallery=(replace(image, image_id="caf\udce9"),), title="caf\udce9"))
    assert "caf?" in page.encode("utf-8").decode()


def test_the_same_report_gives_the_same_page() -> None:
    assert render_report(make_report(count=2)) == render_report(make_report(count=2))
