"""The site of the documents in a browser: phone and desk, light and dark, and its search."""

from collections.abc import Iterator
from typing import Any

import pytest
from kit.browser_checks import axe_serious, has_horizontal_scroll
from kit.site import built_site, served_site

PAGES = (
    *("index", "start/install", "start/first_masks", "start/tutorial", "howto/loggers", "concepts/cams"),
    *("reference/recipe", "reference/python", "errors", "architecture"),
)

BACKGROUND = "Number(getComputedStyle(document.body).backgroundColor.match(/[0-9]+/)[0])"
"""How bright the page is, from 0 to 255."""

ROWS = "tbody tr:nth-child(n + 9)"
"""The ninth row of a table and those below it, which look as the first eight do."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served_site(built_site(tmp_path_factory)) as address:
        yield address


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_legible_and_fits(page: Any, site: str, name: str) -> None:
    """A phone and a desk, light and dark. The page is loaded once: width and theme are its style sheet's alone.

    Axe takes long over tables of hundreds of rows. All are seen once, then the first of each table.
    """
    page.goto(f"{site}/{name}.html")
    for width in (390, 1440):
        page.set_viewport_size({"width": width, "height": 844})
        page.emulate_media(color_scheme="light")
        assert not has_horizontal_scroll(page), width
        assert axe_serious(page, without=ROWS if width == 390 else None) == [], width
        page.emulate_media(color_scheme="dark")
        assert page.evaluate(BACKGROUND) < 100, width  # it is dark
        assert axe_serious(page, only="color-contrast", without=ROWS) == [], width


def test_the_search_finds_a_page(page: Any, site: str) -> None:
    page.goto(f"{site}/search.html?q=superpixels")
    page.locator("#search-results li a").first.wait_for()
    assert page.locator("#search-results li").count() > 3
