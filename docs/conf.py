"""How `make docs` builds the site: the Markdown pages of this folder, and the docstrings of the public names."""

import re
import tomllib
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
PROJECT = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = PROJECT["name"]
author = copyright = "the tagseg authors"
release = version = PROJECT["version"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["conf.py"]
highlight_language = "none"  # a block without a language is a formula, a tree of files or an output
myst_heading_anchors = 4  # links such as page.md#a-heading, as code hosts make them
suppress_warnings: list[str] = []  # none: -W makes every warning an error

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
add_module_names = False
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = f"tagseg {version}"
html_favicon = "images/icon.svg"
html_copy_source = html_show_sourcelink = True
html_sourcelink_suffix = ""  # _sources/page.md, which llms.txt names
html_show_copyright = False
html_theme_options = {
    # Dark enough on white, and light enough on black, for WCAG's contrast of 4.5.
    "light_css_variables": {"color-brand-primary": "#1f4f73", "color-brand-content": "#1f5f8b"},
    "dark_css_variables": {"color-brand-primary": "#7db8e0", "color-brand-content": "#8cc4ec"},
}


ROOT_PAGES = {"contributing": "CONTRIBUTING.md", "changelog": "CHANGELOG.md"}
"""Pages whose text lies in the root of the checkout: here is a line that leads a reader on a code host there."""


def root_page(name: str) -> str:
    """Return a page of the root, with its links as from this folder; a link to a folder is its text."""

    def moved(found: re.Match[str]) -> str:
        words, target = found.groups()
        if (DOCS.parent / target).is_dir():
            return words
        return f"[{words}]({target.removeprefix('docs/') if target.startswith('docs/') else '../' + target})"

    text = (DOCS.parent / name).read_text(encoding="utf-8")
    return re.sub(r"\[([^\]]+)\]\((?![a-z]+:|#)([^)]+)\)", moved, text)


def read_page(app: Any, name: str, source: list[str]) -> None:
    """Take the text of the root's pages, and let links to those stay on the site."""
    text = root_page(ROOT_PAGES[name]) if name in ROOT_PAGES else source[0]
    for page, file in ROOT_PAGES.items():
        text = re.sub(rf"\]\((?:\.\./)+{re.escape(file)}", f"](/{page}.md", text)
    source[0] = text


def map_for_language_models(index: str) -> str:
    """Return llms.txt: the lists of the first page, with links to the Markdown that the site keeps of each page."""
    text = re.sub(r"^```\{toctree\}.*?^```\n+", "", index, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"\]\(([\w/]+\.md)", r"](_sources/\1", text).rstrip() + "\n"


def write_map(app: Any, failure: Exception | None) -> None:
    if failure is None and app.builder.name == "html":
        out = Path(app.outdir)
        index = (DOCS / "index.md").read_text(encoding="utf-8")
        (out / "llms.txt").write_text(map_for_language_models(index), encoding="utf-8")
        for page, file in ROOT_PAGES.items():
            (out / "_sources" / f"{page}.md").write_text(root_page(file), encoding="utf-8")


REACHABLE = {
    '<p class="caption" role="heading">': '<p class="caption" role="heading" aria-level="2">',
    '<div class="table-wrapper': '<div tabindex="0" class="table-wrapper',
    "<pre>": '<pre tabindex="0">',
}
"""What the theme leaves out for people without a mouse: levels of headings, and wide parts that can be scrolled."""


def make_reachable(app: Any, failure: Exception | None) -> None:
    if failure is None and app.builder.name == "html":
        for path in Path(app.outdir).rglob("*.html"):
            html = path.read_text(encoding="utf-8")
            for before, after in REACHABLE.items():
                html = html.replace(before, after)
            path.write_text(html, encoding="utf-8")


def setup(app: Any) -> None:
    app.connect("source-read", read_page)
    app.connect("build-finished", write_map)
    app.connect("build-finished", make_reachable)
