"""The browser app behind a proxy, under a path, with a token: in a real browser."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from kit.browser_checks import axe_serious, has_horizontal_scroll
from kit.proxies import Route, free_port, proxied
from kit.serving import photo, running
from PIL import Image as PillowImage

from tagseg.serve.access import Access

TOKEN = "a-token-of-these-tests"


@pytest.fixture(params=["python", "nginx"])
def address(request: Any, full_run: Path, tmp_path: Path) -> Iterator[str]:
    """The page as a proxy shows it, whose server goes by another name."""
    port = free_port()
    origin = f"http://localhost:{port}"  # the server could not know: the proxy hands on another name
    access = Access(hosts=("masks.example",), origins=(origin,), root_path="/tools/masks", token=TOKEN)
    with running(full_run, access=access) as client:
        route = Route("/tools/masks", client.port, host="masks.example")
        with proxied(request.param, route, tmp_path, port=port):
            yield f"{origin}/tools/masks"


def give(page: Any, token: str) -> None:
    page.fill("#token", token)
    page.locator("#token-form button").click()


def test_the_page_asks_for_the_token_and_works_with_it(page: Any, watch: Any, address: str) -> None:
    watch.expect("status of 401")
    page.goto(f"{address}/")
    page.locator("#token-form").wait_for()
    assert page.locator("#source").inner_text() == ""
    give(page, "another-token-than-it")
    page.locator("#token-note", has_text="This is not the token of this server.").wait_for()
    give(page, f" {TOKEN} ")
    page.locator("#token-form").wait_for(state="hidden")
    assert page.locator("#source").inner_text() == "tiny"
    page.set_input_files("#files", [{"name": "a.png", "mimeType": "image/png", "buffer": photo()}])
    page.locator("#items li.done").wait_for()
    with page.expect_download() as started:
        page.locator("button[data-file=mask]").click()
    mask = PillowImage.open(BytesIO(Path(started.value.path()).read_bytes()))
    assert (mask.mode, mask.size) == ("P", (48, 32))
    page.reload()
    page.locator("#source", has_text="tiny").wait_for()  # the tab remembers
    page.locator(".programs").click()
    page.locator("pre", has_text=f"{address}/predict").first.wait_for()
    assert "8000" not in page.locator("main").inner_text()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("address", ["python"], indirect=True)
def test_asking_fits_and_is_accessible(page: Any, watch: Any, address: str, width: int, theme: str) -> None:
    watch.expect("status of 401")
    page.set_viewport_size({"width": width, "height": 844})
    page.emulate_media(color_scheme=theme)
    page.goto(f"{address}/")
    page.locator("#token-form").wait_for()
    assert page.evaluate("document.activeElement.id") == "token"
    assert (axe_serious(page), has_horizontal_scroll(page)) == ([], False)
