"""The documents as text: no dead link, no page that nobody finds, no long sentence, no worn-out word."""

import re
from pathlib import Path

import pytest
from kit.markdown import anchors, links
from kit.prose import MAX_WORDS, flesch, paragraphs, sentences, words

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
INDEX = DOCS / "index.md"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]
MAX_README_LINES = 150
WORN = ("beside", "besides", "told", "heard", "mend", "mends", "mended")
"""Words that stood in every other sentence once; messages of the program that a page quotes are code."""


def page_id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def prose(page: Path) -> list[str]:
    """Return the sentences of a page, without what the program or a record wrote into it."""
    text = page.read_text(encoding="utf-8")
    text = re.sub(r"<!-- (tree|demo-output) -->.*?<!-- /\1 -->", "", text, flags=re.DOTALL)
    return [sentence for paragraph in paragraphs(text) for sentence in sentences(paragraph)]


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_the_links_of_a_page_lead_to_files_and_headings(page: Path) -> None:
    dead = []
    for link in links(page.read_text(encoding="utf-8")):
        target, _, heading = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        file = page.parent / target if target else page
        if not file.exists() or (heading and heading not in anchors(file.read_text(encoding="utf-8"))):
            dead.append(link)
    assert dead == []


def test_a_dead_link_would_be_seen() -> None:
    text = "# One thing\n\n```\n# no heading\n```\n"
    assert anchors(text) == {"one-thing"}
    assert links("[here](gone.md#nowhere)") == ["gone.md#nowhere"]


def test_the_first_page_lists_every_page_once_in_the_order_of_the_site() -> None:
    text = INDEX.read_text(encoding="utf-8")
    listed = re.findall(r"^- \[[^]]+\]\(([\w/]+)\.md\): ", text, flags=re.MULTILINE)
    trees = re.findall(r"^```\{toctree\}\n(?::[^\n]*\n)+\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    assert listed == [name for tree in trees for name in tree.split()]
    pages = {page.relative_to(DOCS).with_suffix("").as_posix() for page in DOCS.rglob("*.md")}
    assert set(listed) == pages - {"index"}


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_no_sentence_is_long(page: Path) -> None:
    assert [said for said in prose(page) if len(words(said)) > MAX_WORDS] == []


def test_a_long_sentence_would_be_seen() -> None:
    (said,) = sentences(paragraphs("# Head\n\nOne" + " and one" * MAX_WORDS + ".\n\n| a table |\n")[0])
    assert len(words(said)) > MAX_WORDS


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.parent != ROOT or page.name == "README.md"], ids=page_id
)
def test_no_word_is_worn_out(page: Path) -> None:
    said = " ".join(prose(page)).lower()
    assert [word for word in WORN if re.search(rf"\b{word}\b", said)] == []


def test_the_pages_are_plain_english() -> None:
    """Above 60 is what ages 13 to 15 read with ease; a page of tables alone says little about it."""
    told = {page_id(page): flesch(page.read_text(encoding="utf-8")) for page in PAGES if len(prose(page)) >= 10}
    assert {name: round(ease) for name, ease in told.items() if ease < 50} == {}


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= MAX_README_LINES
