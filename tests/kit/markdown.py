"""Links and headings of Markdown pages, as code hosts and the site read them."""

import re

FENCE = re.compile(r"^( *)(```+).*?^\1\2[^\S\n]*$", flags=re.MULTILINE | re.DOTALL)


def without_code(text: str) -> str:
    """Return a page without code, in which nothing is a link or a heading."""
    return re.sub(r"`[^`\n]*`", lambda code: re.sub(r"[\[\]()]", " ", code[0]), FENCE.sub("", text))


def links(text: str) -> list[str]:
    """Return where the links and pictures of a page lead.

    >>> links("[a](b.md#c) ![d](e.png) `[f](g.md)` [two\\nlines](h.md)")
    ['b.md#c', 'e.png', 'h.md']
    """
    return re.findall(r"\]\(([^()\s]+)\)", without_code(text))


def anchor(heading: str) -> str:
    """Return the name by which a heading is linked: small letters, hyphens, no other signs.

    >>> anchor("Scores of any masks: `tagseg evaluate`")
    'scores-of-any-masks-tagseg-evaluate'
    """
    kept = re.sub(r"[^\w\- ]", "", heading.replace("`", "").strip().lower())
    return kept.replace(" ", "-")


def anchors(text: str) -> set[str]:
    """Return the names of all headings of a page."""
    return {anchor(title) for title in re.findall(r"^#+ (.+)$", FENCE.sub("", text), flags=re.MULTILINE)}
