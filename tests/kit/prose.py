"""Sentences of Markdown pages, how long they are, and how easy a text is to read."""

import re

MAX_WORDS = 30
_APART = re.compile(r"\s*(\||[-*+] |\d+\. |#|>|<!--|\[\^|!\[)")  # tables, lists, headings, comments, pictures


def paragraphs(text: str, *, lists: bool = False) -> list[str]:
    """Return the paragraphs of a page as one line each: no code blocks, tables, headings or, unless asked, lists."""
    text = re.sub(r"^( *)(```+).*?^\1\2[^\S\n]*$", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    found = []
    for block in re.split(r"\n\s*\n", text):
        if lists and re.match(r"\s*([-*+]|\d+\.) ", block):
            found += [" ".join(item.split()) for item in re.split(r"(?m)^\s*(?:[-*+]|\d+\.) ", block) if item.strip()]
        elif block.strip() and not _APART.match(block):
            # A list right below its introduction belongs to it no more.
            found.append(" ".join(re.split(r"(?m)^\s*(?:[-*+]|\d+\.) ", block)[0].split()))
    return found


def sentences(paragraph: str) -> list[str]:
    """Return the sentences of a paragraph, with code as one word and links as their text.

    >>> sentences("Run `tagseg run a.toml`. See [the page](a.md), e.g. this one: it is short. Done!")
    ['Run CODE.', 'See the page, e.g. this one: it is short.', 'Done!']
    """
    text = re.sub(r"`[^`]*`", "CODE", paragraph)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"\*\*|(?<!\w)[*_]|[*_](?!\w)", "", text)
    parts = re.split(r"(?<=[.!?])[)\"']?\s+(?=[\"'(]?(?:[A-Z0-9]|tagseg|mIoU))", text)
    return [part.strip() for part in parts if part.strip()]


def words(sentence: str) -> list[str]:
    """Return the words of a sentence; numbers and code count as words."""
    return re.findall(r"[A-Za-z0-9][\w'./%+-]*", sentence)


def flesch(text: str) -> float:
    """Return Flesch's reading ease of a page: above 60 is plain English, below 30 is hard.

    206.835 - 1.015 words / sentences - 84.6 syllables / words, with syllables counted as groups of vowels.
    """
    said = [sentence.replace("CODE", "") for part in paragraphs(text, lists=True) for sentence in sentences(part)]
    spoken = [re.findall(r"[A-Za-z']+", sentence) for sentence in said]
    spoken = [each for each in spoken if each]
    every = [word for each in spoken for word in each]
    syllables = sum(syllables_of(word) for word in every)
    return 206.835 - 1.015 * len(every) / len(spoken) - 84.6 * syllables / len(every)


def syllables_of(word: str) -> int:
    """Return about how many syllables a word has.

    >>> [syllables_of(word) for word in ("mask", "image", "network", "made", "label")]
    [1, 2, 2, 1, 2]
    """
    groups = len(re.findall(r"[aeiouy]+", word.lower()))
    silent = word.lower().endswith("e") and not word.lower().endswith(("le", "ee")) and groups > 1
    return max(groups - silent, 1)
