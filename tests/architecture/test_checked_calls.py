"""The test run checks every call, though it takes a shorter way than jaxtyping's own: each kind of fault is seen."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import jaxtyping
import numpy as np
import pytest
from beartype import beartype
from jaxtyping import Float
from kit.checked_calls import checked, names_arrays

Map = Float[np.ndarray, "H W"]


def add(one: Map, other: Map) -> Map:
    return one + other


def flat(one: Map) -> Map:
    return one.ravel()


def count(names: Sequence[str], times: int = 1) -> int:
    return len(names) * times if times < 9 else 0.5  # pyright: ignore[reportReturnType]


def each(one: Map, other: Map) -> Iterator[Map]:
    yield one + other


def quoted(one: "Map", other: "Map") -> "Map":
    return one + other


@dataclass
class Pair:
    one: Map
    other: Map


class Adder:
    @staticmethod
    def add(one: Map, other: Map) -> Map:
        return one + other


def short(thing: Any) -> Any:
    return checked(thing, typechecker=beartype)


def ones(*size: int) -> np.ndarray:
    return np.ones(size, np.float32)


@pytest.mark.parametrize("function", [add, quoted, each, Pair, Adder.add], ids=lambda function: function.__qualname__)
@pytest.mark.parametrize(
    ("one", "other"),
    [(ones(2, 3), ones(3, 2)), (ones(2), ones(2)), (ones(2, 3), np.ones((2, 3), int)), (ones(2, 3), [[1.0]])],
    ids=["sizes", "axes", "numbers", "no array"],
)
def test_arrays_that_do_not_fit_are_seen(function: Callable[..., Any], one: Any, other: Any) -> None:
    short(function)(ones(2, 3), ones(2, 3))
    with pytest.raises(Exception, match=r"(?i)type"):
        short(function)(one, other)


def test_an_array_that_does_not_fit_as_a_result_is_seen() -> None:
    with pytest.raises(Exception, match=r"(?i)violates|type-check"):
        short(flat)(ones(2, 3))


@pytest.mark.parametrize("words", [{"names": 3}, {"names": ["a"], "times": "2"}, {"names": ["a"], "times": 9}])
def test_a_function_without_arrays_is_checked_by_beartype_alone(words: dict[str, Any]) -> None:
    assert short(count)(["a", "b"], times=2) == 4
    with pytest.raises(Exception, match="violates"):
        short(count)(**words)


def test_sizes_of_one_call_are_forgotten_by_the_next_and_inside_of_it() -> None:
    within = short(add)

    @short
    def outer(one: Map) -> Map:
        return within(one[:1], one[:1])[:, :0] if within(one, one).size else one  # sizes of its own

    with pytest.raises(Exception, match=r"(?i)violates"):
        outer(ones(2, 3))
    assert within(ones(4, 5), ones(4, 5)).shape == (4, 5)


@pytest.mark.parametrize("function", [add, count])
def test_nothing_is_checked_while_checks_are_off(function: Callable[..., Any]) -> None:
    typed = short(function)
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        assert typed("1", "2" if function is add else 2) in ("12", 2)
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)
    with pytest.raises(Exception, match="violates"):
        typed("1", "2")


@pytest.mark.parametrize(
    ("hint", "found"),
    [
        (Map, True),
        (Map | None, True),
        (dict[str, list[Map]], True),
        (Callable[[Map], int], True),
        (Annotated[Map, "pixels"], True),
        ("Map", True),
        (Literal["Map"], False),
        (dict[str, int] | None, False),
        (Callable[..., np.ndarray], False),
        (None, False),
    ],
)
def test_arrays_are_found_at_any_depth_of_a_hint(hint: object, found: bool) -> None:
    assert names_arrays(hint) is found


def test_the_import_hook_takes_the_short_way() -> None:
    assert jaxtyping.jaxtyped is checked
