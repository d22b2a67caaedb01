"""The checks of the browser tests can fail: each is shown a page that breaks its rule."""

from pathlib import Path
from typing import Any

import pytest
from kit.browser_checks import PageWatch, axe_serious, has_horizontal_scroll, is_local

pytest_plugins = ["pytester"]


def write_page(folder: Path, body: str) -> str:
    """Return the address of a page that is sound but for what its body brings in."""
    path = folder / "page.html"
    path.write_text(
        f'<!doctype html><html lang="en"><head><title>Page</title><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"></head>'
        f"<body><main><h1>Page</h1>{body}</main></body></html>"
    )
    return path.as_uri()


def seen(page: Any, watch: PageWatch, start: str) -> bool:
    """Return whether a finding that starts so comes within 20 seconds: events reach us after the page has loaded."""
    for _ in range(400):
        if any(line.startswith(start) for line in watch.findings):
            return True
        page.wait_for_timeout(50)
    return False


def test_a_sound_page_passes_every_check(page: Any, watch: PageWatch, tmp_path: Path) -> None:
    page.goto(write_page(tmp_path, "<p>Words.</p>"))
    assert axe_serious(page) == []
    assert not has_horizontal_scroll(page)
    assert watch.problems() == []


def test_grey_on_white_is_found(page: Any, tmp_path: Path) -> None:
    page.goto(write_page(tmp_path, '<p style="color:#bbb;background:#fff">Hardly legible.</p>'))
    (line,) = axe_serious(page)
    assert line.startswith("serious color-contrast at p: ")


def test_an_image_without_words_is_found(page: Any, tmp_path: Path) -> None:
    page.goto(write_page(tmp_path, '<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">'))
    assert [line.partition(" at ")[0] for line in axe_serious(page)] == ["critical image-alt"]


def test_a_page_wider_than_a_phone_is_found(page: Any, tmp_path: Path) -> None:
    page.goto(write_page(tmp_path, '<div style="width:800px">Wide.</div>'))
    assert not has_horizontal_scroll(page)
    page.set_viewport_size({"width": 390, "height": 844})
    assert has_horizontal_scroll(page)


@pytest.mark.parametrize(
    ("body", "finding"),
    [
        ("<script>console.error('broken')</script>", "console error: broken"),
        ("<script>throw new Error('thrown')</script>", "page error: "),
        ("<script>Promise.reject(new Error('late'))</script>", "page error: "),
        ('<img alt="" src="https://pictures.example/a.png">', "outside request: https://pictures.example/a.png"),
        ("<script>fetch('http://192.0.2.1/x').catch(() => 0)</script>", "outside request: http://192.0.2.1/x"),
        ("<script>new WebSocket('ws://sockets.example/')</script>", "outside socket: ws://sockets.example/"),
    ],
)
def test_what_a_page_must_not_do_is_found(browser: Any, tmp_path: Path, body: str, finding: str) -> None:
    # A context of its own: what the page still logs after the finding must not fail the test at its end.
    context = browser.new_context()
    watch = PageWatch()
    watch.attach(context)
    page = context.new_page()
    page.goto(write_page(tmp_path, body))
    assert seen(page, watch, finding), watch.problems()
    context.close()


def test_an_expected_error_passes_and_has_to_come(page: Any, watch: PageWatch, tmp_path: Path) -> None:
    watch.expect("refused")
    assert watch.problems() == ["expected but never seen: refused"]
    page.goto(write_page(tmp_path, "<script>console.error('upload refused')</script>"))
    assert seen(page, watch, "console error: upload refused")
    assert watch.problems() == []


@pytest.mark.usefixtures("browser")
def test_a_finding_fails_the_test(pytester: pytest.Pytester) -> None:
    here = Path(__file__).parent
    pytester.makeconftest((here / "conftest.py").read_text())
    pytester.makepyprojecttoml(f"[tool.pytest.ini_options]\npythonpath = [{str(here.parent)!r}]")
    pytester.makepyfile("def test_page(page): page.set_content('<script>console.error(\"broken\")</script>')")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*console error: broken*"])


def test_loopback_in_every_spelling_is_local() -> None:
    assert all(
        map(is_local, ["http://localhost:1/", "http://127.0.0.1/", "http://[::1]:80/", "blob:null/1", "data:,x"])
    )
    assert not any(map(is_local, ["http://localhost.example/", "https://192.0.2.1/", "ftp://example/"]))
