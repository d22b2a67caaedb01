"""The table of changes fits the source: `make mutation` shows that a test fails for each of them."""

import ast
from collections import Counter

import pytest

from mutation.changes import CHANGES, Change
from mutation.run import ROOT, SOURCE, stands_once

LEAST = 30


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.what)
def test_the_text_stands_once_and_its_change_is_python(change: Change) -> None:
    assert stands_once(change)
    assert change.old != change.new
    ast.parse((SOURCE / "tagseg" / change.file).read_text().replace(change.old, change.new))
    assert change.tests and all((ROOT / "tests" / test).is_file() for test in change.tests)


def test_there_are_enough_and_each_is_named_once() -> None:
    assert len(CHANGES) >= LEAST
    assert [name for name, count in Counter(change.what for change in CHANGES).items() if count > 1] == []


def test_a_text_that_is_gone_is_seen() -> None:
    assert not stands_once(Change("gone", "ops/spacing.py", "no such text", "", "unit/ops/test_spacing.py"))
    assert not stands_once(Change("gone", "ops/no_such_file.py", "", "", "unit/ops/test_spacing.py"))
