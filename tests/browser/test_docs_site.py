"""The site of the documents in a browser: phone and desk, light and dark, and its search."""

from pathlib import Path
from typing import Any

import pytest
from kit.browser_checks import axe_serious, has_horizontal_scroll
from kit.site import build_site

PAGES = ("index", "start/tutorial", "concepts/cams", "reference/recipe", "reference/python", "errors", "architecture")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_site(tmp_path_factory.mktemp("site") / "html")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_legible_and_fits(page: Any, site: Path, name: str, width: int, theme: str) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.emulate_media(color_scheme=theme)
    page.goto((site / f"{name}.html").as_uri())
    assert axe_serious(page) == []
    assert not has_horizontal_scroll(page)


def test_the_search_finds_a_page(page: Any, site: Path) -> None:
    page.goto((site / "search.html").as_uri() + "?q=superpixels")
    page.locator("#search-results li a").first.wait_for()
    assert page.locator("#search-results li").count() > 3
