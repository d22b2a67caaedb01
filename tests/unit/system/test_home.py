import os
from pathlib import Path

import pytest

from tagseg.system.home import with_home


def test_the_home_folder_takes_its_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert with_home("~/a.jpg") == os.fspath(tmp_path / "a.jpg")
    assert with_home("~") == os.fspath(tmp_path)


@pytest.mark.parametrize("word", ["a/~", "", "~no such user/a", "~\0/a", "~a\0", "~\ud800/a", "~\udcff", "\0"])
def test_a_word_that_names_no_home_stays_as_it_is(word: str) -> None:
    """Python raises ValueError for a user's name with a NUL, UnicodeEncodeError for one that is not text."""
    assert with_home(word) == word
