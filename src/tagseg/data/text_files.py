"""Text of files that people's programs write: UTF-8 or UTF-16, with or without a byte-order mark, or Windows-1252."""

import codecs
import re
from pathlib import Path

from tagseg.data.problems import Problem, ProblemKind, report_problem

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it starts with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")


def decode_unicode(data: bytes) -> str:
    """Return the text of a file in UTF-8, UTF-16 or UTF-32: as its byte-order mark says, else as its bytes show.

    Raises:
        UnicodeDecodeError: when it is nothing of that; its ``start`` is the first byte that does not fit.

    >>> decode_unicode("Hündin".encode("utf-16")), decode_unicode("Hündin".encode("utf-8-sig"))
    ('Hündin', 'Hündin')
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding)
    start = data[:64]  # without a mark, every second byte of plain letters is zero
    for encoding, zeros, letters in (("utf-16-le", start[1::2], start[::2]), ("utf-16-be", start[::2], start[1::2])):
        if zeros and len(data) % 2 == 0 and not any(zeros) and all(letters):
            return data.decode(encoding)
    return data.decode("utf-8")


def decode_text(data: bytes) -> tuple[str, bool]:
    """Return the text of a file, and whether it was read as Windows-1252, in which Excel saves CSV in the West.

    What is not Unicode is Windows-1252 as long as that gives words of a Western language, with letters with accents
    between plain ones. Other old encodings, read so, would give other names without a word.

    Raises:
        UnicodeDecodeError: as :func:`decode_unicode`, and when it is not Windows-1252 either.

    >>> decode_text("Hündin".encode("cp1252")), decode_text("Hündin".encode("utf-8"))
    (('Hündin', True), ('Hündin', False))
    """
    try:
        return decode_unicode(data), False
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
        if not _is_western(text):
            raise
        return text, True


def read_names(path: Path, problems: list[Problem] | None) -> str:
    """Return the text of a file of names; where it was read as Windows-1252, that is reported with some of its words.

    Raises:
        OSError: when the file cannot be read.
        UnicodeDecodeError: as :func:`decode_text`.
    """
    text, is_windows = decode_text(path.read_bytes())
    if is_windows:
        words = ", ".join(strange_words(text))
        message = f"{path} should be UTF-8 text, got other bytes, read as Windows-1252: {words}"
        help = "save it as UTF-8 if these words are wrong"
        report_problem(Problem(ProblemKind.OTHER_ENCODING, path, message, help), problems)
    return text


def strange_words(text: str, *, count: int = 2) -> list[str]:
    """Return the first words of a text that have a letter beyond ASCII, for a message about its encoding.

    >>> strange_words("a.jpg,Hündin")
    ['Hündin']
    """
    return [word for word in re.findall(r"\w+", text) if not word.isascii()][:count]


def _is_western(text: str) -> bool:
    """Return whether letters beyond ASCII stand next to a plain one, alone or two together as in 'créée'."""
    for found in _BEYOND_ASCII.finditer(text):
        letters = found.group()
        before, after = text[max(found.start() - 1, 0) : found.start()], text[found.end() : found.end() + 1]
        if not letters.isalpha() or len(letters) > 2 or not (before.isalpha() or after.isalpha()):
            return False
        if letters[-1].isupper() and before.isalpha() and (before.islower() or after.islower()):
            return False
    return True
