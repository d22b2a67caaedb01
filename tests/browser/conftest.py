"""A real browser for tests: Debian's chromium, driven by Playwright; without one of them these tests are skipped."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kit.browser_checks import LAUNCH_ARGUMENTS, PageWatch, find_chromium
from kit.serving import Client


# One a module and not one a session: while Playwright runs, its event loop counts as the running one of the thread,
# and code under test in another folder could not start its own. A start takes about a second.
@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, started for a module's tests."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("no chromium on this machine (Debian: apt-get install chromium)")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=chromium, args=LAUNCH_ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture
def watch() -> PageWatch:
    """What the test's pages log and ask for; `watch.expect(text)` lets a provoked error pass."""
    return PageWatch()


@pytest.fixture
def page(browser: Any, watch: PageWatch) -> Iterator[Any]:
    """A fresh page; the test fails when it logs an error, throws one or asks for anything outside this machine.

    1440 x 900 CSS pixels in the light theme; `page.set_viewport_size` and `page.emulate_media(color_scheme="dark")`
    change that.
    """
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="light", accept_downloads=True)
    context.set_default_timeout(20_000)
    watch.attach(context)
    yield context.new_page()
    context.close()
    problems = watch.problems()
    if problems:
        pytest.fail("the browser saw:\n" + "\n".join(problems), pytrace=False)


@pytest.fixture
def both(page: Any, serving: Callable[..., Client], full_run: Path) -> Client:
    """The page of a run with a segmenter and a classifier."""
    client = serving(full_run)
    page.goto(client.address)
    return client


@pytest.fixture
def cams_only(page: Any, serving: Callable[..., Client], classifier_run: Path) -> Client:
    """The page of a run with a classifier only."""
    client = serving(classifier_run)
    page.goto(client.address)
    return client
