"""The pictures of the README and the documentation, made by the program from a run of the demo.

    make demo
    python benchmarks/docs_pictures.py runs/demo --out docs/images

A figure, the gallery of the report, the comparison with plain CAM, and the app with photographs of the test split:
screenshots of a headless Chromium. It needs ``tagseg run demo --baseline``, whose plain CAM is compared.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tagseg.results.compare import write_comparison
from tagseg.results.figure import FigureChoice, write_figure

FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
APP_IMAGES = 4
CONCEPTS = {"cams": ("image", "cam", "seed", "truth"), "masks": ("image", "seed", "mask", "confident", "truth")}
"""Columns of the figures that explain what a map and what a mask is; maps of plain CAM stand left of those of SSC."""


@contextmanager
def served(run: Path) -> Iterator[str]:
    """Serve a run on a free port of this machine while the block runs; lend the address."""
    command = [sys.executable, "-c", "from tagseg.cli.main import app_main; app_main()"]
    server = subprocess.Popen(
        [*command, "serve", str(run), "--port", "0", "--no-open"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        for line in server.stdout:
            if found := re.search(r"http://\S+", line):
                yield found[0]
                return
        raise SystemExit("the server ended before it said its address")
    finally:
        server.terminate()
        server.wait(timeout=20)


def show_report(page: Page, path: Path, out: Path) -> None:
    """Take the top of the report and its gallery."""
    page.goto(path.resolve().as_uri())
    page.screenshot(path=out / "report.png")
    page.select_option("#sort", "random")
    page.evaluate("document.querySelector('#gallery').scrollIntoView()")
    page.wait_for_timeout(1500)
    page.screenshot(path=out / "report_gallery.png")


def show_comparison(page: Page, path: Path, out: Path) -> None:
    """Take the top of a comparison."""
    page.goto(path.resolve().as_uri())
    page.wait_for_timeout(500)
    page.screenshot(path=out / "compare.png")


def show_app(page: Page, run: Path, out: Path) -> None:
    """Take the app with a few photographs that it has labelled."""
    photographs = sorted(run.glob("0_data/*-test*/images/*.png"))[:APP_IMAGES]
    with served(run) as address:
        page.goto(address)
        page.set_input_files("input[type=file]", photographs)
        page.get_by_text(f"{len(photographs)} of {len(photographs)} done").wait_for()
        page.wait_for_timeout(500)
        page.screenshot(path=out / "app.png")


def main() -> None:
    """Write all pictures."""
    parser = argparse.ArgumentParser(description="Pictures of the documentation from a run of the demo.")
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    write_figure([asked.run], asked.out / "demo.png", choice=FigureChoice(count=4))
    for name, columns in CONCEPTS.items():
        runs = [asked.run / "plain", asked.run] if name == "cams" else [asked.run]
        choice = FigureChoice(count=2 if name == "cams" else 3, columns=columns)
        write_figure(runs, asked.out / f"concept_{name}.png", choice=choice)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        compared = Path(folder) / "compare.html"
        write_comparison([asked.run / "plain", asked.run], compared)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(viewport={"width": 1200, "height": 760}, color_scheme="light")
        show_report(page, asked.run / "report.html", asked.out)
        show_comparison(page, compared, asked.out)
        show_app(page, asked.run, asked.out)
        browser.close()


if __name__ == "__main__":
    main()
