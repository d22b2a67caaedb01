"""The site is built without a warning, and has what language models and readers without scripts look for."""

import re
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from kit.site import ROOT, built_site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_site(tmp_path_factory)


def addresses(html: str) -> list[str]:
    return [unescape(found) for found in re.findall(r'(?:href|src)="([^"]+)"', html)]


def test_no_link_of_the_site_is_dead(site: Path) -> None:
    pages = {path: path.read_text(encoding="utf-8") for path in site.rglob("*.html")}
    names = {path: set(re.findall(r'\bid="([^"]+)"', html)) for path, html in pages.items()}
    dead = []
    for path, html in pages.items():
        for address in addresses(html):
            parts = urlsplit(address)
            if parts.scheme or address.startswith("//"):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists() or (target in names and parts.fragment and parts.fragment not in names[target]):
                dead.append(f"{path.relative_to(site)}: {address}")
    assert len(pages) > 30
    assert dead == []


def test_nothing_comes_from_another_server(site: Path) -> None:
    loaded = [
        f"{path.name}: {tag}"
        for path in site.rglob("*.html")
        for tag in re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=\"(?:https?:)?//[^>]*>", path.read_text("utf-8"))
    ]
    assert loaded == []


def test_the_map_for_language_models_leads_to_the_pages_as_markdown(site: Path) -> None:
    text = (site / "llms.txt").read_text(encoding="utf-8")
    assert text.startswith("# tagseg\n")
    assert "toctree" not in text
    listed = re.findall(r"\]\(([^)]+\.md)\)", text)
    assert [name for name in listed if not (site / name).is_file()] == []
    assert len(listed) == len(list((ROOT / "docs").rglob("*.md"))) - 1
    assert "## Set up" in (site / "_sources" / "contributing.md").read_text(encoding="utf-8")


def test_every_public_name_is_described(site: Path) -> None:
    import tagseg

    names = set(re.findall(r'id="tagseg\.([\w.]+)"', (site / "reference" / "python.html").read_text("utf-8")))
    assert set(tagseg.__all__) <= {name.rpartition(".")[2] for name in names}
