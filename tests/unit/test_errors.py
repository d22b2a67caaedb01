"""What a terminal shows of texts that come from anywhere."""

import pytest

from tagseg.errors import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("photos/größe 犬.jpg", "photos/größe 犬.jpg"),
        ("a\x1b[31mred\x1b[0m", r"a\x1b[31mred\x1b[0m"),
        ("a\x1b]0;title\x07", r"a\x1b]0;title\x07"),
        ("a\rb\nc\td\x00e", r"a\rb\nc\td\x00e"),
        ("a\x9b31m", r"a\x9b31m"),
        ("a\u202egpj.exe", r"a\u202egpj.exe"),
        ("a\u2028b", r"a\u2028b"),
        ("no text: \udcff", "no text: \udcff"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"),
    ],
)
def test_control_characters_are_shown_and_not_obeyed(text, shown):
    assert printable(text) == shown


def test_a_long_text_keeps_its_beginning_and_its_end():
    shown = printable("begin " + "x" * 5000 + " end")
    assert len(shown) <= 1000
    assert shown.startswith("begin xxx")
    assert shown.endswith("xxx end")
    assert " [...] " in shown


def test_a_text_that_is_as_long_as_it_may_be_stays():
    assert printable("x" * 1000) == "x" * 1000
