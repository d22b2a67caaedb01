"""The browser app's first page, and tags that limit the labels of a segmenter: in a real browser."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kit.app_page import PHOTO, SMALL, choose, download, drawn, encoded, labels_of, opened, settled, slide, upload
from kit.browser_checks import axe_serious, has_horizontal_scroll
from kit.serving import Client

from tagseg.serve.sample import Sample
from tagseg.serve.service import Service


def tick(page: Any, name: str, is_ticked: bool = True) -> None:
    page.locator("#tags label", has_text=name).locator("input").set_checked(is_ticked)


class TestTags:
    def test_ticked_tags_limit_the_labels_as_the_server_does(self, page: Any, both: Client) -> None:
        choose(page, upload("a.png", encoded()), upload("b.png", encoded(SMALL)))
        slide(page, "opacity", 1)
        drawn(page)
        assert page.locator("#tags input:checked").count() == 0
        palette = np.reshape(both.get("/info").json()["palettes"]["voc"], (-1, 3))
        for tags in (["dog"], ["dog", "cat"]):
            tick(page, tags[-1])
            labels = labels_of(both, PHOTO, tags=tags)
            wanted = np.where(labels[..., None] > 0, palette[labels], PHOTO)
            np.testing.assert_array_equal(drawn(page), wanted)
            np.testing.assert_array_equal(opened(download(page, "mask")[1]), labels)
            coco = both.send("/predict", ("a.png", encoded()), format="coco", tags=tags).json()
            assert json.loads(download(page, "coco")[1]) == coco
        for name in ("dog", "cat"):
            tick(page, name, False)
        drawn(page)
        np.testing.assert_array_equal(opened(download(page, "mask")[1]), labels_of(both, PHOTO))

    def test_each_image_has_its_own(self, page: Any, both: Client) -> None:
        choose(page, upload("a.png", encoded()), upload("b.png", encoded(SMALL)))
        drawn(page)
        tick(page, "dog")
        drawn(page)
        page.locator("#items button").nth(1).click()
        drawn(page)
        assert page.locator("#tags input:checked").count() == 0
        np.testing.assert_array_equal(opened(download(page, "mask")[1]), labels_of(both, SMALL))
        page.locator("#items button").first.click()
        drawn(page)
        assert page.locator("#tags li", has=page.locator("input:checked")).inner_text() == "dog"
        np.testing.assert_array_equal(opened(download(page, "mask")[1]), labels_of(both, PHOTO, tags="dog"))

    @pytest.mark.parametrize("theme", ["light", "dark"])
    @pytest.mark.parametrize("width", [390, 1440])
    def test_they_fit_and_are_accessible(self, page: Any, both: Client, width: int, theme: str) -> None:
        page.set_viewport_size({"width": width, "height": 844})
        page.emulate_media(color_scheme=theme)
        page.reload()
        choose(page, upload("a.png", encoded()))
        drawn(page)
        tick(page, "dog")
        drawn(page)
        assert page.locator("#tags-note").is_visible()
        assert (axe_serious(page), has_horizontal_scroll(page)) == ([], False)


class TestFirstPage:
    def test_it_names_the_classes(self, page: Any, both: Client) -> None:
        assert page.locator("#classes").inner_text() == "Classes: cat, dog, red fox"
        assert not page.locator("#more-classes").is_visible()
        assert not page.locator("#sample").is_visible()

    def test_many_classes_unfold(self, page: Any, both: Client) -> None:
        names = [f"class {place}" for place in range(80)]
        info = {**both.get("/info").json(), "labels": ["background", *names]}
        page.route("**/info", lambda route: route.fulfill(json=info))
        page.reload()
        assert page.locator("#classes").inner_text() == f"Classes: {', '.join(names[:24])}"
        page.locator("#more-classes summary", has_text="and 56 more").click()
        assert page.locator("#more-classes p").inner_text() == ", ".join(names[24:])
        assert (axe_serious(page), has_horizontal_scroll(page)) == ([], False)

    @pytest.mark.parametrize("width", [390, 1440])
    def test_a_sample_is_one_click_away(
        self, page: Any, serving: Callable[..., Client], full_run: Path, monkeypatch: pytest.MonkeyPatch, width: int
    ) -> None:
        taken = Service.__init__

        def with_sample(service: Service, *args: Any, **options: Any) -> None:
            taken(service, *args, **options, sample=Sample("try me.png", encoded()))

        monkeypatch.setattr(Service, "__init__", with_sample)
        page.set_viewport_size({"width": width, "height": 844})
        page.goto(serving(full_run, files=15).address)
        page.locator("#sample").wait_for()
        assert (axe_serious(page), has_horizontal_scroll(page)) == ([], False)
        page.locator("#sample").click()
        settled(page, 1)
        assert page.locator("#view-title").inner_text() == "try me.png"
        slide(page, "opacity", 0)
        np.testing.assert_array_equal(drawn(page), PHOTO)
        sent = page.evaluate("performance.getEntriesByType('resource').map(each => new URL(each.name).pathname)")
        assert "/sample" in sent
