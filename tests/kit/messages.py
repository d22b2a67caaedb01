"""What our errors say: a table of messages is a list of rows, each a call that fails and its sentence word for word."""

from collections.abc import Callable
from typing import Any

import pytest

from tagseg.errors import TagsegError

ROW = ("call", "problem", "help")


def row(name: str, call: Any, problem: str, help: str) -> Any:
    """Return one row of a table for `pytest.mark.parametrize(ROW, [...])`, or with another first name than `call`.

    Args:
        name: what is wrong, in a few words with `_` between them; the id of the test.
        call: what fails, or the arguments of it.
        problem: what the error says is wrong.
        help: what it says to do next.
    """
    return pytest.param(call, problem, help, id=name)


def assert_says(call: Callable[[], object], kind: type[TagsegError], problem: str, help: str, **places: object) -> None:
    """Assert that a call fails with an error of a kind, and that it says exactly this.

    Args:
        call: what fails.
        kind: of the error.
        problem: what is wrong, without the help.
        help: the next move.
        places: values for words of the sentence that only the run of the test knows, such as `FOLDER=tmp_path`.
    """
    for word, value in places.items():
        problem, help = problem.replace(word, str(value)), help.replace(word, str(value))
    with pytest.raises(kind) as caught:
        call()
    assert (caught.value.problem, caught.value.help) == (problem, help)
    assert str(caught.value) == f"{problem}; {help}"
